//! Daemons by the names of their processes: who else has a hand on something.

use std::path::Path;

use crate::host::Host;

const PROC: &str = "/proc";
/// The kernel cuts a process's name (`/proc/PID/comm`) after so many bytes.
const COMM_LENGTH: usize = 15;

/// The first process of this name.
pub(crate) fn pid_of(host: &Host, name: &str) -> Option<u32> {
    let comm = name.get(..COMM_LENGTH).unwrap_or(name);
    let pids = host.directories(Path::new(PROC)).ok()?;
    pids.iter().filter_map(|pid| pid.parse::<u32>().ok()).find(|pid| {
        let file = Path::new(PROC).join(pid.to_string()).join("comm");
        host.read(&file).ok().flatten().is_some_and(|said| said == comm)
    })
}
