//! `busbar run --vm`: a QEMU whose virtual CPUs have a CPU each.
//!
//! QEMU is started as any command, as this process's child in the workload's cgroup, with a monitor of the agent's and its
//! virtual CPUs at a stand (`-S`). The agent asks it for their threads, pins them, and lets it go.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use agent_api::client::AgentClient;
use agent_api::v1::{Vm, VmRequest, Workload};
use intent::WorkloadId;

use crate::child::Child;

/// Where monitors' sockets lie, beside the agent's socket: only who may give orders writes there.
const MONITORS: &str = "vm";
/// Owner only: who reaches a monitor rules the machine.
const DIR_MODE: u32 = 0o700;
/// `sun_path` has 108 bytes, the last of them zero (unix(7)).
const LONGEST_PATH: usize = 107;
/// QEMU opens its monitor before it loads anything large; a machine that is busy elsewhere may take long for that.
const OPENED_WITHIN: Duration = Duration::from_secs(30);
/// How long we wait between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// QEMU's words that matter here.
const DAEMONIZE: &str = "-daemonize";
const STOPPED: &str = "-S";
const SMP: &str = "-smp";

/// Why a virtual machine cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// Words of QEMU that do not go with it.
    #[error(
        "-daemonize does not go with --vm: busbar stays beside QEMU and ends with it; use --log FILE and a shell's &"
    )]
    Daemonized,
    /// No CPUs of its own.
    #[error(
        "--vm needs --exclusive: a virtual CPU is pinned to one CPU, and shared CPUs are moved as others come and go"
    )]
    OnlyExclusive,
    /// Its monitor's path is too long for the kernel.
    #[error(
        "{path} is longer than {LONGEST_PATH} bytes, the longest path of a Unix socket; choose a shorter --name"
    )]
    LongPath {
        /// The path.
        path: PathBuf,
    },
    /// No monitor came.
    #[error("{program} did not open its QMP monitor {path} within {} s; is it a QEMU?", OPENED_WITHIN.as_secs())]
    NoMonitor {
        /// What was started.
        program: String,
        /// Where it should have been.
        path: PathBuf,
    },
    /// It is over already.
    #[error("{program} ended before its QMP monitor could be asked ({status}); is it a QEMU?")]
    Ended {
        /// What was started.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// A file of ours.
    #[error("cannot {act} {path}")]
    File {
        /// What was tried.
        act: &'static str,
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
}

impl VmError {
    /// Whether the words are wrong, and not the host.
    pub fn is_usage(&self) -> bool {
        match self {
            VmError::Daemonized | VmError::OnlyExclusive | VmError::LongPath { .. } => true,
            VmError::NoMonitor { .. } | VmError::Ended { .. } | VmError::File { .. } => false,
        }
    }
}

/// A monitor's socket, which goes with this value.
#[derive(Debug)]
pub struct Monitor {
    path: PathBuf,
    go: bool,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // QEMU removes it itself where it ends in order.
        let _ = fs::remove_file(&self.path);
    }
}

/// What can be said before anything is placed.
///
/// # Errors
/// With the words that do not go.
pub fn check(words: &[OsString], exclusive: bool) -> Result<(), VmError> {
    if !exclusive {
        return Err(VmError::OnlyExclusive);
    }
    if words.iter().any(|word| word == DAEMONIZE) {
        return Err(VmError::Daemonized);
    }
    Ok(())
}

impl Monitor {
    /// Where the monitor of this workload will be. `words` are what QEMU is told by its user.
    ///
    /// # Errors
    /// When the directory cannot be made, or the path is too long.
    pub fn prepare(workload: &WorkloadId, agent: &Path, words: &[OsString]) -> Result<Monitor, VmError> {
        let dir = agent.with_file_name(MONITORS);
        let failed = |act, path: &Path| {
            let path = path.to_owned();
            move |cause| VmError::File { act, path, cause }
        };
        match DirBuilder::new().mode(DIR_MODE).create(&dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("make", &dir)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let path = dir.join(format!("{workload}.qmp"));
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(VmError::LongPath { path });
        }
        // One of a machine that was killed; the agent has just said that no workload has the name.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(error)),
            Ok(()) | Err(_) => Ok(Monitor {
                path,
                go: !words.iter().any(|word| word == STOPPED),
            }),
        }
    }

    /// What QEMU is told beside its user's words.
    pub fn words(&self, user: &[OsString], cpus: usize) -> Vec<OsString> {
        // A comma within a value is doubled.
        let path = self.path.display().to_string().replace(',', ",,");
        let mut words = vec!["-qmp".into(), format!("unix:{path},server=on,wait=off").into()];
        if self.go {
            words.push(STOPPED.into());
        }
        if !user.iter().any(|word| word == SMP) {
            words.extend([SMP.into(), cpus.to_string().into()]);
        }
        words
    }

    /// Waits for the monitor and has the agent pin what it finds there.
    ///
    /// # Errors
    /// When no monitor comes, or the agent refuses.
    pub async fn pin(
        &self,
        agent: &AgentClient,
        workload: &WorkloadId,
        program: &str,
        child: &mut Child,
    ) -> anyhow::Result<Workload> {
        let began = Instant::now();
        while !self.path.exists() {
            if let Some(status) = child.try_wait()? {
                let program = program.to_owned();
                return Err(VmError::Ended { program, status }.into());
            }
            if began.elapsed() > OPENED_WITHIN {
                return Err(VmError::NoMonitor {
                    program: program.to_owned(),
                    path: self.path.clone(),
                }
                .into());
            }
            tokio::time::sleep(PAUSE).await;
        }
        let request = VmRequest {
            monitor: self.path.display().to_string(),
            go: self.go,
        };
        Ok(agent.make_vm(workload, &request).await?)
    }
}

/// `virtual CPU 0 on CPU 2, 1 on 3; the emulator on 2`.
pub fn told(vm: &Vm) -> String {
    let each = vm
        .vcpus
        .iter()
        .map(|vcpu| format!("{} on {}", vcpu.index, vcpu.cpus));
    let each: Vec<String> = each.collect();
    format!("virtual CPU {}; the emulator on {}", each.join(", "), vm.emulator)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn words(user: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let user: Vec<OsString> = user.iter().map(OsString::from).collect();
        let monitor =
            Monitor::prepare(&"db".parse().unwrap(), &dir.path().join("agent.sock"), &user).unwrap();
        let words = monitor.words(&user, 2);
        let words = words.iter().map(|word| word.to_string_lossy().into_owned());
        words
            .map(|word| word.replace(&dir.path().display().to_string(), "DIR"))
            .collect()
    }

    #[test]
    fn qemu_waits_for_its_pins_unless_its_user_wants_it_to_wait_anyway() {
        let monitor = "unix:DIR/vm/db.qmp,server=on,wait=off";
        assert_eq!(words(&["-m", "1G"]), ["-qmp", monitor, "-S", "-smp", "2"]);
        assert_eq!(words(&["-smp", "1", "-S"]), ["-qmp", monitor]);
    }

    #[test]
    fn what_does_not_go_is_said_before_anything_is_placed() {
        assert!(check(&["-daemonize".into()], true).unwrap_err().is_usage());
        assert!(check(&[], false).unwrap_err().to_string().contains("--exclusive"));
        check(&["-m".into()], true).unwrap();
        let deep = format!("/{}/agent.sock", "x".repeat(120));
        let error = Monitor::prepare(&"db".parse().unwrap(), Path::new(&deep), &[]).unwrap_err();
        assert!(!error.is_usage(), "{error}: its directory is not there");
    }
}
