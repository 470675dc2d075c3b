//! Queues of a network interface that a workload wants to be near to: interrupts beside it, masks, and everything back afterwards.

use intent::{Intent, Isolation};

use super::tree::{Tree, isolation};

const NIC: &str = "/sys/class/net/eth0";

/// An interface at NUMA node 1 (CPUs 4-7) with two queues each way and three interrupts.
fn tree(is_virtio: bool) -> Tree {
    let tree = Tree::v2();
    let device = if is_virtio {
        let below = "/sys/devices/pci0000:00/0000:00:04.0/virtio1";
        tree.write(&format!("{below}/modalias"), "virtio:d1\n");
        tree.write(&format!("{NIC}/ifindex"), "2\n");
        let real = |path: &str| tree.host.real(std::path::Path::new(path));
        std::os::unix::fs::symlink(real(below), real(&format!("{NIC}/device"))).unwrap();
        "/sys/bus/pci/devices/0000:00:04.0".to_owned()
    } else {
        format!("{NIC}/device")
    };
    tree.write("/sys/devices/system/node/node1/cpulist", "4-7\n");
    tree.write(&format!("{device}/numa_node"), "1\n");
    for irq in [24, 25, 126] {
        tree.write(&format!("{device}/msi_irqs/{irq}"), "msix\n");
        tree.write(&format!("/proc/irq/{irq}/smp_affinity_list"), "0-7\n");
    }
    tree.write("/proc/irq/9/smp_affinity_list", "0-7\n");
    tree.write("/proc/irq/default_smp_affinity", "ff\n");
    for (queue, mask) in [
        ("tx-0/xps_cpus", "00\n"),
        ("tx-1/xps_cpus", "0f\n"),
        ("rx-0/rps_cpus", "00\n"),
        ("rx-1/rps_cpus", "30\n"),
    ] {
        tree.write(&format!("{NIC}/queues/{queue}"), mask);
    }
    tree
}

fn near(cpus: &str, nic: &str) -> Intent {
    Intent::default().with(Isolation {
        nics: Some(vec![nic.to_owned()]),
        ..isolation("web", cpus, true)
    })
}

fn irqs(tree: &Tree) -> [String; 4] {
    [24, 25, 126, 9].map(|irq| tree.read(&format!("/proc/irq/{irq}/smp_affinity_list")))
}

fn masks(tree: &Tree) -> [String; 4] {
    ["tx-0/xps_cpus", "tx-1/xps_cpus", "rx-0/rps_cpus", "rx-1/rps_cpus"]
        .map(|queue| tree.read(&format!("{NIC}/queues/{queue}")))
}

#[test]
fn interrupts_of_the_queues_go_beside_the_interface_and_come_back() {
    // Of virtio the interrupts are those of the PCI function that it stands below.
    for is_virtio in [false, true] {
        let tree = tree(is_virtio);
        let (before, were) = (irqs(&tree), masks(&tree));
        let intent = near("4-5", "eth0");
        tree.converge(&intent);
        assert_eq!(
            irqs(&tree),
            ["6", "7", "6", "0-3,6-7"],
            "one a queue, none on the workload's own"
        );
        assert_eq!(
            masks(&tree),
            ["10", "20", "00", "0"],
            "each of its CPUs sends by a queue of its own"
        );
        assert!(tree.plan(&intent).is_empty());
        // A second workload takes the rest of that NUMA node: any other CPU is better than an exclusive one.
        let both = intent.with(isolation("db", "6-7", true));
        tree.converge(&both);
        assert_eq!(irqs(&tree), ["0", "1", "2", "0-3"]);
        tree.converge(&both.without(&"web".parse().unwrap()));
        assert_eq!(masks(&tree)[..2], ["0", "f"], "nobody wants its queues any more");
        tree.converge(&Intent::default());
        assert_eq!(irqs(&tree), before);
        let same = |mask: &String| mask.trim_start_matches('0').to_owned();
        assert_eq!(masks(&tree).each_ref().map(same), were.each_ref().map(same));
        assert!(!tree.host.has(std::path::Path::new(super::tree::RECORD)));
    }
}

#[test]
fn received_packets_are_steered_to_no_exclusive_cpu_whoever_has_it() {
    let tree = tree(false);
    let file = format!("{NIC}/queues/rx-2/rps_cpus");
    tree.write(&file, "ff\n");
    let rps = || {
        [
            tree.read(&file),
            tree.read(&format!("{NIC}/queues/rx-0/rps_cpus")),
        ]
    };
    let web = near("4-5", "eth0");
    tree.converge(&web);
    assert_eq!(rps(), ["cf", "00"], "a queue that steers to nobody stays so");
    let both = web.with(isolation("db", "1-2", true));
    tree.converge(&both);
    assert_eq!(
        rps()[0],
        "c9",
        "nor to CPUs of a workload that did not ask for the interface"
    );
    tree.write(&file, "ff\n");
    let steps = tree.converge(&both);
    assert_eq!((rps()[0].as_str(), steps.len()), ("c9", 1), "drift is one step");
    tree.converge(&web);
    assert_eq!(rps()[0], "cf");
    tree.converge(&Intent::default());
    assert_eq!(rps(), ["ff", "00"]);
    assert!(!tree.host.has(std::path::Path::new(super::tree::RECORD)));
}

#[test]
fn a_name_that_is_no_interface_and_whoever_moves_interrupts_change_nothing() {
    let tree = tree(false);
    for nic in ["eth7", "../eth0", "", ".", "eth0/device"] {
        let intent = Intent::default().with(Isolation {
            nics: Some(vec![nic.to_owned()]),
            ..isolation("web", "4-5", false)
        });
        let touched = tree
            .plan(&intent)
            .into_iter()
            .any(|(_, step)| step.path().starts_with("/sys/class/net"));
        assert!(!touched, "{nic:?}");
    }
    tree.write("/proc/71/comm", "irqbalance\n");
    let before = (irqs(&tree), masks(&tree));
    tree.converge(&near("4-5", "eth0"));
    assert_eq!((irqs(&tree), masks(&tree)), before);
}
