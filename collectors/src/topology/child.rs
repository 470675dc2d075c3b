//! A recorded machine's or an exported topology, read by a child process.
//!
//! A child has an environment of its own, from which hwloc takes its root; and where hwloc stops at an export that contradicts
//! itself (it ends the process by an assertion), only the child ends.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use facts::NoData;
use facts::observation::Observation;
use facts::topology::Topology;
use serde::de::DeserializeOwned;

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

/// What the child exits with when it says itself what is wrong.
const FAILED: i32 = 1;

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
    let mut command = command(exe, directory);
    command.env(FSROOT, directory).env(COMPONENTS.0, COMPONENTS.1);
    answer(&mut command, directory)
}

/// Reads an exported topology in a child: `exe topology-of FILE` prints `facts::Observation` as JSON.
///
/// # Errors
/// When the child cannot be started, fails, hangs, or prints something else.
pub fn read_xml_in_child(exe: &Path, file: &Path) -> Result<Observation, CollectError> {
    answer(&mut command(exe, file), file)
}

fn command(exe: &Path, what: &Path) -> Command {
    let mut command = Command::new(exe);
    command.arg(SUBCOMMAND).arg(what);
    for variable in ELSEWHERE {
        command.env_remove(variable);
    }
    command
        // A backtrace would hide the one line that matters.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn answer<T: DeserializeOwned>(command: &mut Command, what: &Path) -> Result<T, CollectError> {
    let garbled = |message: String| CollectError::new(NoData::Garbled, message);
    let exe = command.get_program().to_owned();
    let refused = format!(
        "cannot start {} to read {}",
        Path::new(&exe).display(),
        what.display()
    );
    let mut child = command
        .spawn()
        .map_err(|cause| CollectError::new(NoData::Refused, refused).because(cause))?;
    let answer = child.stdout.take().map(drain);
    let complaint = child.stderr.take().map(drain);
    let status = wait(&mut child, what)?;
    let answer = answer.and_then(|thread| thread.join().ok()).unwrap_or_default();
    if !status.success() {
        let complaint = complaint
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        return Err(garbled(ended(&String::from_utf8_lossy(&complaint), status, what)));
    }
    serde_json::from_slice(&answer).map_err(|cause| {
        garbled(format!(
            "no topology came from the child that reads {}",
            what.display()
        ))
        .because(cause)
    })
}

/// Why a child ended: its own error, which names the file, or the assertion at which hwloc or its binding stopped.
fn ended(complaint: &str, status: ExitStatus, what: &Path) -> String {
    // hwloc may warn before, and Rust adds hints below: what ended the child is the last line that is neither.
    let mut lines = complaint.lines().map(str::trim).rev();
    let last = lines.find(|line| !line.is_empty() && !line.starts_with("note:"));
    // The child's own name in front says nothing: its parent has the same.
    let last = last.map(|line| match line.split_once(": ") {
        Some((program, rest)) if !program.contains(['/', ' ']) => rest,
        _ => line,
    });
    match (status.code(), last) {
        (Some(FAILED), Some(own)) if own.contains(&*what.to_string_lossy()) => own.to_owned(),
        (Some(FAILED), Some(own)) => format!("cannot read {}: {own}", what.display()),
        (_, last) => format!(
            "hwloc stopped at {}: {}",
            what.display(),
            last.unwrap_or("no reason given")
        ),
    }
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

fn wait(child: &mut Child, what: &Path) -> Result<ExitStatus, CollectError> {
    let failed = |cause| {
        let message = format!("cannot wait for the child that reads {}", what.display());
        CollectError::new(NoData::Garbled, message).because(cause)
    };
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if started.elapsed() > DEADLINE {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            let message = format!(
                "hwloc did not read {} within {} s",
                what.display(),
                DEADLINE.as_secs()
            );
            return Err(CollectError::new(NoData::Timeout, message));
        }
        thread::sleep(LOOK);
    }
}
