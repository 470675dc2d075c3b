//! Asking the daemons: a GET over plain HTTP on loopback, and processes that say when they are ready.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Wrong;

/// A daemon that has not answered by then will not.
const PATIENCE: Duration = Duration::from_secs(60);

/// Short against every figure that is measured by looking again and again.
const LOOK: Duration = Duration::from_millis(1);

/// The text behind a path; an error for anything but 200.
pub fn get(url: &str, path: &str) -> Result<String, String> {
    let mut reader = open(url, path, "*/*")?;
    let mut text = String::new();
    reader
        .read_to_string(&mut text)
        .map_err(|err| format!("{url}{path}: {err}"))?;
    Ok(text)
}

/// Sends a GET and reads up to the body; the answer is as plain as HTTP/1.0 makes it.
pub fn open(url: &str, path: &str, accept: &str) -> Result<BufReader<TcpStream>, String> {
    let wrong = |err: std::io::Error| format!("{url}{path}: {err}");
    let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    let mut stream = TcpStream::connect(host).map_err(wrong)?;
    let ask = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(ask.as_bytes()).map_err(wrong)?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).map_err(wrong)?;
    if !line.contains(" 200 ") {
        return Err(format!("{url}{path}: {}", line.trim()));
    }
    // Headers say nothing that is needed here; they end with an empty line.
    while line.trim_end() != "" {
        line.clear();
        reader.read_line(&mut line).map_err(wrong)?;
    }
    Ok(reader)
}

/// Looks until `look` answers; how long that took since `since`.
pub fn until<T>(
    what: &str,
    since: Instant,
    mut look: impl FnMut() -> Result<Option<T>, String>,
) -> Result<(T, Duration), Wrong> {
    loop {
        let last = match look() {
            Ok(Some(found)) => return Ok((found, since.elapsed())),
            Ok(None) => String::new(),
            Err(err) => format!(": {err}"),
        };
        if since.elapsed() > PATIENCE {
            return Err(Wrong::Failed(format!("waited in vain for {what}{last}")));
        }
        thread::sleep(LOOK);
    }
}

/// A process that is killed when it is dropped.
pub struct Running {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Running {
    /// Starts it; what it logs goes to `log`.
    pub fn start(mut command: Command, log: &Path) -> Result<Running, Wrong> {
        let file = std::fs::File::create(log);
        let file = file.map_err(|err| Wrong::Failed(format!("cannot write {}: {err}", log.display())))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .map_err(|err| {
                Wrong::Failed(format!("cannot start {}: {err}", command.get_program().display()))
            })?;
        let out = child.stdout.take().map(BufReader::new);
        Ok(Running {
            child,
            out,
            log: log.to_owned(),
        })
    }

    /// Reads lines until one holds `words`; that line. The rest is read and thrown away, so that nobody blocks.
    pub fn line_with(&mut self, words: &str) -> Result<String, Wrong> {
        let Some(mut out) = self.out.take() else {
            return Err(Wrong::Failed("its lines are read already".to_owned()));
        };
        loop {
            let mut line = String::new();
            let read = out.read_line(&mut line);
            if read.is_err() || read.is_ok_and(|read| read == 0) {
                let log = crate::steps::tail(&self.log).join("\n");
                return Err(Wrong::Failed(format!(
                    "it ended before it said {words:?}:\n{log}"
                )));
            }
            if line.contains(words) {
                thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
                return Ok(line);
            }
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(mut self) -> Result<(), Wrong> {
        let id = self.child.id().to_string();
        let asked = Command::new("kill")
            .arg(&id)
            .status()
            .is_ok_and(|status| status.success());
        if !asked {
            return Err(Wrong::Failed(format!("cannot signal process {id}")));
        }
        until("a process to stop", Instant::now(), || {
            self.child.try_wait().map_err(|err| err.to_string())
        })?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already where it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
