//! What is under way with a drive, on disk: written and synced before the first command that destroys, and read by whoever comes after.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use facts::Moment;
use serde::{Deserialize, Serialize};

use super::sample::Sample;
use super::{Erasing, Method};
use crate::fabric::DriveIdentity;

/// Whose file it is: nobody else reads where which data stood.
const OWNERS_ONLY: u32 = 0o600;
/// The longest record that is believed: samples, sentences and an outcome are some ten kilobytes.
const LONGEST: u64 = 1 << 20;

/// What is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// The drive.
    pub(crate) drive: DriveIdentity,
    /// It was lent before: see [`super::Options::was_lent`].
    pub(crate) was_lent: bool,
    /// What is done, and what follows where that does not do.
    pub(crate) methods: Vec<Method>,
    /// When it began.
    pub(crate) began: Moment,
    /// The drive has taken the order of the first of these methods.
    pub(crate) taken: bool,
    /// Methods that did not do: a sentence each.
    pub(crate) refused: Vec<String>,
    /// What stood where before.
    pub(crate) samples: Vec<Sample>,
    /// How it ended; `None` while it is under way.
    pub(crate) outcome: Option<Erasing>,
}

impl Record {
    /// Reads it; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is none: whoever reads it must not take that for "nothing is under way".
    pub(crate) fn read(path: &Path) -> io::Result<Option<Record>> {
        let about = match fs::metadata(path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if about.len() > LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("it has {} bytes; expected at most {LONGEST}", about.len()),
            ));
        }
        let record = serde_json::from_slice(&fs::read(path)?);
        record
            .map(Some)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Keeps it: when this returns, it is on the disk, whole, in the place of the one before.
    ///
    /// # Errors
    /// With the first that failed; the one before stands.
    pub(crate) fn keep(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(OWNERS_ONLY)
            .open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_kept_is_read_and_what_is_broken_is_no_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("S1.json");
        assert_eq!(Record::read(&path).unwrap(), None);
        let record = Record {
            drive: DriveIdentity::new("S1", None, None).unwrap(),
            was_lent: true,
            methods: vec![Method::SanitizeBlock, Method::Overwrite],
            began: Moment::from_millis(7),
            taken: true,
            refused: vec!["no".to_owned()],
            samples: vec![Sample { at: 0, before: None }],
            outcome: None,
        };
        record.keep(&path).unwrap();
        record.keep(&path).unwrap();
        assert_eq!(Record::read(&path).unwrap().as_ref(), Some(&record));
        for broken in ["", "{}", "{\"drive\":{\"serial\":\" \"}}"] {
            fs::write(&path, broken).unwrap();
            assert_eq!(
                Record::read(&path).unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{broken}"
            );
        }
        fs::write(&path, vec![b' '; (1 << 20) + 1]).unwrap();
        assert_eq!(
            Record::read(&path).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
    }
}
