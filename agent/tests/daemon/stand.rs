//! Raises the real daemon, waits for its ready line, asks it over HTTP, and ends it by its pid.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use agent_api::AgentClient;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The daemon's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_busbar-agent");
/// How long a test waits for what must come; far more than it takes.
pub const LONG: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < LONG, "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A directory for one agent: its socket, its state, its log.
pub struct Home(pub tempfile::TempDir);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("agent.sock")
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// `busbar-agent run` on a free port with this home's socket and state, and more words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let config = self.path("agent.toml");
        if !config.exists() {
            fs::write(&config, "").unwrap();
        }
        command.arg("run").arg("--config").arg(config);
        command
            .arg("--socket")
            .arg(self.socket())
            .arg("--state-dir")
            .arg(self.path("state"));
        if !words.contains(&"--listen")
            && !fs::read_to_string(self.path("agent.toml"))
                .unwrap()
                .contains("listen")
        {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command
            .args(words)
            .stdin(Stdio::null())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("RUST_LOG");
        command
    }

    /// Starts it and waits for its ready line.
    pub fn start(&self, words: &[&str]) -> Agent {
        Agent::of(self.command(words), &self.path("log"))
    }

    /// Starts it where it must not come up, and gives what it said.
    pub fn fail(&self, words: &[&str]) -> (Option<i32>, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command(words).output().unwrap();
        assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
        (status.code(), String::from_utf8_lossy(&stderr).into_owned())
    }

    pub fn client(&self) -> AgentClient {
        AgentClient::unix(&self.socket()).with_deadline(LONG)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// A running daemon. Dropping it kills it.
pub struct Agent {
    child: Child,
    pub url: String,
}

impl Agent {
    pub fn of(mut command: Command, log: &Path) -> Agent {
        let log_file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log_file).spawn().unwrap();
        let (tell, told) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines();
            let _ = tell.send(lines.next());
            // Reads on, so that a second line would not end the daemon; there is none.
            assert!(lines.next().is_none(), "only one line on standard output");
        });
        let line = match told.recv_timeout(LONG) {
            Ok(Some(Ok(line))) => line,
            other => {
                let _ = child.kill();
                panic!(
                    "no ready line ({other:?}); the log: {}",
                    fs::read_to_string(log).unwrap_or_default()
                );
            }
        };
        let url = line.strip_prefix("ready busbar-agent ").expect(&line).to_owned();
        Agent { child, url }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect(&self.url)
    }

    /// One request over HTTP/1.1, as plain text: status, head and body.
    pub fn ask(&self, method: &str, path: &str, more: &str) -> (u16, String, String) {
        let (status, head, body) = self.ask_bytes(method, path, more);
        (status, head, String::from_utf8(body).unwrap())
    }

    /// The same with the body as it came.
    pub fn ask_bytes(&self, method: &str, path: &str, more: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n{more}\r\n"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_lowercase(), body)
    }

    pub fn get(&self, path: &str) -> String {
        let (status, head, body) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {head}\n{body}");
        body
    }

    pub fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.get(path)).unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Stops it, and waits until none of its threads runs any more: on a busy machine the others go on until one has heard the signal.
    pub fn stand_still(&self) {
        self.signal(Signal::SIGSTOP);
        let stopped = |task: fs::DirEntry| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('T'))
        };
        until("all threads to stand still", || {
            let mut tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
            tasks.all(|task| stopped(task.unwrap())).then_some(())
        });
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        until("the end of the agent", || self.child.try_wait().unwrap())
    }

    /// Tells it to stop, and waits.
    pub fn stop(self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A runtime for the client.
pub fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}
