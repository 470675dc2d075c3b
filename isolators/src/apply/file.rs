//! A file of our own is placed whole, or removed: whoever reads meanwhile finds the old text or the new one.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::{StepError, failed};
use crate::host::Host;

/// Everybody reads: what runs containers need not be root.
const FILE_MODE: u32 = 0o644;
const DIR_MODE: u32 = 0o755;
/// What is appended to the file's name while the next one is written; no reader of specifications takes it for one.
const NEXT: &str = "next";

pub(super) fn place(host: &Host, file: &Path, text: &str) -> Result<(), StepError> {
    let real = host.real(file);
    let next = real.with_extension(NEXT);
    let written = (|| {
        let folder = real.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(DIR_MODE).create(folder)?;
        // What lies there from a crash is replaced, and a link is not followed.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        let mut opened = options.write(true).create_new(true).mode(FILE_MODE).open(&next)?;
        opened.write_all(text.as_bytes())?;
        fs::rename(&next, &real)
    })();
    written.map_err(|error| failed(file, error))?;
    match host.read(file) {
        Ok(Some(said)) if said == text.trim() => Ok(()),
        Ok(said) => Err(StepError::ReadBack {
            file: file.to_owned(),
            wrote: text.to_owned(),
            said: said.unwrap_or_default(),
        }),
        Err(error) => Err(StepError::Refused(error)),
    }
}

pub(super) fn remove(host: &Host, file: &Path) -> Result<(), StepError> {
    match fs::remove_file(host.real(file)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StepError::Refused(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
