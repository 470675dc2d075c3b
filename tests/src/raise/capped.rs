//! Nodes whose power is capped by real agents: each in a mount namespace where its CPU packages are plain files.
//!
//! The agents are whole: TLS, tokens, ledger, the keeper that writes and reads back. Only the files below `/sys/class/powercap` are not the
//! kernel's. The simulated rack reads the same files, so that what an agent writes is what its node may draw.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::binaries::Binaries;
use super::daemon::{Daemon, Group};
use crate::wait;

const TOKEN: &str = "0123456789abcdef0123";

/// What such a node is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// CPU packages.
    pub packages: u32,
    /// What each is found limited to, in watts.
    pub package_watts: u64,
    /// What of a node its packages are not: fans, drives, losses.
    pub rest_watts: u64,
    /// The lowest cap of the whole node.
    pub floor_watts: u64,
    /// What it draws with nothing to do.
    pub idle_watts: u64,
}

impl Shape {
    /// The most that the node draws.
    pub fn max_draw_watts(&self) -> u64 {
        u64::from(self.packages)
            .saturating_mul(self.package_watts)
            .saturating_add(self.rest_watts)
    }
}

/// One node.
#[derive(Debug)]
pub struct CappedNode {
    /// Its name.
    pub name: String,
    /// What it is.
    pub shape: Shape,
    /// Its agent; `None` while it is down.
    pub agent: Option<Daemon>,
    /// What its agent finds in its environment beside this program's own, from its next start on.
    pub environment: Vec<(String, String)>,
    folder: PathBuf,
    classes: PathBuf,
    port: String,
}

/// A copy of `/sys/class` without powercap in `folder`, for all nodes.
///
/// # Errors
/// It cannot be copied.
pub fn classes(folder: &Path) -> anyhow::Result<PathBuf> {
    let classes = folder.join("class");
    fs::create_dir_all(&classes)?;
    let copied = Command::new("cp")
        .args(["-a", "/sys/class/."])
        .arg(&classes)
        .output()?;
    ensure!(classes.read_dir()?.next().is_some(), "cp /sys/class: {copied:?}");
    let powercap = classes.join("powercap");
    let _ = fs::remove_dir_all(&powercap);
    fs::create_dir_all(&powercap)?;
    Ok(classes)
}

/// Whether this process may make mount namespaces.
pub fn may_unshare() -> bool {
    let done = Command::new("unshare")
        .args(["-m", "mount", "--make-rprivate", "/"])
        .output();
    done.is_ok_and(|done| done.status.success())
}

impl CappedNode {
    /// A node with all its files below `folder`; its agent is not started.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new(name: &str, shape: Shape, folder: &Path, classes: &Path) -> anyhow::Result<CappedNode> {
        let folder = folder.join(name);
        fs::create_dir_all(folder.join("run"))?;
        for number in 0..shape.packages {
            let zone = folder.join(format!("powercap/intel-rapl:{number}"));
            fs::create_dir_all(&zone)?;
            fs::write(zone.join("name"), format!("package-{number}\n"))?;
            let limit = format!("{}000000\n", shape.package_watts);
            fs::write(zone.join("constraint_0_power_limit_uw"), limit)?;
        }
        certify(&folder)?;
        let node = CappedNode {
            name: name.to_owned(),
            shape,
            agent: None,
            environment: Vec::new(),
            folder,
            classes: classes.to_owned(),
            port: "0".to_owned(),
        };
        node.next_boot(1)?;
        Ok(node)
    }

    /// Its machine lost its power: the agent is gone, its packages are as they are found at a boot, and whoever starts the agent again
    /// starts it in the boot of this number.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn loses_power(&mut self, next_boot: u32) -> anyhow::Result<()> {
        if let Some(mut agent) = self.agent.take() {
            agent.kill9();
        }
        for number in 0..self.shape.packages {
            let limit = format!("{}000000\n", self.shape.package_watts);
            let file = format!("powercap/intel-rapl:{number}/constraint_0_power_limit_uw");
            fs::write(self.folder.join(file), limit)?;
        }
        self.next_boot(next_boot)
    }

    fn next_boot(&self, number: u32) -> anyhow::Result<()> {
        let id = format!("{number:08x}-0000-4000-8000-000000000000\n");
        fs::write(self.folder.join("boot_id"), id)?;
        Ok(())
    }

    /// Starts its agent: on a free port at first, and then always on the same.
    ///
    /// # Errors
    /// It does not come up.
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
        let script = "mount --make-rprivate / && mount --bind \"$1\" /sys/class && mount --bind \"$2/powercap\" /sys/class/powercap && \
                      mount --bind \"$2/boot_id\" /proc/sys/kernel/random/boot_id && mount --bind \"$2/run\" /run && cd \"$2\" && shift 2 && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]);
        command.arg(&self.classes).arg(folder);
        command
            .arg(binaries.path(Binaries::AGENT))
            .args(["run", "--config"])
            .arg(folder.join("agent.toml"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let agent = Daemon::start("busbar-agent", command, &self.log(), Group::Starters)?;
        let (_, port) = agent.url().rsplit_once(':').context("a port")?;
        port.clone_into(&mut self.port);
        self.agent = Some(agent);
        Ok(())
    }

    /// Sends its agent a signal.
    ///
    /// # Errors
    /// It is down.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let agent = self.agent.as_ref();
        let agent = agent.with_context(|| format!("the agent of {} is down", self.name))?;
        agent.signal(signal)
    }

    /// Where its packages' limits stand.
    pub fn powercap(&self) -> PathBuf {
        self.folder.join("powercap")
    }

    /// The file that limits its first package, in microwatts.
    pub fn first_limit(&self) -> PathBuf {
        self.powercap().join("intel-rapl:0/constraint_0_power_limit_uw")
    }

    /// What its agent logs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// What rack.toml says of it, below `name`, `domain` and `bmc`.
    pub fn section(&self) -> String {
        format!(
            "max_draw_watts = {}\nfloor_watts = {}\nrest_watts = {}\nagent = \"https://127.0.0.1:{}\"\nagent_ca_file = {:?}\n\
             agent_token_file = {:?}\n",
            self.shape.max_draw_watts(),
            self.shape.floor_watts,
            self.shape.rest_watts,
            self.port,
            self.folder.join("ca.pem"),
            self.folder.join("rack.token")
        )
    }

    /// What the whole node may draw, in watts, as the files of its packages say.
    pub fn limit(&self) -> u64 {
        let packages = 0..self.shape.packages;
        let each = packages.map(|number| {
            let file = format!("powercap/intel-rapl:{number}/constraint_0_power_limit_uw");
            let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
            text.trim().parse::<u64>().unwrap_or_default() / 1_000_000
        });
        each.fold(self.shape.rest_watts, u64::saturating_add)
    }

    /// Waits until the files let the node draw so much.
    ///
    /// # Errors
    /// They do not in time.
    pub fn limit_becomes(&self, watts: u64, patience: Duration, why: &str) -> anyhow::Result<()> {
        wait::until(why, patience, || Ok((self.limit() == watts).then_some(())))
            .with_context(|| format!("{} may draw {} W", self.name, self.limit()))
    }
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
