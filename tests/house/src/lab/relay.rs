//! What the guest says to its host over its second serial line: orders for the emulator (QMP, one JSON object a line), which
//! plugs and unplugs, and any other line for the story's companion.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::companion::Companion;

/// How long the emulator may take to open its sockets.
const OPENS_WITHIN: Duration = Duration::from_secs(30);

/// The longest line: a QMP answer is some hundred bytes.
const LONGEST_LINE: u64 = 64 << 10;

/// The sockets of one guest.
pub struct Lines {
    /// QMP.
    pub qmp: PathBuf,
    /// The guest's second serial line.
    pub serial: PathBuf,
}

impl Lines {
    /// In a folder with a short path: the kernel takes 108 bytes of a socket's name.
    pub fn within(folder: &Path) -> Lines {
        Lines {
            qmp: folder.join("qmp"),
            serial: folder.join("serial"),
        }
    }

    /// The emulator's words for them.
    pub fn words(&self) -> Vec<String> {
        let (qmp, serial) = (self.qmp.display(), self.serial.display());
        [
            "-qmp",
            &format!("unix:{qmp},server=on,wait=off"),
            "-chardev",
            &format!("socket,id=tohost,path={serial},server=on,wait=off"),
            "-serial",
            "chardev:tohost",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// Connects both and passes lines on until the emulator ends. The threads end with it.
    pub fn pass_on(&self, companion: Option<&mut Companion>) -> Result<(), String> {
        let mut qmp = connect(&self.qmp)?;
        let serial = connect(&self.serial)?;
        let failed = |err: std::io::Error| format!("cannot speak with the emulator: {err}");
        // Without this, QMP takes no other order.
        qmp.write_all(b"{\"execute\":\"qmp_capabilities\"}\n")
            .map_err(failed)?;
        let to_guest = Arc::new(Mutex::new(serial.try_clone().map_err(failed)?));
        let (mut input, output) = companion.map_or((None, None), |companion| {
            (companion.input.take(), companion.output.take())
        });
        let answers = qmp.try_clone().map_err(failed)?;
        let guest = to_guest.clone();
        thread::spawn(move || {
            // The answer to our own order comes first, and is not the guest's.
            let mut is_ours = true;
            lines(answers, |line| {
                let is_answer = line.starts_with("{\"return\"") || line.starts_with("{\"error\"");
                if is_answer && !std::mem::take(&mut is_ours) {
                    say(&guest, line);
                }
            });
        });
        if let Some(output) = output {
            let guest = to_guest.clone();
            thread::spawn(move || lines(output, |line| say(&guest, line)));
        }
        thread::spawn(move || {
            lines(serial, |line| {
                // Fails only where the other side has ended; the story then fails by itself.
                if line.starts_with('{') {
                    let _ = writeln!(qmp, "{line}");
                } else if let Some(input) = &mut input {
                    let _ = writeln!(input, "{line}").and_then(|()| input.flush());
                }
            });
        });
        Ok(())
    }
}

fn say(guest: &Mutex<UnixStream>, line: &str) {
    let mut guest = guest.lock().unwrap_or_else(PoisonError::into_inner);
    // Fails only where the emulator has ended.
    let _ = writeln!(guest, "{line}");
}

fn lines(stream: impl Read, mut each: impl FnMut(&str)) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        match stream.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => each(String::from_utf8_lossy(&line).trim()),
        }
    }
}

fn connect(path: &Path) -> Result<UnixStream, String> {
    let began = Instant::now();
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(_) if began.elapsed() < OPENS_WITHIN => thread::sleep(Duration::from_millis(20)),
            Err(err) => return Err(format!("cannot connect to {}: {err}", path.display())),
        }
    }
}
