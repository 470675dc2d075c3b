//! A folder for one test, removed when the test went well and kept, with its path printed, when it did not.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Nobody else's business: credentials lie in it.
const PRIVATE: u32 = 0o700;

/// The folder.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes one. Its path is short, because Unix sockets lie in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(name: &str) -> anyhow::Result<Scratch> {
        Scratch::below(&std::env::temp_dir(), name)
    }

    /// Makes one below another folder.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn below(folder: &Path, name: &str) -> anyhow::Result<Scratch> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("busbar-{name}-{}-{number}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(PRIVATE)
            .create(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for a look: {}", self.path.display());
        } else {
            // What cannot be removed lies in the system's folder for such things.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
