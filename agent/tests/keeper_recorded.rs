//! The keeper on trees of plain files: whole lives, crashes between any two steps, other owners, and observe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent::reconcile::{Keeper, KeeperConfig, KeeperError, StepWatch, footprint, leave};
use agent_api::v1::{Ask, Exclusivity, RunRequest, Workload};
use collectors::Root;
use facts::topology::{Core, Cpu, NumaNode};
use facts::{Bytes, CoreId, CpuId, CpuSet, Inventory, Moment, NumaNodeId};
use intent::{Actuators, Mode};

const NOW: Moment = Moment::from_millis(1_795_311_618_123);

struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    fn new(files: &[(&str, &str)]) -> Fixture {
        let fixture = Fixture {
            dir: tempfile::tempdir().unwrap(),
        };
        for pid in [7, 8, 9] {
            let stat = format!("{pid} (asker) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 47{pid} 0 0");
            fixture.write(&format!("proc/{pid}/stat"), &stat);
            fixture.write(&format!("proc/{pid}/comm"), "asker\n");
            let cgroup = "4:memory:/\n3:cpuset:/user\n2:cpu,cpuacct:/\n0::/user\n";
            fixture.write(&format!("proc/{pid}/cgroup"), cgroup);
        }
        files.iter().for_each(|(file, text)| fixture.write(file, text));
        fixture
    }

    fn v1() -> Fixture {
        Fixture::new(&[
            (
                "proc/self/mountinfo",
                "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                 35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                 36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
            ),
            ("sys/fs/cgroup/cpuset/cpuset.cpus", "0-7\n"),
            ("sys/fs/cgroup/cpuset/cpuset.mems", "0\n"),
            ("sys/fs/cgroup/cpuset/user/cgroup.procs", "7\n8\n9\n"),
            ("sys/fs/cgroup/memory/cgroup.procs", "7\n8\n9\n"),
            ("sys/fs/cgroup/cpu/cgroup.procs", "7\n8\n9\n"),
        ])
    }

    fn v2() -> Fixture {
        Fixture::new(&[
            (
                "proc/self/mountinfo",
                "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
            ),
            ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"),
            ("sys/fs/cgroup/cgroup.subtree_control", "+cpuset +memory +cpu\n"),
            ("sys/fs/cgroup/user/cgroup.procs", "7\n8\n9\n"),
        ])
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        fs::write(self.path(file), text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file))
            .unwrap_or_else(|_| panic!("no {file}"))
            .trim()
            .to_owned()
    }

    fn config(&self, mode: Mode) -> KeeperConfig {
        let root = Root::at(self.dir.path()).unwrap();
        let mut config = KeeperConfig::new(root, self.path("state"), "boot-1".to_owned());
        config.actuators = Actuators::new(mode, BTreeMap::new()).unwrap();
        config
    }

    fn open(&self) -> Keeper {
        Keeper::open(self.config(Mode::Enforce)).unwrap()
    }

    fn root(&self) -> Root {
        Root::at(self.dir.path()).unwrap()
    }

    /// Everything below a directory of the fixture; lists of processes sorted, because the kernel's have no order.
    fn all(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.path(below)];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    found.insert(path.clone(), Vec::new());
                    open.push(path);
                } else {
                    let mut bytes = fs::read(&path).unwrap();
                    if path.ends_with("cgroup.procs") {
                        bytes.sort_unstable();
                    }
                    found.insert(path, bytes);
                }
            }
        }
        found
    }
}

/// Eight cores with one CPU each.
fn machine(cpus: u32) -> Inventory {
    let all: CpuSet = (0..cpus).map(CpuId).collect();
    let core = |cpu: u32| Core {
        id: CoreId(cpu),
        os_id: None,
        package: None,
        die: None,
        numa_nodes: Default::default(),
        cpus: [CpuId(cpu)].into_iter().collect(),
        kind: None,
    };
    Inventory {
        cores: (0..cpus).map(core).collect(),
        cpus: (0..cpus)
            .map(|cpu| Cpu {
                id: CpuId(cpu),
                core: None,
                package: None,
                numa_node: None,
                usable: true,
            })
            .collect(),
        numa_nodes: vec![NumaNode {
            id: NumaNodeId(0),
            cpus: all,
            memory_bytes: Some(Bytes::new(8 << 30)),
            distances: vec![10],
            memory_kind: String::new(),
        }],
        ..Inventory::default()
    }
}

fn request(name: &str, cpus: u32, exclusive: bool) -> RunRequest {
    let memory_bytes = exclusive.then(|| Bytes::new(256 << 20));
    RunRequest {
        ask: Ask {
            cpus,
            exclusive,
            memory_bytes,
            name: Some(name.parse().unwrap()),
        },
        command: "sleep".to_owned(),
    }
}

fn start(keeper: &mut Keeper, name: &str, cpus: u32, exclusive: bool, pid: u32) -> Workload {
    keeper
        .start(request(name, cpus, exclusive), pid, 0, &machine(8), NOW)
        .unwrap()
}

#[test]
fn a_whole_life_on_v1_leaves_everything_as_it_was() {
    let fixture = Fixture::v1();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    let batch = start(&mut keeper, "batch", 2, false, 8);
    assert_eq!(
        (batch.cpus.to_string().as_str(), batch.exclusivity),
        ("0-7", Exclusivity::None)
    );
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpu/busbar/batch/cpu.cfs_quota_us"),
        "200000"
    );
    let web = start(&mut keeper, "web", 2, true, 7);
    assert_eq!(
        (web.cpus.to_string().as_str(), web.exclusivity),
        ("1-2", Exclusivity::AmongBusbar)
    );
    assert_eq!(fixture.read("sys/fs/cgroup/cpuset/busbar/web/cgroup.procs"), "7");
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpuset/busbar/batch/cpuset.cpus"),
        "0,3-7"
    );
    assert_eq!(
        fixture.read("sys/fs/cgroup/memory/busbar/web/memory.limit_in_bytes"),
        "268435456"
    );
    assert_eq!(keeper.shared().to_string(), "0,3-7");
    assert_eq!(keeper.reserved().to_string(), "0");
    assert_eq!(keeper.plan().unwrap(), []);
    assert!(
        keeper.cgroup_status().why.contains("v1"),
        "{:?}",
        keeper.cgroup_status()
    );
    assert_eq!(keeper.owner(&web.id), Some(0));

    let placed = footprint(&fixture.root(), &fixture.path("state")).unwrap();
    assert_eq!(
        (placed.workloads.len(), placed.cgroups.len(), placed.files.len()),
        (2, 7, 3)
    );

    let ended = keeper.end(&web.id, NOW).unwrap();
    assert!(
        ended.undone.iter().any(|line| line.starts_with("move process 7")),
        "{:?}",
        ended.undone
    );
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpuset/busbar/batch/cpuset.cpus"),
        "0-7"
    );
    // The other one ends by itself.
    fixture.write("sys/fs/cgroup/cpuset/busbar/batch/cgroup.procs", "");
    fixture.write("sys/fs/cgroup/cpu/busbar/batch/cgroup.procs", "");
    fixture.write("sys/fs/cgroup/cpuset/user/cgroup.procs", "7\n8\n9\n");
    fixture.write("sys/fs/cgroup/cpu/cgroup.procs", "7\n8\n9\n");
    let events = keeper.sweep(NOW);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].kind, "workload_ended");
    assert_eq!(keeper.workloads(), []);
    assert_eq!(fixture.all("sys"), before);
    assert!(matches!(keeper.end(&web.id, NOW), Err(KeeperError::NotFound(_))));
}

#[test]
fn v2_gives_partitions_and_says_why_where_the_kernel_refuses() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    assert_eq!(web.exclusivity, Exclusivity::Partition);
    assert_eq!(keeper.cgroup_status().exclusivity, Exclusivity::Partition);
    // Somebody invalidates it; the kernel takes it back when it is written again.
    fixture.write(
        "sys/fs/cgroup/busbar/web/cpuset.cpus.partition",
        "root invalid (Cpu list not exclusive)\n",
    );
    assert_eq!(keeper.plan().unwrap().len(), 1);
    let events = keeper.sweep(NOW);
    assert_eq!(events[0].kind, "drift_repaired");
    // Now it does not.
    let state = fixture.path("sys/fs/cgroup/busbar/web/cpuset.cpus.partition");
    fs::remove_file(&state).unwrap();
    std::os::unix::fs::symlink("/dev/null", &state).unwrap();
    let events = keeper.sweep(NOW);
    assert!(
        events.iter().any(|event| event.kind == "exclusivity_lost"),
        "{events:?}"
    );
    let status = keeper.cgroup_status();
    assert_eq!(status.exclusivity, Exclusivity::AmongBusbar);
    assert!(status.why.starts_with("web: "), "{}", status.why);
    assert_eq!(keeper.workloads()[0].exclusivity, Exclusivity::AmongBusbar);
    assert_eq!(
        keeper.sweep(NOW),
        [],
        "the kernel is asked once, not every second"
    );
    drop(keeper);
    assert_eq!(
        fixture.open().cgroup_status().exclusivity,
        Exclusivity::AmongBusbar,
        "it is remembered"
    );
}

#[test]
fn observe_and_advise_write_nothing_at_all() {
    for mode in [Mode::Observe, Mode::Advise] {
        let fixture = Fixture::v1();
        let before = fixture.all("");
        let mut keeper = Keeper::open(fixture.config(mode)).unwrap();
        keeper.look(&machine(8));
        assert_eq!(
            keeper
                .offer(&request("web", 2, true).ask, &machine(8))
                .unwrap()
                .cpus
                .to_string(),
            "1-2"
        );
        let error = keeper
            .start(request("web", 2, true), 7, 0, &machine(8), NOW)
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("actuator cpu is in {mode}: would make cgroup")),
            "{text}"
        );
        assert!(text.contains("move process 7"), "{text}");
        assert_eq!(error.code(), "refused");
        assert_eq!(keeper.sweep(NOW), []);
        assert_eq!(keeper.plan().unwrap(), []);
        assert_eq!(
            footprint(&fixture.root(), &fixture.path("state")).unwrap(),
            Default::default()
        );
        drop(keeper);
        assert_eq!(
            fixture.all(""),
            before,
            "not one byte, the state directory included"
        );
    }
}

#[test]
fn observe_leaves_what_enforce_made_and_leave_undoes_it() {
    let fixture = Fixture::v1();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    assert!(matches!(
        Keeper::open(fixture.config(Mode::Enforce)),
        Err(KeeperError::Conflict(_))
    ));
    assert!(
        leave(&fixture.root(), &fixture.path("state")).is_err(),
        "not while an agent runs"
    );
    drop(keeper);
    let with = fixture.all("");
    let mut observing = Keeper::open(fixture.config(Mode::Observe)).unwrap();
    assert_eq!(observing.workloads()[0].id, web.id);
    let error = observing.end(&web.id, NOW).unwrap_err().to_string();
    assert!(error.contains("would move process 7"), "{error}");
    fixture.write("sys/fs/cgroup/cpuset/busbar/web/cpuset.cpus", "1-2\n");
    assert_eq!(observing.sweep(NOW), []);
    assert_eq!(fixture.all(""), with);
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert_eq!(
        left.to_string(),
        "removed: 1 cgroup, 1 process moved back; nothing left"
    );
    assert_eq!(fixture.all("sys"), before);
    assert_eq!(
        leave(&fixture.root(), &fixture.path("state")).unwrap().removed,
        []
    );
}

/// Panics before a step, which leaves memory and disk as a kill there would.
fn dies_before(step: usize) -> (StepWatch, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let watch = move |_: &isolators::Step| {
        assert!(count.fetch_add(1, Ordering::SeqCst) != step, "killed");
    };
    (Box::new(watch), seen)
}

#[test]
fn after_a_crash_between_any_two_steps_the_next_agent_converges() {
    std::panic::set_hook(Box::new(|_| ()));
    for make in [Fixture::v1 as fn() -> Fixture, Fixture::v2] {
        let mut step = 0;
        let survived = loop {
            let fixture = make();
            let before = fixture.all("sys");
            let (watch, seen) = dies_before(step);
            let life = catch_unwind(AssertUnwindSafe(|| {
                let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
                start(&mut keeper, "batch", 1, false, 8);
                let web = start(&mut keeper, "web", 2, true, 7);
                keeper.end(&web.id, NOW).unwrap();
                keeper.end(&"batch".parse().unwrap(), NOW).unwrap();
            }));
            let mut keeper = fixture.open();
            keeper.look(&machine(8));
            keeper.sweep(NOW);
            assert_eq!(keeper.plan().unwrap(), [], "step {step}: {:?}", keeper.found());
            for workload in keeper.workloads() {
                let dir = workload.cgroups[0].trim_start_matches('/').to_owned();
                assert_eq!(
                    fixture.read(&format!("{dir}/cpuset.cpus")),
                    workload.cpus.to_string()
                );
                assert_eq!(
                    fixture.read(&format!("{dir}/cgroup.procs")),
                    workload.pid.to_string()
                );
                keeper.end(&workload.id, NOW).unwrap();
            }
            let after = fixture.all("sys");
            assert_eq!(
                after,
                before,
                "step {step} of {}: {:?}",
                seen.load(Ordering::SeqCst),
                keeper.found()
            );
            if life.is_ok() {
                break step;
            }
            step += 1;
        };
        assert!(survived > 15, "only {survived} steps were tried");
    }
    let _ = std::panic::take_hook();
}

#[test]
fn a_step_that_fails_is_undone_and_told() {
    let fixture = Fixture::v1();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    let limit = fixture.path("sys/fs/cgroup/memory/busbar/web/memory.limit_in_bytes");
    let watch = fixture.path("sys/fs/cgroup/memory/busbar/web");
    drop(keeper);
    // As soon as the directory is there, its limit takes no writes.
    let hook = move |_: &isolators::Step| {
        if watch.is_dir() && fs::symlink_metadata(&limit).is_err() {
            std::os::unix::fs::symlink("/dev/full", &limit).unwrap();
        }
    };
    keeper = Keeper::open_watched(fixture.config(Mode::Enforce), Box::new(hook)).unwrap();
    let error = keeper
        .start(request("web", 2, true), 7, 0, &machine(8), NOW)
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("memory.limit_in_bytes"), "{text}");
    assert!(text.contains("No space left"), "the kernel's reason: {text}");
    assert!(text.contains("nothing is left of web"), "{text}");
    assert_eq!(fixture.all("sys"), before);
    assert_eq!(keeper.plan().unwrap(), []);
    assert!(
        keeper.generation().0 >= 2,
        "the failed intent and its end have numbers"
    );
}

#[test]
fn other_owners_and_strangers_are_refused_by_name() {
    let fixture = Fixture::v1();
    fixture.write("sys/fs/cgroup/cpuset/busbar/other/cgroup.procs", "9\n");
    let mut keeper = fixture.open();
    assert!(
        keeper.found()[0].contains("was not made by this agent"),
        "{:?}",
        keeper.found()
    );
    let error = keeper
        .start(request("web", 1, true), 7, 0, &machine(8), NOW)
        .unwrap_err();
    assert!(error.to_string().contains("1 process (9 asker)"), "{error}");
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpuset/busbar/other/cgroup.procs"),
        "9"
    );
    fs::remove_dir_all(fixture.path("sys/fs/cgroup/cpuset/busbar")).unwrap();
    fixture.write("var/lib/kubelet/cpu_manager_state", "{\"policyName\":\"static\"}");
    let error = keeper
        .start(request("web", 1, true), 7, 0, &machine(8), NOW)
        .unwrap_err();
    assert!(error.to_string().contains("kubelet"), "{error}");
    assert_eq!(error.code(), "refused");
    fs::remove_file(fixture.path("var/lib/kubelet/cpu_manager_state")).unwrap();
    start(&mut keeper, "web", 1, true, 7);
    let again = keeper
        .start(request("web", 1, true), 8, 0, &machine(8), NOW)
        .unwrap_err();
    assert_eq!(again.code(), "conflict");
    fixture.write(
        "proc/7/cgroup",
        "4:memory:/busbar/web\n3:cpuset:/busbar/web\n2:cpu,cpuacct:/\n",
    );
    let nested = keeper
        .start(request("db", 1, true), 7, 0, &machine(8), NOW)
        .unwrap_err();
    assert!(
        nested.to_string().contains("is in workload web already"),
        "{nested}"
    );
    let gone = keeper
        .start(request("db", 1, true), 77, 0, &machine(8), NOW)
        .unwrap_err();
    assert!(
        gone.to_string().contains("process 77, which asks, has ended"),
        "{gone}"
    );
}

#[test]
fn another_boot_forgets_the_workloads_of_the_one_before() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 1, true, 7);
    let generation = keeper.generation();
    drop(keeper);
    fs::remove_dir_all(fixture.path("sys/fs/cgroup/cpuset/busbar")).unwrap();
    fs::remove_dir_all(fixture.path("sys/fs/cgroup/memory/busbar")).unwrap();
    let config = KeeperConfig {
        boot_id: "boot-2".to_owned(),
        ..fixture.config(Mode::Enforce)
    };
    let keeper = Keeper::open(config).unwrap();
    assert!(
        keeper.found()[0].contains("gone with the boot before are web"),
        "{:?}",
        keeper.found()
    );
    assert_eq!(keeper.workloads(), []);
    assert!(keeper.generation() > generation, "generations never go back");
    assert_eq!(keeper.owner(&web.id), None);
}

#[test]
fn a_damaged_ledger_stops_the_agent_and_is_left_as_it_is() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    start(&mut keeper, "web", 1, true, 7);
    drop(keeper);
    let ledger = fixture.path("state/ledger.json");
    let cut = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, &cut[..cut.len() - 20]).unwrap();
    let before = fixture.all("");
    let error = Keeper::open(fixture.config(Mode::Enforce)).unwrap_err();
    assert!(error.to_string().contains("ledger.json, line "), "{error}");
    assert!(error.to_string().contains("Ways out"), "{error}");
    assert!(leave(&fixture.root(), &fixture.path("state")).is_err());
    assert_eq!(fixture.all(""), before);
    assert!(Path::new(&ledger).exists());
}

#[test]
fn shared_cpus_follow_the_machine() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    start(&mut keeper, "batch", 1, false, 8);
    keeper.look(&machine(6));
    let events = keeper.sweep(NOW);
    assert_eq!(events[0].kind, "shared_cpus_changed", "{events:?}");
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpuset/busbar/batch/cpuset.cpus"),
        "0-5"
    );
    keeper.look(&Inventory::default());
    assert_eq!(
        keeper.sweep(NOW),
        [],
        "a topology that is pending changes nothing"
    );
}
