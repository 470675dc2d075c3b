//! Ends under a cap: `leave` with a squeeze in force, and a workload that stands still and is asked to end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use agent::reconcile::{Keeper, KeeperError, Restraint, leave};
use agent_api::v1::Grade;
use intent::{Mode, Squeeze};

use crate::acts::{LIMITS, watts};
use crate::crash::dies_before;
use crate::fixture::{Fixture, NOW};
use crate::power::{CPU_MAX, FREEZE, OTHERS, ask, id, packages, run, squeezed, story, with_one};

/// `batch` has the time of two CPUs; a twentieth of it.
const LEAST: &str = "10000 100000";
const ALL: &str = "200000 100000";

/// Under 120 W `batch` stands still and `other` gives a part of its time.
fn squeezed_story(fixture: &Fixture) -> Keeper {
    let mut keeper = story(fixture);
    keeper.cap(watts(120), NOW).unwrap();
    keeper.sweep(NOW);
    assert_eq!(squeezed(&keeper, "batch"), Some(Squeeze::Still));
    keeper
}

#[test]
fn leave_sets_those_going_that_it_cannot_take_out() {
    let fixture = with_one();
    drop(squeezed_story(&fixture));
    // Both have a process in a cgroup of their own making that comes back as fast as it is moved.
    for (name, pid) in [("batch", 8), ("other", 9)] {
        let procs = format!("sys/fs/cgroup/busbar-shared/{name}/theirs/cgroup.procs");
        fixture.write(&procs, &format!("{pid}\n"));
    }
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    let stays = |name: &str| {
        left.kept
            .iter()
            .any(|why| why.contains(&format!("workload {name}: ")))
    };
    assert!(stays("batch") && stays("other") && left.limits == 1, "{left}");
    assert_eq!(fixture.read(LIMITS[0]), "200000000");
    // No agent will come that would let them go.
    assert_eq!(
        (fixture.read(FREEZE).as_str(), fixture.read(CPU_MAX).as_str()),
        ("0", ALL)
    );
    assert_eq!(fixture.read(OTHERS), "100000 100000");
}

#[test]
fn one_that_stands_still_for_the_cap_and_is_asked_to_end_goes_on_with_the_least_time() {
    let fixture = with_one();
    let mut keeper = squeezed_story(&fixture);
    assert_eq!(keeper.let_end(&id("batch")).unwrap().len(), 2);
    for _ in 0..2 {
        assert_eq!(
            (fixture.read(FREEZE).as_str(), fixture.read(CPU_MAX).as_str()),
            ("0", LEAST)
        );
        assert_eq!(keeper.sweep(NOW), [], "it is not made to stand still again");
        assert_eq!(
            squeezed(&keeper, "batch"),
            Some(Squeeze::CpuTime { millicpus: 100 })
        );
        assert_eq!(
            (
                keeper.plan().unwrap().len(),
                keeper.let_end(&id("batch")).unwrap()
            ),
            (0, vec![])
        );
        // The limit is what it was, also with another agent.
        assert_eq!(fixture.read(LIMITS[0]), "120000000");
        drop(keeper);
        keeper = fixture.open();
        keeper.look(&packages(1));
    }
    keeper.uncap(NOW).unwrap();
    keeper.sweep(NOW);
    assert_eq!(fixture.read(CPU_MAX), ALL);
    assert!(matches!(
        keeper.let_end(&id("gone")),
        Err(KeeperError::NotFound(_))
    ));
}

#[test]
fn one_with_cpus_of_its_own_goes_on_with_all_of_them() {
    let fixture = with_one();
    let mut keeper = fixture.open();
    run(&mut keeper, ask("web", 4, true, 1, 100), 7, &packages(1));
    let mut spare = ask("spare", 2, true, 9, 0);
    spare.ask.revocable = true;
    run(&mut keeper, spare, 8, &packages(1));
    keeper.cap(watts(140), NOW).unwrap();
    keeper.sweep(NOW);
    let freeze = "sys/fs/cgroup/busbar/spare/cgroup.freeze";
    assert_eq!(fixture.read(freeze), "1");
    keeper.let_end(&id("spare")).unwrap();
    keeper.sweep(NOW);
    assert_eq!(
        (fixture.read(freeze).as_str(), squeezed(&keeper, "spare")),
        ("0", None)
    );
}

#[test]
fn one_that_the_loop_or_a_person_stopped_goes_on_too() {
    let fixture = with_one();
    let mut keeper = story(&fixture);
    let until = NOW.after(Duration::from_secs(300));
    let batch = |keeper: &Keeper| {
        keeper
            .workloads()
            .into_iter()
            .find(|one| one.id == id("batch"))
            .unwrap()
    };
    keeper.freeze(&id("other"), true).unwrap();
    keeper.let_end(&id("other")).unwrap();
    assert_eq!(
        fixture.read("sys/fs/cgroup/busbar-shared/other/cgroup.freeze"),
        "0"
    );
    keeper.hold(&id("batch"), &Restraint::Still, until).unwrap();
    assert_eq!(fixture.read(FREEZE), "1");
    keeper.let_end(&id("batch")).unwrap();
    assert_eq!(
        (
            fixture.read(FREEZE).as_str(),
            fixture.read(CPU_MAX).as_str(),
            batch(&keeper).held
        ),
        ("0", LEAST, Some(Grade::CpuMax))
    );
    let again = keeper.hold(&id("batch"), &Restraint::Still, until).unwrap_err();
    assert!(again.to_string().contains("was asked to end"), "{again}");
    // It ends with its time, as if nobody had asked.
    assert_eq!(keeper.sweep(until)[0].kind, "antagonist_let_go");
    assert_eq!((fixture.read(CPU_MAX).as_str(), batch(&keeper).held), (ALL, None));
    // A person may have it stand still all the same.
    keeper.freeze(&id("batch"), true).unwrap();
    assert_eq!(fixture.read(FREEZE), "1");
}

#[test]
fn killed_between_any_two_steps_one_that_was_asked_to_end_goes_on() {
    std::panic::set_hook(Box::new(|_| ()));
    let mut step = 0;
    loop {
        let fixture = with_one();
        drop(squeezed_story(&fixture));
        let (watch, _) = dies_before(step);
        let life = catch_unwind(AssertUnwindSafe(|| {
            let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
            keeper.let_end(&id("batch")).unwrap();
        }));
        let mut keeper = fixture.open();
        keeper.look(&packages(1));
        keeper.sweep(NOW);
        assert_eq!(
            (fixture.read(FREEZE).as_str(), fixture.read(CPU_MAX).as_str()),
            ("0", LEAST),
            "step {step}: {:?}",
            keeper.found()
        );
        assert_eq!((keeper.sweep(NOW), keeper.plan().unwrap()), (vec![], vec![]));
        if life.is_ok() {
            break;
        }
        step += 1;
    }
    assert_eq!(step, 2, "each write was a place to die");
    let _ = std::panic::take_hook();
}
