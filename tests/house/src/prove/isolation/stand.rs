//! An agent in enforce on this machine, with a ledger and a socket of its own, and what the kernel says beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::ask::{self, Running};
use super::super::facts::scratch;
use crate::Wrong;
use crate::place::Place;

/// Where cgroup v2 is mounted where it is the only version.
const UNIFIED: &str = "/sys/fs/cgroup";
/// Ours at the mount point, and its twin that holds what is not exclusive on kernels before 6.7.
const OURS: [&str; 2] = ["busbar", "busbar-shared"];
/// The CPUs that a cgroup asks for.
const CPUS: &str = "cpuset.cpus";

/// How long the agent may take to end and undo everything.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);

/// The agent and its surroundings.
pub struct Stand {
    folder: PathBuf,
    binaries: PathBuf,
    agent: Option<Running>,
    /// Where its page is.
    pub url: String,
    roots: Vec<PathBuf>,
    is_unified: bool,
}

/// A workload as the agent tells it: its CPUs, and how exclusive they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// As a list: `1-3,5`.
    pub cpus: String,
    /// `partition`, `among_busbar` or `none`.
    pub exclusivity: String,
}

impl Stand {
    /// Starts the agent. A cgroup of ours that is there already belongs to somebody else: nothing is measured then, and
    /// nothing is deleted that an agent still needs to put back what it changed.
    pub fn raise(place: &Place) -> Result<Stand, Wrong> {
        Stand::raise_in(scratch(place, "prove-isolation")?, &place.binaries(true))
    }

    /// The same, with its files in this folder and these programs.
    pub fn raise_in(folder: PathBuf, binaries: &Path) -> Result<Stand, Wrong> {
        let (mount, is_unified) = cpuset_mount()?;
        let roots: Vec<PathBuf> = OURS.iter().map(|name| mount.join(name)).collect();
        if let Some(there) = roots.iter().find(|root| root.exists()) {
            return Err(Wrong::Failed(format!(
                "{} is there: another agent works on this machine; stop it, or end what it left with busbar-agent leave",
                there.display()
            )));
        }
        let config = format!(
            "[agent]\nname = \"prove\"\nmode = \"enforce\"\nlisten_address = \"127.0.0.1:0\"\nsocket = {:?}\nstate_dir = {:?}\n",
            folder.join("agent.sock"),
            folder.join("state"),
        );
        fs::write(folder.join("agent.toml"), config)
            .map_err(|err| Wrong::Failed(format!("cannot write below {}: {err}", folder.display())))?;
        let mut stand = Stand {
            folder,
            binaries: binaries.to_owned(),
            agent: None,
            url: String::new(),
            roots,
            is_unified,
        };
        stand.start()?;
        Ok(stand)
    }

    /// Where agent and peers have their files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the figures are of.
    pub fn layout(&self) -> &'static str {
        if self.is_unified {
            "v2: exclusive CPUs are partitions"
        } else {
            "cpuset in v1: exclusive among Busbar's workloads only"
        }
    }

    /// Whether the kernel keeps everybody else off exclusive CPUs.
    pub fn has_partitions(&self) -> bool {
        self.is_unified
    }

    /// Starts the agent and waits until it is ready and has its topology.
    pub fn start(&mut self) -> Result<(), Wrong> {
        let mut command = Command::new(self.binaries.join("busbar-agent"));
        command
            .args(["run", "--config"])
            .arg(self.folder.join("agent.toml"));
        let mut agent = Running::start(command, &self.folder.join("agent.log"))?;
        let line = agent.line_with("ready busbar-agent ")?;
        self.url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        ask::until("the topology", Instant::now(), || {
            let page = ask::get(&self.url, "/metrics")?;
            Ok(page
                .contains("busbar_source_up{source=\"topology\"} 1")
                .then_some(()))
        })?;
        self.agent = Some(agent);
        Ok(())
    }

    /// kill -9.
    pub fn kill(&mut self) {
        // Dropping it kills it.
        self.agent = None;
    }

    /// `busbar run` on these CPUs; what it prints can be read by whoever asks.
    pub fn run(&self, words: &[&str], command: &[&str]) -> Command {
        let mut run = Command::new(self.binaries.join("busbar"));
        run.arg("run")
            .arg("--quiet")
            .args(words)
            .arg("--")
            .args(command)
            .env("BUSBAR_AGENT", self.folder.join("agent.sock"))
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        run
    }

    /// The workloads that the agent knows.
    pub fn told(&self) -> Result<BTreeMap<String, Told>, String> {
        let page = ask::get(&self.url, "/metrics")?;
        let label = |line: &str, name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        let workloads = page
            .lines()
            .filter(|line| line.starts_with("busbar_workload_info{"));
        Ok(workloads
            .filter_map(|line| {
                let told = Told {
                    cpus: label(line, "cpus")?,
                    exclusivity: label(line, "exclusivity")?,
                };
                Some((label(line, "workload")?, told))
            })
            .collect())
    }

    /// The workloads that the kernel knows, with the CPUs that each asks for.
    pub fn kernel(&self) -> BTreeMap<String, String> {
        of_kernel(&self.roots)
    }

    /// Where our workloads' cgroups stand.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Waits until agent and kernel say the same workloads with the same CPUs; what differs where they never do.
    pub fn agree(&self) -> Result<usize, String> {
        let begun = Instant::now();
        loop {
            let (told, kernel) = (self.told()?, self.kernel());
            let cpus: BTreeMap<String, String> =
                told.into_iter().map(|(name, told)| (name, told.cpus)).collect();
            if cpus == kernel {
                return Ok(kernel.len());
            }
            if begun.elapsed() > SETTLED_WITHIN {
                return Err(format!("the agent says {cpus:?}, the kernel {kernel:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the kernel knows no workload any more; which it does know where it never comes to that.
    pub fn gone(&self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let kernel = self.kernel();
            if kernel.is_empty() {
                return Ok(());
            }
            if begun.elapsed() > SETTLED_WITHIN {
                return Err(format!("the kernel still has {kernel:?}"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends what still runs in our cgroups, and has the agent leave the machine; what it says of that.
    pub fn leave(mut self) -> String {
        self.agent = None;
        for root in &self.roots {
            for name in of_kernel(&self.roots).into_keys() {
                end_members(&root.join(name));
            }
        }
        let left = Command::new(self.binaries.join("busbar-agent"))
            .args(["leave", "--config"])
            .arg(self.folder.join("agent.toml"))
            .output();
        match left {
            Ok(left) => [left.stdout, left.stderr]
                .map(|said| String::from_utf8_lossy(&said).trim().to_owned())
                .join(" "),
            Err(err) => format!("busbar-agent leave: {err}"),
        }
    }

    /// Takes everything down; what is left in the kernel is an error.
    pub fn lower(mut self) -> Result<(), Wrong> {
        if let Some(agent) = self.agent.take() {
            agent.stop()?;
        }
        match self.roots.iter().find(|root| root.exists()) {
            None => Ok(()),
            Some(left) => Err(Wrong::Failed(format!("{} is left behind", left.display()))),
        }
    }
}

/// Each workload's cgroup below these, with the CPUs that it asks for. One without any holds none.
pub fn of_kernel(roots: &[PathBuf]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for root in roots {
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            if let Ok(cpus) = fs::read_to_string(entry.path().join(CPUS)) {
                found.insert(
                    entry.file_name().to_string_lossy().into_owned(),
                    cpus.trim().to_owned(),
                );
            }
        }
    }
    found
}

/// Where the controller `cpuset` is mounted, and whether that is cgroup v2 (cgroups(7)).
fn cpuset_mount() -> Result<(PathBuf, bool), Wrong> {
    let controllers = fs::read_to_string(format!("{UNIFIED}/cgroup.controllers")).unwrap_or_default();
    if controllers.split_whitespace().any(|name| name == "cpuset") {
        return Ok((PathBuf::from(UNIFIED), true));
    }
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let of_cpuset = mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let is_cpuset =
            words.get(2) == Some(&"cgroup") && words.get(3)?.split(',').any(|name| name == "cpuset");
        is_cpuset.then(|| words.get(1).map(PathBuf::from))?
    });
    of_cpuset.map(|mount| (mount, false)).ok_or_else(|| {
        Wrong::Failed("no cgroup hierarchy of this machine has the controller cpuset".to_owned())
    })
}

/// Ends what runs in a cgroup.
pub fn end_members(dir: &Path) {
    let members = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    for member in members.lines() {
        // One that has just ended needs no signal.
        let _ = Command::new("kill")
            .args(["-9", member])
            .stderr(Stdio::null())
            .status();
    }
}

/// Asks a process to end, as an admin would.
pub fn terminate(child: &Child) {
    // A process that has ended already needs no signal.
    let _ = Command::new("kill")
        .arg(child.id().to_string())
        .stderr(Stdio::null())
        .status();
}
