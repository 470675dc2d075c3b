//! Package power limits: noted first, lowered under a lease, never above the original, back on an orderly release only.

use std::collections::BTreeMap;
use std::path::Path;

use facts::{Moment, Power};
use intent::{Actuator, Mode};
use isolators::powercap::{Cap, owner, steps};
use isolators::{Outcome, Phase, Step, apply};

use super::tree::{RECORD, Tree};

const LIMIT: &str = "/sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw";

fn tree() -> Tree {
    let tree = Tree::v2();
    tree.write("/sys/class/powercap/intel-rapl:0/name", "package-0\n");
    tree.write(LIMIT, "205000000\n");
    tree.write("/sys/class/powercap/intel-rapl:0:0/name", "dram\n");
    tree.write("/sys/class/powercap/intel-rapl:1/name", "psys\n");
    tree
}

fn at(text: &str) -> Moment {
    text.parse().unwrap()
}

fn lease(watts: u64) -> Cap {
    Cap::Lease {
        packages: BTreeMap::from([(0, Power::from_watts(watts).unwrap())]),
        gpus: BTreeMap::new(),
        until: at("2026-11-22T10:00:05Z"),
    }
}

fn planned(tree: &Tree, cap: &Cap, now: &str) -> Vec<(Phase, Step)> {
    steps(&tree.host, Path::new(RECORD), cap, at(now)).unwrap()
}

const NOW: &str = "2026-11-22T10:00:00Z";
const LATER: &str = "2026-11-22T10:00:06Z";

#[test]
fn a_lease_lowers_and_its_end_keeps_what_is_in_force() {
    let tree = tree();
    let down = planned(&tree, &lease(150), NOW);
    assert!(
        matches!(down[0].1, Step::Remember { .. }),
        "noted first: {down:?}"
    );
    tree.act(Actuator::PowerCap, &down);
    assert_eq!(tree.read(LIMIT), "150000000");
    assert!(planned(&tree, &lease(150), NOW).is_empty(), "converged");
    assert!(
        planned(&tree, &lease(100), LATER).is_empty(),
        "a lease that ran out changes nothing"
    );
    assert!(planned(&tree, &Cap::Keep, LATER).is_empty());
    // The agent dies and starts again: the record still says what was there first.
    let up = planned(&tree, &lease(400), NOW);
    assert_eq!(up[0].0, Phase::Grant);
    tree.act(Actuator::PowerCap, &up);
    assert_eq!(tree.read(LIMIT), "205000000", "never above what was found");
    tree.act(Actuator::PowerCap, &planned(&tree, &lease(120), NOW));
    tree.act(Actuator::PowerCap, &planned(&tree, &Cap::Release, LATER));
    assert_eq!(tree.read(LIMIT), "205000000");
    assert!(!tree.host.has(Path::new(RECORD)));
}

#[test]
fn a_release_without_a_cap_writes_nothing_and_observe_never_does() {
    let tree = tree();
    assert!(planned(&tree, &Cap::Release, NOW).is_empty());
    let before = tree.all();
    let wanted: Vec<Step> = planned(&tree, &lease(100), NOW)
        .into_iter()
        .map(|(_, step)| step)
        .collect();
    let outcome = apply(
        &intent::Actuators::default(),
        Actuator::PowerCap,
        &tree.host,
        &wanted,
        &mut |_| (),
    )
    .unwrap();
    assert!(matches!(
        outcome,
        Outcome::Would {
            mode: Mode::Observe,
            ..
        }
    ));
    assert_eq!(tree.all(), before);
}

#[test]
fn packages_without_limits_and_owners_are_named() {
    let tree = tree();
    let absent = Cap::Lease {
        packages: BTreeMap::from([(7, Power::from_watts(100).unwrap())]),
        gpus: BTreeMap::new(),
        until: at(LATER),
    };
    let said = steps(&tree.host, Path::new(RECORD), &absent, at(NOW))
        .unwrap_err()
        .to_string();
    assert!(said.contains("package-7"), "{said}");
    tree.write("/sys/class/powercap/intel-rapl:2/name", "package-1\n");
    let amd = Cap::Lease {
        packages: BTreeMap::from([(1, Power::from_watts(100).unwrap())]),
        gpus: BTreeMap::new(),
        until: at(LATER),
    };
    let said = steps(&tree.host, Path::new(RECORD), &amd, at(NOW))
        .unwrap_err()
        .to_string();
    assert!(said.contains("takes no limit"), "{said}");
    assert_eq!(owner(&tree.host), None);
    tree.write("/proc/91/comm", "thermald\n");
    assert!(owner(&tree.host).unwrap().contains("disable --now thermald"));
}
