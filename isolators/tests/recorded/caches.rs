//! Cache ways and memory bandwidth: classes of our own, those of others left alone, what everybody has given back.

use std::path::Path;

use intent::{CacheShare, Intent, Isolation, Share};

use super::tree::{RECORD, Tree, isolation};

const ROOT: &str = "/sys/fs/resctrl/schemata";

/// Two caches of twelve ways, bandwidth in steps of ten, four classes; devices use the two highest ways.
fn tree() -> Tree {
    let tree = Tree::v2();
    for (file, text) in [
        ("info/L3/cbm_mask", "fff\n"),
        ("info/L3/min_cbm_bits", "1\n"),
        ("info/L3/num_closids", "4\n"),
        ("info/L3/shareable_bits", "c00\n"),
        ("info/MB/bandwidth_gran", "10\n"),
        ("info/MB/min_bandwidth", "10\n"),
        ("info/MB/num_closids", "8\n"),
        ("info/last_cmd_status", "ok\n"),
        ("schemata", "MB:0=100;1=100\nL3:0=fff;1=fff\n"),
        ("mon_data/mon_L3_00/llc_occupancy", "0\n"),
    ] {
        tree.write(&format!("/sys/fs/resctrl/{file}"), text);
    }
    for cpu in 0..8 {
        let dir = format!("/sys/devices/system/cpu/cpu{cpu}/cache/index3");
        tree.write(&format!("{dir}/level"), "3\n");
        tree.write(&format!("{dir}/id"), if cpu < 4 { "0\n" } else { "1\n" });
    }
    tree
}

fn sharing(name: &str, cpus: &str, ways: u64, bandwidth: Option<u64>) -> Isolation {
    Isolation {
        cache: Some(vec![CacheShare {
            cache: 0,
            cpus: cpus.parse().unwrap(),
            l3_share: Some(Share::new(ways).unwrap()),
            memory_bandwidth_share: bandwidth.map(|share| Share::new(share).unwrap()),
        }]),
        ..isolation(name, cpus, true)
    }
}

#[test]
fn each_share_is_a_class_and_everybody_gives_its_ways_up() {
    let tree = tree();
    let before = tree.read(ROOT);
    let web = Intent::default().with(sharing("web", "0-1", 250, Some(333)));
    let steps = tree.converge(&web);
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
    assert!(
        at("write L3:0=ff8") < at("make class"),
        "what is taken away comes first: {texts:?}"
    );
    assert_eq!(
        tree.read("/sys/fs/resctrl/busbar-web/schemata"),
        "L3:0=7;1=fff\nMB:0=40"
    );
    assert_eq!(tree.read(ROOT), "MB:0=100;1=100\nL3:0=ff8;1=fff");
    let both = web
        .with(sharing("db", "4-5", 500, None))
        .with(sharing("cache", "2-3", 250, None));
    tree.converge(&both);
    assert_eq!(tree.read("/sys/fs/resctrl/busbar-db/schemata"), "L3:0=fc0;1=3f");
    assert_eq!(
        tree.read("/sys/fs/resctrl/busbar-cache/schemata"),
        "L3:0=38;1=fc0"
    );
    let web_now = tree.read("/sys/fs/resctrl/busbar-web/schemata");
    assert!(
        web_now.starts_with("L3:0=7;1=fc0"),
        "it keeps its ways: {web_now}"
    );
    assert_eq!(tree.read(ROOT), "MB:0=100;1=100\nL3:0=fc0;1=fc0");
    tree.converge(&Intent::default());
    assert_eq!(tree.read(ROOT), before);
    assert!(!tree.host.has(Path::new("/sys/fs/resctrl/busbar-web")));
    assert!(!tree.host.has(Path::new(RECORD)));
}

#[test]
fn threads_of_a_workload_are_put_into_its_class() {
    let tree = tree();
    let web = Intent::default().with(sharing("web", "0-1", 250, None));
    tree.converge(&web);
    tree.write("/sys/fs/cgroup/busbar/web/cgroup.procs", "7\n");
    tree.write(
        "/proc/7/stat",
        "7 (x) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0",
    );
    tree.write("/proc/7/task/7/comm", "x\n");
    tree.write("/proc/7/task/9/comm", "x\n");
    tree.converge(&web);
    let tasks = tree.read("/sys/fs/resctrl/busbar-web/tasks");
    assert_eq!(tasks.lines().collect::<Vec<_>>(), ["7", "9"]);
}

#[test]
fn classes_of_others_are_read_and_never_changed() {
    let tree = tree();
    let foreign = "L3:0=01f;1=01f\nMB:0=100;1=100";
    tree.write("/sys/fs/resctrl/theirs/schemata", &format!("{foreign}\n"));
    tree.write("/sys/fs/resctrl/theirs/tasks", "4711\n");
    tree.converge(&Intent::default().with(sharing("web", "0-1", 250, None)));
    assert_eq!(tree.read("/sys/fs/resctrl/busbar-web/schemata"), "L3:0=e0;1=fff");
    assert_eq!(tree.read("/sys/fs/resctrl/theirs/schemata"), foreign);
    let said = tree.refusal(sharing("db", "0-1", 700, None)).to_string();
    assert!(said.contains("9 ways") && said.contains("5 are taken"), "{said}");
    tree.converge(&Intent::default());
    assert_eq!(tree.read("/sys/fs/resctrl/theirs/tasks"), "4711");
}

#[test]
fn what_does_not_fit_is_refused_with_what_is_left() {
    let tree = tree();
    let whole = tree.refusal(sharing("web", "0-1", 1000, None)).to_string();
    assert!(whole.contains("everybody else would have less"), "{whole}");
    let mut many = Intent::default();
    for name in ["a", "b", "c", "d"] {
        many = many.with(sharing(name, "0-1", 100, None));
    }
    let said = isolators::plan(&tree.layout(), &tree.host, &many)
        .unwrap_err()
        .to_string();
    assert!(said.contains("this processor has 4"), "{said}");
    tree.write(ROOT, "MB:0=2048;1=2048\nL3:0=fff;1=fff\n");
    let amd = tree.refusal(sharing("web", "0-1", 100, Some(500))).to_string();
    assert!(amd.contains("counted absolutely"), "{amd}");
    let bare = Tree::v2().refusal(sharing("web", "0-1", 100, None)).to_string();
    assert!(bare.contains("mount -t resctrl"), "{bare}");
}
