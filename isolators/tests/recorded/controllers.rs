//! Controllers of cgroup v2 and v1: each limit is written, read back, lowered first and lifted.

use facts::{Bytes, NumaNodeId};
use intent::{CpuWeight, HugepageShare, Intent, IoLimit, IoWeight, Isolation};
use isolators::cgroup::{cannot, end, freeze, is_frozen, thaw};
use isolators::step::Ending;
use isolators::{Phase, Step};

use super::tree::{Tree, isolation};

const WEB: &str = "/sys/fs/cgroup/busbar/web";

fn full() -> Isolation {
    Isolation {
        cpu_weight: Some(CpuWeight::new(300).unwrap()),
        cpu_idle: Some(false),
        memory_min: Some(Bytes::new(16 << 20)),
        memory_low: Some(Bytes::new(32 << 20)),
        memory_high: Some(Bytes::new(48 << 20)),
        memory_max: Some(Bytes::new(64 << 20)),
        memory_oom_group: Some(true),
        pids_max: Some(100),
        hugepages: Some(vec![HugepageShare {
            numa_node: NumaNodeId(0),
            page_bytes: Bytes::new(2 << 20),
            bytes: Bytes::new(8 << 20),
        }]),
        io: Some(vec![IoLimit {
            device: "nvme0n1".to_owned(),
            read_bytes_per_second: Some(1 << 20),
            writes_per_second: Some(500),
            weight: Some(IoWeight::new(50).unwrap()),
            latency_microseconds: Some(75),
            ..IoLimit::default()
        }]),
        ..isolation("web", "2-3", false)
    }
}

#[test]
fn v2_gets_every_limit_and_nothing_is_left_to_do() {
    let tree = Tree::v2();
    let intent = Intent::default().with(full());
    tree.converge(&intent);
    for (file, text) in [
        ("cpu.weight", "300"),
        ("cpu.idle", "0"),
        ("memory.min", "16777216"),
        ("memory.low", "33554432"),
        ("memory.high", "50331648"),
        ("memory.max", "67108864"),
        ("memory.oom.group", "1"),
        ("pids.max", "100"),
        ("hugetlb.2MB.max", "8388608"),
        ("hugetlb.1GB.max", "0"),
        ("io.weight", "259:0 50"),
        ("io.latency", "259:0 target=75"),
    ] {
        assert_eq!(tree.read(&format!("{WEB}/{file}")), text, "{file}");
    }
    assert_eq!(
        tree.read(&format!("{WEB}/io.max")),
        "259:0 rbps=1048576 wiops=500"
    );
    assert_eq!(tree.read("/sys/fs/cgroup/busbar/memory.min"), "16777216");
    let on = tree.read("/sys/fs/cgroup/busbar/cgroup.subtree_control");
    for controller in ["io", "pids", "hugetlb", "memory", "cpu", "cpuset"] {
        assert!(on.contains(controller), "{controller} in {on}");
    }
    // Somebody changes something: one step puts it right.
    tree.write(&format!("{WEB}/pids.max"), "max\n");
    let steps = tree.plan(&intent);
    assert_eq!((steps.len(), steps[0].0), (1, Phase::Release), "{steps:?}");
    tree.converge(&Intent::default());
    assert!(!tree.host.has(std::path::Path::new("/sys/fs/cgroup/busbar")));
}

#[test]
fn what_is_lowered_goes_first_and_what_is_raised_last() {
    let tree = Tree::v2();
    tree.converge(&Intent::default().with(full()));
    let mut changed = full();
    let io = changed.io.as_mut().unwrap();
    io[0].read_bytes_per_second = Some(1 << 19);
    io[0].writes_per_second = Some(900);
    changed.cpu_weight = Some(CpuWeight::new(400).unwrap());
    changed.memory_high = Some(Bytes::new(40 << 20));
    let intent = Intent::default().with(changed);
    let steps = tree.plan(&intent);
    let texts: Vec<String> = steps
        .iter()
        .map(|(phase, step)| format!("{phase} {step}"))
        .collect();
    let at = |part: &str| {
        texts
            .iter()
            .position(|text| text.contains(part))
            .unwrap_or_else(|| panic!("{part}: {texts:?}"))
    };
    assert!(texts[at("rbps=524288")].starts_with("release"), "{texts:?}");
    assert!(texts[at("memory.high")].starts_with("release"));
    assert!(texts[at("wiops=900")].starts_with("grant"));
    assert!(texts[at("cpu.weight")].starts_with("grant"));
    tree.converge(&intent);
    let io = tree.read(&format!("{WEB}/io.max"));
    assert!(io.contains("rbps=524288") && io.contains("wiops=900"), "{io}");
}

#[test]
fn a_device_that_is_not_limited_any_more_is_free_again() {
    let tree = Tree::v2();
    let limit = |device: &str| IoLimit {
        device: device.to_owned(),
        reads_per_second: Some(7),
        ..IoLimit::default()
    };
    let both = Isolation {
        io: Some(vec![limit("sda"), limit("nvme0n1")]),
        ..isolation("web", "2-3", false)
    };
    tree.converge(&Intent::default().with(both.clone()));
    assert_eq!(tree.read(&format!("{WEB}/io.max")).lines().count(), 2);
    let one = Isolation {
        io: Some(vec![limit("sda")]),
        ..both
    };
    tree.converge(&Intent::default().with(one));
    assert_eq!(tree.read(&format!("{WEB}/io.max")), "8:0 riops=7");
}

#[test]
fn what_cannot_be_had_names_controller_file_and_remedy() {
    let tree = Tree::v2();
    tree.write(
        "/sys/fs/cgroup/system.slice/cgroup.controllers",
        "cpu io memory\n",
    );
    for file in ["io.weight", "io.max", "cpu.idle", "memory.oom.group"] {
        tree.write(&format!("/sys/fs/cgroup/system.slice/{file}"), "\n");
    }
    let said = tree.refusal(full()).to_string();
    for part in ["io.latency", "controller io", "CONFIG_BLK_CGROUP_IOLATENCY"] {
        assert!(said.contains(part), "{said}");
    }
    let limit = |device: &str| Isolation {
        io: Some(vec![IoLimit {
            device: device.to_owned(),
            reads_per_second: Some(7),
            ..IoLimit::default()
        }]),
        ..isolation("web", "2-3", false)
    };
    assert!(
        tree.refusal(limit("sdz"))
            .to_string()
            .contains("/sys/class/block/sdz/dev")
    );
    assert!(tree.refusal(limit("sda1")).to_string().contains("partition"));
    for hostile in ["", "..", "../../etc", &"x".repeat(65_536)] {
        let said = tree.refusal(limit(hostile)).to_string();
        assert!(said.len() < 200 && said.contains("cannot be limited"), "{said}");
    }
    let odd = Isolation {
        hugepages: Some(vec![HugepageShare {
            numa_node: NumaNodeId(0),
            page_bytes: Bytes::new(0),
            bytes: Bytes::new(1),
        }]),
        ..isolation("web", "2-3", false)
    };
    assert!(tree.refusal(odd).to_string().contains("hugepages-0kB"));
}

#[test]
fn v1_does_what_it_can_and_says_what_it_cannot() {
    let tree = Tree::v1();
    let can = Isolation {
        memory_min: None,
        memory_high: None,
        memory_oom_group: None,
        io: Some(vec![IoLimit {
            device: "sda".to_owned(),
            read_bytes_per_second: Some(1 << 20),
            ..IoLimit::default()
        }]),
        ..full()
    };
    let intent = Intent::default().with(can.clone());
    tree.converge(&intent);
    for (file, text) in [
        ("cpu/busbar/web/cpu.shares", "3072"),
        ("memory/busbar/web/memory.limit_in_bytes", "67108864"),
        ("memory/busbar/web/memory.soft_limit_in_bytes", "33554432"),
        ("blkio/busbar/web/blkio.throttle.read_bps_device", "8:0 1048576"),
        ("pids/busbar/web/pids.max", "100"),
        ("hugetlb/busbar/web/hugetlb.2MB.limit_in_bytes", "8388608"),
    ] {
        assert_eq!(tree.read(&format!("/sys/fs/cgroup/{file}")), text, "{file}");
    }
    let list: Vec<&str> = cannot(&tree.layout()).iter().map(|one| one.what).collect();
    for what in [
        "partition",
        "memory_high",
        "memory_min",
        "memory_oom_group",
        "io.latency",
    ] {
        assert!(list.contains(&what), "{what} in {list:?}");
    }
    let said = tree.refusal(full()).to_string();
    assert!(said.contains("cgroup v2 has it"), "{said}");
    let lifted = Isolation {
        io: Some(Vec::new()),
        ..can
    };
    tree.converge(&Intent::default().with(lifted));
    assert_eq!(
        tree.read("/sys/fs/cgroup/blkio/busbar/web/blkio.throttle.read_bps_device"),
        ""
    );
    assert!(cannot(&Tree::v2().layout()).is_empty());
}

#[test]
fn a_workload_is_frozen_thawed_and_ended_by_steps() {
    let tree = Tree::v2();
    let web = full();
    tree.converge(&Intent::default().with(web.clone()));
    let layout = tree.layout();
    let steps = freeze(&tree.host, &layout, &web).unwrap();
    assert_eq!(steps.len(), 1);
    let phased: Vec<(Phase, Step)> = steps.into_iter().map(|step| (Phase::Shape, step)).collect();
    tree.act(intent::Actuator::Cpu, &phased);
    assert_eq!(is_frozen(&tree.host, &layout, &web), Some(true));
    assert!(
        freeze(&tree.host, &layout, &web).unwrap().is_empty(),
        "it stands still already"
    );
    let ending = end(&tree.host, &layout, &web, Ending::Term).unwrap();
    assert!(
        matches!(
            ending.as_slice(),
            [Step::Freeze { frozen: false, .. }, Step::End { .. }]
        ),
        "{ending:?}"
    );
    assert_eq!(thaw(&tree.host, &layout, &web).unwrap().len(), 1);
    let v1 = Tree::v1();
    v1.converge(&Intent::default().with(isolation("web", "2-3", false)));
    let said = freeze(&v1.host, &v1.layout(), &isolation("web", "2-3", false))
        .unwrap_err()
        .to_string();
    assert!(said.contains("cgroup.freeze"), "{said}");
}
