//! The other grades: a part of the cache, CPUs away from the victim, standing still. Each ends by the clock, by an order, by
//! leave, and by a new start after a kill between any two steps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use agent::reconcile::{Keeper, KeeperError, Restraint, leave};
use agent_api::v1::Grade;
use facts::topology::{Cache, CacheKind};
use facts::{Inventory, Moment};
use intent::{Mode, Share, WorkloadId};

use crate::crash::dies_before;
use crate::fixture::{Fixture, NOW, machine, request};
use crate::grants::with_resctrl;

const CLASS: &str = "sys/fs/resctrl/busbar-batch";
const CPUS: &str = "sys/fs/cgroup/busbar-shared/batch/cpuset.cpus";
const FREEZE: &str = "sys/fs/cgroup/busbar-shared/batch/cgroup.freeze";

fn batch() -> WorkloadId {
    "batch".parse().unwrap()
}

fn share(thousandths: u64) -> Share {
    Share::new(thousandths).unwrap()
}

fn all() -> [Restraint; 4] {
    [
        Restraint::Cache(share(100), share(100)),
        Restraint::CpuTime(100),
        Restraint::AwayFrom("web".parse().unwrap()),
        Restraint::Still,
    ]
}

/// Eight cores under two caches.
pub fn caches() -> Inventory {
    let cache = |cpus: &str| Cache {
        level: 3,
        kind: CacheKind::Unified,
        size_bytes: None,
        cpus: cpus.parse().unwrap(),
    };
    Inventory {
        caches: vec![cache("0-3"), cache("4-7")],
        ..machine(8)
    }
}

/// A victim with CPUs 1-2 and a neighbour that shares the others.
fn node() -> (Fixture, Keeper) {
    let fixture = Fixture::v2();
    with_resctrl(&fixture);
    fixture.write("proc/8/task/8/comm", "asker\n");
    let mut keeper = fixture.open();
    for (name, is_exclusive, pid) in [("web", true, 7), ("batch", false, 8)] {
        keeper
            .start(request(name, 2, is_exclusive), pid, 0, &caches(), NOW)
            .unwrap();
    }
    (fixture, keeper)
}

fn later() -> Moment {
    NOW.after(Duration::from_secs(300))
}

fn held(keeper: &Keeper) -> Option<Grade> {
    let workloads = keeper.workloads();
    workloads.iter().find(|one| one.id == batch()).unwrap().held
}

#[test]
fn a_part_of_the_cache_is_a_class_that_ends_with_its_time() {
    let (fixture, mut keeper) = node();
    let before = fixture.all("sys");
    keeper.hold(&batch(), &all()[0], later()).unwrap();
    assert_eq!(
        fixture.read(&format!("{CLASS}/schemata")),
        "L3:0=3;1=3\nMB:0=10;1=10"
    );
    assert_eq!(fixture.read(&format!("{CLASS}/tasks")), "8");
    assert_eq!(
        fixture.read("sys/fs/resctrl/schemata"),
        "MB:0=100;1=100\nL3:0=fff;1=fff",
        "it takes nothing from anybody else"
    );
    assert_eq!(
        (held(&keeper), keeper.plan().unwrap().len()),
        (Some(Grade::Cache), 0)
    );
    fixture.write(&format!("{CLASS}/schemata"), "L3:0=fff;1=fff\nMB:0=100;1=100\n");
    assert_eq!(keeper.sweep(NOW)[0].kind, "drift_repaired");
    assert_eq!(fixture.read(&format!("{CLASS}/schemata")).lines().count(), 2);
    assert_eq!(keeper.sweep(later())[0].kind, "antagonist_let_go");
    assert_eq!((fixture.all("sys"), held(&keeper)), (before, None));
}

#[test]
fn away_from_a_victim_is_under_another_cache_and_back_among_all_when_over() {
    let (fixture, mut keeper) = node();
    let before = fixture.all("sys");
    assert_eq!(fixture.read(CPUS), "0,3-7");
    keeper.hold(&batch(), &all()[2], later()).unwrap();
    assert_eq!(
        (fixture.read(CPUS).as_str(), held(&keeper)),
        ("4-7", Some(Grade::Move))
    );
    assert_eq!(keeper.sweep(NOW), [], "a sweep does not take it for drift");
    // Others come meanwhile: of what it may use it gets what is shared still.
    let db = keeper
        .start(request("db", 2, true), 9, 0, &caches(), NOW)
        .unwrap();
    let left = "4-7".parse::<facts::CpuSet>().unwrap().difference(&db.cpus);
    assert_eq!(fixture.read(CPUS), left.to_string());
    keeper.end(&db.id, NOW).unwrap();
    assert_eq!(fixture.read(CPUS), "4-7");
    keeper.let_go(&batch()).unwrap();
    assert_eq!((fixture.all("sys"), held(&keeper)), (before, None));
    // On a machine with one cache there is nowhere to go.
    keeper.look(&machine(8));
    let said = keeper.hold(&batch(), &all()[2], later()).unwrap_err().to_string();
    assert!(
        said.contains("no shared CPU lies under another last-level cache"),
        "{said}"
    );
    let gone = Restraint::AwayFrom("gone".parse().unwrap());
    assert!(matches!(
        keeper.hold(&batch(), &gone, later()),
        Err(KeeperError::NotFound(_))
    ));
}

#[test]
fn who_stands_still_goes_on_by_the_clock_and_a_persons_order_takes_over() {
    let (fixture, mut keeper) = node();
    keeper.hold(&batch(), &Restraint::Still, later()).unwrap();
    assert_eq!(
        (fixture.read(FREEZE).as_str(), held(&keeper)),
        ("1", Some(Grade::Freeze))
    );
    assert_eq!(keeper.sweep(NOW), []);
    assert_eq!(keeper.sweep(later())[0].kind, "antagonist_let_go");
    assert_eq!((fixture.read(FREEZE).as_str(), held(&keeper)), ("0", None));
    keeper.hold(&batch(), &Restraint::Still, later()).unwrap();
    // Frozen by a person now: the clock has no say in it any more.
    keeper.freeze(&batch(), true).unwrap();
    assert_eq!(held(&keeper), None);
    assert_eq!(keeper.sweep(later()), []);
    assert_eq!(fixture.read(FREEZE), "1");
    let said = keeper
        .hold(&batch(), &Restraint::Still, later())
        .unwrap_err()
        .to_string();
    assert!(said.contains("stands still already"), "{said}");
    keeper.freeze(&batch(), false).unwrap();
    assert_eq!(fixture.read(FREEZE), "0");
    let old = Fixture::v1();
    let mut on_v1 = old.open();
    on_v1
        .start(request("batch", 2, false), 8, 0, &caches(), NOW)
        .unwrap();
    let said = on_v1
        .hold(&batch(), &Restraint::Still, later())
        .unwrap_err()
        .to_string();
    assert!(said.contains("freezer"), "{said}");
    assert_eq!(
        (held(&on_v1), on_v1.plan().unwrap().len()),
        (None, 0),
        "it is as it was"
    );
}

#[test]
fn one_restraint_takes_the_place_of_another() {
    let (fixture, mut keeper) = node();
    let before = fixture.all("sys");
    for restraint in all().iter().chain(all().iter().rev()) {
        keeper.hold(&batch(), restraint, later()).unwrap();
        assert_eq!(keeper.plan().unwrap(), []);
        let is = [
            fixture.path(CLASS).exists(),
            fixture
                .read("sys/fs/cgroup/busbar-shared/batch/cpu.max")
                .starts_with("10000 "),
            fixture.read(CPUS) == "4-7",
            fixture.path(FREEZE).exists() && fixture.read(FREEZE) == "1",
        ];
        assert_eq!(is.iter().filter(|one| **one).count(), 1, "{restraint:?}: {is:?}");
    }
    keeper.let_all_go();
    let mut after = fixture.all("sys");
    after.remove(&fixture.path(FREEZE));
    assert_eq!(after, before);
}

#[test]
fn after_a_kill_between_any_two_steps_the_next_agent_undoes_each_of_them() {
    std::panic::set_hook(Box::new(|_| ()));
    for restraint in all() {
        let mut step = 0;
        loop {
            let (fixture, keeper) = node();
            drop(keeper);
            let before = fixture.all("sys");
            let (watch, _) = dies_before(step);
            let life = catch_unwind(AssertUnwindSafe(|| {
                let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
                keeper.look(&caches());
                keeper.hold(&batch(), &restraint, later()).unwrap();
                keeper.let_go(&batch()).unwrap();
                keeper.hold(&batch(), &restraint, later()).unwrap();
            }));
            let mut keeper = fixture.open();
            let told = format!("{restraint:?}, step {step}: {:?}", keeper.found());
            assert_eq!(
                (keeper.plan().unwrap(), held(&keeper)),
                (Vec::new(), None),
                "{told}"
            );
            let mut after = fixture.all("sys");
            if after.remove(&fixture.path(FREEZE)).is_some() {
                assert_eq!(fixture.read(FREEZE), "0", "{told}");
            }
            assert_eq!(after, before, "{told}");
            keeper.look(&caches());
            assert_eq!(keeper.sweep(NOW), [], "{told}");
            if life.is_ok() {
                assert!(
                    keeper.found().contains(&"held back no more: batch".to_owned()),
                    "{told}"
                );
                break;
            }
            step += 1;
        }
        assert!(
            step >= 3,
            "{restraint:?}: each write was a place to die, {step} were"
        );
    }
    let _ = std::panic::take_hook();
}

#[test]
fn leave_undoes_each_of_them_and_a_ledger_that_cannot_be_written_changes_nothing() {
    for restraint in all() {
        let fixture = Fixture::v2();
        with_resctrl(&fixture);
        fixture.write("proc/8/task/8/comm", "asker\n");
        let before = fixture.all("sys");
        let mut keeper = fixture.open();
        for (name, is_exclusive, pid) in [("web", true, 7), ("batch", false, 8)] {
            keeper
                .start(request(name, 2, is_exclusive), pid, 0, &caches(), NOW)
                .unwrap();
        }
        let placed = fixture.all("sys");
        // A directory stands where the next ledger is to be written.
        std::fs::create_dir_all(fixture.path("state/ledger.json.next/x")).unwrap();
        let said = keeper.hold(&batch(), &restraint, later()).unwrap_err();
        assert!(matches!(said, KeeperError::Failed(_)), "{restraint:?}: {said}");
        assert_eq!(
            (fixture.all("sys"), held(&keeper)),
            (placed, None),
            "{restraint:?}"
        );
        std::fs::remove_dir_all(fixture.path("state/ledger.json.next")).unwrap();
        keeper.hold(&batch(), &restraint, later()).unwrap();
        drop(keeper);
        fixture.write("proc/sys/kernel/random/boot_id", "boot-1\n");
        let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
        assert!(left.kept.is_empty(), "{restraint:?}: {left}");
        assert_eq!(fixture.all("sys"), before, "{restraint:?}");
    }
}

#[test]
fn what_the_host_cannot_do_is_refused_and_nothing_is_changed() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    keeper
        .start(request("batch", 2, false), 8, 0, &caches(), NOW)
        .unwrap();
    let before = fixture.all("sys");
    let said = keeper.hold(&batch(), &all()[0], later()).unwrap_err().to_string();
    assert!(said.contains("mount -t resctrl"), "{said}");
    assert_eq!((fixture.all("sys"), keeper.plan().unwrap().len()), (before, 0));
    // Where bandwidth is counted absolutely (AMD), fewer ways are what is left.
    let (fixture, mut keeper) = node();
    fixture.write("sys/fs/resctrl/schemata", "MB:0=2048;1=2048\nL3:0=fff;1=fff\n");
    keeper.hold(&batch(), &all()[0], later()).unwrap();
    assert_eq!(fixture.read(&format!("{CLASS}/schemata")), "L3:0=3;1=3");
}
