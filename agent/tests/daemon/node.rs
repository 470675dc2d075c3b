//! A node whose packages are plain files, for an agent in a mount namespace of its own.

use std::fs;
use std::process::Command;

use agent_api::ClientError;
use agent_api::v1::{Head, Lease, LeaseView};
use facts::Power;
use nix::sys::signal::Signal;

use crate::stand::{Agent, Home, PROGRAM, until, wait};

/// Long enough for a test machine that is busy with others.
pub const LASTING: u64 = 60_000;
/// Short enough to wait for.
pub const BRIEF: u64 = 2_500;

pub fn watts(watts: u64) -> Power {
    Power::from_watts(watts).unwrap()
}

/// A home with two packages of 200 W, and an agent that may cap them.
pub struct Node {
    pub home: Home,
}

impl Node {
    /// `None`, said aloud, where we may not make a mount namespace.
    pub fn new() -> Option<Node> {
        let node = Node { home: Home::new() };
        let copied = Command::new("cp")
            .args(["-a", "/sys/class/.", "class"])
            .current_dir(node.home.0.path())
            .output();
        let _ = fs::remove_dir_all(node.home.path("class/powercap"));
        for number in 0..2 {
            let zone = format!("class/powercap/intel-rapl:{number}");
            node.home
                .write(&format!("{zone}/name"), &format!("package-{number}\n"));
            node.home
                .write(&format!("{zone}/constraint_0_power_limit_uw"), "200000000\n");
        }
        for directory in ["state", "run"] {
            fs::create_dir_all(node.home.path(directory)).unwrap();
        }
        node.configure("");
        let may = node.alone(&["true"]).status();
        if copied.is_err() || !may.is_ok_and(|status| status.success()) {
            println!("skipped: this needs root and a mount namespace of its own");
            return None;
        }
        Some(node)
    }

    pub fn configure(&self, more: &str) {
        let config = format!(
            "[agent]\nmode = \"enforce\"\n{more}\n[actuators]\ncpu = \"observe\"\npower_cap = \"enforce\"\n"
        );
        self.home.write("agent.toml", &config);
    }

    /// A command where these packages are the machine's, nobody else's record of what was found is in force, and the state directory is a disk of 256 KiB.
    fn alone(&self, words: &[&str]) -> Command {
        let script = "mount --make-rprivate / && mount --bind \"$1/class\" /sys/class && \
                      mount --bind \"$1/run\" /run && cd \"$1\" && \
                      if [ -e disk ]; then mount -t tmpfs -o size=256k none state; fi && shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command
            .args(["-m", "sh", "-c", script, "sh"])
            .arg(self.home.0.path());
        command.args(words);
        command
    }

    pub fn start(&self) -> Agent {
        let of_home = self.home.command(&[]);
        let mut command = self.alone(&[]);
        command.arg(of_home.get_program()).args(of_home.get_args());
        command.env_remove("NOTIFY_SOCKET").env_remove("RUST_LOG");
        Agent::of(command, &self.home.path("log"))
    }

    pub fn leave(&self, words: &[&str]) -> (Option<i32>, String) {
        let state = self.home.path("state");
        let mut all = vec![PROGRAM, "leave", "--state-dir", state.to_str().unwrap()];
        all.extend(words);
        let output = self.alone(&all).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    /// All limits together, in watts, as they stand in the files.
    pub fn limit(&self) -> u64 {
        let each = (0..2).map(|number| {
            let file = format!("class/powercap/intel-rapl:{number}/constraint_0_power_limit_uw");
            let text = fs::read_to_string(self.home.path(&file)).unwrap();
            text.trim().parse::<u64>().unwrap() / 1_000_000
        });
        each.sum()
    }

    pub fn view(&self) -> LeaseView {
        wait(self.home.client().lease()).unwrap()
    }

    /// 300 W, 200 W after a loss, heard now.
    pub fn lease(&self, sequence: u64, valid_millis: u64) -> Lease {
        let view = self.view();
        Lease {
            rack: "r1".to_owned(),
            sequence,
            boot_id: view.boot_id,
            heard_millis: view.now_millis,
            valid_millis,
            cap_watts: watts(300),
            levels: vec![watts(200), watts(100)],
            level: 0,
            head: Head {
                sequence: 10,
                chain: "aa".to_owned(),
            },
        }
    }

    pub fn take(&self, lease: &Lease) -> LeaseView {
        wait(self.home.client().take_lease(lease)).unwrap()
    }

    pub fn refused(&self, lease: &Lease) -> (u16, String) {
        told(wait(self.home.client().take_lease(lease)).unwrap_err())
    }

    pub fn expired(&self) -> LeaseView {
        until("the lease's end", || {
            Some(self.view()).filter(|view| view.lease.as_ref().unwrap().expired)
        })
    }
}

pub fn told(error: ClientError) -> (u16, String) {
    let ClientError::Refused { status, message, .. } = error else {
        panic!("{error:?}")
    };
    (status, message)
}

pub fn kill(agent: Agent) {
    agent.signal(Signal::SIGKILL);
    agent.ended();
}
