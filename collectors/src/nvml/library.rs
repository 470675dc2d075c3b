//! Finds NVIDIA's library on this machine and loads it.

use std::ffi::{OsStr, OsString};

use facts::NoData;
use facts::gpu::{NVML_DIRECTORIES as DIRECTORIES, NVML_VARIABLE as VARIABLE};
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::{DRIVER, failed};
use crate::attribute;
use crate::collector::CollectError;
use crate::root::Root;

pub(super) use facts::gpu::NVML_LIBRARY as LIBRARY;

/// What the loader says of a file that is not there (ld.so(8)); anything else means a file that cannot be loaded.
const NOT_THERE: &str = "No such file";

/// The library that somebody named.
pub(super) fn named() -> Option<OsString> {
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty())
}

/// Whether the library lies in one of the usual places.
pub(super) fn is_in(root: &Root) -> bool {
    DIRECTORIES
        .iter()
        .any(|directory| root.has(&format!("{directory}/{LIBRARY}")))
}

/// Loads and initialises it: the one that the system's loader finds, else the first in the usual places.
pub(super) fn load(root: &Root) -> Result<Nvml, CollectError> {
    if let Some(path) = named() {
        return open(&path).map_err(|error| {
            let message = format!("cannot use {}, which {VARIABLE} names", path.display());
            CollectError::new(super::reason_of(&error), message).because(error)
        });
    }
    let paths = DIRECTORIES
        .iter()
        .map(|directory| format!("{directory}/{LIBRARY}"))
        .filter(|path| root.has(path))
        .map(|path| root.path(&path).into_os_string());
    let mut last = match open(OsStr::new(LIBRARY)) {
        Ok(nvml) => return Ok(nvml),
        Err(error) => error,
    };
    for path in paths {
        if !matches!(&last, NvmlError::LibloadingError(_)) {
            break;
        }
        match open(&path) {
            Ok(nvml) => return Ok(nvml),
            Err(error) => last = error,
        }
    }
    Err(why_not(root, last))
}

fn open(path: &OsStr) -> Result<Nvml, NvmlError> {
    Nvml::builder().lib_path(path).init()
}

fn why_not(root: &Root, error: NvmlError) -> CollectError {
    let driver = attribute::name_if_any(root, DRIVER);
    let NvmlError::LibloadingError(cause) = &error else {
        return failed("nvmlInit", error);
    };
    if !says(cause, NOT_THERE) {
        return CollectError::new(NoData::Garbled, format!("cannot load {LIBRARY}")).because(error);
    }
    let message = match driver {
        None => format!("no NVIDIA driver library ({LIBRARY}) and no NVIDIA driver"),
        Some(driver) => {
            format!("no NVIDIA driver library ({LIBRARY}), although a driver is loaded: {driver}")
        }
    };
    CollectError::new(NoData::Absent, message)
}

/// Whether an error or one of its causes says these words.
fn says(error: &dyn std::error::Error, words: &str) -> bool {
    error.to_string().contains(words) || error.source().is_some_and(|cause| says(cause, words))
}
