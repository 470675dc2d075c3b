//! The record of originals is written: merged, and renamed into its place, before what it speaks of is changed.
//!
//! An agent that is killed at any moment finds it whole. What it speaks of ends with the boot, and a start waits for it: so it
//! is flushed to the disk only where a limit of power is in it, which some firmware keeps through a reboot.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;

use super::StepError;
use crate::gpu_power::NVML;
use crate::host::Host;
use crate::record::{Record, Refusal};

/// Owner only.
const FILE_MODE: u32 = 0o600;
/// Limits of power stand below it.
const POWERCAP: &str = "/sys/class/powercap";
/// What is appended to the file's name while the next one is written.
const NEXT: &str = "next";
/// Names the record in force on this machine. There is one: a second agent would take for originals what the first one wrote,
/// and leave the machine so for good. It ends with the boot, as what it speaks of does.
const IN_FORCE: &str = "/run/busbar-originals";

pub(super) fn remember(
    host: &Host,
    path: &Path,
    boot_id: &str,
    originals: &BTreeMap<PathBuf, String>,
) -> Result<(), StepError> {
    take_turn(host, path)?;
    let mut record = found(host, path)?;
    boot_id.clone_into(&mut record.boot_id);
    for (file, text) in originals {
        // What was noted first is the original.
        record
            .originals
            .entry(file.clone())
            .or_insert_with(|| text.clone());
    }
    write(host, path, &record)
}

pub(super) fn forget(host: &Host, path: &Path, files: &[PathBuf]) -> Result<(), StepError> {
    let mut record = found(host, path)?;
    for file in files {
        record.originals.remove(file);
        record.refused.remove(file);
    }
    if record.originals.is_empty() {
        removed(host, path)?;
        return if in_force(host)?.as_deref() == Some(path) {
            removed(host, Path::new(IN_FORCE))
        } else {
            Ok(())
        };
    }
    write(host, path, &record)
}

fn removed(host: &Host, path: &Path) -> Result<(), StepError> {
    host.forget_below(path);
    match fs::remove_file(host.real(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StepError::Refused(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// From here on this record is the one in force, where no other one still holds anything.
fn take_turn(host: &Host, path: &Path) -> Result<(), StepError> {
    match in_force(host)? {
        Some(other) if other == path => return Ok(()),
        Some(other) if !found(host, &other)?.originals.is_empty() => return Err(StepError::Others(other)),
        Some(other) => {
            tracing::warn!(
                record = %other.display(),
                "the record of another agent is gone or empty; what this machine says now is taken for its own"
            );
        }
        None => {}
    }
    let real = host.real(Path::new(IN_FORCE));
    let written = in_folder(&real, || fs::write(&real, path.as_os_str().as_encoded_bytes()));
    match written {
        Ok(()) => Ok(()),
        // Whoever may not write there is no agent of the whole machine, or one whose unit keeps it out of /run.
        Err(error)
            if [libc::EACCES, libc::EPERM, libc::EROFS]
                .map(Some)
                .contains(&error.raw_os_error()) =>
        {
            tracing::warn!("nobody else is told which record is in force: cannot write {IN_FORCE}: {error}");
            Ok(())
        }
        Err(error) => Err(StepError::Refused(error)),
    }
}

fn in_force(host: &Host) -> Result<Option<PathBuf>, StepError> {
    let text = host.read(Path::new(IN_FORCE)).map_err(StepError::Refused)?;
    Ok(text.filter(|text| !text.is_empty()).map(PathBuf::from))
}

/// What the kernel refused, noted so that it is not asked again for the same. A machine refuses dozens of its interrupts, one after
/// the other: they are written down together. An agent that is killed before that only asks again.
#[derive(Debug, Default)]
pub(super) struct Refusals(BTreeMap<PathBuf, BTreeMap<PathBuf, Refusal>>);

impl Refusals {
    /// Notes one for a record.
    pub(super) fn note(&mut self, record: &Path, file: &Path, value: &str, why: &str) {
        tracing::debug!(file = %file.display(), value, why, "the kernel keeps what it has");
        let refusal = Refusal {
            value: value.to_owned(),
            why: why.to_owned(),
        };
        let of_record = self.0.entry(record.to_owned()).or_default();
        of_record.insert(file.to_owned(), refusal);
    }

    /// Writes down what was noted.
    pub(super) fn write_down(&mut self, host: &Host) -> Result<(), StepError> {
        for (path, refused) in std::mem::take(&mut self.0) {
            host.note_refusals(&refused);
            let mut record = found(host, &path)?;
            record.refused.extend(refused);
            write(host, &path, &record)?;
        }
        Ok(())
    }
}

fn found(host: &Host, path: &Path) -> Result<Record, StepError> {
    Record::read(host, path).map_err(|error| StepError::Refused(io::Error::other(error)))
}

fn write(host: &Host, path: &Path, record: &Record) -> Result<(), StepError> {
    let real = host.real(path);
    host.forget_below(path);
    let text =
        serde_json::to_string_pretty(record).map_err(|error| StepError::Refused(io::Error::other(error)))?;
    let written = (|| {
        let next = real.with_extension(NEXT);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(FILE_MODE);
        let mut file = in_folder(&next, || options.open(&next))?;
        file.write_all(text.as_bytes())?;
        let is_power = |file: &PathBuf| file.starts_with(POWERCAP) || file.starts_with(NVML);
        let is_flushed = record.originals.keys().any(is_power);
        if is_flushed {
            file.sync_all()?;
        }
        fs::rename(&next, &real)?;
        if is_flushed {
            File::open(folder_of(&real))?.sync_all()?;
        }
        Ok(())
    })();
    written.map_err(StepError::Refused)?;
    host.note(path, &text);
    Ok(())
}

/// Tries to make a file, and makes its folder where that is missing: it almost never is.
fn in_folder<T>(real: &Path, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match make() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder_of(real))?;
            make()
        }
        done => done,
    }
}

fn folder_of(real: &Path) -> &Path {
    real.parent().unwrap_or(Path::new("/"))
}
