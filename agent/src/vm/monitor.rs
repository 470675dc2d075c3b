//! One conversation with a QEMU over its monitor's Unix socket, with an end: whoever does not answer is left.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Said;
use super::qmp::{LONGEST_LINE, Message, QmpError, message, vcpus};

/// How long an answer may take. QEMU answers from its main loop within milliseconds, unless that stands still.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// How many events may come before an answer.
const MOST_EVENTS: usize = 1_000;
/// How much is read at once.
const AT_ONCE: usize = 16 << 10;

/// Why a QEMU was not asked.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// Nobody is there.
    #[error("cannot reach the QMP monitor {}", .path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        cause: io::Error,
    },
    /// Somebody is there and says nothing.
    #[error(
        "the QMP monitor {} does not answer {command} within {} s; QEMU serves one connection at a time: is another program \
         connected to it?", .path.display(), ANSWERED_WITHIN.as_secs()
    )]
    Silent {
        /// The socket.
        path: PathBuf,
        /// What was asked.
        command: &'static str,
    },
    /// What came is no QMP.
    #[error("{}: {cause}", .path.display())]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// What came.
        #[source]
        cause: QmpError,
    },
    /// QEMU refuses.
    #[error("QEMU refuses {command}: {why}")]
    Refused {
        /// The command.
        command: &'static str,
        /// Its reason.
        why: String,
    },
    /// It ended the conversation.
    #[error("the QMP monitor {} was closed before it answered {command}", .path.display())]
    Closed {
        /// The socket.
        path: PathBuf,
        /// What was asked.
        command: &'static str,
    },
}

impl MonitorError {
    /// Whether QEMU itself has gone, so that there is nobody left to be asked.
    pub fn is_gone(&self) -> bool {
        match self {
            MonitorError::Unreachable { .. } | MonitorError::Closed { .. } => true,
            MonitorError::Silent { .. } | MonitorError::Garbled { .. } | MonitorError::Refused { .. } => {
                false
            }
        }
    }
}

/// A conversation.
#[derive(Debug)]
pub struct Monitor {
    path: PathBuf,
    stream: UnixStream,
    unread: Vec<u8>,
    pid: u32,
}

impl Monitor {
    /// Connects, hears the greeting and agrees on the protocol.
    ///
    /// # Errors
    /// See [`MonitorError`].
    pub async fn open(path: &Path) -> Result<Monitor, MonitorError> {
        const CAPABILITIES: &str = "qmp_capabilities";
        let unreachable = |cause| MonitorError::Unreachable {
            path: path.to_owned(),
            cause,
        };
        let silent = |_| MonitorError::Silent {
            path: path.to_owned(),
            command: CAPABILITIES,
        };
        let stream = timeout(ANSWERED_WITHIN, UnixStream::connect(path)).await;
        let stream = stream.map_err(silent)?.map_err(unreachable)?;
        let peer = stream.peer_cred().map_err(unreachable)?;
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
        let pid = pid.ok_or_else(|| {
            unreachable(io::Error::other(
                "the kernel does not say which process serves it",
            ))
        })?;
        let mut monitor = Monitor {
            path: path.to_owned(),
            stream,
            unread: Vec::new(),
            pid,
        };
        match timeout(ANSWERED_WITHIN, monitor.next(CAPABILITIES))
            .await
            .map_err(silent)??
        {
            Message::Greeting => {}
            other @ (Message::Return(_) | Message::Error(_) | Message::Event(_)) => {
                return Err(monitor.garbled(QmpError::NoMessage {
                    shown: format!("{other:?}").chars().take(80).collect(),
                }));
            }
        }
        monitor.order(CAPABILITIES).await?;
        Ok(monitor)
    }

    /// Which threads are virtual CPUs.
    ///
    /// # Errors
    /// See [`MonitorError`].
    pub async fn vcpus(&mut self) -> Result<Said, MonitorError> {
        let answer = self.order("query-cpus-fast").await?;
        let vcpus = vcpus(&answer).map_err(|cause| self.garbled(cause))?;
        Ok(Said { pid: self.pid, vcpus })
    }

    /// One command without arguments, and its answer.
    ///
    /// # Errors
    /// See [`MonitorError`].
    pub async fn order(&mut self, command: &'static str) -> Result<Value, MonitorError> {
        let path = self.path.clone();
        let asked = timeout(ANSWERED_WITHIN, self.ask(command)).await;
        asked.unwrap_or(Err(MonitorError::Silent { path, command }))
    }

    async fn ask(&mut self, command: &'static str) -> Result<Value, MonitorError> {
        let line = format!("{}\n", json!({ "execute": command }));
        let closed = |path: &Path| MonitorError::Closed {
            path: path.to_owned(),
            command,
        };
        let sent = self.stream.write_all(line.as_bytes()).await;
        sent.map_err(|_| closed(&self.path))?;
        for _ in 0..MOST_EVENTS {
            match self.next(command).await? {
                Message::Event(_) | Message::Greeting => {}
                Message::Return(answer) => return Ok(answer),
                Message::Error(why) => return Err(MonitorError::Refused { command, why }),
            }
        }
        Err(MonitorError::Silent {
            path: self.path.clone(),
            command,
        })
    }

    async fn next(&mut self, command: &'static str) -> Result<Message, MonitorError> {
        let mut searched = 0;
        loop {
            let end = self.unread.iter().skip(searched).position(|byte| *byte == b'\n');
            if let Some(end) = end {
                let rest = self.unread.split_off(searched + end + 1);
                let line = std::mem::replace(&mut self.unread, rest);
                return message(line.trim_ascii()).map_err(|cause| self.garbled(cause));
            }
            searched = self.unread.len();
            if searched > LONGEST_LINE {
                return Err(self.garbled(QmpError::NoJson {
                    shown: String::from_utf8_lossy(&self.unread).chars().take(80).collect(),
                    why: format!("longer than {LONGEST_LINE} bytes"),
                }));
            }
            let mut some = [0; AT_ONCE];
            let read = self.stream.read(&mut some).await;
            match read {
                Ok(0) | Err(_) => {
                    return Err(MonitorError::Closed {
                        path: self.path.clone(),
                        command,
                    });
                }
                Ok(count) => self.unread.extend(some.iter().take(count)),
            }
        }
    }

    fn garbled(&self, cause: QmpError) -> MonitorError {
        MonitorError::Garbled {
            path: self.path.clone(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    const GREETING: &str = r#"{"QMP": {"version": {}, "capabilities": []}}"#;

    /// Somebody who says these lines, the first at once and each further one after a line was heard.
    fn served(lines: &'static [&'static str]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut heard = BufReader::new(stream.try_clone().unwrap());
            let mut stream = stream;
            for (at, line) in lines.iter().enumerate() {
                if at > 0 && heard.read_line(&mut String::new()).unwrap_or(0) == 0 {
                    return;
                }
                let _ = writeln!(stream, "{line}");
            }
        });
        (dir, path)
    }

    #[tokio::test]
    async fn events_come_between_and_the_kernel_says_who_answers() {
        let (_dir, path) = served(&[
            GREETING,
            "{\"return\": {}}",
            "{\"event\": \"RESUME\"}\r\n{\"return\": [{\"cpu-index\": 0, \"thread-id\": 5}]}",
        ]);
        let mut monitor = Monitor::open(&path).await.unwrap();
        let said = monitor.vcpus().await.unwrap();
        assert_eq!((said.pid, said.vcpus[0].thread), (std::process::id(), 5));
        let gone = monitor.vcpus().await.unwrap_err();
        assert!(gone.is_gone(), "{gone}");
    }

    #[tokio::test]
    async fn strangers_and_nobody_are_told() {
        let nobody = Monitor::open(Path::new("/nowhere/qmp")).await.unwrap_err();
        assert!(nobody.to_string().contains("/nowhere/qmp") && nobody.is_gone());
        for (first, expected) in [
            ("SSH-2.0-OpenSSH_9.2", "is no line of QMP"),
            ("{\"return\": {}}", "expected one with \"QMP\""),
        ] {
            let lines: &'static [&'static str] = Box::leak(Box::new([first]));
            let (_dir, path) = served(lines);
            let error = Monitor::open(&path).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let (_dir, path) = served(&[
            GREETING,
            "{\"return\": {}}",
            "{\"error\": {\"desc\": \"no such command\"}}",
        ]);
        let error = Monitor::open(&path).await.unwrap().vcpus().await.unwrap_err();
        assert_eq!(error.to_string(), "QEMU refuses query-cpus-fast: no such command");
    }

    #[tokio::test]
    async fn whoever_says_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        // It is connected to and never accepts.
        let _listener = UnixListener::bind(&path).unwrap();
        let error = Monitor::open(&path).await.unwrap_err();
        assert!(error.to_string().contains("does not answer") && !error.is_gone());
    }
}
