//! A whole agent that acts on a recorded machine, and processes of this host that are placed there over its socket.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use agent_api::AgentClient;
use agent_api::v1::{RunRequest, Workload};

use crate::stand::{Agent, Home, until, wait};

/// Set in the child that asks for a place: the socket, and what it asks.
const ASK_AT: &str = "BUSBAR_TEST_REHEARSAL_AT";
const ASK: &str = "BUSBAR_TEST_REHEARSAL_ASK";
const ASKER: &str = "rehearsal::asks_when_told";

pub const LIMIT: &str = "sys/class/powercap/intel-rapl:0/constraint_0_power_limit_uw";
pub const SHARED: &str = "sys/fs/cgroup/busbar-shared";

/// Eight CPUs of one package that draws 200 W at most, and cgroup v2.
pub struct Machine {
    pub home: Home,
}

impl Machine {
    pub fn new() -> Machine {
        let machine = Machine { home: Home::new() };
        machine.home.write(
            "agent.toml",
            "[agent]\nmode = \"enforce\"\n[reserved]\ncpus = \"0\"\n",
        );
        for (file, text) in [
            ("proc/sys/kernel/random/boot_id", "boot-1\n"),
            (
                "proc/self/mountinfo",
                "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
            ),
            ("proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 8000000 kB\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"),
            ("sys/fs/cgroup/cgroup.subtree_control", "+cpuset +memory +cpu\n"),
            ("sys/fs/cgroup/user/cgroup.procs", ""),
            ("sys/class/powercap/intel-rapl:0/name", "package-0\n"),
            ("sys/class/powercap/intel-rapl:0/constraint_0_name", "long_term\n"),
            ("sys/class/powercap/intel-rapl:0/energy_uj", "1000000\n"),
            (LIMIT, "200000000\n"),
            ("sys/devices/system/node/online", "0\n"),
            ("sys/devices/system/node/node0/cpumap", "ff\n"),
            ("sys/devices/system/node/node0/cpulist", "0-7\n"),
            ("sys/devices/system/node/node0/distance", "10\n"),
            (
                "sys/devices/system/node/node0/meminfo",
                "Node 0 MemTotal: 8388608 kB\n",
            ),
        ] {
            machine.write(file, text);
        }
        for list in ["online", "possible", "present"] {
            machine.write(&format!("sys/devices/system/cpu/{list}"), "0-7\n");
        }
        for cpu in 0..8 {
            let dir = format!("sys/devices/system/cpu/cpu{cpu}/topology");
            machine.write(&format!("{dir}/core_id"), &format!("{cpu}\n"));
            machine.write(&format!("{dir}/physical_package_id"), "0\n");
            machine.write(&format!("{dir}/thread_siblings"), &format!("{:x}\n", 1 << cpu));
            machine.write(&format!("{dir}/core_siblings"), "ff\n");
        }
        machine
    }

    pub fn write(&self, file: &str, text: &str) {
        self.home.write(&format!("machine/{file}"), text);
    }

    pub fn read(&self, file: &str) -> String {
        let text = fs::read_to_string(self.home.path("machine").join(file));
        text.unwrap_or_else(|_| panic!("no {file}")).trim().to_owned()
    }

    /// The whole agent; its CPUs are known when this returns.
    pub fn start(&self) -> Agent {
        let root = self.home.path("machine");
        let agent = self.home.start(&["--rehearse", "--root", root.to_str().unwrap()]);
        until("the topology", || {
            (agent.json("/v1/facts")["cpus"].as_array().unwrap().len() == 8).then_some(())
        });
        agent
    }

    /// A process of this host, known to the recorded machine too, in a workload by what it asked over the socket.
    pub fn place(&self, ask: &str) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", ASKER, "--nocapture"])
            .env(ASK_AT, self.home.socket())
            .env(ASK, ask)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        self.write(&format!("proc/{pid}/cgroup"), "0::/user\n");
        self.write(&format!("proc/{pid}/comm"), "asker\n");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        self.write(&format!("proc/{pid}/stat"), &stat);
        let procs = format!("{}{pid}\n", self.read_or_empty("sys/fs/cgroup/user/cgroup.procs"));
        self.write("sys/fs/cgroup/user/cgroup.procs", &procs);
        writeln!(child.stdin.as_mut().unwrap(), "now").unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut answers = lines.map_while(Result::ok);
        let answer =
            answers.find_map(|line| line.split_once("answer: ").map(|(_, answer)| answer.to_owned()));
        let answer = answer.expect("the child tells what came of it");
        assert!(
            serde_json::from_str::<Workload>(&answer).is_ok(),
            "{answer}\n{}",
            self.home.log()
        );
        child
    }

    pub fn read_or_empty(&self, file: &str) -> String {
        fs::read_to_string(self.home.path("machine").join(file)).unwrap_or_default()
    }

    /// Waits until the page of metrics has these lines: it may be as old as the last pass over the sources.
    pub fn shows(&self, agent: &Agent, lines: &[&str], none: &str) {
        until(none, || {
            let page = agent.get("/metrics");
            let all = lines.iter().all(|line| page.lines().any(|one| one == *line));
            (all && !page.lines().any(|one| one.starts_with(none))).then_some(())
        });
    }

    pub fn told(&self, words: &str) {
        until(words, || self.home.log().contains(words).then_some(()));
    }
}

/// The child that asks for a place when it is told to; by itself it has nothing to ask.
#[test]
fn asks_when_told() {
    let (Some(socket), Ok(ask)) = (std::env::var_os(ASK_AT), std::env::var(ASK)) else {
        return;
    };
    let mut word = String::new();
    std::io::stdin().read_line(&mut word).unwrap();
    let request: RunRequest = serde_json::from_str(&ask).unwrap();
    let answer = wait(AgentClient::unix(&PathBuf::from(socket)).start(&request));
    let text = answer.map_or_else(
        |error| error.to_string(),
        |workload| serde_json::to_string(&workload).unwrap(),
    );
    println!("answer: {text}");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut word);
}

pub fn end(children: impl IntoIterator<Item = Child>) {
    for mut child in children {
        let _ = child.kill();
        let _ = child.wait();
    }
}
