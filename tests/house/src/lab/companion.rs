//! A story's companion: a script on the host beside the guest, which starts what stands outside of a server, its BMC say.
//!
//! It runs with `sh` in a folder of its own. On its standard output it may say `qemu WORDS`, further words for the emulator;
//! then `ready`, or `skip WHY` where something that it needs is not there. Lines that come later go to the guest; lines from the
//! guest come on its standard input, whose end tells it to end.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to end once its standard input has ended.
const GRACE: Duration = Duration::from_secs(5);

/// The folder of its own, as it is told.
const FOLDER: &str = "BUSBAR_LAB_FOLDER";
/// The workspace, as it is told.
const ROOT: &str = "BUSBAR_ROOT";
/// Our programs, the guest's kernel and its initramfs, as they are told: for a companion that runs some of ours or boots more guests.
const PROGRAMS: &str = "BUSBAR_PROGRAMS";
const KERNEL: &str = "BUSBAR_LAB_KERNEL";
const INITRAMFS: &str = "BUSBAR_LAB_INITRAMFS";

/// What a companion is told of where it stands.
pub struct Around<'a> {
    /// The workspace.
    pub root: &'a Path,
    /// A folder of its own, where it runs.
    pub folder: &'a Path,
    /// Where our programs are.
    pub programs: &'a Path,
    /// The guest's kernel.
    pub kernel: &'a Path,
    /// The guest's initramfs, which is there already.
    pub initramfs: &'a Path,
}

/// What a companion said before the guest starts.
pub enum Start {
    /// It is ready.
    Ready(Companion),
    /// Something is missing.
    Skip(String),
}

/// A companion that is ready.
pub struct Companion {
    child: Child,
    /// Further words for the emulator.
    pub devices: Vec<String>,
    /// Lines for it.
    pub input: Option<ChildStdin>,
    /// What it says later.
    pub output: Option<BufReader<ChildStdout>>,
}

/// Starts a companion and waits until it is ready.
pub fn start(script: &Path, around: &Around<'_>, log: &PathBuf) -> Result<Start, String> {
    let errors =
        std::fs::File::create(log).map_err(|err| format!("cannot write {}: {err}", log.display()))?;
    let mut child = Command::new("sh")
        .arg(script)
        .current_dir(around.folder)
        .env(FOLDER, around.folder)
        .env(ROOT, around.root)
        .env(PROGRAMS, around.programs)
        .env(KERNEL, around.kernel)
        .env(INITRAMFS, around.initramfs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(|err| format!("cannot start {}: {err}", script.display()))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let mut output = output.map(BufReader::new);
    let mut devices = Vec::new();
    loop {
        let mut line = String::new();
        let read = output.as_mut().map(|output| output.read_line(&mut line));
        if !matches!(read, Some(Ok(1..))) {
            end(&mut child);
            return Err(format!(
                "{} ended before it was ready: see {}",
                script.display(),
                log.display()
            ));
        }
        let line = line.trim();
        if let Some(words) = line.strip_prefix("qemu ") {
            devices.extend(words.split_whitespace().map(str::to_owned));
        } else if let Some(why) = line.strip_prefix("skip ") {
            let why = why.to_owned();
            drop(input);
            end(&mut child);
            return Ok(Start::Skip(why));
        } else if line == "ready" {
            return Ok(Start::Ready(Companion {
                child,
                devices,
                input,
                output,
            }));
        }
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        drop(self.input.take());
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    let began = Instant::now();
    while began.elapsed() < GRACE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // It is ours and past its time; that it may just have ended is no error.
    let _ = child.kill();
    let _ = child.wait();
}
