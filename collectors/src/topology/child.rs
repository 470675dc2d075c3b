//! A recorded machine's topology, read by a child process that has its own environment.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use facts::NoData;
use facts::topology::Topology;

use crate::collector::CollectError;

/// The hidden subcommand by which the child is called.
const SUBCOMMAND: &str = "topology-of";
/// hwloc's variables. Those that would make it read something else than the tree are taken from the child's environment; all
/// others (HWLOC_PCI_LOCALITY, HWLOC_CPUKINDS …) it inherits, because recorded machines are described by them.
const FSROOT: &str = "HWLOC_FSROOT";
const COMPONENTS: (&str, &str) = ("HWLOC_COMPONENTS", "linux,stop");
const ELSEWHERE: [&str; 6] = [
    "HWLOC_XMLFILE",
    "HWLOC_SYNTHETIC",
    "HWLOC_THISSYSTEM",
    "HWLOC_FSROOT",
    "HWLOC_CPUID_PATH",
    "HWLOC_COMPONENTS_VERBOSE",
];

/// hwloc reads the largest recorded machine in under a second; a tree on a network may take longer, but not for ever.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often we look whether the child has ended.
const LOOK: Duration = Duration::from_millis(2);
/// The most that a child may print: a thousand times a machine of 256 CPUs.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Reads the machine below `directory` in a child: `exe topology-of DIRECTORY` prints `facts::Topology` as JSON.
///
/// # Errors
/// When the child cannot be started, fails, hangs, or prints something else.
pub fn read_in_child(exe: &Path, directory: &Path) -> Result<Topology, CollectError> {
    let what = format!("{} {SUBCOMMAND} {}", exe.display(), directory.display());
    let mut command = Command::new(exe);
    command.arg(SUBCOMMAND).arg(directory);
    for variable in ELSEWHERE {
        command.env_remove(variable);
    }
    let mut child = command
        .env(FSROOT, directory)
        .env(COMPONENTS.0, COMPONENTS.1)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| CollectError::new(NoData::Refused, format!("cannot start {what}")).because(cause))?;
    let answer = child.stdout.take().map(drain);
    let complaint = child.stderr.take().map(drain);
    let status = wait(&mut child, &what)?;
    let answer = answer.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if !status.success() {
        let complaint = complaint
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        let complaint = String::from_utf8_lossy(&complaint);
        let message = format!("{what} ended with {status}: {}", complaint.trim());
        return Err(CollectError::new(NoData::Garbled, message));
    }
    serde_json::from_slice(&answer).map_err(|cause| {
        CollectError::new(NoData::Garbled, format!("{what} printed no topology")).because(cause)
    })
}

/// Empties a pipe, so that the child never waits for us.
fn drain(pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is all there is; the JSON parser then says what is wrong with it.
        let _ = pipe.take(LONGEST_ANSWER).read_to_end(&mut bytes);
        bytes
    })
}

fn wait(child: &mut Child, what: &str) -> Result<ExitStatus, CollectError> {
    let failed = |cause| CollectError::new(NoData::Garbled, format!("cannot wait for {what}")).because(cause);
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if started.elapsed() > DEADLINE {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            let message = format!("{what} did not answer within {} s", DEADLINE.as_secs());
            return Err(CollectError::new(NoData::Timeout, message));
        }
        thread::sleep(LOOK);
    }
}
