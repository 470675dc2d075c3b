//! Adoption on this machine's own kernel: a process tree that somebody else started, its affinities, kill -9 between any two steps.
//! Needs root and writable cgroups; skips with the reason where they are not. Every test uses a cgroup of its own name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use agent::reconcile::{Keeper, KeeperConfig, leave};
use agent_api::v1::{AdoptRequest, Adoptee, Ask};
use collectors::{Root, TopologySource, facts_now};
use facts::{CpuSet, Inventory, Moment};
use intent::{Actuators, Mode};
use isolators::Host;
use isolators::affinity::{Affinity, allowed};
use nix::sched::{CpuSet as KernelSet, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

const NOW: Moment = Moment::from_millis(1_795_311_618_123);
/// Tells the copy of this program that is to be killed what to do.
const KILL_BEFORE: &str = "BUSBAR_TEST_KILL_BEFORE";
const STATE_DIR: &str = "BUSBAR_TEST_STATE_DIR";
const NAME: &str = "BUSBAR_TEST_NAME";
const PID: &str = "BUSBAR_TEST_PID";

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

struct Here {
    state: tempfile::TempDir,
    name: String,
    inventory: Inventory,
}

impl Here {
    /// Nothing, with the reason printed, where this machine's cgroups cannot be written or have no CPU to lend.
    fn new(purpose: &str) -> Option<Here> {
        if !geteuid().is_root() {
            println!("skipped: not root");
            return None;
        }
        let here = Here {
            state: tempfile::tempdir().unwrap(),
            name: format!("busbar-test-{purpose}-{}", std::process::id()),
            inventory: facts_now(&Root::host(), TopologySource::Live),
        };
        let keeper = Keeper::open(config(here.state.path(), &here.name, Mode::Observe)).unwrap();
        let status = keeper.cgroup_status();
        if status.mode == "none" {
            println!("skipped: {}", status.why);
            return None;
        }
        match keeper.offer(&ask(), &here.inventory) {
            Ok(_) => Some(here),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    fn open(&self) -> Keeper {
        Keeper::open(config(self.state.path(), &self.name, Mode::Enforce)).unwrap()
    }

    /// Directories of our name that are left, in any hierarchy.
    fn left(&self) -> Vec<PathBuf> {
        let mut tops = vec![PathBuf::from("/sys/fs/cgroup")];
        let below = fs::read_dir("/sys/fs/cgroup").unwrap();
        tops.extend(below.map(|entry| entry.unwrap().path()));
        let own = tops
            .into_iter()
            .flat_map(|top| [top.join(&self.name), top.join(format!("{}-shared", self.name))]);
        own.filter(|dir| dir.is_dir()).collect()
    }
}

impl Drop for Here {
    /// A test that failed leaves nothing behind either.
    fn drop(&mut self) {
        let _ = leave(&Root::host(), self.state.path());
    }
}

fn config(state: &Path, name: &str, mode: Mode) -> KeeperConfig {
    let boot_id = Root::host().read("proc/sys/kernel/random/boot_id").unwrap();
    let mut config = KeeperConfig::new(Root::host(), state.to_owned(), boot_id);
    config.actuators = Actuators::new(mode, BTreeMap::new()).unwrap();
    config.cgroup_name = name.to_owned();
    config
}

fn ask() -> Ask {
    Ask {
        cpus: 1,
        exclusive: true,
        ..Ask::default()
    }
}

fn wish(pid: u32) -> AdoptRequest {
    let started = isolators::cgroup::started(&Host::at("/"), pid).unwrap();
    AdoptRequest {
        adoptee: Adoptee::Process { pid, started },
        ask: ask(),
        dry_run: false,
        through_owner: false,
    }
}

/// A shell that has started another one, that a sleeper; and the first one may use one CPU only.
struct Tree {
    shell: Child,
    pids: Vec<u32>,
}

impl Tree {
    fn new() -> Tree {
        let script = "sh -c 'sleep 1000 & echo $$ $!; wait' & echo $!; wait";
        let mut command = Command::new("sh");
        let mut shell = command
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(shell.stdout.take().unwrap());
        let mut pids = vec![shell.id()];
        // Both lines are read, in whichever order they come: a shell that has nobody to tell anything any more ends.
        for _ in 0..2 {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "the shells ended");
            for pid in line.split_whitespace().map(|word| word.parse::<u32>().unwrap()) {
                if !pids.contains(&pid) {
                    pids.push(pid);
                }
            }
        }
        let mut one = KernelSet::new();
        one.set(0).unwrap();
        sched_setaffinity(Pid::from_raw(pids[0] as i32), &one).unwrap();
        Tree { shell, pids }
    }

    fn cpus(&self) -> Vec<CpuSet> {
        let host = Host::at("/");
        self.pids
            .iter()
            .map(|pid| allowed(&host, *pid, *pid).unwrap())
            .collect()
    }

    fn cgroups(&self) -> Vec<String> {
        let text = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        self.pids.iter().map(text).collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for pid in &self.pids {
            let _ = kill(Pid::from_raw(*pid as i32), Signal::SIGKILL);
        }
        let _ = self.shell.wait();
    }
}

#[test]
fn a_tree_comes_along_and_goes_back_as_it_was() {
    let _turn = turn();
    let Some(here) = Here::new("adopt") else { return };
    let tree = Tree::new();
    let (cpus, cgroups) = (tree.cpus(), tree.cgroups());
    assert_eq!(cpus[0].to_string(), "0", "one of them has an affinity of its own");
    let mut keeper = here.open();
    let adopted = keeper
        .adopt(&wish(tree.pids[0]), 0, &here.inventory, NOW)
        .unwrap();
    let workload = adopted.workload.unwrap();
    println!(
        "{:?} on CPUs {}: {:?}",
        adopted.processes, workload.cpus, adopted.not_followed
    );
    let mut came = adopted.processes.clone();
    came.sort_unstable();
    assert_eq!(came, tree.pids);
    assert_eq!(adopted.not_followed, [""; 0]);
    for is in tree.cpus() {
        assert_eq!(is, workload.cpus, "the kernel says so of each");
    }
    assert_eq!(keeper.plan().unwrap(), []);
    // Once more is refused: it is a workload.
    let error = keeper
        .adopt(&wish(tree.pids[1]), 0, &here.inventory, NOW)
        .unwrap_err();
    assert!(
        error.to_string().contains("already") || error.code() == "shortfall",
        "{error}"
    );
    keeper.end(&workload.id, NOW).unwrap();
    assert_eq!(tree.cgroups(), cgroups);
    assert_eq!(tree.cpus(), cpus, "as they were found");
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

#[test]
fn strangers_to_the_asker_are_not_touched() {
    let _turn = turn();
    let Some(here) = Here::new("strangers") else {
        return;
    };
    let tree = Tree::new();
    let cgroups = tree.cgroups();
    let mut keeper = here.open();
    let mut other = wish(tree.pids[0]);
    let Adoptee::Process { started, .. } = &mut other.adoptee else {
        unreachable!()
    };
    *started += 1;
    let kernels = (2..100).find(|pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        agent::adopt::stat(&text).is_some_and(|task| task.is_kernels)
    });
    let mut wishes = vec![
        (other, "another one than was meant"),
        (wish(1), "starts and ends all others"),
    ];
    wishes.push((wish(std::process::id()), "is this agent"));
    wishes.extend(kernels.map(|pid| (wish(pid), "a thread of the kernel")));
    for (wish, expected) in wishes {
        let error = keeper
            .adopt(&wish, 0, &here.inventory, NOW)
            .unwrap_err()
            .to_string();
        println!("{error}");
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(tree.cgroups(), cgroups);
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

#[test]
fn killed_between_any_two_steps_all_of_it_is_adopted_or_none() {
    let _turn = turn();
    let Some(here) = Here::new("killed") else { return };
    let tree = Tree::new();
    let (cpus, cgroups) = (tree.cpus(), tree.cgroups());
    let mut step = 0;
    while run_and_kill(&here, tree.pids[0], step) {
        let mut keeper = here.open();
        assert_eq!(keeper.plan().unwrap(), [], "step {step}: {:?}", keeper.found());
        match keeper.workloads().as_slice() {
            [] => {}
            [workload] => {
                for is in tree.cpus() {
                    assert_eq!(is, workload.cpus, "step {step}");
                }
                keeper.end(&workload.id.clone(), NOW).unwrap();
            }
            more => panic!("step {step}: {more:?}"),
        }
        assert_eq!(tree.cgroups(), cgroups, "step {step}");
        assert_eq!(tree.cpus(), cpus, "step {step}");
        assert_eq!(here.left(), Vec::<PathBuf>::new(), "step {step}");
        step += 1;
    }
    println!("killed before each of {step} steps");
    assert!(step >= 8, "only {step} steps");
}

#[test]
fn leaving_puts_everybody_back() {
    let _turn = turn();
    let Some(here) = Here::new("leave") else { return };
    let tree = Tree::new();
    let (cpus, cgroups) = (tree.cpus(), tree.cgroups());
    let mut keeper = here.open();
    keeper
        .adopt(&wish(tree.pids[0]), 0, &here.inventory, NOW)
        .unwrap();
    drop(keeper);
    let left = leave(&Root::host(), here.state.path()).unwrap();
    println!("{left}");
    assert!(left.moved == 3 && left.kept.is_empty(), "{left}");
    assert_eq!((tree.cgroups(), tree.cpus()), (cgroups, cpus));
    let host = Host::at("/");
    let is = Affinity::of(&host, tree.pids[0]).unwrap();
    assert_eq!(is.cpus.to_string(), "0");
}

/// Runs a copy of this program that is killed with SIGKILL before the given step. Whether it came to that.
fn run_and_kill(here: &Here, pid: u32, step: usize) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_copy_that_is_killed", "--nocapture"])
        .env(KILL_BEFORE, step.to_string())
        .env(STATE_DIR, here.state.path())
        .env(NAME, &here.name)
        .env(PID, pid.to_string())
        .output()
        .unwrap();
    if output.status.success() {
        return false;
    }
    assert_eq!(
        output.status.signal(),
        Some(9),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    true
}

/// Does nothing when it is run as a test; see `run_and_kill`.
#[test]
fn the_copy_that_is_killed() {
    let Ok(step) = std::env::var(KILL_BEFORE) else {
        return;
    };
    let step: usize = step.parse().unwrap();
    let state = PathBuf::from(std::env::var_os(STATE_DIR).unwrap());
    let pid: u32 = std::env::var(PID).unwrap().parse().unwrap();
    let mut done = 0;
    let watch = move |_: &isolators::Step| {
        if done == step {
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
        done += 1;
    };
    let config = config(&state, &std::env::var(NAME).unwrap(), Mode::Enforce);
    let mut keeper = Keeper::open_watched(config, Box::new(watch)).unwrap();
    let inventory = facts_now(&Root::host(), TopologySource::Live);
    let adopted = keeper.adopt(&wish(pid), 0, &inventory, NOW).unwrap();
    keeper.end(&adopted.workload.unwrap().id, NOW).unwrap();
}
