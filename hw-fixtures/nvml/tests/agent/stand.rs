//! A folder with the library and its file, and the agent's binary that finds it there by the system's own loader.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a test waits for what must come; far more than it takes.
pub const LONG: Duration = Duration::from_secs(120);

/// The name by which the loader looks for it.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// Waits until something is so.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < LONG, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A machine with this library.
pub struct Stand {
    folder: tempfile::TempDir,
    agent: PathBuf,
}

impl Stand {
    /// `None`, said aloud, where the agent has not been built beside this test.
    pub fn with(world: &str) -> Option<Stand> {
        let stand = Stand::bare()?;
        symlink(built().join("libnvidia_ml.so"), stand.path(LIBRARY)).unwrap();
        stand.say(world);
        Some(stand)
    }

    /// The same without the library.
    pub fn bare() -> Option<Stand> {
        let agent = built().parent().unwrap().join("busbar-agent");
        if !agent.is_file() {
            println!(
                "skipped: no agent at {}; cargo build --workspace --bins",
                agent.display()
            );
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        Some(Stand { folder, agent })
    }

    /// The same with a library that is too old for some symbols. It is a copy in whose table of names they are other names, so
    /// that the loader itself does not find them.
    pub fn older(world: &str, missing: &[&str]) -> Option<Stand> {
        let stand = Stand::bare()?;
        let mut bytes = fs::read(built().join("libnvidia_ml.so")).unwrap();
        for symbol in missing {
            let name = symbol.as_bytes();
            let places: Vec<usize> = (0..bytes.len().saturating_sub(name.len()))
                .filter(|at| bytes[*at..].starts_with(name))
                .collect();
            assert!(!places.is_empty(), "{symbol} is exported");
            for at in places {
                bytes[at] = b'N';
            }
        }
        fs::write(stand.path(LIBRARY), bytes).unwrap();
        stand.say(world);
        Some(stand)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the library says from now on.
    pub fn say(&self, world: &str) {
        fs::write(self.path("next.toml"), world).unwrap();
        fs::rename(self.path("next.toml"), self.path("nvml.toml")).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.of_program(&self.agent);
        command.args(words);
        command
    }

    fn of_program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_LIBRARY_PATH", self.folder.path())
            .env("BUSBAR_FAKE_NVML", self.path("nvml.toml"))
            .env_remove("NOTIFY_SOCKET")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
        command
    }

    /// What `busbar-agent facts` says.
    pub fn facts(&self) -> Value {
        let output = self.command(&["facts", "--output", "json"]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !error.contains("fake-nvml"), "{error}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// An agent that may set limits, in a mount namespace where this machine's own packages cannot be seen; `None`, said aloud,
    /// where we may not make one.
    pub fn run_capping(&self) -> Option<Agent> {
        let alone = "mount --make-rprivate / && if [ -d /sys/class/powercap ]; then mount -t tmpfs none /sys/class/powercap; fi";
        let mut trial = Command::new("unshare");
        if !trial
            .args(["-m", "sh", "-c", alone])
            .status()
            .is_ok_and(|status| status.success())
        {
            println!("skipped: this needs root and a mount namespace of its own");
            return None;
        }
        let config = "[agent]\nmode = \"enforce\"\n[actuators]\ncpu = \"observe\"\npower_cap = \"enforce\"\n";
        fs::write(self.path("agent.toml"), config).unwrap();
        let [config, socket, state] = ["agent.toml", "agent.sock", "state"].map(|name| self.path(name));
        let script = format!("{alone} && exec \"$@\"");
        let mut command = self.of_program(Path::new("unshare"));
        command.args(["-m", "sh", "-c", &script, "sh"]).arg(&self.agent);
        command
            .args(["run", "--listen", "127.0.0.1:0", "--config"])
            .arg(config);
        command.arg("--socket").arg(socket).arg("--state-dir").arg(state);
        Some(Agent::of(command, &self.path("log")))
    }

    /// `busbar` with these words, against the agent of this machine: what it says, and its exit status.
    pub fn busbar(&self, words: &[&str]) -> (String, Option<i32>) {
        let mut command = self.of_program(&self.agent.with_file_name("busbar"));
        let output = command
            .args(words)
            .arg("--agent")
            .arg(self.path("agent.sock"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (String::from_utf8(text).unwrap(), output.status.code())
    }

    /// `busbar-agent leave`: what it says.
    pub fn leave(&self) -> String {
        let state = self.path("state");
        let output = self
            .command(&["leave", "--state-dir", state.to_str().unwrap()])
            .output()
            .unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    }

    /// The limits that were set through the library.
    pub fn limits(&self) -> String {
        fs::read_to_string(self.path("nvml.limits.toml")).unwrap_or_default()
    }

    /// `busbar-agent run` on a free port.
    pub fn run(&self) -> Agent {
        fs::write(self.path("agent.toml"), "").unwrap();
        let [config, socket, state] = ["agent.toml", "agent.sock", "state"].map(|name| self.path(name));
        let words = [
            "run",
            "--config",
            config.to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
            "--socket",
            socket.to_str().unwrap(),
            "--state-dir",
            state.to_str().unwrap(),
            "--cgroup",
            &format!("busbar-nvml-{}", std::process::id()),
        ];
        Agent::of(self.command(&words), &self.path("log"))
    }
}

/// Where cargo put the library: beside this test.
fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().to_owned()
}

/// A running agent. Dropping it kills it.
pub struct Agent {
    child: Child,
    address: String,
}

impl Agent {
    fn of(mut command: Command, log: &Path) -> Agent {
        let log_file = fs::File::create(log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log_file).spawn().unwrap();
        let (tell, told) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let _ = tell.send(BufReader::new(stdout).lines().next());
        });
        let Ok(Some(Ok(line))) = told.recv_timeout(LONG) else {
            let _ = child.kill();
            panic!("no ready line; the log: {}", fs::read_to_string(log).unwrap());
        };
        let address = line.strip_prefix("ready busbar-agent http://").expect(&line);
        Agent {
            address: address.to_owned(),
            child,
        }
    }

    /// The body of an answer over HTTP/1.1.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The page once it holds a line.
    pub fn page_with(&self, line: &str) -> String {
        until(line, || {
            let page = self.get("/metrics");
            page.lines().any(|seen| seen == line).then_some(page)
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A machine with this many GPUs, as many as fit on two NUMA nodes, and more lines for one of them.
pub fn world(count: usize, more: (usize, &str)) -> String {
    let mut text = String::from("driver_version = \"550.90.07\"\n");
    for index in 0..count {
        let extra = if more.0 == index { more.1 } else { "" };
        let numa_node = index * 2 / count;
        let _ = write!(
            text,
            r#"
[[gpu]]
name = "NVIDIA H100 80GB HBM3"
uuid = "GPU-{index}"
serial = "165052200387{index}"
vbios = "96.00.74.00.01"
pci = "0000:{bus:02x}:00.0"
pci_device_id = 0x233010de
minor = {index}
numa_node = {numa_node}
memory = {{ total = 85520809984, reserved = 630194176, used = 1048576 }}
utilization = {{ gpu = 73, memory = 29 }}
encoder_percent = 0
clocks_megahertz = [1755, 1755, 2619, 1545]
power_milliwatts = 412500
power_limit_milliwatts = 700000
enforced_limit_milliwatts = 650000
limits_milliwatts = [200000, 700000]
persistence = true
energy_millijoules = 1234567890
temperature_celsius = 54
slowdown_celsius = 90
shutdown_celsius = 95
ecc = {{ enabled = true, corrected = 12, uncorrected = 1 }}
throttle_reasons = 0x24
violations_nanoseconds = {{ 0 = 1500000000, 1 = 0 }}
pcie_kilobytes = [1200, 3400]
pcie_replays = 3
fields = {{ 82 = 61, 142 = 2, 143 = 0, 144 = 1 }}
mig = false
{extra}
"#,
            bus = 0x18 + index,
        );
    }
    text
}
