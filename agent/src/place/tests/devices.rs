//! GPUs, huge pages, caches, watts: what is near, what is booked, who has it.

use super::*;

#[test]
fn cpus_go_near_to_gpus_and_say_so() {
    let big = with_gpus(with_distances(machine([2, 2, 1, 4, 2])), &[1, 3]);
    let near = |part: &str, cpus| Ask {
        near: vec![part.parse().unwrap()],
        ..ask(cpus)
    };
    assert_eq!(cpus(&big, &near("gpu:1", 4), &[]), "24-27");
    assert_eq!(
        cpus(&big, &near("pci:0000:00:00.0", 1), &[]).len(),
        1,
        "the place of a GPU is one of PCI"
    );
    let far = on(&big, &near("gpu:1", 4), &[holder("web", "24-30")]).unwrap();
    assert_eq!(
        far.cpus.to_string(),
        "16-19",
        "the other NUMA node of the package"
    );
    assert!(!far.topology_hint.unwrap().aligned);
    assert!(
        far.because.iter().any(|line| line.starts_with("not near gpu:1")),
        "{:?}",
        far.because
    );
    let strict = Ask {
        topology: TopologyRule::SingleNumaNode,
        ..near("gpu:1", 4)
    };
    assert!(refused(&big, &strict, &[holder("web", "24-30")]).contains("not near gpu:1"));
    assert_eq!(
        refused(&big, &near("gpu:7", 1), &[]),
        "there is no gpu:7 on this node; it has gpu:0, gpu:GPU-0, gpu:1, gpu:GPU-1"
    );
    assert!(refused(&big, &near("nic:eth0", 1), &[]).contains("it has no nic at all"));
}

#[test]
fn gpus_are_held_by_one() {
    let big = with_gpus(with_distances(machine([2, 1, 1, 8, 2])), &[0, 0, 1, 1]);
    let count = |count| Ask {
        gpus: Some(GpuWish::Count(count)),
        ..ask(4)
    };
    let mut taken = Vec::new();
    placed(&big, "train", &count(2), &mut taken);
    let held: Vec<u32> = on(&big, &count(2), &[])
        .unwrap()
        .gpus
        .iter()
        .map(|gpu| gpu.index)
        .collect();
    assert_eq!(held, [0, 1], "both at the NUMA node of the CPUs");
    let second = on(&big, &count(2), &taken).unwrap();
    assert_eq!(
        second.gpus.iter().map(|gpu| gpu.index).collect::<Vec<_>>(),
        [2, 3]
    );
    assert!(second.topology_hint.unwrap().aligned);
    let text = refused(&big, &count(3), &taken);
    assert!(text.starts_with("asked 3 GPUs; 2 are free of 4"), "{text}");
    assert_eq!(refused(&big, &count(5), &[]), "asked 5 GPUs; this node has 4");
    let these = Ask {
        gpus: Some(GpuWish::These(vec!["GPU-0".into()])),
        ..ask(1)
    };
    assert!(refused(&big, &these, &taken).starts_with("GPU GPU-0 is held by train"));
    let other = Ask {
        gpus: Some(GpuWish::These(vec!["GPU-of-another-node".into()])),
        ..ask(1)
    };
    assert!(refused(&big, &other, &[]).contains("there is no gpu:GPU-of-another-node on this node"));
}

#[test]
fn pages_caches_and_watts_are_booked() {
    let big = with_hugepages(machine([1, 2, 2, 2, 1]), 1 << 30);
    let pages = |bytes| Ask {
        hugepages: vec![HugepageAsk {
            page_bytes: Bytes::new(2 << 20),
            bytes: Bytes::new(bytes),
        }],
        ..ask(1)
    };
    let mut taken = Vec::new();
    placed(&big, "vm", &pages(1 << 30), &mut taken);
    placed(&big, "vm-2", &pages(1 << 30), &mut taken);
    assert_ne!(taken[0].hugepages[0].numa_node, taken[1].hugepages[0].numa_node);
    assert!(refused(&big, &pages(2 << 20), &taken).contains("vm has 1 GiB, vm-2 has 1 GiB"));
    let mut huge = pages(1 << 30);
    huge.hugepages[0].page_bytes = Bytes::new(1 << 30);
    assert!(refused(&big, &huge, &[]).contains("this kernel keeps no pool of that size"));
    let l3 = Ask {
        l3_share: Some(Share::new(600).unwrap()),
        ..ask(1)
    };
    let mut taken = Vec::new();
    (1..=4).for_each(|number| placed(&big, &format!("c{number}"), &l3, &mut taken));
    let text = refused(&big, &l3, &taken);
    assert!(text.contains("under caches with that share left"), "{text}");
    let watts = |watts| Ask {
        watts: Power::from_watts(watts),
        ..ask(1)
    };
    assert!(refused(&big, &watts(600), &[]).contains("nothing that can be read caps the power of this node"));
    let capped = Machine::of(&big, None).with_watts(Power::from_watts(1_000));
    let offer = place(&watts(600), &capped, &[], Generation(1)).unwrap();
    let taken = [Taken::of("hot".parse().unwrap(), &watts(600), &offer)];
    let text = place(&watts(600), &capped, &taken, Generation(1))
        .unwrap_err()
        .to_string();
    assert_eq!(
        text,
        "asked 600 W; 400 W is promised to nobody: hot has 600 W; ask for at most 400 W"
    );
}
