//! Where the binaries are: beside the program that asks, in the build outputs that it was built to itself.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The binaries of the house.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// The node's daemon.
    pub const AGENT: &str = "busbar-agent";
    /// The rack's daemon.
    pub const RACK: &str = "busbar-rack";
    /// The command line for people.
    pub const CLI: &str = "busbar";
    /// The simulated rack.
    pub const WORLD: &str = "hw-fixtures";

    /// Finds them from where this program lies: `target/PROFILE/NAME`, `target/PROFILE/deps/TEST` or `target/PROFILE/examples/EXAMPLE`.
    ///
    /// # Errors
    /// One of them has not been built.
    pub fn find() -> anyhow::Result<Binaries> {
        let program = std::env::current_exe().context("cannot find out where this program lies")?;
        let folder = program
            .ancestors()
            .skip(1)
            .find(|folder| {
                folder
                    .file_name()
                    .is_some_and(|name| name != "deps" && name != "examples")
            })
            .with_context(|| format!("{} lies in no folder of build outputs", program.display()))?;
        let found = Binaries {
            folder: folder.to_owned(),
        };
        for name in [Self::AGENT, Self::RACK, Self::CLI, Self::WORLD] {
            ensure!(
                found.path(name).is_file(),
                "{} has not been built: cargo build --workspace --bins",
                found.path(name).display()
            );
        }
        Ok(found)
    }

    /// The path of one of them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder that holds them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The build outputs as a whole.
    pub fn target(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }
}
