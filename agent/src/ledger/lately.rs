//! How the leases stood lately: a small file that is written at each renewal, in place, and never flushed.
//!
//! A renewal changes nothing but the time and must not wait for a disk; neither must a cap that falls. What is written outlives the
//! agent, though not the machine, and a lease does not outlive the machine's boot either. Where the file is missing or says nonsense
//! the ledger holds, which is older: the lease then ends earlier, and what the hardware is found with bounds it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::FILE_MODE;
use crate::lease::Leases;

/// Its name in the state directory.
pub(super) const LATELY_FILE: &str = "lease.json";
/// The longest that is read: eight levels take less than 1 KiB.
const LONGEST: usize = 16 << 10;

/// How the leases stood lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lately {
    /// The boot whose clock is meant.
    pub boot_id: String,
    /// The leases.
    pub leases: Leases,
}

impl Lately {
    /// What the file says; `None` where it says nothing that can be read.
    pub fn read(state_dir: &Path) -> Option<Lately> {
        let bytes = fs::read(state_dir.join(LATELY_FILE)).ok()?;
        if bytes.len() > LONGEST {
            return None;
        }
        serde_json::from_slice(&bytes).ok()
    }

    /// Writes it over what stood there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(state_dir.join(LATELY_FILE))?;
        file.write_all(&text)?;
        file.set_len(u64::try_from(text.len()).unwrap_or(0))
    }

    /// Takes the file away.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(state_dir: &Path) -> io::Result<()> {
        match fs::remove_file(state_dir.join(LATELY_FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
