//! A workload stands still and goes on; the packages' power is capped, and comes back on an orderly end only.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use agent::reconcile::{Keeper, KeeperError, footprint, leave};
use agent_api::v1::Capped;
use facts::{Moment, Power};
use intent::{Actuator, Actuators, Mode};

use crate::fixture::{Fixture, NOW, machine, request, start};

const LATER: Moment = Moment::from_millis(1_795_311_999_000);
const FREEZE: &str = "sys/fs/cgroup/busbar/web/cgroup.freeze";
pub const LIMITS: [&str; 2] = [
    "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw",
    "sys/class/powercap/intel-rapl:1/constraint_0_power_limit_uw",
];

#[test]
fn a_workload_stands_still_until_it_is_thawed_whoever_starts_meanwhile() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    assert!(!web.frozen);
    let came = keeper.freeze(&web.id, true).unwrap();
    assert_eq!(
        (came.frozen, came.done.as_slice()),
        (true, ["freeze /sys/fs/cgroup/busbar/web".to_owned()].as_slice())
    );
    assert_eq!(fixture.read(FREEZE), "1");
    assert!(keeper.workloads()[0].frozen);
    assert_eq!(
        keeper.freeze(&web.id, true).unwrap().done.len(),
        0,
        "once is enough"
    );
    assert_eq!(keeper.plan().unwrap(), [], "it is no part of the intent");
    assert_eq!(keeper.sweep(NOW), []);
    drop(keeper);
    let mut keeper = fixture.open();
    assert_eq!(keeper.sweep(NOW), []);
    assert!(keeper.workloads()[0].frozen);
    assert_eq!(keeper.freeze(&web.id, false).unwrap().done.len(), 1);
    assert_eq!(fixture.read(FREEZE), "0");
    keeper.end(&web.id, NOW).unwrap();
    assert!(matches!(
        keeper.freeze(&web.id, true),
        Err(KeeperError::NotFound(_))
    ));
}

#[test]
fn who_cannot_be_frozen_and_a_mode_that_forbids_it_are_refusals() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    let said = keeper.freeze(&web.id, true).unwrap_err();
    assert!(
        said.to_string().contains("mount the freezer controller"),
        "{said}"
    );
    assert_eq!(said.code(), "refused");
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    drop(keeper);
    let before = fixture.all("");
    let mut keeper = Keeper::open(fixture.config(Mode::Observe)).unwrap();
    let said = keeper.freeze(&web.id, true).unwrap_err().to_string();
    assert!(
        said.contains("actuator cpu is in observe: would freeze"),
        "{said}"
    );
    assert_eq!(fixture.all(""), before);
}

#[test]
fn a_drained_node_takes_nothing_new_and_ends_nothing_through_a_crash_and_a_reboot() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    let came = keeper.drain("new memory", NOW).unwrap();
    assert_eq!(came.running, [web.id]);
    let again = keeper.drain("new memory modules", LATER).unwrap();
    assert_eq!(again.drained.unwrap().since, NOW, "drained since the first time");
    drop(keeper);
    let mut keeper = fixture.open();
    let refusal = |keeper: &mut Keeper| {
        let asked = keeper.start(request("db", 1, true), 8, 0, &machine(8), NOW);
        asked.unwrap_err().to_string()
    };
    let said = refusal(&mut keeper);
    assert!(said.contains("(new memory modules); busbar undrain"), "{said}");
    let offer = keeper.offer(&request("db", 1, true).ask, &machine(8)).unwrap();
    assert!(offer.because.contains(&said), "{offer:?}");
    assert_eq!(keeper.workloads().len(), 1);
    drop(keeper);
    // No cgroup outlives its kernel.
    fs::remove_dir_all(fixture.path("sys/fs/cgroup/busbar")).unwrap();
    let mut config = fixture.config(Mode::Enforce);
    config.boot_id = "boot-2".to_owned();
    let mut keeper = Keeper::open(config).unwrap();
    assert_eq!(refusal(&mut keeper), said);
    assert_eq!(keeper.undrain().unwrap().drained, None);
    start(&mut keeper, "db", 1, true, 8);
    let long = keeper.drain(&"x".repeat(201), NOW).unwrap_err();
    assert!(matches!(long, KeeperError::BadAsk(_)), "{long}");
    drop(keeper);
    let observing = Keeper::open(fixture.config(Mode::Observe));
    let said = observing.unwrap().drain("", NOW).unwrap_err().to_string();
    assert!(said.contains("would write its ledger"), "{said}");
}

/// Two packages that draw 205 W each at most.
pub fn with_packages() -> Fixture {
    let fixture = Fixture::v2();
    fixture.write("proc/sys/kernel/random/boot_id", "boot-1\n");
    for (package, limit) in LIMITS.iter().enumerate() {
        fixture.write(
            &format!("sys/class/powercap/intel-rapl:{package}/name"),
            &format!("package-{package}\n"),
        );
        fixture.write(limit, "205000000\n");
    }
    fixture
}

pub fn limits(fixture: &Fixture) -> [String; 2] {
    LIMITS.map(|file| fixture.read(file))
}

pub fn watts(watts: u64) -> Power {
    Power::from_watts(watts).unwrap()
}

#[test]
fn a_cap_is_shared_out_and_only_an_orderly_end_gives_the_limits_back() {
    let fixture = with_packages();
    let mut keeper = fixture.open();
    let came = keeper.cap(watts(300), NOW).unwrap();
    assert_eq!(came.watts, Some(watts(300)));
    assert!(
        came.done[0].starts_with("note what 2 file(s) say now"),
        "before the first write: {:?}",
        came.done
    );
    assert_eq!(limits(&fixture), ["150000000", "150000000"]);
    assert_eq!(keeper.cap(watts(300), NOW).unwrap().done.len(), 0);
    keeper.cap(watts(1_000), NOW).unwrap();
    assert_eq!(
        limits(&fixture),
        ["205000000", "205000000"],
        "never above what was found"
    );
    keeper.cap(watts(200), NOW).unwrap();
    drop(keeper);
    // An agent that starts again frees nothing, and knows what was found first.
    let mut keeper = fixture.open();
    assert_eq!(keeper.sweep(NOW), []);
    assert_eq!(limits(&fixture), ["100000000", "100000000"]);
    assert_eq!(keeper.uncap(NOW).unwrap().done.len(), 3);
    assert_eq!(limits(&fixture), ["205000000", "205000000"]);
    let nothing = Capped {
        watts: None,
        done: Vec::new(),
        parts: Vec::new(),
        not_capped: Vec::new(),
    };
    assert_eq!(keeper.uncap(NOW).unwrap(), nothing);
}

#[test]
fn leave_puts_the_limits_back_also_where_nothing_ever_ran() {
    let fixture = with_packages();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    keeper.cap(watts(300), NOW).unwrap();
    drop(keeper);
    let placed = footprint(&fixture.root(), &fixture.path("state")).unwrap();
    let originals = LIMITS.map(|file| (PathBuf::from(format!("/{file}")), "205000000".to_owned()));
    assert_eq!(placed.changed, BTreeMap::from(originals));
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert_eq!(
        left.to_string(),
        "removed: 0 cgroups, 2 power limits put back; nothing left"
    );
    assert_eq!(fixture.all("sys"), before);
    assert_eq!(leave(&fixture.root(), &fixture.path("state")).unwrap().limits, 0);
}

#[test]
fn a_cap_asks_who_else_sets_limits_and_its_own_actuator() {
    let fixture = with_packages();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    fixture.write("proc/91/comm", "thermald\n");
    let said = keeper.cap(watts(300), NOW).unwrap_err();
    assert!(
        said.to_string().contains("systemctl disable --now thermald"),
        "{said}"
    );
    fixture.write("proc/91/comm", "thermal\n");
    for nothing in [Power::ZERO, watts(1)] {
        let said = keeper.cap(nothing, NOW).unwrap_err();
        assert!(matches!(said, KeeperError::BadAsk(_)), "{said}");
    }
    drop(keeper);
    let mut config = fixture.config(Mode::Enforce);
    config.actuators = Actuators::new(
        Mode::Enforce,
        BTreeMap::from([(Actuator::PowerCap, Mode::Observe)]),
    )
    .unwrap();
    let mut keeper = Keeper::open(config).unwrap();
    let said = keeper.cap(watts(300), NOW).unwrap_err().to_string();
    assert!(
        said.contains("actuator power_cap is in observe: would note"),
        "{said}"
    );
    drop(keeper);
    let mut other = fixture.config(Mode::Enforce);
    other.cgroup_name = "busbar-other".to_owned();
    let said = Keeper::open(other)
        .unwrap()
        .cap(watts(300), NOW)
        .unwrap_err()
        .to_string();
    assert!(said.contains("is not the host's own"), "{said}");
    assert_eq!(fixture.all("sys"), before);
    let bare = Fixture::v2();
    let said = bare.open().cap(watts(300), NOW).unwrap_err().to_string();
    assert!(said.contains("intel_rapl_msr"), "{said}");
}
