//! Virtual machines: a QEMU is asked over QMP which of its threads are virtual CPUs; the keeper pins them.
//!
//! Nothing here writes to the host. Who answers is known by the kernel's word for the socket's peer, and the keeper takes no
//! thread that is not of that process, nor a process that is not in the workload.

mod beat;
mod monitor;
mod qmp;

use std::path::PathBuf;

pub use beat::beat;
pub use monitor::{Monitor, MonitorError};
pub use qmp::{Message, QmpError, VcpuThread, message, vcpus};

/// What a QEMU said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The process that answered.
    pub pid: u32,
    /// Its virtual CPUs, by number.
    pub vcpus: Vec<VcpuThread>,
}

/// A path of a socket that may be a monitor's, or what was expected.
///
/// # Errors
/// With a sentence, where it is none.
pub fn monitor_path(text: &str) -> Result<PathBuf, String> {
    /// `sun_path` has 108 bytes, the last of them zero (unix(7)).
    const LONGEST: usize = 107;
    let path = PathBuf::from(text);
    if path.is_absolute() && text.len() <= LONGEST && !text.contains('\0') {
        return Ok(path);
    }
    let shown: String = text.chars().take(LONGEST).collect();
    Err(format!(
        "{shown:?} is no monitor; expected the absolute path of a Unix socket, {LONGEST} bytes at most"
    ))
}

/// The parser on any bytes: it may refuse, and must never panic. What it takes is within its bounds.
#[cfg(any(test, feature = "fuzz"))]
pub fn fuzz(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(Message::Return(value)) = message(line)
            && let Ok(vcpus) = vcpus(&value)
        {
            assert!(
                vcpus.len() <= qmp::MOST_VCPUS && vcpus.is_sorted_by(|one, other| one.index < other.index)
            );
        }
    }
    let _ = monitor_path(&String::from_utf8_lossy(data));
}
