//! Groups of resctrl that count workloads: as many as there are numbers for, everybody else's left alone, whatever is there.

use std::collections::BTreeSet;
use std::path::Path;

use intent::{Actuator, Hold, Intent, Isolation, Share};
use isolators::resctrl::{Counting, counting};
use isolators::{Host, Phase, apply};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use proptest::prelude::*;

use super::tree::{Tree, enforce, isolation};

const ROOT: &str = "/sys/fs/resctrl";
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

fn tree(rmids: &str) -> Tree {
    let tree = Tree::v2();
    tree.write(
        &format!("{ROOT}/info/L3_MON/mon_features"),
        "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n",
    );
    tree.write(&format!("{ROOT}/info/L3_MON/num_rmids"), rmids);
    tree.write(&format!("{ROOT}/mon_groups/theirs/tasks"), "4711\n");
    tree.write(
        &format!("{ROOT}/mon_groups/theirs/mon_data/mon_L3_00/mbm_total_bytes"),
        "7\n",
    );
    tree
}

/// A workload with one process of two threads.
fn living(tree: &Tree, name: &str, pid: usize) -> Isolation {
    tree.write(
        &format!("/sys/fs/cgroup/busbar/{name}/cgroup.procs"),
        &format!("{pid}\n"),
    );
    let stat = format!("{pid} (x) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0");
    tree.write(&format!("/proc/{pid}/stat"), &stat);
    for thread in [pid, pid + 1] {
        tree.write(&format!("/proc/{pid}/task/{thread}/comm"), "x\n");
    }
    isolation(name, "0-1", true)
}

fn held(isolation: Isolation) -> Isolation {
    let share = Share::new(100).unwrap();
    Isolation {
        held: Some(Hold::Cache {
            l3_share: share,
            memory_bandwidth_share: share,
        }),
        ..isolation
    }
}

/// As the keeper does it; what is left then.
fn bring(tree: &Tree, intent: &Intent, is_wished: bool) -> Counting {
    for _ in 0..2 {
        let missing = counting(&tree.host, &tree.layout(), intent, is_wished).unwrap();
        let steps: Vec<_> = missing
            .steps
            .into_iter()
            .map(|step| (Phase::Grant, step))
            .collect();
        tree.act(Actuator::Cpu, &steps);
    }
    counting(&tree.host, &tree.layout(), intent, is_wished).unwrap()
}

fn groups(tree: &Tree) -> BTreeSet<String> {
    let names = tree
        .host
        .directories(Path::new(&format!("{ROOT}/mon_groups")))
        .unwrap();
    names.into_iter().collect()
}

fn tasks(tree: &Tree, name: &str) -> Vec<String> {
    let text = tree.read(&format!("{ROOT}/mon_groups/busbar-{name}/tasks"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn threads_that_somebody_else_counts_or_divides_are_left_where_they_are() {
    let tree = tree("16\n");
    let all = ["a", "b"].iter().enumerate();
    let all = all.map(|(at, name)| living(&tree, name, 100 + 10 * at));
    let intent = all.fold(Intent::default(), |intent, one| intent.with(one));
    tree.write(&format!("{ROOT}/mon_groups/theirs/tasks"), "4711\n101\n");
    assert_eq!(bring(&tree, &intent, true), Counting::default());
    assert!(
        !tree
            .host
            .has(Path::new(&format!("{ROOT}/mon_groups/busbar-a/tasks")))
    );
    assert_eq!(tasks(&tree, "b"), ["110", "111"]);
    // The same of a class that somebody made.
    tree.write(&format!("{ROOT}/mon_groups/theirs/tasks"), "4711\n");
    tree.write(&format!("{ROOT}/class/tasks"), "100\n101\n");
    assert_eq!(bring(&tree, &intent, true), Counting::default());
    assert!(
        !tree
            .host
            .has(Path::new(&format!("{ROOT}/mon_groups/busbar-a/tasks")))
    );
    tree.write(&format!("{ROOT}/class/tasks"), "");
    bring(&tree, &intent, true);
    assert_eq!(tasks(&tree, "a"), ["100", "101"]);
    assert_eq!(tree.read(&format!("{ROOT}/mon_groups/theirs/tasks")), "4711");
}

#[test]
fn a_host_that_does_not_count_or_gives_no_number_is_no_error() {
    let tree = Tree::v2();
    let intent = Intent::default().with(living(&tree, "a", 100));
    assert_eq!(bring(&tree, &intent, true), Counting::default());
    // Nobody says how many there may be: the kernel is asked.
    for text in ["", "many\n", "-1\n", "99999999999999999999999\n"] {
        let tree = super::monitors::tree(text);
        let intent = Intent::default().with(living(&tree, "a", 100));
        assert_eq!(bring(&tree, &intent, true), Counting::default(), "{text:?}");
        assert_eq!(tasks(&tree, "a"), ["100", "101"], "{text:?}");
    }
}

/// A kernel without a number left answers `ENOSPC`. So does a file system without inodes, which only this thread sees.
#[test]
fn the_kernels_no_is_told_and_not_asked_again_at_once() {
    let seen = std::thread::spawn(|| {
        let nothing = None::<&str>;
        let alone = unshare(CloneFlags::CLONE_NEWNS).and_then(|()| {
            mount(
                nothing,
                "/",
                nothing,
                MsFlags::MS_REC | MsFlags::MS_PRIVATE,
                nothing,
            )
        });
        let tree = tree("16\n");
        let groups = tree.host.real(Path::new(&format!("{ROOT}/mon_groups")));
        let full = || {
            mount(
                Some("full"),
                &groups,
                Some("tmpfs"),
                MsFlags::empty(),
                Some("nr_inodes=1"),
            )
        };
        if let Err(error) = alone.and_then(|()| full()) {
            println!("skipped: this user mounts nothing ({error})");
            return;
        }
        let host = Host::at(tree.host.real(Path::new("/"))).remembering();
        let intent = Intent::default().with(living(&tree, "a", 100));
        let missing = || counting(&host, &tree.layout(), &intent, true).unwrap();
        let steps = missing().steps;
        assert_eq!(steps.len(), 1, "{steps:?}");
        apply(&enforce(), Actuator::Cpu, &host, &steps, &mut |_| ()).unwrap();
        let left = missing();
        assert_eq!(left.steps, []);
        let why = left.uncounted.values().next().unwrap();
        assert!(why.contains("No space left on device"), "{why}");
    });
    seen.join().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_comes_and_goes_there_are_no_more_groups_than_numbers(
        rmids in 1_usize..8,
        classes in 0_usize..3,
        turns in proptest::collection::vec((proptest::collection::vec(0_u8..3, 4), any::<bool>()), 1..5),
    ) {
        let tree = tree(&format!("{rmids}\n"));
        for class in 0..classes {
            tree.write(&format!("{ROOT}/class-{class}/tasks"), "");
        }
        // Everybody, the foreign group, the foreign classes.
        let before = 2 + classes;
        for (kinds, is_wished) in turns {
            let mut intent = Intent::default();
            for (at, (kind, name)) in kinds.iter().zip(NAMES).enumerate() {
                match kind {
                    0 => {}
                    1 => intent = intent.with(living(&tree, name, 100 + 10 * at)),
                    _ => intent = intent.with(held(living(&tree, name, 100 + 10 * at))),
                }
            }
            let left = bring(&tree, &intent, is_wished);
            prop_assert!(left.steps.is_empty(), "{:?}", left.steps);
            let groups = groups(&tree);
            prop_assert!(groups.contains("theirs"));
            prop_assert!(groups.len() == 1 || before - 1 + groups.len() <= rmids, "{groups:?} of {rmids}");
            for (kind, name) in kinds.iter().zip(NAMES) {
                let is_counted = groups.contains(&format!("busbar-{name}"));
                let is_told = left.uncounted.keys().any(|id| id.as_str() == name);
                if *kind == 1 && is_wished {
                    prop_assert!(is_counted != is_told, "{name}");
                } else {
                    prop_assert!(!is_counted && !is_told, "{name}");
                }
            }
        }
        prop_assert_eq!(tree.read(&format!("{ROOT}/mon_groups/theirs/mon_data/mon_L3_00/mbm_total_bytes")), "7");
    }
}
