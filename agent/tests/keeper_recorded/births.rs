//! A child that is born in its workload's cgroups, on hosts of plain files: what an older kernel does not do, and who is awaited.

use std::fs;

use agent::reconcile::{Keeper, KeeperError};
use agent_api::v1::RunRequest;
use intent::Mode;
use isolators::Step;

use crate::fixture::{Fixture, NOW, machine, request};

const GROUP: &str = "sys/fs/cgroup/busbar/web";

fn entering() -> RunRequest {
    RunRequest {
        enters: true,
        ..request("web", 2, true)
    }
}

/// Process 8 is a child of process 7, and was born in the workload's cgroup.
fn bear(fixture: &Fixture, allowed: &str) {
    fixture.write(
        "proc/8/stat",
        "8 (child) S 7 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 478 0 0",
    );
    fixture.write("proc/8/cgroup", "0::/busbar/web\n");
    fixture.write("proc/8/status", &format!("Cpus_allowed_list:\t{allowed}\n"));
    fixture.write("sys/fs/cgroup/user/cgroup.procs", "7\n9\n");
    fixture.write(&format!("{GROUP}/cgroup.procs"), "8\n");
}

#[test]
fn a_kernel_that_forgets_the_cpus_of_who_is_born_is_told_by_a_move() {
    let fixture = Fixture::v2();
    let status = fixture.path("proc/8/status");
    let mut moves = 0;
    // The kernel's part: whoever is moved into a cpuset has its CPUs.
    let watch = move |step: &Step| {
        if let Step::MoveProcess { pid: 8, to, .. } = step {
            moves += 1;
            let cpus = if to.ends_with("busbar/web") { "1-2" } else { "0-7" };
            assert!(moves <= 2, "out and in, and no more");
            fs::write(&status, format!("Cpus_allowed_list:\t{cpus}\n")).unwrap();
        }
    };
    let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), Box::new(watch)).unwrap();
    let workload = keeper.start(entering(), 7, 0, &machine(8), NOW).unwrap();
    assert_eq!(
        (workload.awaits, workload.cpus.to_string().as_str()),
        (true, "1-2")
    );
    bear(&fixture, "0-7");
    let entered = keeper.entered(&workload.id, true, 7).unwrap();
    assert_eq!((entered.pid, entered.awaits), (8, false));
    assert_eq!(fixture.read(&format!("{GROUP}/cgroup.procs")), "8");
    assert_eq!(fixture.read("proc/8/status"), "Cpus_allowed_list:\t1-2");
}

#[test]
fn a_kernel_that_gives_it_its_cpus_moves_nobody() {
    let fixture = Fixture::v2();
    let watch = |step: &Step| assert!(!matches!(step, Step::MoveProcess { .. }), "{step}");
    let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), Box::new(watch)).unwrap();
    let workload = keeper.start(entering(), 7, 0, &machine(8), NOW).unwrap();
    bear(&fixture, "1-2");
    let entered = keeper.entered(&workload.id, true, 7).unwrap();
    assert_eq!(entered.pid, 8);
    assert_eq!(keeper.workloads(), [entered]);
    // An agent that starts again keeps it.
    drop(keeper);
    assert_eq!(fixture.open().workloads().len(), 1);
}

#[test]
fn only_root_is_awaited() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let workload = keeper.start(entering(), 7, 1_000, &machine(8), NOW).unwrap();
    assert!(!workload.awaits);
    assert_eq!(fixture.read(&format!("{GROUP}/cgroup.procs")), "7");
    let error = keeper.entered(&workload.id, false, 7).unwrap_err();
    assert!(matches!(error, KeeperError::Conflict(_)), "{error}");
}

const MASK: &str = "proc/irq/default_smp_affinity";

/// A host whose interrupts can be moved.
fn with_interrupts() -> Fixture {
    let fixture = Fixture::v2();
    fixture.write(MASK, "ff\n");
    fixture.write("sys/devices/system/cpu/online", "0-7\n");
    fixture
}

#[test]
fn the_child_may_be_born_before_all_is_done_and_its_command_may_not_begin() {
    let fixture = with_interrupts();
    let mut keeper = fixture.open();
    let begun = keeper.begin(entering(), 7, 0, &machine(8), NOW).unwrap();
    assert!(begun.awaits);
    assert_eq!(fixture.read(&format!("{GROUP}/cpuset.cpus")), "1-2");
    assert_eq!(fixture.read(MASK), "ff", "that is left for when it is born");
    bear(&fixture, "1-2");
    // Whoever comes for the second half before that was done, waits until it is.
    let entered = keeper.entered(&begun.id, true, 7).unwrap();
    assert_eq!(entered.pid, 8);
    assert_eq!(fixture.read(MASK), "f9");
    assert!(
        entered
            .steps
            .iter()
            .any(|step| step.contains("default_smp_affinity"))
    );
}

#[test]
fn an_agent_that_is_killed_between_the_halves_leaves_nothing() {
    let fixture = with_interrupts();
    let mut keeper = fixture.open();
    keeper.begin(entering(), 7, 0, &machine(8), NOW).unwrap();
    // As a kill does: nothing is tidied up.
    drop(keeper);
    let keeper = fixture.open();
    assert!(keeper.workloads().is_empty());
    assert!(!fixture.path(GROUP).exists());
    assert_eq!(fixture.read(MASK), "ff");
}

#[test]
fn what_goes_wrong_between_the_halves_is_undone_and_told_with_the_second() {
    let fixture = with_interrupts();
    let mut keeper = fixture.open();
    let begun = keeper.begin(entering(), 7, 0, &machine(8), NOW).unwrap();
    // The kernel says what is no text.
    fs::write(fixture.path(&format!("{GROUP}/cpuset.mems")), [0xff]).unwrap();
    let error = keeper.complete(&begun.id).unwrap_err().to_string();
    assert!(error.contains("cpuset.mems"), "{error}");
    assert!(!fixture.path(GROUP).exists());
    let told = keeper.entered(&begun.id, true, 7).unwrap_err().to_string();
    assert!(
        told.contains("cpuset.mems") && told.contains("nothing is left"),
        "{told}"
    );
    let again = keeper.entered(&begun.id, true, 7).unwrap_err();
    assert!(matches!(again, KeeperError::Conflict(_)), "{again}");
}
