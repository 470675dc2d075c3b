//! Crashes, failures half-way, reboots and damaged ledgers.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent::reconcile::{Keeper, KeeperConfig, StepWatch, leave};
use intent::Mode;

use crate::fixture::{Fixture, NOW, machine, request, start};

/// Panics before a step, which leaves memory and disk as a kill there would.
pub fn dies_before(step: usize) -> (StepWatch, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let watch = move |_: &isolators::Step| {
        assert!(count.fetch_add(1, Ordering::SeqCst) != step, "killed");
    };
    (Box::new(watch), seen)
}

#[test]
fn after_a_crash_between_any_two_steps_the_next_agent_converges() {
    std::panic::set_hook(Box::new(|_| ()));
    for make in [Fixture::v1 as fn() -> Fixture, Fixture::v2] {
        let mut step = 0;
        let survived = loop {
            let fixture = make();
            let before = fixture.all("sys");
            let (watch, seen) = dies_before(step);
            let life = catch_unwind(AssertUnwindSafe(|| {
                let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
                start(&mut keeper, "batch", 1, false, 8);
                let web = start(&mut keeper, "web", 2, true, 7);
                keeper.end(&web.id, NOW).unwrap();
                keeper.end(&"batch".parse().unwrap(), NOW).unwrap();
            }));
            let mut keeper = fixture.open();
            keeper.look(&machine(8));
            keeper.sweep(NOW);
            assert_eq!(keeper.plan().unwrap(), [], "step {step}: {:?}", keeper.found());
            for workload in keeper.workloads() {
                let dir = workload.cgroups[0].trim_start_matches('/').to_owned();
                assert_eq!(
                    fixture.read(&format!("{dir}/cpuset.cpus")),
                    workload.cpus.to_string()
                );
                assert_eq!(
                    fixture.read(&format!("{dir}/cgroup.procs")),
                    workload.pid.to_string()
                );
                keeper.end(&workload.id, NOW).unwrap();
            }
            let after = fixture.all("sys");
            assert_eq!(
                after,
                before,
                "step {step} of {}: {:?}",
                seen.load(Ordering::SeqCst),
                keeper.found()
            );
            if life.is_ok() {
                break step;
            }
            step += 1;
        };
        assert!(survived > 15, "only {survived} steps were tried");
    }
    let _ = std::panic::take_hook();
}

#[test]
fn a_step_that_fails_is_undone_and_told() {
    let fixture = Fixture::v1();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    let limit = fixture.path("sys/fs/cgroup/memory/busbar/web/memory.limit_in_bytes");
    let watch = fixture.path("sys/fs/cgroup/memory/busbar/web");
    drop(keeper);
    // As soon as the directory is there, its limit takes no writes.
    let hook = move |_: &isolators::Step| {
        if watch.is_dir() && fs::symlink_metadata(&limit).is_err() {
            std::os::unix::fs::symlink("/dev/full", &limit).unwrap();
        }
    };
    keeper = Keeper::open_watched(fixture.config(Mode::Enforce), Box::new(hook)).unwrap();
    let error = keeper
        .start(request("web", 2, true), 7, 0, &machine(8), NOW)
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("memory.limit_in_bytes"), "{text}");
    assert!(text.contains("No space left"), "the kernel's reason: {text}");
    assert!(text.contains("nothing is left of web"), "{text}");
    assert_eq!(fixture.all("sys"), before);
    assert_eq!(keeper.plan().unwrap(), []);
    assert!(
        keeper.generation().0 >= 2,
        "the failed intent and its end have numbers"
    );
}

#[test]
fn another_boot_forgets_the_workloads_of_the_one_before() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 1, true, 7);
    let generation = keeper.generation();
    drop(keeper);
    fs::remove_dir_all(fixture.path("sys/fs/cgroup/cpuset/busbar")).unwrap();
    fs::remove_dir_all(fixture.path("sys/fs/cgroup/memory/busbar")).unwrap();
    let config = KeeperConfig {
        boot_id: "boot-2".to_owned(),
        ..fixture.config(Mode::Enforce)
    };
    let keeper = Keeper::open(config).unwrap();
    assert!(
        keeper.found()[0].contains("gone with the boot before are web"),
        "{:?}",
        keeper.found()
    );
    assert_eq!(keeper.workloads(), []);
    assert!(keeper.generation() > generation, "generations never go back");
    assert_eq!(keeper.owner(&web.id), None);
}

#[test]
fn a_damaged_ledger_stops_the_agent_and_is_left_as_it_is() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    start(&mut keeper, "web", 1, true, 7);
    drop(keeper);
    let ledger = fixture.path("state/ledger.json");
    let cut = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, &cut[..cut.len() - 20]).unwrap();
    let before = fixture.all("");
    let error = Keeper::open(fixture.config(Mode::Enforce)).unwrap_err();
    assert!(error.to_string().contains("ledger.json, line "), "{error}");
    assert!(error.to_string().contains("Ways out"), "{error}");
    assert!(leave(&fixture.root(), &fixture.path("state")).is_err());
    assert_eq!(fixture.all(""), before);
    assert!(Path::new(&ledger).exists());
}
