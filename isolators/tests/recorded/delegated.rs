//! Below a cgroup that systemd gave to the agent's unit: everything stands there, and nothing is written outside.

use std::path::Path;

use intent::Intent;
use isolators::cgroup::{Layout, Partitions, delegated, step_aside};
use isolators::{IsolateError, Step, plan};

use super::tree::{Tree, isolation};

const UNIT: &str = "/sys/fs/cgroup/busbar.slice/busbar-agent.service";

fn tree(stands: &str) -> Tree {
    let tree = Tree::v2();
    for file in ["cgroup.controllers", "cgroup.subtree_control"] {
        let text = if file.ends_with("control") {
            "\n"
        } else {
            "cpuset cpu io memory pids\n"
        };
        tree.write(&format!("{UNIT}/{file}"), text);
    }
    tree.write(
        "/proc/self/cgroup",
        &format!("0::/busbar.slice/busbar-agent.service{stands}\n"),
    );
    tree.write("/proc/self/stat", "4242 (busbar-agent) S 1\n");
    let fields = "4242 (busbar-agent) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
    tree.write("/proc/4242/stat", fields);
    tree
}

fn layout(tree: &Tree) -> Layout {
    tree.layout().working_below(delegated(&tree.host).unwrap())
}

#[test]
fn workloads_stand_below_the_unit_and_leave_nothing_there() {
    let tree = tree("/agent");
    let before = tree.all();
    let layout = layout(&tree);
    assert!(
        matches!(&layout.partitions, Partitions::Unavailable(why) if why.contains("cannot hold partitions"))
    );
    let intent = Intent::default().with(isolation("web", "2-3", true));
    let outside = |step: &Step| {
        let path = step.path();
        path.starts_with("/sys/fs/cgroup") && !path.starts_with(UNIT)
    };
    for intent in [&intent, &Intent::default()] {
        for _ in 0..4 {
            let steps = plan(&layout, &tree.host, intent).unwrap();
            assert!(!steps.iter().any(|(_, step)| outside(step)), "{steps:?}");
            tree.act(intent::Actuator::Cpu, &steps);
        }
        let there = tree.host.is_dir(&Path::new(UNIT).join("busbar/web"));
        assert_eq!(there, !intent.isolations.is_empty());
    }
    let control = Path::new(UNIT).join("cgroup.subtree_control");
    let changed: Vec<_> = tree
        .all()
        .into_iter()
        .filter(|(file, text)| before.get(file) != Some(text))
        .collect();
    // Controllers are never switched off again.
    assert!(
        changed.iter().all(|(file, _)| *file == tree.host.real(&control)),
        "{changed:?}"
    );
}

#[test]
fn the_agent_leaves_the_cgroup_that_passes_controllers_on() {
    let tree = tree("");
    let steps = step_aside(&tree.host, &layout(&tree));
    let texts: Vec<String> = steps.iter().map(Step::to_string).collect();
    assert_eq!(texts[0], format!("make cgroup {UNIT}/agent"));
    assert_eq!(texts[1], format!("move process 4242 from {UNIT} to {UNIT}/agent"));
    let aside = self::tree("/agent");
    assert!(step_aside(&aside.host, &layout(&aside)).is_empty());
    assert!(
        step_aside(&aside.host, &aside.layout()).is_empty(),
        "nothing was given to it"
    );
}

#[test]
fn a_unit_without_the_controllers_is_named() {
    let tree = tree("/agent");
    tree.write(&format!("{UNIT}/cgroup.controllers"), "memory pids\n");
    assert!(delegated(&tree.host).unwrap_err().contains("Delegate=yes"));
    let fine: Result<_, IsolateError> = plan(&tree.layout(), &tree.host, &Intent::default());
    assert!(fine.unwrap().is_empty());
}
