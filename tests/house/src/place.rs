//! Where the house stands: its root, its build outputs, and the cargo that runs it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Wrong;

/// Variables that `cargo run` sets for this program and that a second cargo below it shall not see.
const LEFT_BEHIND: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];

/// The places that every command needs.
pub struct Place {
    /// The workspace.
    pub root: PathBuf,
    /// Build outputs: where this program itself was built to, so that `CARGO_TARGET_DIR` is honoured.
    pub target: PathBuf,
    /// Logs and records of these commands.
    pub records: PathBuf,
    cargo: OsString,
}

impl Place {
    /// Finds the places from where this program was built and where it lies.
    pub fn find() -> Result<Place, Wrong> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .ok_or_else(|| Wrong::Failed("this program was built outside of its workspace".to_owned()))?;
        let program = std::env::current_exe()
            .map_err(|err| Wrong::Failed(format!("cannot find out where this program lies: {err}")))?;
        let target = program.ancestors().nth(2).ok_or_else(|| {
            Wrong::Failed(format!(
                "{} lies in no folder of build outputs",
                program.display()
            ))
        })?;
        let records = target.join("house");
        std::fs::create_dir_all(&records)
            .map_err(|err| Wrong::Failed(format!("cannot make {}: {err}", records.display())))?;
        Ok(Place {
            root: root.to_owned(),
            target: target.to_owned(),
            records,
            cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        })
    }

    /// A cargo command in the workspace that builds into the same outputs.
    pub fn cargo(&self, words: &[&str]) -> Command {
        let mut cargo = self.command(&self.cargo);
        cargo.args(words).env("CARGO_TARGET_DIR", &self.target);
        cargo
    }

    /// A command in the workspace.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if LEFT_BEHIND.iter().any(|start| name.starts_with(start)) {
                command.env_remove(name);
            }
        }
        command
    }

    /// The folder of a profile's binaries.
    pub fn binaries(&self, release: bool) -> PathBuf {
        self.target.join(if release { "release" } else { "debug" })
    }

    /// Where tools lie that are fetched and never installed.
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The path on which checks find their tools: those that were fetched, then everything else.
    pub fn path_with_tools(&self) -> OsString {
        let fetched = self.tools().join("prometheus/usr/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(fetched).chain(std::env::split_paths(&path));
        std::env::join_paths(all).unwrap_or(path)
    }

    /// The log of one step.
    pub fn log(&self, step: &str) -> PathBuf {
        self.records.join(format!("{step}.log"))
    }
}

/// The program of this name on the path, where there is one.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
