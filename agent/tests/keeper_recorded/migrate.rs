//! Workloads that move: nobody shares a CPU with them on the way, and a crash only delays them.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use agent::reconcile::{Keeper, StepWatch};
use facts::CpuSet;
use intent::Mode;

use crate::acts::with_packages;
use crate::crash::dies_before;
use crate::fixture::{Fixture, NOW, machine, request, start};
use crate::power::{ask, packages, run};

fn cpus(fixture: &Fixture, dir: &str) -> CpuSet {
    fixture.read(&format!("{dir}/cpuset.cpus")).parse().unwrap()
}

/// Notes each time that two exclusive workloads have a CPU in common, or one shares it.
fn watching(dirs: [PathBuf; 3]) -> (StepWatch, Arc<Mutex<BTreeSet<String>>>) {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let notes = Arc::clone(&seen);
    let watch = move |step: &isolators::Step| {
        let sets: Vec<CpuSet> = dirs
            .iter()
            .map(|dir| std::fs::read_to_string(dir.join("cpuset.cpus")).unwrap_or_default())
            .map(|text| text.trim().parse().unwrap_or_default())
            .collect();
        for (one, other) in [(0, 1), (0, 2), (1, 2)] {
            if !sets[one].is_disjoint(&sets[other]) {
                notes
                    .lock()
                    .unwrap()
                    .insert(format!("{one} and {other} before {step}"));
            }
        }
    };
    (Box::new(watch), seen)
}

#[test]
fn it_moves_to_other_cpus_and_is_alone_all_the_way() {
    for (make, own) in [
        (Fixture::v1 as fn() -> Fixture, "sys/fs/cgroup/cpuset/busbar"),
        (Fixture::v2, "sys/fs/cgroup/busbar"),
    ] {
        let fixture = make();
        let mut keeper = fixture.open();
        let web = start(&mut keeper, "web", 2, true, 7);
        let db = start(&mut keeper, "db", 2, true, 8);
        let batch = start(&mut keeper, "batch", 1, false, 9);
        drop(keeper);
        let dir = |workload: &agent_api::v1::Workload| {
            let place = workload
                .cgroups
                .iter()
                .find(|dir| !dir.contains("/memory") && !dir.contains("/cpu/"));
            fixture.path(place.unwrap().trim_start_matches('/'))
        };
        let (watch, seen) = watching([dir(&web), dir(&db), dir(&batch)]);
        let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
        let before = fixture.all("");
        let would = keeper.migrate(&web.id, true, &machine(8)).unwrap();
        assert_eq!(fixture.all(""), before, "a dry run changes nothing");
        assert!(would.from == web.cpus && would.to.is_disjoint(&web.cpus) && would.to.is_disjoint(&db.cpus));

        let moved = keeper.migrate(&web.id, false, &machine(8)).unwrap();
        assert_eq!((&moved.to, &moved.workload.cpus), (&would.to, &would.to));
        assert_eq!(cpus(&fixture, &format!("{own}/web")), would.to);
        assert_eq!(cpus(&fixture, &format!("{own}/db")), db.cpus);
        assert_eq!(keeper.plan().unwrap(), []);
        assert_eq!(*seen.lock().unwrap(), BTreeSet::new());
        // What it had is lent again.
        let next = keeper.start(request("next", 2, true), 9, 0, &machine(8), NOW);
        assert!(next.is_err() || next.unwrap().cpus.is_disjoint(&would.to));
    }
}

#[test]
fn killed_between_any_two_steps_it_arrives() {
    std::panic::set_hook(Box::new(|_| ()));
    for make in [Fixture::v1 as fn() -> Fixture, Fixture::v2] {
        let mut step = 0;
        loop {
            let fixture = make();
            let before = fixture.all("sys");
            let mut keeper = fixture.open();
            let web = start(&mut keeper, "web", 2, true, 7);
            start(&mut keeper, "batch", 1, false, 9);
            drop(keeper);
            let (watch, _) = dies_before(step);
            let life = catch_unwind(AssertUnwindSafe(|| {
                let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
                keeper.migrate(&web.id, false, &machine(8)).unwrap();
            }));
            let mut keeper = fixture.open();
            keeper.look(&machine(8));
            keeper.sweep(NOW);
            assert_eq!(keeper.plan().unwrap(), [], "step {step}: {:?}", keeper.found());
            let all = keeper.workloads();
            let now = all.iter().find(|workload| workload.id == web.id).unwrap();
            assert_eq!(now.cpus.len(), 2, "step {step}: it has both no longer");
            assert!(now.cpus.is_disjoint(&web.cpus), "step {step}");
            for workload in all {
                keeper.end(&workload.id, NOW).unwrap();
            }
            assert_eq!(fixture.all("sys"), before, "step {step}");
            if life.is_ok() {
                break;
            }
            step += 1;
        }
        assert!(step >= 4, "only {step} steps were tried");
    }
    let _ = std::panic::take_hook();
}

#[test]
fn a_floor_of_watts_holds_where_it_goes_or_it_stays() {
    let on = packages(2);
    for (heavy, missing) in [(150, Some("45 W")), (105, None)] {
        let fixture = with_packages();
        let mut keeper = fixture.open();
        // CPUs 1-3 are of the first package, 4-7 of the other; each is given 205 W at most.
        let web = run(&mut keeper, ask("web", 3, true, 1, 100), 7, &on);
        run(&mut keeper, ask("heavy", 1, true, 1, heavy), 8, &on);
        let before = fixture.all("");
        for dry_run in [true, false] {
            let came = keeper.migrate(&web.id, dry_run, &on);
            let Some(missing) = missing else {
                assert_eq!(came.unwrap().to.to_string(), "5-7");
                continue;
            };
            let said = came.unwrap_err().to_string();
            assert!(
                said.contains("workload web would not keep its firm watts on CPUs 5-7: asked 100 W; package-1 would owe 250 W"),
                "{said}"
            );
            assert!(
                said.contains(&format!("at most 205 W: {missing} are missing")),
                "{said}"
            );
            assert_eq!(fixture.all(""), before, "it stays where it is");
        }
    }
}

#[test]
fn who_cannot_or_must_not_move_is_told_why() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let mut fixed = request("fixed", 1, true);
    fixed.ask.immovable = true;
    keeper.start(fixed, 7, 0, &machine(8), NOW).unwrap();
    start(&mut keeper, "batch", 1, false, 8);
    start(&mut keeper, "large", 5, true, 9);
    let before = fixture.all("");
    for (id, expected) in [
        ("fixed", "--immovable"),
        ("batch", "shares its CPUs"),
        ("large", "there is no other place"),
        ("nobody", "there is no workload"),
    ] {
        let error = keeper
            .migrate(&id.parse().unwrap(), false, &machine(8))
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(fixture.all(""), before);
}
