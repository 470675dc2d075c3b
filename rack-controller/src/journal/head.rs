//! The head: a small file beside the journal that says how many events were acknowledged at least.
//!
//! A journal that lost its end still has a good chain. Only somebody else can tell that there was more.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::chain::Link;
use super::error::JournalError;

/// The head's file in the state directory.
pub(super) const FILE: &str = "rack.head";
/// A head has one line: 20 digits, a space, 64 hexadecimal digits, a line feed.
const LENGTH: usize = 86;

#[derive(Debug)]
pub(super) struct Head {
    file: File,
    /// Whether the last one that was written may not be on the disk yet.
    is_dirty: bool,
}

impl Head {
    pub fn open(state_dir: &Path) -> Result<Head, JournalError> {
        let path = state_dir.join(FILE);
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map(|file| Head {
                file,
                is_dirty: false,
            })
            .map_err(|cause| JournalError::file("open", &path, cause))
    }

    /// Writes the head over the old one: one write within one sector, so that it is old or new and never half. Who waits for the journal
    /// does not wait for a second fsync: what is written outlives this process, and [`Head::sync`] puts it on the disk.
    pub fn write(&mut self, link: &Link) {
        let line = format!("{:020} {}\n", link.sequence, link.hex());
        self.is_dirty = true;
        tell(self.file.write_all_at(line.as_bytes(), 0));
    }

    /// Puts what was written on the disk.
    pub fn sync(&mut self) {
        if std::mem::take(&mut self.is_dirty) {
            tell(self.file.sync_data());
        }
    }

    /// What the head says; `None` where there is none, or where it says nothing that can be read.
    pub fn read(state_dir: &Path) -> Result<Option<Link>, JournalError> {
        let path = state_dir.join(FILE);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(JournalError::file("read", &path, cause)),
        }
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        self.sync();
    }
}

/// Whether the file system beside this journal takes no writes at all: one that found an error on its disk is read-only from then on, and
/// SQLite says no more of that than that its write failed. The journal itself is not opened: closing it would give SQLite's locks back.
pub(super) fn is_read_only(journal: &Path) -> bool {
    let opened = OpenOptions::new().write(true).open(journal.with_file_name(FILE));
    opened.is_err_and(|cause| cause.kind() == ErrorKind::ReadOnlyFilesystem)
}

fn tell(written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::warn!(%error, "the journal's head could not be written; the journal itself is good");
    }
}

pub(super) fn parse(bytes: &[u8]) -> Option<Link> {
    if bytes.len() != LENGTH {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (sequence, hex) = text.trim_end().split_once(' ')?;
    let mut hash = [0_u8; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        let from = index.checked_mul(2)?;
        *byte = u8::from_str_radix(hex.get(from..from.checked_add(2)?)?, 16).ok()?;
    }
    Some(Link {
        sequence: sequence.parse().ok()?,
        hash,
    })
}
