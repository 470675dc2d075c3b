//! Raises a world and a rack controller in a folder of their own, and takes them down by their own handles.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use facts::Power;
use rack_api::RackClient;
use rack_api::v1::{BayLife, BayView, DomainView, PowerAsk, RackView};
use serde_json::Value;

/// A deadline for what takes a second on a machine that does nothing else.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A child that ends with its handle.
pub struct Running {
    child: Child,
    pub url: String,
}

impl Running {
    /// Starts it and waits for its ready line.
    pub fn start(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        assert!(
            line.starts_with("ready ") && url.starts_with("http"),
            "no ready line: {line:?}"
        );
        Running { child, url }
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A simulated rack, and a folder for everything.
pub struct House {
    dir: tempfile::TempDir,
    fixtures: PathBuf,
    _world: Running,
}

fn fixtures() -> Option<PathBuf> {
    let named = std::env::var_os("HW_FIXTURES").map(PathBuf::from);
    // The test stands in target/PROFILE/deps, the binary in target/PROFILE.
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.join("hw-fixtures")));
    let found = named.or(beside).filter(|path| path.is_file());
    if found.is_none() {
        println!(
            "skipped: no hw-fixtures in $HW_FIXTURES or beside this test; build it with cargo build -p hw-fixtures"
        );
    }
    found
}

impl House {
    /// `None`, with the reason printed, where there is no simulated rack to raise.
    pub fn raise() -> Option<House> {
        House::raise_with(&[])
    }

    /// The same, where these nodes have a further line in the world's file.
    pub fn raise_with(lines: &[(&str, &str)]) -> Option<House> {
        let dir = tempfile::tempdir().unwrap();
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw-fixtures/racks/demo.toml");
        let mut text = std::fs::read_to_string(demo).unwrap();
        for (node, line) in lines {
            let there = format!("[[node]]\nname = \"{node}\"\n");
            assert!(text.contains(&there), "{node}");
            text = text.replace(&there, &format!("{there}{line}\n"));
        }
        let rack = dir.path().join("world.toml");
        std::fs::write(&rack, text).unwrap();
        House::raise_as(&rack, dir)
    }

    /// The same rack where each supply has a plug for itself (the feeds `plug-0` to `plug-5`). No rack.toml knows of plugs.
    pub fn with_plugs() -> Option<House> {
        let dir = tempfile::tempdir().unwrap();
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw-fixtures/racks/demo.toml");
        let mut text = std::fs::read_to_string(demo).unwrap();
        for bay in 0..6 {
            let feed = if bay < 3 { "A" } else { "B" };
            let hangs = format!("bay = \"psu-{bay}\"\nfeed = \"{feed}\"\n");
            assert!(text.contains(&hangs), "{text}");
            text = text.replace(&hangs, &format!("bay = \"psu-{bay}\"\nfeed = \"plug-{bay}\"\n"));
            text = text.replacen(
                "[shelf]\n",
                &format!("[[feed]]\nname = \"plug-{bay}\"\n\n[shelf]\n"),
                1,
            );
        }
        let file = dir.path().join("plugs.toml");
        std::fs::write(&file, text).unwrap();
        House::raise_as(&file, dir)
    }

    /// The first rack that people see: the same, with a JBOF.
    pub fn with_jbof() -> Option<House> {
        let rack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw-fixtures/racks/first.toml");
        House::raise_as(&rack, tempfile::tempdir().unwrap())
    }

    fn raise_as(rack: &Path, dir: tempfile::TempDir) -> Option<House> {
        let fixtures = fixtures()?;
        let mut command = Command::new(&fixtures);
        command
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .arg("serve")
            .arg(rack)
            .args(["--base-port", "0", "--state-dir"])
            .arg(dir.path().join("world"))
            .stderr(Stdio::null());
        let world = Running::start(command);
        Some(House {
            dir,
            fixtures,
            _world: world,
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Does something to the world; what it says, as JSON.
    pub fn world(&self, deed: &[&str]) -> Value {
        let done = Command::new(&self.fixtures)
            .arg("do")
            .args(deed)
            .args(["--output", "json", "--state-dir"])
            .arg(self.path("world"))
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{deed:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// What `ipmitool` hears from a BMC over RMCP+; `None`, with the reason printed, where it is not installed.
    pub fn ipmitool(&self, bmc: &str, words: &[&str]) -> Option<String> {
        let text = std::fs::read_to_string(self.path("world/addresses.json")).unwrap();
        let world: Value = serde_json::from_str(&text).unwrap();
        let bmcs = world["bmcs"].as_array().unwrap();
        let found = bmcs.iter().find(|found| found["name"] == bmc).unwrap();
        let (host, port) = found["ipmi"].as_str().unwrap().split_once(':').unwrap();
        let credentials = std::fs::read_to_string(found["credentials_file"].as_str().unwrap()).unwrap();
        let credentials: toml::Table = toml::from_str(&credentials).unwrap();
        let secret = |key: &str| credentials[key].as_str().unwrap();
        let done = Command::new("ipmitool")
            .args([
                "-I", "lanplus", "-C", "17", "-N", "2", "-R", "3", "-H", host, "-p", port,
            ])
            .args(["-U", secret("username"), "-P", secret("password")])
            .args(words)
            .output();
        let Ok(done) = done else {
            println!("skipped: ipmitool is not installed");
            return None;
        };
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let error = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{words:?}: {said}{error}");
        Some(said)
    }

    /// What the world says of a node.
    pub fn node(&self, node: &str) -> Value {
        let world = self.world(&["status"]);
        let nodes = world["nodes"].as_array().unwrap();
        nodes.iter().find(|found| found["name"] == node).unwrap().clone()
    }

    /// Writes rack.toml: the demonstration rack with short times, in this mode, with more lines for `[rack]`.
    pub fn configure(&self, mode: &str, rack: &str) -> PathBuf {
        self.configure_over(mode, rack, &[])
    }

    /// The same, with these BMCs spoken to over IPMI.
    pub fn configure_over(&self, mode: &str, rack: &str, over_ipmi: &[&str]) -> PathBuf {
        let text = std::fs::read_to_string(self.path("world/addresses.json")).unwrap();
        let world: Value = serde_json::from_str(&text).unwrap();
        let ca = world["ca_file"].as_str().unwrap();
        let mut toml = format!(
            "[rack]\nname = \"r-demo\"\nmode = \"{mode}\"\nsimulated = true\nlisten_address = \"127.0.0.1:0\"\n{rack}\n\
             [[domain]]\nname = \"shelf\"\nsource = \"shelf\"\nredundancy = \"n+1\"\nmargin = 0.0\n\
             settle = \"200ms\"\nprobation = \"400ms\"\nwithin = \"room\"\n\
             [[domain]]\nname = \"room\"\nsource = \"budget\"\nbudget_watts = 100000\nmargin = 0.0\n"
        );
        for bmc in world["bmcs"].as_array().unwrap() {
            let text = |key: &str| bmc[key].as_str().unwrap();
            let (name, credentials) = (text("name"), text("credentials_file"));
            let way = if over_ipmi.contains(&name) {
                format!("ipmi = \"{}\"", text("ipmi"))
            } else {
                format!("url = \"{}\"\nca_file = \"{ca}\"", text("url"))
            };
            writeln!(
                toml,
                "[[bmc]]\nname = \"{name}\"\n{way}\ncredentials_file = \"{credentials}\"\npoll_interval = \"500ms\""
            )
            .unwrap();
        }
        for name in ["A", "B"] {
            writeln!(
                toml,
                "[[feed]]\nname = \"{name}\"\nvolts = 230\nphases = 3\nbreaker_amperes = 32"
            )
            .unwrap();
        }
        for number in 0..6 {
            let feed = if number < 3 { "A" } else { "B" };
            let label = number + 1;
            writeln!(
                toml,
                "[[bay]]\nplace = \"shelf/psu-{number}\"\nlabel = \"PSU {label}\"\nfeed = \"{feed}\""
            )
            .unwrap();
        }
        for number in 1..=4 {
            writeln!(toml, "[[node]]\nname = \"n0{number}\"\ndomain = \"room\"\nbmc = \"n0{number}\"\nmax_draw_watts = 4000")
                .unwrap();
        }
        let path = self.path("rack.toml");
        std::fs::write(&path, toml).unwrap();
        path
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_busbar-rack"));
        command
            .args(["serve", "--config"])
            .arg(self.path("rack.toml"))
            .arg("--state-dir")
            .arg(self.path("state"));
        command
    }

    /// Starts the controller, and a client of it.
    pub fn serve(&self) -> (Running, RackClient) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("rack.log"))
            .unwrap();
        let mut command = self.command();
        command.stderr(log);
        let running = Running::start(command);
        let client = RackClient::new(&running.url, None, None).unwrap();
        (running, client)
    }

    /// Raises all of it, and waits until every supply counts.
    pub async fn whole(mode: &str) -> Option<(House, Running, RackClient)> {
        let house = House::raise()?;
        house.configure(mode, "");
        let (running, client) = house.serve();
        until(&client, "six supplies in service", |rack| {
            shelf(rack).bays.iter().all(|bay| bay.life == BayLife::InService)
        })
        .await;
        Some((house, running, client))
    }
}

/// Waits until the rack is so.
pub async fn until(client: &RackClient, what: &str, so: impl Fn(&RackView) -> bool) -> RackView {
    let began = Instant::now();
    loop {
        let rack = client.rack().await.unwrap();
        if so(&rack) {
            return rack;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "never {what}: {}",
            serde_json::to_string(&rack).unwrap()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn shelf(rack: &RackView) -> &DomainView {
    rack.domains.iter().find(|domain| domain.name == "shelf").unwrap()
}

pub fn bay<'a>(rack: &'a RackView, place: &str) -> &'a BayView {
    shelf(rack).bays.iter().find(|bay| bay.place == place).unwrap()
}

pub fn watts(watts: u64) -> Power {
    Power::from_watts(watts).unwrap()
}

pub fn ask(purpose: &str, many: u64, node: Option<&str>) -> PowerAsk {
    PowerAsk {
        watts: watts(many),
        purpose: purpose.to_owned(),
        node: node.map(str::to_owned),
        domain: None,
        priority: None,
        ..PowerAsk::default()
    }
}
