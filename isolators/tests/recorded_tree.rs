//! Plans and the writing hand on trees of plain files: v1, v2 with local and with remote partitions, and observe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use facts::Bytes;
use intent::{Actuator, Actuators, Intent, Isolation, Mode};
use isolators::cgroup::{Layout, Partitions, enter, members, origins, started};
use isolators::{Host, Outcome, Phase, Step, apply, plan};

struct Tree {
    dir: tempfile::TempDir,
    host: Host,
}

impl Tree {
    fn new(files: &[(&str, &str)]) -> Tree {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree {
            host: Host::at(dir.path()),
            dir,
        };
        for (file, text) in files {
            tree.write(file, text);
        }
        tree
    }

    fn v1() -> Tree {
        Tree::new(&[
            (
                "/proc/self/mountinfo",
                "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                 35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                 36 31 0:33 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
            ),
            ("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-7\n"),
            ("/sys/fs/cgroup/cpuset/cpuset.mems", "0\n"),
            ("/sys/fs/cgroup/memory/tasks", ""),
            ("/sys/fs/cgroup/cpu/tasks", ""),
        ])
    }

    fn v2(more: &[(&str, &str)]) -> Tree {
        let tree = Tree::new(&[
            (
                "/proc/self/mountinfo",
                "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
            ),
            ("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"),
            ("/sys/fs/cgroup/cgroup.subtree_control", "cpu memory pids\n"),
        ]);
        more.iter().for_each(|(file, text)| tree.write(file, text));
        tree
    }

    fn write(&self, file: &str, text: &str) {
        let real = self.host.real(Path::new(file));
        fs::create_dir_all(real.parent().unwrap()).unwrap();
        fs::write(real, text).unwrap();
    }

    fn read(&self, file: &str) -> String {
        self.host
            .read(Path::new(file))
            .unwrap()
            .unwrap_or_else(|| panic!("no {file}"))
    }

    fn layout(&self) -> Layout {
        Layout::find(&self.host, "busbar")
    }

    /// Plans and applies until nothing is left; the steps that were done.
    fn converge(&self, layout: &Layout, intent: &Intent) -> Vec<Step> {
        let mut all = Vec::new();
        for _ in 0..4 {
            let steps = self.plan(layout, intent);
            if steps.is_empty() {
                return all;
            }
            let Outcome::Done(applied) =
                apply(&enforce(), Actuator::Cpu, &self.host, &steps, &mut |_| ()).unwrap()
            else {
                panic!("the gate is open")
            };
            all.extend(applied.done);
        }
        panic!("never converges: {:?}", self.plan(layout, intent));
    }

    fn plan(&self, layout: &Layout, intent: &Intent) -> Vec<Step> {
        plan(layout, &self.host, intent)
            .unwrap()
            .into_iter()
            .map(|(_, step)| step)
            .collect()
    }

    fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.dir.path().to_owned()];
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    found.insert(path.clone(), Vec::new());
                    open.push(path);
                } else {
                    found.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        found
    }
}

fn enforce() -> Actuators {
    Actuators::new(Mode::Enforce, BTreeMap::new()).unwrap()
}

fn isolation(name: &str, cpus: &str, exclusive: bool) -> Isolation {
    Isolation {
        exclusive,
        ..Isolation::new(name.parse().unwrap(), cpus.parse().unwrap(), "0".parse().unwrap())
    }
}

#[test]
fn v1_is_built_shrunk_grown_and_undone() {
    let tree = Tree::v1();
    let before = tree.all();
    let layout = tree.layout();
    assert!(matches!(&layout.partitions, Partitions::Unavailable(why) if why.contains("v1")));
    let shared = Isolation {
        cpu_time_max: Some(2),
        ..isolation("batch", "0-7", false)
    };
    let one = Intent::default().with(shared.clone());
    tree.converge(&layout, &one);
    assert_eq!(tree.read("/sys/fs/cgroup/cpuset/busbar/cpuset.cpus"), "0-7");
    assert_eq!(
        tree.read("/sys/fs/cgroup/cpu/busbar/batch/cpu.cfs_quota_us"),
        "200000"
    );
    assert!(
        !tree.host.has(Path::new("/sys/fs/cgroup/memory/busbar")),
        "nobody needs it"
    );

    let web = Isolation {
        memory_max: Some(Bytes::new(256 << 20)),
        ..isolation("web", "4-5", true)
    };
    let shrunk = Isolation {
        cpus: "0-3,6-7".parse().unwrap(),
        ..shared.clone()
    };
    let two = one.with(shrunk).with(web.clone());
    let steps = plan(&layout, &tree.host, &two).unwrap();
    assert_eq!(steps[0].0, Phase::Release, "{steps:?}");
    assert_eq!(
        steps[0].1.path(),
        Path::new("/sys/fs/cgroup/cpuset/busbar/batch/cpuset.cpus")
    );
    tree.converge(&layout, &two);
    assert_eq!(tree.read("/sys/fs/cgroup/cpuset/busbar/web/cpuset.cpus"), "4-5");
    assert_eq!(
        tree.read("/sys/fs/cgroup/memory/busbar/web/memory.limit_in_bytes"),
        "268435456"
    );

    let three = two.without(&web.workload).with(shared.clone());
    let phases: Vec<Phase> = plan(&layout, &tree.host, &three)
        .unwrap()
        .iter()
        .map(|(phase, _)| *phase)
        .collect();
    assert_eq!(
        phases.last(),
        Some(&Phase::Grant),
        "what became free is given last"
    );
    tree.converge(&layout, &three);
    assert_eq!(tree.read("/sys/fs/cgroup/cpuset/busbar/batch/cpuset.cpus"), "0-7");
    tree.converge(&layout, &three.without(&shared.workload));
    assert_eq!(tree.all(), before, "everything is as it was");
}

#[test]
fn v2_with_local_partitions_keeps_sharers_in_a_second_cgroup() {
    let tree = Tree::v2(&[]);
    let layout = tree.layout();
    assert_eq!(layout.partitions, Partitions::Local);
    let intent = Intent::default()
        .with(isolation("web", "2-3", true))
        .with(isolation("batch", "0-1", false));
    let steps = tree.converge(&layout, &intent);
    assert_eq!(tree.read("/sys/fs/cgroup/busbar/cpuset.cpus"), "2-3");
    assert_eq!(tree.read("/sys/fs/cgroup/busbar/cpuset.cpus.partition"), "root");
    assert_eq!(
        tree.read("/sys/fs/cgroup/busbar/web/cpuset.cpus.partition"),
        "root"
    );
    assert_eq!(tree.read("/sys/fs/cgroup/busbar-shared/batch/cpuset.cpus"), "0-1");
    let outside: Vec<&Step> = steps
        .iter()
        .filter(|step| !step.path().to_string_lossy().contains("busbar"))
        .collect();
    assert_eq!(outside.len(), 1, "{outside:?}");
    assert!(
        outside[0].to_string().contains("outside our own cgroup"),
        "{}",
        outside[0]
    );
    // Our own cgroup is a partition now: the layout is the same when it is looked at again.
    assert_eq!(tree.layout().partitions, Partitions::Local);
    tree.converge(&layout, &Intent::default());
    assert!(!tree.host.has(Path::new("/sys/fs/cgroup/busbar")));
    assert!(!tree.host.has(Path::new("/sys/fs/cgroup/busbar-shared")));
}

#[test]
fn v2_with_remote_partitions_names_the_cpus_all_the_way_down() {
    let tree = Tree::v2(&[("/sys/fs/cgroup/cpuset.cpus.isolated", "\n")]);
    let layout = tree.layout();
    assert_eq!(layout.partitions, Partitions::Remote);
    let intent = Intent::default()
        .with(isolation("web", "2-3", true))
        .with(isolation("db", "4-5", true))
        .with(isolation("batch", "0-1", false));
    tree.converge(&layout, &intent);
    assert_eq!(tree.read("/sys/fs/cgroup/busbar/cpuset.cpus.exclusive"), "2-5");
    assert_eq!(
        tree.read("/sys/fs/cgroup/busbar/web/cpuset.cpus.exclusive"),
        "2-3"
    );
    assert!(
        !tree
            .host
            .has(Path::new("/sys/fs/cgroup/busbar/cpuset.cpus.partition"))
    );
    assert!(
        !tree
            .host
            .has(Path::new("/sys/fs/cgroup/busbar/batch/cpuset.cpus.exclusive"))
    );

    // A partition that the kernel refused is taken back, and the rest stays.
    let mut without = layout.clone();
    without.refused.insert("web".parse().unwrap());
    tree.converge(&without, &intent);
    assert_eq!(
        tree.read("/sys/fs/cgroup/busbar/web/cpuset.cpus.partition"),
        "member"
    );
    assert_eq!(tree.read("/sys/fs/cgroup/busbar/cpuset.cpus.exclusive"), "4-5");
    assert_eq!(tree.read("/sys/fs/cgroup/busbar/web/cpuset.cpus"), "2-3");
}

#[test]
fn a_partition_that_the_kernel_refuses_stops_nothing_else() {
    let tree = Tree::v2(&[]);
    let layout = tree.layout();
    let intent = Intent::default().with(isolation("web", "2-3", true));
    // Writing succeeds and reading gives something else, as with a kernel that says `root invalid (…)`.
    fs::create_dir_all(tree.host.real(Path::new("/sys/fs/cgroup/busbar/web"))).unwrap();
    let state = tree
        .host
        .real(Path::new("/sys/fs/cgroup/busbar/web/cpuset.cpus.partition"));
    std::os::unix::fs::symlink("/dev/null", state).unwrap();
    let steps = tree.plan(&layout, &intent);
    let Outcome::Done(applied) = apply(&enforce(), Actuator::Cpu, &tree.host, &steps, &mut |_| ()).unwrap()
    else {
        panic!("the gate is open")
    };
    assert_eq!(applied.refused.len(), 1);
    assert!(
        applied.refused[0].why.contains("cpuset.cpus.partition"),
        "{}",
        applied.refused[0].why
    );
    assert_eq!(tree.read("/sys/fs/cgroup/busbar/web/cpuset.cpus"), "2-3");
}

#[test]
fn observe_and_advise_change_not_one_byte() {
    for mode in [Mode::Observe, Mode::Advise] {
        let tree = Tree::v2(&[]);
        let before = tree.all();
        let intent = Intent::default().with(isolation("web", "2-3", true));
        let steps = tree.plan(&tree.layout(), &intent);
        let gate = Actuators::new(mode, BTreeMap::new()).unwrap();
        let outcome = apply(&gate, Actuator::Cpu, &tree.host, &steps, &mut |_| ()).unwrap();
        assert_eq!(outcome, Outcome::Would { mode, steps });
        assert_eq!(tree.all(), before);
    }
}

#[test]
fn what_fails_names_the_step_and_what_was_done_before() {
    let tree = Tree::v1();
    let intent = Intent::default().with(isolation("web", "2-3", true));
    let steps = tree.plan(&tree.layout(), &intent);
    fs::create_dir_all(
        tree.host
            .real(Path::new("/sys/fs/cgroup/cpuset/busbar/cpuset.cpus")),
    )
    .unwrap();
    let error = apply(&enforce(), Actuator::Cpu, &tree.host, &steps, &mut |_| ()).unwrap_err();
    assert_eq!(
        error.step.path(),
        Path::new("/sys/fs/cgroup/cpuset/busbar/cpuset.cpus")
    );
    assert_eq!(error.done, steps[..error.done.len()]);
    assert!(error.to_string().starts_with("cannot write 0-7 to"), "{error}");
    fs::remove_dir(
        tree.host
            .real(Path::new("/sys/fs/cgroup/cpuset/busbar/cpuset.cpus")),
    )
    .unwrap();
    let beyond = Intent::default().with(isolation("web", "2-9", true));
    let error = plan(&tree.layout(), &tree.host, &beyond).unwrap_err();
    assert!(error.to_string().contains("has only 0-7"), "{error}");
}

#[test]
fn a_controller_that_is_missing_is_named_with_the_reason() {
    let tree = Tree::new(&[
        (
            "/proc/self/mountinfo",
            "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n",
        ),
        ("/sys/fs/cgroup/cpuset/cpuset.cpus", "0-7\n"),
        ("/sys/fs/cgroup/cpuset/cpuset.mems", "0\n"),
    ]);
    let web = Isolation {
        memory_max: Some(Bytes::new(1 << 20)),
        ..isolation("web", "1", true)
    };
    let error = plan(&tree.layout(), &tree.host, &Intent::default().with(web)).unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
    assert!(
        error.to_string().contains("no mounted cgroup hierarchy"),
        "{error}"
    );
}

#[test]
fn a_process_is_moved_in_and_its_origin_is_known() {
    let tree = Tree::v1();
    tree.write(
        "/proc/7/stat",
        "7 (sleep) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0",
    );
    tree.write(
        "/proc/7/cgroup",
        "6:memory:/\n4:cpuset:/user/seven\n3:cpu,cpuacct:/\n",
    );
    tree.write("/sys/fs/cgroup/cpuset/user/seven/cgroup.procs", "7\n8\n");
    let layout = tree.layout();
    let web = isolation("web", "2-3", true);
    let intent = Intent::default().with(web.clone());
    tree.converge(&layout, &intent);
    let from = origins(&tree.host, &layout, &web, 7).unwrap();
    assert_eq!(from.len(), 1, "the others stay where they are: {from:?}");
    assert_eq!(from[0].dir, Path::new("/sys/fs/cgroup/cpuset/user/seven"));
    let start = started(&tree.host, 7).unwrap();
    let steps = enter(&layout, &web, 7, start, &from).unwrap();
    apply(&enforce(), Actuator::Cpu, &tree.host, &steps, &mut |_| ()).unwrap();
    assert_eq!(
        members(&tree.host, Path::new("/sys/fs/cgroup/cpuset/busbar")).unwrap(),
        [7]
    );
    assert_eq!(
        members(&tree.host, Path::new("/sys/fs/cgroup/cpuset/user")).unwrap(),
        [8]
    );
    // While somebody is in it, nobody plans to remove it.
    assert!(tree.plan(&layout, &Intent::default()).is_empty());
    // Another process with this number is left alone.
    let stranger = enter(&layout, &web, 7, start + 1, &from).unwrap();
    let error = apply(&enforce(), Actuator::Cpu, &tree.host, &stranger, &mut |_| ()).unwrap_err();
    assert!(
        matches!(error.cause, isolators::apply::StepError::Gone(7)),
        "{error}"
    );
}
