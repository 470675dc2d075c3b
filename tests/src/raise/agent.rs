//! This machine's agent: its configuration and its process.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use super::binaries::Binaries;
use super::daemon::{Daemon, Group};

/// A path longer than this is no address of a Unix socket (108 bytes with the closing zero).
const MOST_SOCKET_BYTES: usize = 107;

/// What an agent is raised with.
#[derive(Clone, Debug)]
pub struct AgentPlan {
    /// The node's name.
    pub name: String,
    /// `enforce` lets it place what `busbar run` starts; everything else on this machine is only read either way.
    pub mode: String,
    /// Where it listens.
    pub listen_address: String,
    /// Its socket.
    pub socket: PathBuf,
    /// Its ledger.
    pub state_dir: PathBuf,
}

impl AgentPlan {
    /// An agent on a free port with all its files in `folder`.
    pub fn in_folder(folder: &Path, name: &str, mode: &str) -> AgentPlan {
        AgentPlan {
            name: name.to_owned(),
            mode: mode.to_owned(),
            listen_address: "127.0.0.1:0".to_owned(),
            socket: socket_in(folder),
            state_dir: folder.join("agent"),
        }
    }

    /// The configuration file's text. Only the cpu actuator may ever act; RAPL, LEDs and BMCs of this machine are real.
    pub fn toml(&self) -> String {
        format!(
            "# Written by the program that raised this rack.\n[agent]\nname = {:?}\nmode = {:?}\nlisten_address = {:?}\nsocket = {:?}\nstate_dir = {:?}\n\n[actuators]\n# Acts only on what `busbar run` started itself, below Busbar's own cgroup.\ncpu = {:?}\npower_cap = \"observe\"\nnode_power = \"observe\"\ndrives = \"observe\"\nled = \"observe\"\n",
            self.name, self.mode, self.listen_address, self.socket, self.state_dir, self.mode
        )
    }
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    /// Its process.
    pub daemon: Daemon,
    /// What it was raised with.
    pub plan: AgentPlan,
}

impl Agent {
    /// Writes the configuration and starts the agent.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(
        binaries: &Binaries,
        plan: AgentPlan,
        config: &Path,
        log: &Path,
        group: Group,
    ) -> anyhow::Result<Agent> {
        std::fs::write(config, plan.toml()).with_context(|| format!("cannot write {}", config.display()))?;
        let mut command = Command::new(binaries.path(Binaries::AGENT));
        command.args(["run", "--config"]).arg(config);
        Ok(Agent {
            daemon: Daemon::start("busbar-agent", command, log, group)?,
            plan,
        })
    }

    /// `busbar-agent leave`: undoes what an agent with this state did; for when none runs. Answers what it printed.
    ///
    /// # Errors
    /// It could not undo everything.
    pub fn leave(binaries: &Binaries, state_dir: &Path) -> anyhow::Result<String> {
        let done = Command::new(binaries.path(Binaries::AGENT))
            .args(["leave", "--state-dir"])
            .arg(state_dir)
            .output()
            .context("cannot start busbar-agent leave")?;
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        ensure!(
            done.status.success(),
            "busbar-agent leave: {}{said}",
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(said)
    }
}

/// The socket's path: in `folder`, or in the system's folder for temporary files where that would be too long.
fn socket_in(folder: &Path) -> PathBuf {
    let near = folder.join("agent.sock");
    if near.as_os_str().len() <= MOST_SOCKET_BYTES {
        return near;
    }
    std::env::temp_dir().join(format!("busbar-agent-{}.sock", nix::unistd::getuid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_never_gets_a_path_that_the_kernel_refuses() {
        let deep = PathBuf::from("/x".repeat(80));
        for folder in [Path::new("/tmp/short"), deep.as_path()] {
            assert!(socket_in(folder).as_os_str().len() <= MOST_SOCKET_BYTES);
        }
    }
}
