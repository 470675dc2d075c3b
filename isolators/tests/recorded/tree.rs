//! A tree of plain files that stands for a host, and the hand that brings it to an intent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use intent::{Actuator, Actuators, Intent, Isolation, Mode};
use isolators::cgroup::Layout;
use isolators::{Host, IsolateError, Outcome, Phase, Step, apply, plan};

/// Where the record stands, as a host's path.
pub const RECORD: &str = "/var/lib/busbar/originals.json";

pub struct Tree {
    dir: tempfile::TempDir,
    pub host: Host,
}

impl Tree {
    pub fn new(files: &[(&str, &str)]) -> Tree {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree {
            host: Host::at(dir.path()),
            dir,
        };
        files.iter().for_each(|(file, text)| tree.write(file, text));
        tree
    }

    /// A host with cgroup v2, all controllers and eight CPUs.
    pub fn v2() -> Tree {
        Tree::new(&[
            (
                "/proc/self/mountinfo",
                "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
            ),
            (
                "/sys/fs/cgroup/cgroup.controllers",
                "cpuset cpu io memory hugetlb pids\n",
            ),
            ("/sys/fs/cgroup/cgroup.subtree_control", "cpu memory pids\n"),
            ("/sys/fs/cgroup/cpuset.cpus.isolated", "\n"),
            ("/sys/devices/system/cpu/online", "0-7\n"),
            ("/sys/class/block/sda/dev", "8:0\n"),
            ("/sys/class/block/sda/sda1/dev", "8:1\n"),
            ("/sys/class/block/sda/sda1/partition", "1\n"),
            ("/sys/class/block/sda1/dev", "8:1\n"),
            ("/sys/class/block/sda1/partition", "1\n"),
            ("/sys/class/block/nvme0n1/dev", "259:0\n"),
            ("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n"),
            ("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0\n"),
            ("/proc/sys/kernel/random/boot_id", "boot-1\n"),
            (
                "/proc/devices",
                "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n 21 sg\n195 nvidia\n226 drm\n240 nvme\n\nBlock devices:\n  8 sd\n",
            ),
        ])
    }

    /// A host with cgroup v1 in all hierarchies.
    pub fn v1() -> Tree {
        let controllers = [
            "cpuset", "memory", "cpu", "blkio", "pids", "hugetlb", "devices", "freezer",
        ];
        let tree = Tree::v2();
        let lines = controllers
            .iter()
            .map(|name| format!("34 31 0:31 / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n"));
        tree.write("/proc/self/mountinfo", &lines.collect::<String>());
        controllers
            .iter()
            .for_each(|name| tree.write(&format!("/sys/fs/cgroup/{name}/tasks"), ""));
        tree.write("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-7\n");
        tree.write("/sys/fs/cgroup/cpuset/cpuset.mems", "0\n");
        tree
    }

    pub fn write(&self, file: &str, text: &str) {
        let real = self.host.real(Path::new(file));
        fs::create_dir_all(real.parent().unwrap()).unwrap();
        fs::write(real, text).unwrap();
    }

    pub fn read(&self, file: &str) -> String {
        let text = self.host.read(Path::new(file)).unwrap();
        text.unwrap_or_else(|| panic!("no {file}"))
    }

    pub fn layout(&self) -> Layout {
        Layout::find(&self.host, "busbar").noting_in(RECORD)
    }

    pub fn plan(&self, intent: &Intent) -> Vec<(Phase, Step)> {
        plan(&self.layout(), &self.host, intent).unwrap()
    }

    pub fn refusal(&self, isolation: Isolation) -> IsolateError {
        plan(&self.layout(), &self.host, &Intent::default().with(isolation)).unwrap_err()
    }

    /// Plans and applies until nothing is left; `watch` sees the tree before each step.
    pub fn converge_watched(&self, intent: &Intent, watch: &mut dyn FnMut(&Step)) -> Vec<(Phase, Step)> {
        self.converge_all(&self.layout(), intent, watch)
    }

    /// The same by another agent, with cgroups and a record of its own.
    pub fn converge_as(&self, layout: &Layout, intent: &Intent) {
        self.converge_all(layout, intent, &mut |_| ());
    }

    fn converge_all(
        &self,
        layout: &Layout,
        intent: &Intent,
        watch: &mut dyn FnMut(&Step),
    ) -> Vec<(Phase, Step)> {
        let mut all = Vec::new();
        for _ in 0..6 {
            let steps = plan(layout, &self.host, intent).unwrap();
            if steps.is_empty() {
                return all;
            }
            self.act_watched(Actuator::Cpu, &steps, watch);
            all.extend(steps);
        }
        panic!("never converges: {:?}", plan(layout, &self.host, intent));
    }

    pub fn converge(&self, intent: &Intent) -> Vec<(Phase, Step)> {
        self.converge_watched(intent, &mut |_| ())
    }

    pub fn act(&self, actuator: Actuator, steps: &[(Phase, Step)]) {
        self.act_watched(actuator, steps, &mut |_| ());
    }

    fn act_watched(&self, actuator: Actuator, steps: &[(Phase, Step)], watch: &mut dyn FnMut(&Step)) {
        let steps: Vec<Step> = steps.iter().map(|(_, step)| step.clone()).collect();
        let outcome = apply(&enforce(), actuator, &self.host, &steps, watch);
        let outcome = outcome.unwrap_or_else(|error| panic!("{error}: {}", error.cause));
        assert!(matches!(outcome, Outcome::Done(_)), "the gate is open");
    }

    pub fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.dir.path().to_owned()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        found
    }
}

pub fn enforce() -> Actuators {
    Actuators::new(Mode::Enforce, BTreeMap::new()).unwrap()
}

pub fn isolation(name: &str, cpus: &str, exclusive: bool) -> Isolation {
    Isolation {
        exclusive,
        ..Isolation::new(name.parse().unwrap(), cpus.parse().unwrap(), "0".parse().unwrap())
    }
}
