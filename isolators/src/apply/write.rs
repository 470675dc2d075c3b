//! One write call to one file, and what the file says after it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::{StepError, class, recorded};
use crate::host::{Host, is_gone, whole};
use crate::step::Reads;

/// Writes, and compares what is read back.
pub(super) fn write_and_read(host: &Host, file: &Path, value: &str, reads: Reads) -> Result<(), StepError> {
    let said = and_read(host, file, value).map_err(|error| class::with_status(host, file, error))?;
    if reads.agree(value, &said) {
        host.note(file, &said);
        return Ok(());
    }
    Err(StepError::ReadBack {
        file: file.to_owned(),
        wrote: value.to_owned(),
        said,
    })
}

/// Writes, and gives what the kernel shows afterwards: it makes that up anew for each read from the beginning.
pub(super) fn and_read(host: &Host, file: &Path, value: &str) -> Result<String, StepError> {
    if !is_kernels(host, file) {
        write(host, file, value)?;
        return read(host, file);
    }
    let opened = OpenOptions::new().read(true).write(true).open(host.real(file));
    let mut opened = opened.map_err(|error| failed(file, error))?;
    told(&mut opened, file, &format!("{value}\n"))?;
    whole(&opened, file).map_err(|error| {
        if is_gone(&error) {
            StepError::NoFile(file.to_owned())
        } else {
            StepError::Refused(error)
        }
    })
}

/// Writes only.
pub(super) fn write(host: &Host, file: &Path, value: &str) -> Result<(), StepError> {
    // A kernel's file is there or not; in a recorded tree it comes into being.
    let make = !is_kernels(host, file);
    let text = if make {
        recorded::merged(host, file, value)
    } else {
        format!("{value}\n")
    };
    let opened = OpenOptions::new()
        .write(true)
        .create(make)
        .truncate(make)
        .open(host.real(file));
    told(&mut opened.map_err(|error| failed(file, error))?, file, &text)
}

fn is_kernels(host: &Host, file: &Path) -> bool {
    file.parent().is_some_and(|dir| host.is_kernels(dir))
}

/// One write call with a line end: an empty value would otherwise never reach the kernel.
fn told(opened: &mut File, file: &Path, text: &str) -> Result<(), StepError> {
    opened
        .write_all(text.as_bytes())
        .map_err(|error| failed(file, error))
}

pub(super) fn failed(file: &Path, error: io::Error) -> StepError {
    if error.kind() == io::ErrorKind::NotFound {
        StepError::NoFile(file.to_owned())
    } else {
        StepError::Refused(error)
    }
}

pub(super) fn read(host: &Host, file: &Path) -> Result<String, StepError> {
    match host.read(file) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(StepError::NoFile(file.to_owned())),
        Err(error) => Err(StepError::Refused(error)),
    }
}
