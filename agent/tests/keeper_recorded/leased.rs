//! A rack leases power to a node: what falls is in the hardware before it is on disk, what rises after, and time, kills and boots
//! never raise anything.

use std::fs;
use std::sync::{Arc, Mutex};

use agent::reconcile::{Keeper, leave, leave_leased};
use agent_api::v1::{AgentEvent, Head, Lease, LeaseEnd, LeaseInForce};
use intent::{Mode, Squeeze};

use crate::acts::{LIMITS, watts};
use crate::fixture::{Fixture, NOW};
use crate::power::{ask, id, kinds, packages, run};

pub const BOOT: &str = "proc/sys/kernel/random/boot_id";
pub const LEDGER: &str = "state/ledger.json";

/// Two packages that draw 200 W each.
pub fn with_two() -> Fixture {
    let fixture = Fixture::v2();
    fixture.write(BOOT, "boot-1\n");
    for (number, limit) in LIMITS.iter().enumerate() {
        fixture.write(
            &format!("sys/class/powercap/intel-rapl:{number}/name"),
            &format!("package-{number}\n"),
        );
        fixture.write(limit, "200000000\n");
    }
    fixture
}

/// 300 W, 200 W after a loss and 100 W after two, heard at 1,000 and valid for 5 s.
pub fn lease(sequence: u64) -> Lease {
    Lease {
        rack: "r1".to_owned(),
        sequence,
        boot_id: "boot-1".to_owned(),
        heard_millis: 1_000,
        valid_millis: 5_000,
        cap_watts: watts(300),
        levels: vec![watts(200), watts(100)],
        level: 0,
        head: Head {
            sequence: 10,
            chain: "aa".to_owned(),
        },
    }
}

pub fn take(keeper: &mut Keeper, lease: &Lease, reading: u64) -> Vec<AgentEvent> {
    let mut events = keeper.take_lease(lease, NOW, reading).unwrap();
    events.extend(keeper.settle_lease(NOW));
    events
}

pub fn stands(keeper: &Keeper) -> LeaseInForce {
    keeper.lease_view(2_000).lease.unwrap()
}

/// The limits of both packages, in watts.
pub fn limits(fixture: &Fixture) -> Vec<u64> {
    let microwatts = LIMITS
        .iter()
        .map(|file| fixture.read(file).parse::<u64>().unwrap());
    microwatts.map(|limit| limit / 1_000_000).collect()
}

pub fn sum(fixture: &Fixture) -> u64 {
    limits(fixture).iter().sum()
}

fn end(sequence: u64) -> LeaseEnd {
    LeaseEnd {
        rack: "r1".to_owned(),
        sequence,
        boot_id: "boot-1".to_owned(),
    }
}

#[test]
fn a_lease_is_written_read_back_moved_to_a_level_and_ended() {
    let fixture = with_two();
    let mut keeper = fixture.open();
    assert_eq!((keeper.lease_view(7).lease, keeper.lease_ends()), (None, None));
    assert_eq!(kinds(&take(&mut keeper, &lease(7), 1_100)), ["lease_taken"]);
    assert_eq!(limits(&fixture), [150, 150]);
    let now = stands(&keeper);
    assert_eq!(
        (now.in_force_watts, now.applied, now.why_not),
        (Some(watts(300)), true, None)
    );
    assert_eq!(
        (keeper.lease_ends(), keeper.power_cap().unwrap().watts),
        (Some(6_000), watts(300))
    );
    let lost = Lease { level: 2, ..lease(8) };
    assert_eq!(kinds(&take(&mut keeper, &lost, 1_200)), ["lease_level"]);
    assert_eq!(
        (sum(&fixture), stands(&keeper).in_force_watts),
        (100, Some(watts(100)))
    );
    take(&mut keeper, &lease(9), 1_300);
    assert_eq!(sum(&fixture), 300);
    // Somebody else raises one: the sweep puts it back, and the view tells the truth meanwhile.
    fixture.write(LIMITS[0], "190000000\n");
    assert_eq!(kinds(&keeper.sweep(NOW)), ["drift_repaired"]);
    assert_eq!((sum(&fixture), stands(&keeper).applied), (300, true));
    let error = keeper.cap(watts(250), NOW).unwrap_err();
    assert_eq!(error.code(), "refused");
    assert!(
        error.to_string().contains("rack \"r1\" holds this node's lease"),
        "{error}"
    );
    assert_eq!(keeper.uncap(NOW).unwrap_err().code(), "refused");
    assert_eq!(
        keeper.end_lease(&end(8), NOW, 1_400).unwrap_err().code(),
        "conflict"
    );
    assert_eq!(
        kinds(&keeper.end_lease(&end(9), NOW, 1_400).unwrap()),
        ["lease_released"]
    );
    assert_eq!((limits(&fixture), keeper.power_cap()), (vec![200, 200], None));
    assert_eq!(
        keeper.lease_view(1_500).head.unwrap().sequence,
        10,
        "a journal's head outlives the lease"
    );
    keeper.cap(watts(250), NOW).unwrap();
    assert_eq!(sum(&fixture), 250, "a person's cap has its place again");
}

#[test]
fn what_falls_is_in_the_hardware_before_the_ledger_and_what_rises_after_it() {
    let fixture = with_two();
    let told: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (path, seen) = (fixture.path(LEDGER), Arc::clone(&told));
    // What the ledger says of the cap in force, at each write to the hardware.
    let watch = move |step: &isolators::Step| {
        if step.to_string().contains("constraint_0") {
            let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
            let ledger: serde_json::Value = serde_json::from_str(&text).unwrap();
            let target = ledger["leases"]["held"]["target"].as_u64().unwrap_or(0);
            seen.lock().unwrap().push(target);
        }
    };
    let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), Box::new(watch)).unwrap();
    take(&mut keeper, &lease(7), 1_100);
    take(&mut keeper, &Lease { level: 1, ..lease(8) }, 1_200);
    take(&mut keeper, &lease(9), 1_300);
    assert_eq!(*told.lock().unwrap(), [0, 0, 300, 300, 300, 300]);
}

#[test]
fn nobody_renews_and_level_1_is_written_once() {
    let fixture = with_two();
    let mut keeper = fixture.open();
    take(&mut keeper, &lease(7), 1_100);
    assert_eq!(keeper.expire_lease(NOW, 5_999), []);
    let told = keeper.expire_lease(NOW, 6_000);
    assert_eq!(kinds(&told), ["lease_expired"]);
    assert_eq!((sum(&fixture), stands(&keeper).expired), (200, true));
    assert_eq!(
        (keeper.expire_lease(NOW, 9_000), keeper.lease_ends()),
        (vec![], None)
    );
    let renewal = Lease {
        heard_millis: 9_000,
        ..lease(7)
    };
    assert_eq!(
        kinds(&take(&mut keeper, &renewal, 9_100)),
        ["lease_renewed_after_expiry"]
    );
    assert_eq!(sum(&fixture), 300);
    // What was lower than level 1 stays so.
    take(
        &mut keeper,
        &Lease {
            level: 2,
            heard_millis: 9_000,
            ..lease(8)
        },
        9_200,
    );
    keeper.expire_lease(NOW, 20_000);
    assert_eq!(sum(&fixture), 100);
}

#[test]
fn what_the_parts_cannot_keep_or_a_mode_forbids_arms_nothing() {
    let fixture = with_two();
    let mut keeper = fixture.open();
    let low = Lease {
        levels: vec![watts(200), watts(1)],
        ..lease(7)
    };
    let error = keeper.take_lease(&low, NOW, 1_100).unwrap_err();
    assert_eq!(error.code(), "bad_request");
    assert!(error.to_string().contains("expected at least 2 W"), "{error}");
    assert_eq!(
        (limits(&fixture), keeper.lease_view(1_100).lease),
        (vec![200, 200], None)
    );
    drop(keeper);
    let before = fixture.all("");
    let mut keeper = Keeper::open(fixture.config(Mode::Observe)).unwrap();
    let error = keeper.take_lease(&lease(7), NOW, 1_100).unwrap_err();
    assert_eq!(error.code(), "refused");
    assert!(
        error.to_string().contains("actuator power_cap is in observe"),
        "{error}"
    );
    assert_eq!(fixture.all(""), before);
    // A lease that an enforcing agent took stands where the mode forbids to act, and the view says so.
    let mut keeper = fixture.open();
    take(&mut keeper, &lease(7), 1_100);
    drop(keeper);
    let mut keeper = Keeper::open(fixture.config(Mode::Observe)).unwrap();
    let before = fixture.all("");
    assert_eq!(kinds(&keeper.expire_lease(NOW, 9_000)), ["lease_expired"]);
    keeper.sweep(NOW);
    assert_eq!(fixture.all(""), before);
    let why = stands(&keeper).why_not.unwrap();
    assert!(why.contains("power_cap is in observe"), "{why}");
}

#[test]
fn a_lease_takes_a_persons_cap_over_and_leaving_asks_for_force() {
    let fixture = with_two();
    let mut keeper = fixture.open();
    keeper.cap(watts(120), NOW).unwrap();
    take(&mut keeper, &lease(7), 1_100);
    assert_eq!(sum(&fixture), 300);
    drop(keeper);
    let error = leave(&fixture.root(), &fixture.path("state")).unwrap_err();
    assert_eq!(error.code(), "refused");
    assert!(error.to_string().contains("--force"), "{error}");
    assert_eq!(sum(&fixture), 300);
    let left = leave_leased(&fixture.root(), &fixture.path("state")).unwrap();
    assert_eq!((left.limits, limits(&fixture)), (2, vec![200, 200]));
    let mut keeper = fixture.open();
    keeper.sweep(NOW);
    assert_eq!(
        (keeper.lease_view(1_200).lease, limits(&fixture)),
        (None, vec![200, 200])
    );
}

#[test]
fn workloads_are_squeezed_for_a_lease_and_told_by_whom() {
    let fixture = with_two();
    fs::remove_dir_all(fixture.path("sys/class/powercap/intel-rapl:1")).unwrap();
    let mut keeper = fixture.open();
    let on = packages(1);
    keeper.look(&on);
    run(&mut keeper, ask("web", 4, true, 1, 100), 7, &on);
    let mut batch = ask("batch", 2, false, 2, 0);
    batch.ask.revocable = true;
    run(&mut keeper, batch, 8, &on);
    let small = Lease {
        cap_watts: watts(190),
        levels: vec![watts(120)],
        ..lease(7)
    };
    take(&mut keeper, &small, 1_100);
    assert_eq!(keeper.keep_power(NOW), []);
    take(
        &mut keeper,
        &Lease {
            level: 1,
            ..Lease { sequence: 8, ..small }
        },
        1_200,
    );
    assert_eq!(kinds(&keeper.keep_power(NOW)), ["workload_squeezed"]);
    let all = keeper.workloads();
    let batch = all.iter().find(|one| one.id == id("batch")).unwrap();
    let squeezed = batch.squeezed.as_ref().unwrap();
    assert!(matches!(squeezed.to, Squeeze::CpuTime { .. } | Squeeze::Still));
    assert!(
        squeezed.because.contains("(leased by rack \"r1\", level 1)"),
        "{}",
        squeezed.because
    );
}
