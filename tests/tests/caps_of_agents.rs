//! Caps that agents hold for their rack: real agents whose CPU packages are plain files, the real controller, the simulated shelf.
//!
//! What a node draws follows its package files here by a wire of the test's own: the simulated nodes know the limits of their BMCs only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

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
use serde_json::Value;

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
const PATIENCE: Duration = Duration::from_secs(90);
/// What of a node its packages are not: fans, drives, losses.
const REST_WATTS: u64 = 100;
const TOKEN: &str = "0123456789abcdef0123";

/// A node: an agent in a mount namespace where two packages of 200 W are plain files.
struct Node {
    name: &'static str,
    folder: PathBuf,
    daemon: Option<Daemon>,
    port: String,
}

impl Node {
    fn new(name: &'static str, folder: &Path) -> anyhow::Result<Node> {
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

    fn start(&mut self, binaries: &Binaries) -> anyhow::Result<()> {
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
    fn limit(&self) -> u64 {
        limit(&self.folder)
    }

    fn limit_becomes(&self, watts: u64, why: &str) -> anyhow::Result<()> {
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
struct Wire {
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

struct Stand {
    rack: Rack,
    config: PathBuf,
    nodes: [Node; 2],
    world: World,
    folder: Scratch,
    binaries: Binaries,
    _turn: Turn,
}

impl Stand {
    fn raise() -> anyhow::Result<Stand> {
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
        let log = folder.join("rack.log");
        let rack = Rack::start_again(&binaries, &config, &log, Group::Starters)?;
        Ok(Stand {
            rack,
            config,
            nodes,
            world,
            folder,
            binaries,
            _turn: turn,
        })
    }

    /// What `busbar WORDS` prints where it goes well.
    fn busbar(&self, words: &[&str]) -> anyhow::Result<String> {
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

    fn node(&self, name: &str) -> anyhow::Result<Value> {
        let view = self.rack.view()?;
        let nodes = view["nodes"].as_array().context("nodes")?;
        let node = nodes.iter().find(|node| node["name"] == name);
        node.cloned().with_context(|| format!("no {name}: {view}"))
    }

    fn lease_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        wait::until(what, PATIENCE, || {
            let node = self.node("n01")?;
            Ok(wanted(&node["lease"]).then_some(node))
        })
    }

    fn wire(&self) -> Wire {
        Wire::of(
            &self.nodes[0],
            self.binaries.path(Binaries::WORLD),
            self.folder.join("world"),
        )
    }
}

fn may_unshare() -> bool {
    let done = Command::new("unshare")
        .args(["-m", "mount", "--make-rprivate", "/"])
        .output();
    done.is_ok_and(|done| done.status.success())
}

#[test]
fn watts_are_held_by_agents_through_a_loss_and_through_kills() -> anyhow::Result<()> {
    if !may_unshare() {
        println!("skipped: this needs root and a mount namespace of its own");
        return Ok(());
    }
    let mut stand = Stand::raise()?;
    for node in &stand.nodes {
        node.limit_becomes(300, "the floor, less what is no package's")?;
    }
    drilled(&stand)?;
    revocable_watts_come_and_go(&stand)?;
    kills_change_no_cap(&mut stand)?;
    stand.busbar(&["release", "web"])?;
    stand.nodes[0].limit_becomes(300, "the floor again")?;
    Ok(())
}

/// Nothing revocable is given to a cap of which nobody knows that it bites.
fn drilled(stand: &Stand) -> anyhow::Result<()> {
    let _wire = stand.wire();
    wait::until("the shelf to be counted", PATIENCE, || {
        let view = stand.rack.view()?;
        Ok((view["domains"][0]["installed_watts"] == 18_000).then_some(()))
    })?;
    let web = [
        "claim",
        "power",
        "--for",
        "web",
        "--node",
        "n01",
        "--watts",
        "420",
        "--revocable",
        "60",
    ];
    stand.busbar(&web)?;
    stand.nodes[0].limit_becomes(320, "firm watts alone")?;
    let why = stand.busbar(&["why", "web"])?;
    ensure!(why.contains("has none of its 60 W revocable"), "{why}");
    let said = stand.busbar(&["calibrate", "n01"])?;
    ensure!(said.contains("n01 keeps its cap"), "{said}");
    stand.nodes[0].limit_becomes(380, "firm and revocable watts")?;
    let why = stand.busbar(&["why", "web"])?;
    ensure!(why.contains("it has its 60 W revocable"), "{why}");
    Ok(())
}

/// A loss that uses up what the policy covers takes them; after the new supply's trial they come back.
fn revocable_watts_come_and_go(stand: &Stand) -> anyhow::Result<()> {
    stand.busbar(&["claim", "power", "--for", "stock", "--watts", "11500"])?;
    stand.world.act(&["pull", "shelf/psu-3"])?;
    stand.nodes[0].limit_becomes(320, "what was promised firm")?;
    let events = stand.busbar(&["events"])?;
    ensure!(events.contains("60 W revocable taken back"), "{events}");
    stand.world.act(&["insert", "shelf/psu-3"])?;
    stand.nodes[0].limit_becomes(380, "revocable watts again")?;
    Ok(())
}

fn kills_change_no_cap(stand: &mut Stand) -> anyhow::Result<()> {
    stand.rack.daemon.kill9();
    ensure!(stand.nodes[0].limit() == 380, "a dead controller lowers nobody");
    let log = stand.folder.join("rack.log");
    stand.rack = Rack::start_again(&stand.binaries, &stand.config, &log, Group::Starters)?;
    stand.lease_until("the lease to be renewed", |lease| lease["applied"] == true)?;
    stand.nodes[0].limit_becomes(380, "the same cap")?;

    let mut agent = stand.nodes[0].daemon.take().context("an agent")?;
    agent.kill9();
    let node = stand.lease_until("the silence to be seen", |lease| !lease["silent_since"].is_null())?;
    ensure!(
        node["lease"]["counted_watts"].as_u64() >= Some(480),
        "a silent node counts with what it may draw: {node}"
    );
    ensure!(
        stand.nodes[0].limit() == 380,
        "the hardware keeps a dead agent's cap"
    );
    stand.nodes[0].start(&stand.binaries)?;
    stand.lease_until("the agent to be heard again", |lease| {
        lease["applied"] == true && lease["silent_since"].is_null()
    })?;
    stand.nodes[0].limit_becomes(380, "the same cap")
}
