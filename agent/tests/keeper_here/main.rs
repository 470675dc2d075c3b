//! The keeper on this machine's own kernel: cores and memory proved by the kernel itself, kill -9 between any two steps.
//! Needs root and writable cgroups; skips with the reason where they are not. Every test uses a cgroup of its own name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

mod awaited;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use agent::reconcile::{Keeper, KeeperConfig};
use agent_api::v1::{Ask, RunRequest};
use collectors::{Root, TopologySource, facts_now};
use facts::{Bytes, CpuSet, Inventory, Moment};
use intent::{Actuators, Mode};

const NOW: Moment = Moment::from_millis(1_795_311_618_123);
/// Far longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Tells the copy of this program that is to be killed what to do.
const KILL_BEFORE: &str = "BUSBAR_TEST_KILL_BEFORE";
const STATE_DIR: &str = "BUSBAR_TEST_STATE_DIR";
const NAME: &str = "BUSBAR_TEST_NAME";
const PID: &str = "BUSBAR_TEST_PID";

/// One test at a time: on a kernel with partitions they would fight for the same CPU.
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
        let here = Here {
            state: tempfile::tempdir().unwrap(),
            name: format!("busbar-test-{purpose}-{}", std::process::id()),
            inventory: facts_now(&Root::host(), TopologySource::Live),
        };
        let keeper = Keeper::open(here.config(Mode::Observe)).unwrap();
        let status = keeper.cgroup_status();
        if status.mode == "none" {
            println!("skipped: {}", status.why);
            return None;
        }
        match keeper.offer(&request(None).ask, &here.inventory) {
            Ok(_) => Some(here),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    fn config(&self, mode: Mode) -> KeeperConfig {
        config(self.state.path(), &self.name, mode)
    }

    fn open(&self) -> Keeper {
        Keeper::open(self.config(Mode::Enforce)).unwrap()
    }

    /// Directories of our name that are left, in any hierarchy.
    fn left(&self) -> Vec<PathBuf> {
        let mut tops = vec![PathBuf::from("/sys/fs/cgroup")];
        tops.extend(
            fs::read_dir("/sys/fs/cgroup")
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        );
        let own = tops
            .into_iter()
            .flat_map(|top| [top.join(&self.name), top.join(format!("{}-shared", self.name))]);
        own.filter(|dir| dir.is_dir()).collect()
    }
}

impl Drop for Here {
    /// A test that failed leaves nothing behind either.
    fn drop(&mut self) {
        let _ = agent::reconcile::leave(&Root::host(), self.state.path());
    }
}

fn config(state: &Path, name: &str, mode: Mode) -> KeeperConfig {
    let boot_id = Root::host().read("proc/sys/kernel/random/boot_id").unwrap();
    let mut config = KeeperConfig::new(Root::host(), state.to_owned(), boot_id);
    config.actuators = Actuators::new(mode, BTreeMap::new()).unwrap();
    config.cgroup_name = name.to_owned();
    config
}

fn request(memory: Option<u64>) -> RunRequest {
    let ask = Ask {
        cpus: 1,
        exclusive: true,
        memory_bytes: memory.map(Bytes::new),
        ..Ask::default()
    };
    RunRequest {
        ask,
        command: "sh".to_owned(),
        enters: false,
    }
}

fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

fn cpus(pid: u32) -> CpuSet {
    status(pid, "Cpus_allowed_list").parse().unwrap()
}

fn cgroups(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap()
}

/// A shell that does what it is told, and ends with the test.
struct Shell(Child);

impl Shell {
    fn new() -> Shell {
        let mut command = Command::new("sh");
        Shell(
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap(),
        )
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_kernel_itself_says_where_a_workload_runs() {
    let _turn = turn();
    let Some(here) = Here::new("life") else { return };
    let mut shell = Shell::new();
    let (before, came_from) = (cpus(shell.pid()), cgroups(shell.pid()));
    let mut keeper = here.open();
    let workload = keeper
        .start(request(Some(64 << 20)), shell.pid(), 0, &here.inventory, NOW)
        .unwrap();
    println!("{:?}", workload.exclusivity);
    workload.steps.iter().for_each(|step| println!("  {step}"));
    println!(
        "Cpus_allowed_list {} Mems_allowed_list {}",
        cpus(shell.pid()),
        status(shell.pid(), "Mems_allowed_list")
    );
    assert_eq!(cpus(shell.pid()), workload.cpus);
    assert_eq!(workload.cpus.len(), 1);
    assert_eq!(
        status(shell.pid(), "Mems_allowed_list"),
        workload.numa_nodes.to_string()
    );
    // What it starts is born there.
    shell.tell("sh -c 'grep Cpus_allowed_list /proc/self/status'");
    assert_eq!(
        shell.hear().rsplit('\t').next().unwrap(),
        workload.cpus.to_string()
    );
    assert_eq!(keeper.plan().unwrap(), []);

    // Somebody changes it: the sweep puts it right.
    let file = Path::new(&workload.cgroups[0]).join("cpuset.cpus");
    let other = keeper.reserved();
    if fs::write(&file, format!("{other}\n")).is_ok() {
        assert!(!keeper.plan().unwrap().is_empty());
        let events = keeper.sweep(NOW);
        assert!(
            events.iter().any(|event| event.kind == "drift_repaired"),
            "{events:?}"
        );
        assert_eq!(cpus(shell.pid()), workload.cpus);
    }

    let ended = keeper.end(&workload.id, NOW).unwrap();
    assert!(ended.undone.len() >= 2, "{:?}", ended.undone);
    assert_eq!(cpus(shell.pid()), before);
    assert_eq!(cgroups(shell.pid()), came_from, "it is where it came from");
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

#[test]
fn the_memory_limit_bites() {
    let _turn = turn();
    let Some(here) = Here::new("memory") else { return };
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let swap = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("SwapTotal:"))
        .unwrap_or("0");
    if swap.split_whitespace().next() != Some("0") {
        println!("skipped: this machine swaps, a limit of memory alone kills nothing here");
        return;
    }
    let mut shell = Shell::new();
    let mut keeper = here.open();
    let workload = match keeper.start(request(Some(32 << 20)), shell.pid(), 0, &here.inventory, NOW) {
        Ok(workload) => workload,
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    // tail keeps the last line of an endless one.
    shell.tell("exec tail -n 1 /dev/zero");
    let ended = shell.0.wait().unwrap();
    assert_eq!(
        ended.signal(),
        Some(9),
        "the kernel kills what goes over its limit: {ended:?}"
    );
    // It is gone: the sweep undoes the rest.
    until("swept away", || {
        keeper.sweep(NOW);
        keeper.workloads().is_empty()
    });
    assert_eq!(keeper.owner(&workload.id), None);
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_workload_keeps_its_cores_when_the_agent_is_killed() {
    let _turn = turn();
    let Some(here) = Here::new("killed") else { return };
    let mut shell = Shell::new();
    let before = cpus(shell.pid());
    // More steps than there are: it is killed after all of them.
    let step = run_and_kill(&here, shell.pid(), "start", usize::MAX);
    assert!(!step, "every step was done");
    let confined = cpus(shell.pid());
    assert_eq!(confined.len(), 1, "it runs on without an agent");
    let mut keeper = here.open();
    let workload = keeper
        .workloads()
        .into_iter()
        .next()
        .expect("the new agent knows it");
    assert_eq!((workload.pid, &workload.cpus), (shell.pid(), &confined));
    assert_eq!(keeper.plan().unwrap(), []);
    assert!(
        keeper.found()[0].contains("runs on with CPUs"),
        "{:?}",
        keeper.found()
    );
    // It ends while an agent watches.
    shell.tell("exit");
    shell.0.wait().unwrap();
    until("swept away", || {
        keeper
            .sweep(NOW)
            .iter()
            .any(|event| event.kind == "workload_ended")
    });
    assert_eq!(here.left(), Vec::<PathBuf>::new());
    assert!(before.len() >= confined.len());
}

#[test]
fn killed_between_any_two_steps_the_next_agent_converges() {
    let _turn = turn();
    let Some(here) = Here::new("steps") else { return };
    let shell = Shell::new();
    let (before, came_from) = (cpus(shell.pid()), cgroups(shell.pid()));
    let mut step = 0;
    while run_and_kill(&here, shell.pid(), "life", step) {
        let mut keeper = here.open();
        assert_eq!(keeper.plan().unwrap(), [], "step {step}: {:?}", keeper.found());
        match keeper.workloads().as_slice() {
            [] => {}
            [workload] => {
                assert_eq!(cpus(shell.pid()), workload.cpus, "step {step}");
                keeper.end(&workload.id.clone(), NOW).unwrap();
            }
            more => panic!("step {step}: {more:?}"),
        }
        assert_eq!(cpus(shell.pid()), before, "step {step}");
        assert_eq!(cgroups(shell.pid()), came_from, "step {step}");
        assert_eq!(here.left(), Vec::<PathBuf>::new(), "step {step}");
        step += 1;
    }
    println!("killed before each of {step} steps");
    assert!(step >= 8, "only {step} steps");
    assert_eq!(here.left(), Vec::<PathBuf>::new());
}

/// Runs a copy of this program that is killed with SIGKILL before the given step. Whether it came to that.
fn run_and_kill(here: &Here, pid: u32, what: &str, step: usize) -> bool {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_copy_that_is_killed", "--nocapture"])
        .env(KILL_BEFORE, format!("{what} {step}"))
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
    what != "start" || !String::from_utf8_lossy(&output.stdout).contains("every step done")
}

/// Does nothing when it is run as a test; see `run_and_kill`.
#[test]
fn the_copy_that_is_killed() {
    let Ok(order) = std::env::var(KILL_BEFORE) else {
        return;
    };
    let (what, step) = order.split_once(' ').unwrap();
    let step: usize = step.parse().unwrap();
    let state = PathBuf::from(std::env::var_os(STATE_DIR).unwrap());
    let pid: u32 = std::env::var(PID).unwrap().parse().unwrap();
    if what == "birth" {
        let config = config(&state, &std::env::var(NAME).unwrap(), Mode::Enforce);
        return awaited::be_killed_in_a_birth(config, step);
    }
    let mut done = 0;
    let watch = move |_: &isolators::Step| {
        if done == step {
            kill_myself();
        }
        done += 1;
    };
    let config = config(&state, &std::env::var(NAME).unwrap(), Mode::Enforce);
    let mut keeper = Keeper::open_watched(config, Box::new(watch)).unwrap();
    let inventory = facts_now(&Root::host(), TopologySource::Live);
    let workload = keeper
        .start(request(Some(64 << 20)), pid, 0, &inventory, NOW)
        .unwrap();
    if what == "start" {
        println!("every step done");
        kill_myself();
    }
    keeper.end(&workload.id, NOW).unwrap();
}

fn kill_myself() {
    let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
}
