//! The host that the keeper's tests write to: made-up v1 and v2 trees, and a machine of eight cores.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use agent::reconcile::{Keeper, KeeperConfig};
use agent_api::v1::{Ask, RunRequest, Workload};
use collectors::Root;
use facts::topology::{Core, Cpu, NumaNode};
use facts::{Bytes, CoreId, CpuId, CpuSet, Inventory, Moment, NumaNodeId};
use intent::{Actuators, Mode};

pub const NOW: Moment = Moment::from_millis(1_795_311_618_123);

/// A tree of plain files that looks like a host.
pub struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    pub fn new(files: &[(&str, &str)]) -> Fixture {
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

    pub fn v1() -> Fixture {
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

    pub fn v2() -> Fixture {
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

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    pub fn write(&self, file: &str, text: &str) {
        fs::create_dir_all(self.path(file).parent().unwrap()).unwrap();
        fs::write(self.path(file), text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file))
            .unwrap_or_else(|_| panic!("no {file}"))
            .trim()
            .to_owned()
    }

    pub fn config(&self, mode: Mode) -> KeeperConfig {
        let root = Root::at(self.dir.path()).unwrap();
        let mut config = KeeperConfig::new(root, self.path("state"), "boot-1".to_owned());
        config.actuators = Actuators::new(mode, BTreeMap::new()).unwrap();
        config
    }

    pub fn open(&self) -> Keeper {
        Keeper::open(self.config(Mode::Enforce)).unwrap()
    }

    pub fn root(&self) -> Root {
        Root::at(self.dir.path()).unwrap()
    }

    /// Everything below a directory of the fixture; lists of processes sorted, because the kernel's have no order.
    pub fn all(&self, below: &str) -> BTreeMap<PathBuf, Vec<u8>> {
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
pub fn machine(cpus: u32) -> Inventory {
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

pub fn request(name: &str, cpus: u32, exclusive: bool) -> RunRequest {
    let memory_bytes = exclusive.then(|| Bytes::new(256 << 20));
    RunRequest {
        ask: Ask {
            cpus,
            exclusive,
            memory_bytes,
            name: Some(name.parse().unwrap()),
            ..Ask::default()
        },
        command: "sleep".to_owned(),
        enters: false,
    }
}

pub fn start(keeper: &mut Keeper, name: &str, cpus: u32, exclusive: bool, pid: u32) -> Workload {
    keeper
        .start(request(name, cpus, exclusive), pid, 0, &machine(8), NOW)
        .unwrap()
}
