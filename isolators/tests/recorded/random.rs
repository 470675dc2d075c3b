//! Random intents, one after another, on a recorded host: each converges, shrinks before it grows, and leaves nothing behind.

use std::collections::BTreeMap;
use std::path::Path;

use facts::{Bytes, CpuSet, NumaNodeId};
use intent::{CpuWeight, DeviceKind, DeviceWish, HugepageShare, Intent, IoLimit, Isolation};
use isolators::Phase;
use proptest::prelude::*;

use super::tree::{RECORD, Tree, isolation};

/// CPUs 0 and 1 stay with the host; each workload that has CPUs alone has its own of the others.
fn workload(index: usize) -> impl Strategy<Value = Option<Isolation>> {
    let name = ["a", "b", "c"][index];
    let amounts = prop::option::of(1_u64..64);
    let limits = (amounts.clone(), amounts.clone(), amounts.clone(), amounts);
    let io = prop::option::of(prop::collection::vec(
        (any::<bool>(), 1_u64..9_000, 1_u64..9_000),
        0..2,
    ));
    let rest = (
        prop::option::of(1_u64..10_000),
        any::<Option<bool>>(),
        prop::option::of(1_u32..500),
        any::<bool>(),
    );
    (any::<bool>(), any::<bool>(), limits, io, rest).prop_map(move |(there, exclusive, limits, io, rest)| {
        let cpus = if exclusive {
            format!("{}-{}", 2 + 2 * index, 3 + 2 * index)
        } else {
            "0-1".to_owned()
        };
        let mebi = |amount: Option<u64>| amount.map(|amount| Bytes::new(amount << 20));
        let limit = |(nvme, reads, bytes): (bool, u64, u64)| IoLimit {
            device: if nvme { "nvme0n1" } else { "sda" }.to_owned(),
            reads_per_second: Some(reads),
            write_bytes_per_second: Some(bytes),
            ..IoLimit::default()
        };
        there.then(|| Isolation {
            memory_min: mebi(limits.0),
            memory_low: mebi(limits.1),
            memory_high: mebi(limits.2),
            memory_max: mebi(limits.3),
            io: io.map(|io| io.into_iter().map(limit).collect()),
            cpu_weight: rest.0.map(|weight| CpuWeight::new(weight).unwrap()),
            cpu_idle: rest.1,
            pids_max: rest.2,
            devices: rest.3.then(|| {
                vec![DeviceWish {
                    kind: DeviceKind::Block,
                    device: Some("sda".to_owned()),
                    uuid: None,
                    pci: None,
                }]
            }),
            hugepages: rest.3.then(|| {
                vec![HugepageShare {
                    numa_node: NumaNodeId(0),
                    page_bytes: Bytes::new(2 << 20),
                    bytes: Bytes::new(6 << 20),
                }]
            }),
            ..isolation(name, &cpus, exclusive)
        })
    })
}

fn intents() -> impl Strategy<Value = Vec<Vec<Option<Isolation>>>> {
    prop::collection::vec(
        (workload(0), workload(1), workload(2)).prop_map(|(a, b, c)| vec![a, b, c]),
        1..5,
    )
}

/// The CPUs of each cgroup that stands in one of ours.
fn given(tree: &Tree) -> BTreeMap<String, CpuSet> {
    let mut given = BTreeMap::new();
    let own = Path::new("/sys/fs/cgroup/busbar");
    for name in tree.host.directories(own).unwrap() {
        let text = tree
            .host
            .read(&own.join(&name).join("cpuset.cpus"))
            .unwrap()
            .unwrap_or_default();
        given.insert(name, text.parse().unwrap());
    }
    given
}

/// No CPU that one workload has alone is in the list of another, before any step.
fn apart(tree: &Tree, intent: &Intent) {
    let given = given(tree);
    for alone in intent.isolations.iter().filter(|isolation| isolation.exclusive) {
        let Some(mine) = given.get(alone.workload.as_str()) else {
            continue;
        };
        for (other, theirs) in given.iter().filter(|(name, _)| *name != alone.workload.as_str()) {
            let both = mine.intersection(theirs).intersection(&alone.cpus);
            assert!(
                both.is_empty(),
                "CPUs {both} are of {} and of {other}",
                alone.workload
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_intents_converge_and_leave_nothing(intents in intents()) {
        let tree = Tree::v2();
        tree.write("/proc/irq/default_smp_affinity", "ff\n");
        tree.write("/proc/irq/16/smp_affinity_list", "0-7\n");
        let before = tree.all();
        for wanted in intents {
            let intent = wanted.into_iter().flatten().fold(Intent::default(), |intent, one| intent.with(one));
            let phases: Vec<Phase> = tree.plan(&intent).iter().map(|(phase, _)| *phase).collect();
            prop_assert!(phases.is_sorted(), "shrink before grow: {phases:?}");
            tree.converge_watched(&intent, &mut |_| apart(&tree, &intent));
            prop_assert!(tree.plan(&intent).is_empty());
            let affinity: CpuSet = tree.read("/proc/irq/16/smp_affinity_list").parse().unwrap();
            prop_assert!(affinity.is_disjoint(&intent.exclusive_cpus()));
        }
        tree.converge(&Intent::default());
        prop_assert!(!tree.host.has(Path::new(RECORD)));
        let after = tree.all();
        let added: Vec<_> = after.keys().filter(|file| !before.contains_key(*file)).collect();
        prop_assert!(added.is_empty(), "{added:?}");
        prop_assert_eq!(tree.read("/proc/irq/16/smp_affinity_list"), "0-7");
    }
}
