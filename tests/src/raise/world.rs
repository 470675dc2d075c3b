//! The outside world: hw-fixtures as a process, and the hand that pulls supplies.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::binaries::Binaries;
use super::daemon::{Daemon, Group};
use crate::http;

/// The rack that everything is shown with.
const DEMO: &str = "racks/first.toml";

/// Where the world says who listens where.
const ADDRESSES: &str = "addresses.json";

/// What `addresses.json` says.
#[derive(Clone, Debug, Deserialize)]
pub struct Addresses {
    /// The process.
    pub pid: u32,
    /// The control face.
    pub control: String,
    /// The authority that signed every BMC's certificate.
    pub ca_file: PathBuf,
    /// Every BMC.
    pub bmcs: Vec<Bmc>,
}

/// One BMC.
#[derive(Clone, Debug, Deserialize)]
pub struct Bmc {
    /// Its name.
    pub name: String,
    /// `shelf`, `node`, `jbof` or `tree`.
    pub kind: String,
    /// Its address.
    pub url: String,
    /// Username and password.
    pub credentials_file: PathBuf,
    /// The SHA-256 of its certificate.
    pub fingerprint: String,
}

impl Addresses {
    /// The BMC of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn bmc(&self, name: &str) -> anyhow::Result<&Bmc> {
        self.bmcs
            .iter()
            .find(|bmc| bmc.name == name)
            .with_context(|| format!("the world has no BMC called {name}"))
    }
}

/// A running world.
#[derive(Debug)]
pub struct World {
    /// Its process.
    pub daemon: Daemon,
    /// Who listens where.
    pub addresses: Addresses,
    program: PathBuf,
    state_dir: PathBuf,
}

impl World {
    /// Starts the demonstration rack on free ports.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(
        binaries: &Binaries,
        state_dir: &Path,
        log: &Path,
        group: Group,
        more: &[&str],
    ) -> anyhow::Result<World> {
        World::serve(binaries, Path::new(DEMO), state_dir, log, group, more)
    }

    /// Starts the rack that a file describes, on free ports.
    ///
    /// # Errors
    /// It does not come up.
    pub fn serve(
        binaries: &Binaries,
        rack_file: &Path,
        state_dir: &Path,
        log: &Path,
        group: Group,
        more: &[&str],
    ) -> anyhow::Result<World> {
        let program = binaries.path(Binaries::WORLD);
        let mut command = Command::new(&program);
        command
            .arg("serve")
            .arg(rack_file)
            .args(["--base-port", "0", "--state-dir"])
            .arg(state_dir)
            .args(more);
        let daemon = Daemon::start("hw-fixtures", command, log, group)?;
        let file = state_dir.join(ADDRESSES);
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let addresses =
            serde_json::from_str(&text).with_context(|| format!("{} is not as agreed", file.display()))?;
        Ok(World {
            daemon,
            addresses,
            program,
            state_dir: state_dir.to_owned(),
        })
    }

    /// The truth about the world, as `hw-fixtures do status --output json` tells it.
    ///
    /// # Errors
    /// The world does not answer.
    pub fn status(&self) -> anyhow::Result<Value> {
        http::get(&self.addresses.control, "/status")
    }

    /// Does something to the world: `["pull", "shelf/psu-3"]`. Answers what it printed.
    ///
    /// # Errors
    /// The world refuses.
    pub fn act(&self, words: &[&str]) -> anyhow::Result<String> {
        let done = Command::new(&self.program)
            .arg("do")
            .args(words)
            .arg("--state-dir")
            .arg(&self.state_dir)
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        ensure!(
            done.status.success(),
            "hw-fixtures do {}: {}{said}",
            words.join(" "),
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(said)
    }
}
