//! A cap in force: its shares follow the workloads, what somebody changes is put right, promises of watts are kept or refused, and it
//! ends with the boot.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use agent::reconcile::{Container, Drift, Keeper, KeeperError};
use agent_api::v1::RunRequest;
use intent::{Actuator, Actuators, Mode};

use crate::acts::{LIMITS, limits, watts, with_packages};
use crate::fixture::{Fixture, NOW};
use crate::power::{ask, id, kinds, packages, run};

/// The sum of the limits before each step, and the most of them.
fn sums(fixture: &Fixture) -> (agent::reconcile::StepWatch, Arc<Mutex<Vec<u64>>>) {
    let files = LIMITS.map(|file| fixture.path(file));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    let read = move |file: &PathBuf| fs::read_to_string(file).unwrap().trim().parse::<u64>().unwrap();
    let watch = move |_: &isolators::Step| list.lock().unwrap().push(files.iter().map(&read).sum());
    (Box::new(watch), seen)
}

#[test]
fn shares_follow_the_workloads_and_what_somebody_changes_is_put_right() {
    let fixture = with_packages();
    let (watch, seen) = sums(&fixture);
    let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
    let on = packages(2);
    keeper.look(&on);
    keeper.cap(watts(240), NOW).unwrap();
    assert_eq!(limits(&fixture), ["120000000", "120000000"]);
    seen.lock().unwrap().clear();
    // CPUs 1-3 are of the first package, 4-7 of the other.
    let web = run(&mut keeper, ask("web", 3, true, 3, 0), 7, &on);
    assert_eq!(web.cpus.to_string(), "1-3");
    let told = keeper.sweep(NOW);
    assert_eq!(kinds(&told), ["power_shares_changed"]);
    assert_eq!(
        limits(&fixture),
        ["188750000", "51250000"],
        "all but what the other needs to work"
    );
    // One that is kept less long, and to which 150 W were promised: these come first.
    run(&mut keeper, ask("db", 4, true, 9, 150), 8, &on);
    assert_eq!(kinds(&keeper.sweep(NOW)), ["power_shares_changed"]);
    assert_eq!(limits(&fixture), ["90000000", "150000000"]);
    assert_eq!(keeper.sweep(NOW), []);
    fixture.write(LIMITS[0], "205000000\n");
    assert_eq!(kinds(&keeper.sweep(NOW)), ["drift_repaired"]);
    keeper.end(&id("web"), NOW).unwrap();
    keeper.end(&id("db"), NOW).unwrap();
    assert_eq!(kinds(&keeper.sweep(NOW)), ["power_shares_changed"]);
    assert_eq!(limits(&fixture), ["120000000", "120000000"]);
    let mut seen = seen.lock().unwrap().clone();
    let drifted = seen.iter().position(|sum| *sum > 240_000_000).unwrap();
    assert_eq!(
        seen.remove(drifted),
        355_000_000,
        "only before the step that puts it right"
    );
    assert!(
        seen.len() > 10 && seen.iter().all(|sum| *sum <= 240_000_000),
        "{seen:?}"
    );
}

#[test]
fn where_drift_is_only_told_a_limit_is_left_as_somebody_set_it() {
    let fixture = with_packages();
    let mut config = fixture.config(Mode::Enforce);
    config.drift = Drift::Report;
    let mut keeper = Keeper::open(config).unwrap();
    keeper.cap(watts(300), NOW).unwrap();
    assert_eq!(keeper.sweep(NOW), []);
    fixture.write(LIMITS[1], "180000000\n");
    let told = keeper.sweep(NOW);
    assert_eq!(kinds(&told), ["drift"]);
    assert!(told[0].message.contains("to be put right: "), "{told:?}");
    assert_eq!(
        (keeper.sweep(NOW), limits(&fixture)[1].as_str()),
        (vec![], "180000000"),
        "once"
    );
    // Whoever sets limits by itself is not written over.
    let fixture = with_packages();
    let mut keeper = fixture.open();
    keeper.cap(watts(300), NOW).unwrap();
    fixture.write("proc/91/comm", "thermald\n");
    fixture.write(LIMITS[1], "180000000\n");
    let told = keeper.sweep(NOW);
    assert!(
        told[0].message.contains("systemctl disable --now thermald"),
        "{told:?}"
    );
    assert_eq!(
        (keeper.sweep(NOW), limits(&fixture)[1].as_str()),
        (vec![], "180000000"),
        "once"
    );
}

#[test]
fn a_promise_of_watts_that_nothing_here_would_keep_is_refused() {
    let on = packages(2);
    let refusal = |keeper: &mut Keeper, request: RunRequest| {
        let said = keeper.start(request, 7, 0, &on, NOW).unwrap_err();
        assert!(
            matches!(said, KeeperError::Shortfall(_) | KeeperError::Refused(_)),
            "{said:?}"
        );
        said.to_string()
    };
    let bare = Fixture::v2();
    bare.write("proc/sys/kernel/random/boot_id", "boot-1\n");
    let said = refusal(&mut bare.open(), ask("web", 2, true, 1, 100));
    assert!(
        said.contains("nothing would keep 100 W for workload web") && said.contains("intel_rapl_msr"),
        "{said}"
    );
    let fixture = with_packages();
    let mut keeper = fixture.open();
    let said = refusal(&mut keeper, ask("web", 3, true, 1, 300));
    assert!(
        said.contains("package-0 would owe 300 W of firm watts and is given at most 205 W"),
        "{said}"
    );
    keeper.cap(watts(120), NOW).unwrap();
    let said = refusal(&mut keeper, ask("web", 3, true, 1, 120));
    assert!(
        said.contains("would be 121 W together, and the cap in force since"),
        "{said}"
    );
    let offer = keeper.offer(&ask("web", 3, true, 1, 120).ask, &on).unwrap();
    assert!(
        offer
            .because
            .iter()
            .any(|why| why.contains("would be 121 W together")),
        "{offer:?}"
    );
    let web = run(&mut keeper, ask("web", 3, true, 1, 119), 7, &on);
    assert_eq!(web.watts, Some(watts(119)));
    keeper.sweep(NOW);
    assert_eq!(limits(&fixture), ["119000000", "1000000"]);
    // Watts that are revocable are promised to nobody under a cap.
    let mut spare = ask("spare", 1, false, 1, 50);
    spare.ask.revocable = true;
    run(&mut keeper, spare, 8, &on);
    drop(keeper);
    let mut config = fixture.config(Mode::Enforce);
    let modes = BTreeMap::from([(Actuator::PowerCap, Mode::Observe)]);
    config.actuators = Actuators::new(Mode::Enforce, modes).unwrap();
    let said = refusal(&mut Keeper::open(config).unwrap(), ask("db", 1, true, 1, 10));
    assert!(said.contains("actuator power_cap is in observe"), "{said}");
}

#[test]
fn a_cap_is_kept_where_only_power_may_be_acted_on_and_ends_with_the_boot() {
    let fixture = with_packages();
    let mut config = fixture.config(Mode::Enforce);
    let modes = BTreeMap::from([(Actuator::Cpu, Mode::Observe)]);
    config.actuators = Actuators::new(Mode::Enforce, modes).unwrap();
    let ledger = fixture.path("state/ledger.json");
    let watch = move |_: &isolators::Step| {
        let text = fs::read_to_string(&ledger).unwrap();
        assert!(text.contains("\"cap\": {"), "before the first write: {text}");
    };
    let mut keeper = Keeper::open_watched(config, Box::new(watch)).unwrap();
    keeper.cap(watts(300), NOW).unwrap();
    assert!(!keeper.may_rest());
    fixture.write(LIMITS[0], "205000000\n");
    assert_eq!(kinds(&keeper.sweep(NOW)), ["drift_repaired"]);
    drop(keeper);
    let mut config = fixture.config(Mode::Enforce);
    config.boot_id = "boot-2".to_owned();
    fixture.write("proc/sys/kernel/random/boot_id", "boot-2\n");
    LIMITS.iter().for_each(|file| fixture.write(file, "205000000\n"));
    for is_told in [true, false] {
        let mut keeper = Keeper::open(config.clone()).unwrap();
        let said = keeper.found().join("; ");
        assert_eq!((keeper.power_cap(), keeper.sweep(NOW)), (None, vec![]));
        assert_eq!(said.contains("the cap of 300 W since"), is_told, "{said}");
    }
}

#[test]
fn a_runtimes_container_gives_nothing_though_it_is_shed_first() {
    let fixture = Fixture::v2();
    fixture.write("proc/sys/kernel/random/boot_id", "boot-1\n");
    fixture.write("sys/class/powercap/intel-rapl:0/name", "package-0\n");
    fixture.write(LIMITS[0], "200000000\n");
    let mut config = fixture.config(Mode::Enforce);
    config.nri = true;
    let mut keeper = Keeper::open_watched(config, Box::new(|_| {})).unwrap();
    run(&mut keeper, ask("web", 4, true, 1, 100), 7, &packages(1));
    let mut of_container = ask("theirs", 2, false, 9, 0).ask;
    of_container.name = None;
    let container = Container {
        runtime: "containerd".to_owned(),
        id: "3f1c0b9a7d2e".to_owned(),
        names: ["default", "web", "app"].map(str::to_owned),
        cgroup: "/k8s.io/3f1c".to_owned(),
        ask: Ok(Some(of_container)),
    };
    let given = keeper.place_container(&container, &packages(1), NOW).unwrap();
    run(&mut keeper, ask("other", 1, false, 2, 0), 9, &packages(1));
    keeper.cap(watts(100), NOW).unwrap();
    let told = keeper.sweep(NOW);
    let of_container = keeper
        .workloads()
        .into_iter()
        .find(|one| one.id == given.workload)
        .unwrap();
    assert_eq!(of_container.squeezed, None, "{told:?}");
    assert!(
        told.iter().any(|event| event.message.contains("workload other")),
        "{told:?}"
    );
    assert_eq!(keeper.sweep(NOW), [], "nothing is tried again at each sweep");
}
