//! What a workload moves between caches and memory is on the page, as the group of resctrl counts it that the agent made; what has no
//! number just now is not.

use std::fs;

use crate::rehearsal::{Machine, end};
use crate::stand::until;

const GROUP: &str = "sys/fs/resctrl/mon_groups/busbar-batch";

#[test]
fn a_workloads_traffic_is_on_the_page_as_long_as_there_is_a_number() {
    let machine = Machine::new();
    machine.home.write(
        "agent.toml",
        "[agent]\nmode = \"enforce\"\n[reserved]\ncpus = \"0\"\n[metrics]\nper_workload = true\n",
    );
    for (file, text) in [
        (
            "info/L3_MON/mon_features",
            "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n",
        ),
        ("info/L3_MON/num_rmids", "2\n"),
        ("mon_data/mon_L3_00/mbm_total_bytes", "1\n"),
        ("mon_groups/.keep", ""),
    ] {
        machine.write(&format!("sys/fs/resctrl/{file}"), text);
    }
    let agent = machine.start();
    let ask = |name: &str| {
        machine.place(&format!(
            r#"{{"ask":{{"cpus":1,"exclusive":false,"name":"{name}"}},"command":"{name}"}}"#
        ))
    };
    let children = [ask("batch"), ask("other")];
    until("a group that counts", || {
        fs::exists(machine.home.path("machine").join(GROUP))
            .unwrap()
            .then_some(())
    });
    let count = |file: &str, text: &str| machine.write(&format!("{GROUP}/mon_data/mon_L3_00/{file}"), text);
    count("mbm_total_bytes", "4096\n");
    count("mbm_local_bytes", "Unavailable\n");
    count("llc_occupancy", "65536\n");
    let series = |scope: &str| {
        format!("busbar_workload_llc_memory_bytes_total{{workload=\"batch\",cache=\"0\",scope=\"{scope}\"}}")
    };
    let occupied = "busbar_workload_llc_occupancy_bytes{workload=\"batch\",cache=\"0\"} 65536";
    let total = format!("{} 4096", series("total"));
    // There are two numbers, and one is everybody's.
    let told = "busbar_workload_traffic_uncounted{workload=\"other\"} 1";
    machine.shows(&agent, &[&total, occupied, told], &series("local"));
    machine.told("memory traffic is not counted of other: ");
    count("mbm_total_bytes", "Error\n");
    machine.shows(&agent, &[occupied], &series("total"));
    drop(agent);
    end(children);
}
