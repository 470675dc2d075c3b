//! What an ask for huge pages, cache and bandwidth becomes in the kernel's files, and what is said where a host cannot do it.

use agent::reconcile::KeeperError;
use agent_api::v1::{Ask, GpuWish, HugepageAsk, RunRequest};
use facts::gpu::Gpu;
use facts::inventory::HugepagePool;
use facts::topology::{Cache, CacheKind};
use facts::{Bytes, Identity, Inventory, NumaNodeId};
use intent::Share;

use crate::fixture::{Fixture, NOW, machine, request};

const MIB: u64 = 1 << 20;
const CLASS: &str = "sys/fs/resctrl/busbar-web";
const EVERYBODY: &str = "sys/fs/resctrl/schemata";

/// Eight cores under two caches, and a gibibyte of huge pages.
fn with_caches() -> Inventory {
    let cache = |cpus: &str| Cache {
        level: 3,
        kind: CacheKind::Unified,
        size_bytes: None,
        cpus: cpus.parse().unwrap(),
    };
    Inventory {
        caches: vec![cache("0-3"), cache("4-7")],
        hugepages: vec![HugepagePool {
            numa_node: NumaNodeId(0),
            page_bytes: Bytes::new(2 * MIB),
            total_bytes: Bytes::new(1 << 30),
        }],
        ..machine(8)
    }
}

fn with_hugetlb(fixture: &Fixture) {
    fixture.write(
        "sys/fs/cgroup/cgroup.controllers",
        "cpuset cpu io memory hugetlb pids\n",
    );
    for pool in ["hugepages-2048kB", "hugepages-1048576kB"] {
        fixture.write(&format!("sys/kernel/mm/hugepages/{pool}/nr_hugepages"), "512\n");
    }
}

pub fn with_resctrl(fixture: &Fixture) {
    for (file, text) in [
        ("info/L3/cbm_mask", "fff\n"),
        ("info/L3/min_cbm_bits", "1\n"),
        ("info/L3/num_closids", "4\n"),
        ("info/L3/shareable_bits", "0\n"),
        ("info/MB/bandwidth_gran", "10\n"),
        ("info/MB/min_bandwidth", "10\n"),
        ("info/MB/num_closids", "4\n"),
        ("schemata", "MB:0=100;1=100\nL3:0=fff;1=fff\n"),
    ] {
        fixture.write(&format!("sys/fs/resctrl/{file}"), text);
    }
    for cpu in 0..8 {
        let dir = format!("sys/devices/system/cpu/cpu{cpu}/cache/index3");
        fixture.write(&format!("{dir}/level"), "3\n");
        fixture.write(&format!("{dir}/id"), if cpu < 4 { "0\n" } else { "1\n" });
    }
    fixture.write("proc/7/task/7/comm", "asker\n");
}

fn asking(change: impl FnOnce(&mut Ask)) -> RunRequest {
    let mut request = request("web", 2, true);
    change(&mut request.ask);
    request
}

fn hugepages(ask: &mut Ask) {
    ask.hugepages = vec![HugepageAsk {
        page_bytes: Bytes::new(2 * MIB),
        bytes: Bytes::new(512 * MIB),
    }];
}

fn shares(ask: &mut Ask) {
    ask.l3_share = Some(Share::new(250).unwrap());
    ask.memory_bandwidth_share = Some(Share::new(333).unwrap());
}

/// The refusal of an ask, after which the host is as it was; its offer says the same.
fn refusal(fixture: &Fixture, ask: RunRequest, inventory: &Inventory) -> String {
    let mut keeper = fixture.open();
    let before = fixture.all("sys");
    let said = keeper.start(ask.clone(), 7, 0, inventory, NOW).unwrap_err();
    assert!(matches!(said, KeeperError::Refused(_)), "{said}");
    assert_eq!(fixture.all("sys"), before, "{said}");
    assert!(keeper.workloads().is_empty());
    let offer = keeper.offer(&ask.ask, inventory).unwrap();
    let told = offer.because.join("; ");
    assert!(told.contains(&said.to_string()), "{told}");
    said.to_string()
}

#[test]
fn an_ask_for_huge_pages_becomes_limits_of_hugetlb() {
    let fixture = Fixture::v2();
    with_hugetlb(&fixture);
    let before = fixture.all("sys/kernel");
    let mut keeper = fixture.open();
    let web = keeper
        .start(asking(hugepages), 7, 0, &with_caches(), NOW)
        .unwrap();
    let file = |name: &str| fixture.read(&format!("sys/fs/cgroup/busbar/web/{name}"));
    assert_eq!(file("hugetlb.2MB.max"), (512 * MIB).to_string());
    assert_eq!(file("hugetlb.1GB.max"), "0", "it was promised none of these");
    assert_eq!(keeper.plan().unwrap(), []);
    let other = keeper.offer(&asking(hugepages).ask, &with_caches()).unwrap();
    assert_eq!(other.hugepages[0].bytes, Bytes::new(512 * MIB));
    let mut more = asking(hugepages).ask;
    more.hugepages[0].bytes = Bytes::new(514 * MIB);
    let said = keeper.offer(&more, &with_caches()).unwrap_err().to_string();
    assert!(said.contains("512 MiB"), "a promise is made once: {said}");
    keeper.end(&web.id, NOW).unwrap();
    assert_eq!(
        fixture.all("sys/kernel"),
        before,
        "the pools themselves are the host's"
    );
    assert!(!fixture.path("sys/fs/cgroup/busbar").exists());
}

#[test]
fn an_ask_for_cache_and_bandwidth_becomes_a_class_of_resctrl_with_the_asker_in_it() {
    let fixture = Fixture::v2();
    with_resctrl(&fixture);
    let mut keeper = fixture.open();
    let web = keeper.start(asking(shares), 7, 0, &with_caches(), NOW).unwrap();
    assert_eq!(web.cpus.to_string(), "1-2");
    assert_eq!(
        fixture.read(&format!("{CLASS}/schemata")),
        "L3:0=7;1=fff\nMB:0=40"
    );
    assert_eq!(fixture.read(EVERYBODY), "MB:0=100;1=100\nL3:0=ff8;1=fff");
    assert_eq!(
        fixture.read(&format!("{CLASS}/tasks")),
        "7",
        "before whoever asked has an answer"
    );
    assert_eq!(keeper.plan().unwrap(), []);
    assert_eq!(keeper.sweep(NOW), [], "nothing is left for a sweep");
    keeper.end(&web.id, NOW).unwrap();
    assert_eq!(fixture.read(EVERYBODY), "MB:0=100;1=100\nL3:0=fff;1=fff");
    assert!(!fixture.path(CLASS).exists());
}

#[test]
fn a_gpu_is_its_holders_alone_among_workloads_and_refused_where_nothing_keeps_others_off() {
    let gpu = |number: u32| Gpu {
        identity: Identity::default(),
        uuid: Some(format!("GPU-{number}")),
        pci: Some(format!("0000:{number:02x}:00.0").parse().unwrap()),
        pci_id: None,
        numa_node: None,
        device: Some(format!("nvidia{number}")),
        memory_bytes: None,
        readings: None,
    };
    let inventory = Inventory {
        gpus: vec![gpu(0), gpu(1)],
        ..machine(8)
    };
    let program = |name: &str| format!("sys/fs/cgroup/busbar/{name}/busbar.device_program");
    let fixture = Fixture::v2();
    fixture.write("proc/devices", "Character devices:\n195 nvidia\n226 drm\n");
    let mut keeper = fixture.open();
    keeper
        .start(request("other", 1, true), 8, 0, &inventory, NOW)
        .unwrap();
    assert!(!fixture.path(&program("other")).exists());
    let wants = asking(|ask| ask.gpus = Some(GpuWish::Count(1)));
    let web = keeper.start(wants.clone(), 7, 0, &inventory, NOW).unwrap();
    let rules = |steps: &[String], name: &str| {
        let start = format!("attach device rules to /sys/fs/cgroup/busbar/{name}: ");
        let found = steps.iter().find_map(|step| step.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("{name}: {steps:?}")).to_owned()
    };
    assert_eq!(rules(&web.steps, "other"), "deny c 195:0");
    assert_eq!(
        rules(&web.steps, "web"),
        "allow c 195:0, deny c 195:0-253, deny c 226:*"
    );
    assert!(fixture.path(&program("other")).exists() && fixture.path(&program("web")).exists());
    let second = keeper.offer(&wants.ask, &inventory).unwrap();
    assert_eq!(second.gpus[0].index, 1);
    let ended = keeper.end(&web.id, NOW).unwrap();
    assert_eq!(rules(&ended.undone, "other"), "everything is allowed again");
    assert_eq!(keeper.plan().unwrap(), []);
    drop(keeper);
    let said = refusal(&Fixture::v1(), wants, &inventory);
    assert!(said.contains("systemd.unified_cgroup_hierarchy=1"), "{said}");
}

#[test]
fn what_this_host_cannot_do_is_refused_with_what_would_give_it() {
    let fixture = Fixture::v2();
    let said = refusal(&fixture, asking(hugepages), &with_caches());
    assert!(
        said.contains("controller hugetlb") && said.contains("CONFIG_CGROUP_HUGETLB"),
        "{said}"
    );
    let said = refusal(&fixture, asking(shares), &with_caches());
    assert!(
        said.contains("mount -t resctrl resctrl /sys/fs/resctrl"),
        "{said}"
    );
    with_resctrl(&fixture);
    let huge = refusal(
        &fixture,
        asking(|ask| ask.l3_share = Some(Share::new(1_000).unwrap())),
        &with_caches(),
    );
    assert!(huge.contains("everybody else would have less"), "{huge}");
}

#[test]
fn a_share_of_a_cache_that_nobody_shows_is_refused_and_not_left_out() {
    let fixture = Fixture::v2();
    with_resctrl(&fixture);
    let mut keeper = fixture.open();
    let said = keeper
        .start(asking(shares), 7, 0, &machine(8), NOW)
        .unwrap_err()
        .to_string();
    assert!(said.contains("this node shows none"), "{said}");
}
