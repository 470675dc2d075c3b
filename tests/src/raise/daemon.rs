//! One daemon: started, waited for, watched, ended by its own process id.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait;

/// A daemon that has not said that it serves by then will not: debug builds on a loaded machine included.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A daemon that has not stopped by then is killed.
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// How many lines of a log show why a daemon died.
const TAIL: usize = 25;

/// How the ready line begins.
const READY: &str = "ready ";

/// Which process group a daemon belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Its starter's: the terminal's Ctrl-C reaches it too.
    Starters,
    /// Its own: only its starter ends it.
    Own,
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    name: String,
    child: Child,
    url: String,
    log: PathBuf,
}

impl Daemon {
    /// Starts a daemon and waits for its line `ready NAME URL`. What it logs is added to `log`.
    ///
    /// # Errors
    /// It cannot be started, or ends or hangs before it is ready; the error shows the end of its log.
    pub fn start(name: &str, command: Command, log: &Path, group: Group) -> anyhow::Result<Daemon> {
        let (mut daemon, lines) = Daemon::spawn(name, command, log, group)?;
        match lines.recv_timeout(READY_WITHIN) {
            Ok(url) => {
                daemon.url = url;
                Ok(daemon)
            }
            Err(why) => {
                let how = match why {
                    mpsc::RecvTimeoutError::Timeout => "did not become ready".to_owned(),
                    mpsc::RecvTimeoutError::Disconnected => daemon.last_words(),
                };
                bail!(
                    "{name} {how}; its log {} ends with:\n{}",
                    log.display(),
                    tail(log)
                )
            }
        }
    }

    /// How a daemon that has closed its output ended.
    fn last_words(&mut self) -> String {
        let ended = wait::until("its end", STOP_WITHIN, || Ok(self.child.try_wait()?));
        ended.map_or_else(
            |_| "closed its output before it was ready".to_owned(),
            |status| format!("ended before it was ready ({status})"),
        )
    }

    /// Starts a daemon that prints no ready line, and looks until `look` answers its address.
    ///
    /// # Errors
    /// It cannot be started, or does not answer in time.
    pub fn start_until(
        name: &str,
        command: Command,
        log: &Path,
        group: Group,
        look: impl Fn() -> anyhow::Result<Option<String>>,
    ) -> anyhow::Result<Daemon> {
        let (mut daemon, _) = Daemon::spawn(name, command, log, group)?;
        let url = wait::until(&format!("{name} to answer"), READY_WITHIN, || {
            if let Some(status) = daemon.child.try_wait()? {
                bail!("{name} ended ({status})");
            }
            look()
        });
        daemon.url = url.with_context(|| format!("its log says:\n{}", tail(log)))?;
        Ok(daemon)
    }

    fn spawn(
        name: &str,
        mut command: Command,
        log: &Path,
        group: Group,
    ) -> anyhow::Result<(Daemon, mpsc::Receiver<String>)> {
        if group == Group::Own {
            command.process_group(0);
        }
        let open = || {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(log)
                .with_context(|| format!("cannot write {}", log.display()))
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(open()?)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let (ready, lines) = mpsc::channel();
        let out = child.stdout.take().context("a pipe was asked for")?;
        let kept = open()?;
        thread::spawn(move || keep_lines(BufReader::new(out), kept, &ready));
        let daemon = Daemon {
            name: name.to_owned(),
            child,
            url: String::new(),
            log: log.to_owned(),
        };
        Ok((daemon, lines))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address it said.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, where it has.
    ///
    /// # Errors
    /// The system cannot say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("cannot look after {}", self.name))
    }

    /// Asks it to stop (SIGTERM) and waits; kills it where it does not.
    ///
    /// # Errors
    /// It had to be killed, or did not end well.
    pub fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} had already ended ({status})", self.name);
        }
        self.signal(Signal::SIGTERM)?;
        let waited = wait::until(&format!("{} to stop", self.name), STOP_WITHIN, || {
            self.child.try_wait().map_err(anyhow::Error::from)
        });
        match waited {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => bail!("{} stopped with {status}:\n{}", self.name, tail(&self.log)),
            Err(late) => {
                self.kill9();
                Err(late)
            }
        }
    }

    /// Ends it as a crash would (SIGKILL) and waits until it is gone.
    pub fn kill9(&mut self) {
        // A process that is gone already is what was wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).context("a process id fits")?;
        kill(Pid::from_raw(pid), signal).with_context(|| format!("cannot signal {}", self.name))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// The end of a log.
pub fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL);
    let shown: Vec<String> = lines[from..].iter().map(|line| format!("  | {line}")).collect();
    shown.join("\n")
}

/// Hands on the address in the ready line and keeps every line in the log.
fn keep_lines(out: impl BufRead, mut kept: File, ready: &mpsc::Sender<String>) {
    for line in out.lines().map_while(Result::ok) {
        if let Some(url) = line.strip_prefix(READY).and_then(|rest| rest.split(' ').nth(1)) {
            // Nobody waits any more when it was too late.
            let _ = ready.send(url.to_owned());
        }
        // A full disk must not block the daemon.
        let _ = writeln!(kept, "{line}");
    }
}
