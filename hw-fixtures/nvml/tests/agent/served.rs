//! What `busbar-agent run` serves while GPUs work, report errors, fall off the bus, and hang.

use crate::stand::{Stand, world};

#[test]
fn a_page_has_the_gpus_and_loses_one_that_falls_off_the_bus() {
    let Some(stand) = Stand::with(&world(2, (9, ""))) else {
        return;
    };
    let agent = stand.run();
    let page = agent.page_with("busbar_source_up{source=\"nvml\"} 1");
    for line in [
        "busbar_gpu_power_watts{gpu=\"nvidia0\",gpu_uuid=\"GPU-0\"} 412.5",
        "busbar_gpu_energy_joules_total{gpu=\"nvidia1\",gpu_uuid=\"GPU-1\"} 1234567.89",
        "busbar_gpu_utilization_ratio{gpu=\"nvidia0\",gpu_uuid=\"GPU-0\",engine=\"sm\"} 0.73",
        "busbar_gpu_throttle_seconds_total{gpu=\"nvidia0\",gpu_uuid=\"GPU-0\",reason=\"power\"} 1.5",
        "busbar_gpu_clock_hertz{gpu=\"nvidia0\",gpu_uuid=\"GPU-0\",domain=\"sm\"} 1755000000",
    ] {
        assert!(page.lines().any(|seen| seen == line), "{line}\n{page}");
    }
    assert!(!page.contains("engine=\"decoder\""), "absent is not zero");
    assert!(!page.contains("busbar_gpu_xid"), "no error was reported");

    stand.say(&world(2, (1, "xids = [63]")));
    let xid = "busbar_gpu_xid_errors_total{gpu=\"nvidia1\",gpu_uuid=\"GPU-1\",xid=\"63\"} 1";
    agent.page_with(xid);

    stand.say(&world(2, (1, "xids = [63, 79]\nlost = true")));
    let page = agent.page_with("busbar_source_up{source=\"nvml/0000:19:00.0\"} 0");
    assert!(!page.contains("GPU-1"), "its series are gone\n{page}");
    assert!(page.contains("busbar_gpu_power_watts{gpu=\"nvidia0\",gpu_uuid=\"GPU-0\"} 412.5"));
    let facts = agent.get("/v1/facts");
    assert!(facts.contains("the GPU fell off the bus after XID 79"), "{facts}");

    stand.say(&world(2, (9, "")));
    agent.page_with("busbar_gpu_power_watts{gpu=\"nvidia1\",gpu_uuid=\"GPU-1\"} 412.5");
}

#[test]
fn a_call_that_hangs_holds_up_no_scrape_and_its_source_goes_down() {
    let hang = "faults = { nvmlDeviceGetPowerUsage = \"hang\" }";
    let Some(stand) = Stand::with(&world(2, (9, ""))) else {
        return;
    };
    let agent = stand.run();
    agent.page_with("busbar_source_up{source=\"nvml\"} 1");
    stand.say(&world(2, (1, hang)));
    let page = agent.page_with("busbar_source_status_info{source=\"nvml\",reason=\"timeout\"} 1");
    assert!(page.contains("busbar_source_up{source=\"nvml\"} 0\n"), "{page}");
    // Everybody else goes on.
    assert!(page.contains("busbar_source_up{source=\"cpu\"} 1\n"), "{page}");
    // What nobody renews is dropped, and the call that came back after all brings it again.
    crate::stand::until("old values go", || {
        (!agent.get("/metrics").contains("busbar_gpu_power_watts")).then_some(())
    });
    stand.say(&world(2, (9, "")));
    agent.page_with("busbar_source_up{source=\"nvml\"} 1");
}
