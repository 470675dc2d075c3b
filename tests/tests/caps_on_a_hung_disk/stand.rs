//! A shelf in the world, two agents whose CPU packages are plain files, and the controller between them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::raise::{Binaries, Daemon, Group, Rack, RackPlan, Scratch, Turn, World};
use house_tests::wait;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// What of a node its packages are not: fans, drives, losses.
const REST_WATTS: u64 = 100;
const TOKEN: &str = "0123456789abcdef0123";

/// A node: an agent in a mount namespace where two packages of 200 W are plain files.
pub struct Node {
    name: &'static str,
    folder: PathBuf,
    pub daemon: Option<Daemon>,
    port: String,
}

impl Node {
    pub fn new(name: &'static str, folder: &Path) -> anyhow::Result<Node> {
        let folder = folder.join(name);
        fs::create_dir_all(folder.join("run"))?;
        let copied = Command::new("cp")
            .args(["-a", "/sys/class/.", "class"])
            .current_dir(&folder)
            .output()?;
        ensure!(folder.join("class").is_dir(), "{copied:?}");
        let _ = fs::remove_dir_all(folder.join("class/powercap"));
        for number in 0..2 {
            let zone = folder.join(format!("class/powercap/intel-rapl:{number}"));
            fs::create_dir_all(&zone)?;
            fs::write(zone.join("name"), format!("package-{number}\n"))?;
            fs::write(zone.join("constraint_0_power_limit_uw"), "200000000\n")?;
        }
        certify(&folder)?;
        let (daemon, port) = (None, "0".to_owned());
        Ok(Node {
            name,
            folder,
            daemon,
            port,
        })
    }

    pub fn start(&mut self, binaries: &Binaries) -> anyhow::Result<()> {
        let folder = &self.folder;
        let config = format!(
            "[agent]\nname = {:?}\nmode = \"enforce\"\nlisten_address = \"127.0.0.1:{}\"\nsocket = {:?}\nstate_dir = {:?}\n\
             tls_certificate_file = \"agent.pem\"\ntls_key_file = \"agent.key\"\ntoken_file = \"token\"\nrack_token_file = \"rack.token\"\n\
             [actuators]\ncpu = \"observe\"\npower_cap = \"enforce\"\n",
            self.name,
            self.port,
            folder.join("sock"),
            folder.join("state")
        );
        fs::write(folder.join("agent.toml"), config)?;
        let script = "mount --make-rprivate / && mount --bind \"$1/class\" /sys/class && mount --bind \"$1/run\" /run && cd \"$1\" && \
                      shift && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(folder);
        command
            .arg(binaries.path(Binaries::AGENT))
            .args(["run", "--config"])
            .arg(folder.join("agent.toml"));
        let daemon = Daemon::start("busbar-agent", command, &folder.join("log"), Group::Starters)?;
        let (_, port) = daemon.url().rsplit_once(':').context("a port")?;
        port.clone_into(&mut self.port);
        self.daemon = Some(daemon);
        Ok(())
    }

    /// What rack.toml says of it.
    fn section(&self) -> String {
        format!(
            "max_draw_watts = 500\nfloor_watts = 400\nrest_watts = {REST_WATTS}\nagent = \"https://127.0.0.1:{}\"\nagent_ca_file = {:?}\n\
             agent_token_file = {:?}\n",
            self.port,
            self.folder.join("ca.pem"),
            self.folder.join("rack.token")
        )
    }

    /// What both packages may draw, in watts, as the files say.
    pub fn limit(&self) -> u64 {
        limit(&self.folder)
    }

    pub fn limit_becomes(&self, watts: u64, why: &str) -> anyhow::Result<()> {
        wait::until(why, PATIENCE, || Ok((self.limit() == watts).then_some(())))
            .with_context(|| format!("{} may draw {} W", self.name, self.limit()))
    }
}

fn limit(folder: &Path) -> u64 {
    let one = |number: u32| {
        let file = format!("class/powercap/intel-rapl:{number}/constraint_0_power_limit_uw");
        let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
        text.trim().parse::<u64>().unwrap_or_default() / 1_000_000
    };
    one(0).saturating_add(one(1))
}

/// A certificate for loopback, its authority, and both tokens.
fn certify(folder: &Path) -> anyhow::Result<()> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &ca)?;
    fs::write(folder.join("ca.pem"), ca.pem())?;
    fs::write(folder.join("agent.pem"), leaf.pem())?;
    let token = format!("{TOKEN}\n");
    let asks = format!("{TOKEN}asks\n");
    for (name, text) in [
        ("agent.key", key.serialize_pem()),
        ("token", asks),
        ("rack.token", token),
    ] {
        let path = folder.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// From a node's package files to what it draws in the world: its load wants 490 W.
pub struct Wire {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    fn of(node: &Node, program: PathBuf, world: PathBuf) -> Wire {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, folder, name) = (Arc::clone(&stop), node.folder.clone(), node.name);
        let thread = std::thread::spawn(move || {
            let mut last = 0;
            while !stopped.load(Ordering::Relaxed) {
                let draws = limit(&folder).saturating_add(REST_WATTS).min(490);
                if draws != last {
                    let mut command = Command::new(&program);
                    command.args(["do", "demand", name, &draws.to_string(), "--state-dir"]);
                    let done = command.arg(&world).output();
                    assert!(done.is_ok_and(|done| done.status.success()), "the wire broke");
                    last = draws;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Wire {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub struct Stand {
    pub rack: Rack,
    pub nodes: [Node; 2],
    pub world: World,
    pub folder: Scratch,
    pub binaries: Binaries,
    _turn: Turn,
}

impl Stand {
    /// Raises it with a controller that is started by the caller, who is given the programs, rack.toml, and the folder of everything.
    pub fn raise_with(
        start: impl FnOnce(&Binaries, &Path, &Path) -> anyhow::Result<Rack>,
    ) -> anyhow::Result<Stand> {
        let (turn, binaries, folder) = (Turn::wait()?, Binaries::find()?, Scratch::new("caps")?);
        let (state, log) = (folder.join("world"), folder.join("world.log"));
        let world = World::start(&binaries, &state, &log, Group::Starters, &[])?;
        let mut nodes = [Node::new("n01", folder.path())?, Node::new("n02", folder.path())?];
        for node in &mut nodes {
            node.start(&binaries)?;
        }
        let mut plan = RackPlan::in_folder(folder.path(), "enforce", None);
        plan.poll_interval = "1s".to_owned();
        let mut text = plan.toml(&world.addresses);
        // How long a loss takes here is the test machine's; what is asked is order.
        for (from, to) in [
            (
                "sell_revocable = false",
                "sell_revocable = true\ndetect_within = \"1s\"",
            ),
            ("overload_for = \"1s\"", "overload_for = \"600s\""),
        ] {
            ensure!(text.contains(from), "{text}");
            text = text.replace(from, to);
        }
        for node in &nodes {
            let head = format!("[[node]]\nname = \"{}\"", node.name);
            let (before, after) = text.split_once(&head).context("the node's table")?;
            let after = after.replacen("max_draw_watts = 4000\n", &node.section(), 1);
            text = format!("{before}{head}{after}");
        }
        let config = folder.join("rack.toml");
        fs::write(&config, text)?;
        let rack = start(&binaries, &config, folder.path())?;
        Ok(Stand {
            rack,
            nodes,
            world,
            folder,
            binaries,
            _turn: turn,
        })
    }

    /// What `busbar WORDS` prints where it goes well.
    pub fn busbar(&self, words: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(self.binaries.path(Binaries::CLI));
        command
            .args(words)
            .env("BUSBAR_RACK", self.rack.daemon.url())
            .env("NO_COLOR", "1");
        let done = command.output()?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let error = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "busbar {}: {error}{said}", words.join(" "));
        Ok(said)
    }

    pub fn wire(&self) -> Wire {
        Wire::of(
            &self.nodes[0],
            self.binaries.path(Binaries::WORLD),
            self.folder.join("world"),
        )
    }
}

pub fn may_unshare() -> bool {
    let done = Command::new("unshare")
        .args(["-m", "mount", "--make-rprivate", "/"])
        .output();
    done.is_ok_and(|done| done.status.success())
}
