//! A workload is held to less CPU time for a time, and is let go by the clock, by a new start after a kill anywhere, by an order, by leave.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use agent::reconcile::{Keeper, KeeperError, Restraint, leave};
use intent::{Mode, WorkloadId};

use crate::crash::dies_before;
use crate::fixture::{Fixture, NOW, start};

const CPU_MAX: &str = "sys/fs/cgroup/busbar-shared/batch/cpu.max";
const FREE: &str = "200000 100000";
const HELD: &str = "10000 100000";

fn batch() -> WorkloadId {
    "batch".parse().unwrap()
}

#[test]
fn it_ends_by_the_clock_and_drift_is_put_right_meanwhile() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    start(&mut keeper, "batch", 2, false, 8);
    assert_eq!(fixture.read(CPU_MAX), FREE);
    let until = NOW.after(Duration::from_secs(300));
    assert_eq!(
        keeper
            .hold(&batch(), &Restraint::CpuTime(100), until)
            .unwrap()
            .len(),
        1
    );
    assert_eq!(fixture.read(CPU_MAX), HELD);
    assert_eq!(keeper.workloads()[0].held_to_millicpus, Some(100));
    assert_eq!(keeper.plan().unwrap(), []);
    fixture.write(CPU_MAX, "max 100000\n");
    assert_eq!(keeper.sweep(NOW)[0].kind, "drift_repaired");
    assert_eq!(fixture.read(CPU_MAX), HELD);
    assert_eq!(keeper.sweep(until)[0].kind, "antagonist_let_go");
    assert_eq!(fixture.read(CPU_MAX), FREE);
    assert_eq!(keeper.sweep(until), []);
    assert_eq!(keeper.let_go(&batch()).unwrap().len(), 0, "once is enough");
    // No more than it was promised, however much would be left to it.
    keeper.hold(&batch(), &Restraint::CpuTime(64_000), until).unwrap();
    assert_eq!(fixture.read(CPU_MAX), FREE);
}

#[test]
fn after_a_kill_between_any_two_steps_nobody_is_held_back() {
    std::panic::set_hook(Box::new(|_| ()));
    for make in [Fixture::v1 as fn() -> Fixture, Fixture::v2] {
        let mut step = 0;
        loop {
            let fixture = make();
            start(&mut fixture.open(), "batch", 2, false, 8);
            let before = fixture.all("sys");
            let (watch, _) = dies_before(step);
            let life = catch_unwind(AssertUnwindSafe(|| {
                let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
                keeper.hold(&batch(), &Restraint::CpuTime(100), NOW).unwrap();
                keeper.let_go(&batch()).unwrap();
                keeper.hold(&batch(), &Restraint::CpuTime(100), NOW).unwrap();
            }));
            let keeper = fixture.open();
            assert_eq!(keeper.plan().unwrap(), [], "step {step}: {:?}", keeper.found());
            assert_eq!(fixture.all("sys"), before, "step {step}: {:?}", keeper.found());
            if life.is_ok() {
                assert!(keeper.found().contains(&"held back no more: batch".to_owned()));
                break;
            }
            step += 1;
        }
        assert_eq!(step, 3, "each write was a place to die");
    }
    let _ = std::panic::take_hook();
}

#[test]
fn who_has_cpus_of_its_own_and_a_mode_that_forbids_it_are_refusals() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    start(&mut keeper, "batch", 2, false, 8);
    let said = keeper.hold(&web.id, &Restraint::CpuTime(100), NOW).unwrap_err();
    assert!(said.to_string().contains("has CPUs of its own"), "{said}");
    let gone = keeper
        .hold(&"gone".parse().unwrap(), &Restraint::CpuTime(100), NOW)
        .unwrap_err();
    assert!(matches!(gone, KeeperError::NotFound(_)), "{gone}");
    drop(keeper);
    let before = fixture.all("");
    let mut keeper = Keeper::open(fixture.config(Mode::Observe)).unwrap();
    let said = keeper
        .hold(&batch(), &Restraint::CpuTime(100), NOW)
        .unwrap_err()
        .to_string();
    assert!(said.contains("actuator cpu is in observe: would"), "{said}");
    assert_eq!(fixture.all(""), before);
}

#[test]
fn leave_and_an_orderly_stop_let_everybody_go() {
    let fixture = Fixture::v2();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    start(&mut keeper, "batch", 2, false, 8);
    keeper.hold(&batch(), &Restraint::CpuTime(100), NOW).unwrap();
    keeper.let_all_go();
    assert_eq!(fixture.read(CPU_MAX), FREE);
    keeper.hold(&batch(), &Restraint::CpuTime(100), NOW).unwrap();
    drop(keeper);
    fixture.write("proc/sys/kernel/random/boot_id", "boot-1\n");
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert!(left.kept.is_empty(), "{left}");
    assert_eq!(fixture.all("sys"), before);
}
