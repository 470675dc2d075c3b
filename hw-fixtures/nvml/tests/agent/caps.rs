//! `busbar cap` on a machine with GPUs: limits go through the library, survive a kill, and come back on an orderly end only.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::stand::{Stand, world};

/// Generous: the sweep comes each second.
const WITHIN: Duration = Duration::from_secs(30);

/// Limits are the machine's: of two agents that cap it, one is refused. So one test at a time.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_cap_reaches_the_gpus_and_only_an_orderly_end_gives_the_limits_back() {
    let _turn = turn();
    let Some(stand) = Stand::with(&world(2, (9, ""))) else {
        return;
    };
    let Some(agent) = stand.run_capping() else { return };
    let (said, code) = stand.busbar(&["cap", "--watts", "900"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("GPU-0 has 450 W") && said.contains("GPU-1 has 450 W"),
        "{said}"
    );
    assert_eq!(stand.limits(), "\"GPU-0\" = 450000\n\"GPU-1\" = 450000\n");
    agent
        .page_with("busbar_gpu_power_limit_watts{gpu=\"nvidia1\",gpu_uuid=\"GPU-1\",constraint=\"set\"} 450");
    // Killed: what is in force stays, and the next agent still knows what was there first.
    drop(agent);
    assert!(stand.limits().contains("450000"));
    let agent = stand.run_capping().unwrap();
    assert!(stand.limits().contains("450000"), "a start frees nothing");
    // Somebody raises one of them: the sweep of the agent that started anew puts it right.
    let text = stand.limits().replace("\"GPU-1\" = 450000", "\"GPU-1\" = 650000");
    std::fs::write(stand.path("nvml.limits.toml"), text).unwrap();
    let until = Instant::now() + WITHIN;
    while stand.limits().contains("650000") {
        assert!(Instant::now() < until, "{}", stand.limits());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(stand.limits(), "\"GPU-0\" = 450000\n\"GPU-1\" = 450000\n");
    let (said, _) = stand.busbar(&["cap", "--watts", "5000"]);
    assert!(said.contains("GPU-0 has 700 W"), "{said}");
    let (said, code) = stand.busbar(&["cap", "--watts", "399"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("expected at least 400 W"), "{said}");
    stand.busbar(&["cap", "--watts", "400"]);
    assert_eq!(stand.limits(), "\"GPU-0\" = 200000\n\"GPU-1\" = 200000\n");
    let (said, code) = stand.busbar(&["cap", "--release"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(stand.limits(), "\"GPU-0\" = 700000\n\"GPU-1\" = 700000\n");
    stand.busbar(&["cap", "--watts", "500"]);
    drop(agent);
    let said = stand.leave();
    assert!(said.contains("2 power limits put back; nothing left"), "{said}");
    assert_eq!(stand.limits(), "\"GPU-0\" = 700000\n\"GPU-1\" = 700000\n");
}

#[test]
fn a_gpu_that_forgets_refuses_or_hangs_is_said() {
    let _turn = turn();
    let Some(stand) = Stand::with(&world(2, (9, ""))) else {
        return;
    };
    let Some(_agent) = stand.run_capping() else { return };
    stand.say(&world(2, (9, "")).replace("persistence = true", "persistence = false"));
    let (said, code) = stand.busbar(&["cap", "--watts", "900"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("GPU-0, GPU-1") && said.contains("nvidia-persistenced"),
        "{said}"
    );
    let refuses = "faults = { nvmlDeviceSetPowerManagementLimit = \"no_permission\" }";
    stand.say(&world(2, (1, refuses)));
    let (said, code) = stand.busbar(&["cap", "--watts", "900"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("nvmlDeviceSetPowerManagementLimit(GPU-1, 450000 mW)"),
        "{said}"
    );
    let cannot = "faults = { nvmlDeviceGetPowerManagementLimitConstraints = \"not_supported\" }";
    stand.say(&world(2, (1, cannot)));
    let (said, code) = stand.busbar(&["cap", "--watts", "300"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not in it: GPU 1 takes no power limit"), "{said}");
    stand.say(&world(
        2,
        (1, "faults = { nvmlDeviceGetPowerManagementLimit = \"hang\" }"),
    ));
    let (said, code) = stand.busbar(&["cap", "--watts", "900"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("did not answer"), "{said}");
}
