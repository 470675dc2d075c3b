//! What outlives a run: the world, the journal, the agent's ledger, and which processes were started.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use house_tests::raise::{Agent, Binaries, Daemon};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::args::Args;

/// Credentials lie below it.
const PRIVATE: u32 = 0o700;

/// Lists the processes of a run, so that the next one can end what a crash of this program left.
const PROCESSES: &str = "processes";

/// Says that the demonstration's claims were made: later runs find them in the journal.
const CLAIMED: &str = "claimed";

/// The parts that `--fresh` forgets.
const FORGOTTEN: [&str; 5] = ["world", "rack", "agent", "prometheus", CLAIMED];

/// How long a process that was left may take to stop before it is killed.
const LEFTOVER_STOPS_WITHIN: Duration = Duration::from_secs(5);

/// The state's folder.
pub struct State {
    folder: PathBuf,
    pub binaries: Binaries,
}

impl State {
    /// Opens it, and makes it where it is not there.
    pub fn open(args: &Args) -> anyhow::Result<State> {
        let binaries = Binaries::find()?;
        let folder = args.state.clone().unwrap_or_else(|| binaries.target().join("up"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(PRIVATE)
            .create(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(State { folder, binaries })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether an earlier run made the demonstration's claims.
    pub fn has_claimed(&self) -> bool {
        self.join(CLAIMED).exists()
    }

    /// Remembers that they were made.
    pub fn claimed(&self) -> anyhow::Result<()> {
        fs::write(self.join(CLAIMED), "").context("cannot remember that the claims were made")
    }

    /// Forgets earlier runs: first what their agent did is undone, then their files go.
    pub fn forget(&self) -> anyhow::Result<()> {
        self.leave()?;
        for name in FORGOTTEN {
            let path = self.join(name);
            let gone = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false if path.exists() => fs::remove_file(&path),
                false => Ok(()),
            };
            gone.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        println!(
            "forgotten: the state of earlier runs in {}",
            self.folder.display()
        );
        Ok(())
    }

    /// Undoes what the agent did to this machine; says what that was, or nothing where there was never an agent.
    pub fn leave(&self) -> anyhow::Result<String> {
        let ledger = self.join("agent");
        if !ledger.exists() {
            return Ok(String::new());
        }
        Agent::leave(&self.binaries, &ledger)
    }

    /// Writes down which processes run.
    pub fn remember<'a>(&self, daemons: impl Iterator<Item = &'a Daemon>) -> anyhow::Result<()> {
        let mut text = String::new();
        for daemon in daemons {
            let since = started_at(daemon.pid()).unwrap_or_default();
            text.push_str(&format!(
                "{} {since} {} {} {}\n",
                daemon.pid(),
                daemon.name(),
                daemon.url(),
                daemon.log().display()
            ));
        }
        fs::write(self.join(PROCESSES), text).context("cannot write down which processes run")
    }

    /// Ends what an earlier run left behind because it was killed. A process counts only with its start time: ids are used again.
    pub fn end_leftovers(&self) -> anyhow::Result<()> {
        let text = fs::read_to_string(self.join(PROCESSES)).unwrap_or_default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(pid), Some(since), Some(name)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Ok(pid) = pid.parse::<u32>() else { continue };
            if since.is_empty() || started_at(pid).as_deref() != Some(since) {
                continue;
            }
            println!("an earlier run was killed and left {name} (process {pid}): ending it");
            end(pid, since)?;
        }
        self.remember(std::iter::empty())
    }
}

fn end(pid: u32, since: &str) -> anyhow::Result<()> {
    let id = Pid::from_raw(i32::try_from(pid).context("a process id fits")?);
    // It may be gone between the look and the signal: that is what is wanted.
    let _ = kill(id, Signal::SIGTERM);
    let steps = LEFTOVER_STOPS_WITHIN.as_millis() / 50;
    for _ in 0..steps {
        if started_at(pid).as_deref() != Some(since) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    let _ = kill(id, Signal::SIGKILL);
    Ok(())
}

/// When a process started, in clock ticks since boot: field 22 of /proc/PID/stat. `None` for one that is gone or a zombie.
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold anything, brackets and blanks included.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    (fields.next()? != "Z").then_some(())?;
    fields.nth(18).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_time() {
        let own = started_at(std::process::id()).unwrap();
        assert!(own.parse::<u64>().is_ok(), "{own}");
        assert_eq!(started_at(std::process::id()), Some(own));
        assert_eq!(started_at(u32::MAX), None);
    }
}
