//! The agent's configuration: read once, checked whole, every fault named with its line.

mod bmc;
mod interference;
mod isolation;
mod metrics;
mod modes;
mod nri;
mod pooled;
mod proof;
mod reader;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use collectors::roster::Wishes;
use facts::CpuSet;
use intent::{Actuator, Actuators};

pub use interference::Interference;
pub use isolation::Isolation;
pub use metrics::Metrics;
use reader::{Faults, Reader, read};

/// Where the configuration stands unless `--config` says otherwise; there may be none.
pub const DEFAULT_FILE: &str = "/etc/busbar/agent.toml";
/// Where the Unix socket stands by default.
pub const DEFAULT_SOCKET: &str = "/run/busbar/agent.sock";
/// Where the ledger stands by default.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/busbar/agent";
/// The TCP port by default.
pub const DEFAULT_PORT: u16 = 9711;

/// The longest path of a Unix socket: `sun_path` has 108 bytes, the last of them zero (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;
/// The longest name of a node: that of a host name (hostname(7)).
const LONGEST_NAME: usize = 253;

const SECTIONS: [&str; 10] = [
    "agent",
    "actuators",
    "reserved",
    "isolation",
    "proof",
    "interference",
    "metrics",
    "bmc",
    "nri",
    "pooled_drives",
];
const AGENT_KEYS: [&str; 9] = [
    "name",
    "mode",
    "listen_address",
    "socket",
    "state_dir",
    "tls_certificate_file",
    "tls_key_file",
    "token_file",
    "rack_token_file",
];
const RESERVED_KEYS: [&str; 1] = ["cpus"];

/// Certificate and key of the TCP face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain in PEM, the leaf first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// The configuration, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The node's name; `None` for the host's name.
    pub name: Option<String>,
    /// The modes.
    pub actuators: Actuators,
    /// The TCP face, which only answers questions.
    pub listen: SocketAddr,
    /// The Unix socket, which also takes orders.
    pub socket: PathBuf,
    /// Where the ledger is kept.
    pub state_dir: PathBuf,
    /// TLS of the TCP face.
    pub tls: Option<TlsFiles>,
    /// The bearer token that the TCP face asks for.
    pub token_file: Option<PathBuf>,
    /// The bearer token with which a rack leases power to this node over TCP; `None` where none does.
    pub rack_token_file: Option<PathBuf>,
    /// CPUs that are kept for the host; `None` for the first core.
    pub reserved_cpus: Option<CpuSet>,
    /// What is wished of the collectors.
    pub wishes: Wishes,
    /// What is done about changes of others, and where specifications for containers are placed.
    pub isolation: Isolation,
    /// How often exclusive CPUs are proven to be exclusive; `None` for only when somebody asks.
    pub proof_every: Option<Duration>,
    /// The interference loop.
    pub interference: Interference,
    /// What stands on the page of metrics.
    pub metrics: Metrics,
    /// The runtime whose plugin the agent is; `None` for none.
    pub nri: Option<crate::nri::Nri>,
    /// Which of its own drives the node lends to others; `None` for none.
    pub pooled: Option<crate::drives::Lending>,
}

impl Default for Config {
    /// Safe: observe, loopback only.
    fn default() -> Config {
        Config {
            name: None,
            actuators: Actuators::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)),
            socket: PathBuf::from(DEFAULT_SOCKET),
            state_dir: PathBuf::from(DEFAULT_STATE_DIR),
            tls: None,
            token_file: None,
            rack_token_file: None,
            reserved_cpus: None,
            wishes: Wishes::default(),
            isolation: Isolation::default(),
            proof_every: None,
            interference: Interference::default(),
            metrics: Metrics::default(),
            nri: None,
            pooled: None,
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modes = Actuator::ALL.map(|actuator| format!("{actuator} {}", self.actuators.of(actuator)));
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let token = self.token_file.as_ref().map_or("", |_| ", with a token");
        let reserved = self
            .reserved_cpus
            .as_ref()
            .map_or("the first core".to_owned(), |cpus| format!("CPUs {cpus}"));
        writeln!(
            f,
            "  node      {}",
            self.name.as_deref().unwrap_or("named as the host")
        )?;
        writeln!(f, "  mode      {} ({})", self.actuators.mode, modes.join(", "))?;
        writeln!(
            f,
            "  listens   {scheme}://{}{token}; orders over {}",
            self.listen,
            self.socket.display()
        )?;
        if self.rack_token_file.is_some() {
            writeln!(f, "  rack      leases power over TCP, with a token of its own")?;
        }
        writeln!(f, "  state     {}", self.state_dir.display())?;
        writeln!(f, "  reserved  {reserved}, for the host")?;
        if let Some(nri) = &self.nri {
            writeln!(f, "  runtime   {nri}")?;
        }
        if let Some(pooled) = &self.pooled {
            writeln!(f, "  drives    {pooled}")?;
        }
        write!(f, "  metrics   {}", self.metrics)
    }
}

/// What the command line puts in the place of the file's words.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--socket`.
    pub socket: Option<PathBuf>,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
}

/// One fault: where it is, what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `agent.toml:7`, or the option of the command line.
    pub place: String,
    /// What was found and what was expected.
    pub message: String,
}

/// All faults of a configuration, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(pub Vec<Fault>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}: {}", fault.place, fault.message)?;
        }
        Ok(())
    }
}

impl Config {
    /// Reads the file (none: the one at the default place, where there is one) and puts the command line's words in.
    ///
    /// # Errors
    /// With every fault that was found, in the order of the file.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Config, ConfigError> {
        let file = match file {
            Some(file) => Some(file),
            None => Some(Path::new(DEFAULT_FILE)).filter(|file| file.exists()),
        };
        match file {
            None => Config::parse("", "", overrides),
            Some(file) => {
                let text = read(file)?;
                let mut config = Config::parse(&file.display().to_string(), &text, overrides)?;
                config.stand_below(file.parent().unwrap_or(Path::new("")));
                Ok(config)
            }
        }
    }

    /// Reads a text; `file` is only its name for messages.
    ///
    /// # Errors
    /// With every fault that was found, in the order of the file.
    pub fn parse(file: &str, text: &str, overrides: Overrides) -> Result<Config, ConfigError> {
        let mut faults = Faults::new(file, text);
        let Some(whole) = Reader::of_text(text, &mut faults) else {
            return Err(faults.into_error());
        };
        let mut config = Config::default();
        whole.only(&SECTIONS, &mut faults);
        let mut listen_at = "--listen".to_owned();
        if let Some(agent) = whole.section("agent", &mut faults) {
            config.read_agent(&agent, &mut faults);
            listen_at = agent.place("listen_address", &faults).unwrap_or(listen_at);
        }
        let whole_mode = config.actuators.mode;
        if let Some(section) = whole.section("actuators", &mut faults) {
            config.actuators.stricter = modes::actuators(&section, whole_mode, &mut faults);
        }
        if let Some(section) = whole.section("reserved", &mut faults) {
            config.read_reserved(&section, &mut faults);
        }
        if let Some(section) = whole.section("isolation", &mut faults) {
            config.isolation = isolation::read(&section, &mut faults);
        }
        if let Some(section) = whole.section("proof", &mut faults) {
            config.proof_every = proof::read(&section, &mut faults);
        }
        if let Some(section) = whole.section("interference", &mut faults) {
            config.interference = interference::read(&section, &mut faults);
        }
        if let Some(section) = whole.section("nri", &mut faults) {
            config.nri = nri::read(&section, &mut faults);
        }
        if let Some(section) = whole.section("pooled_drives", &mut faults) {
            config.pooled = pooled::read(&section, &mut faults);
        }
        if let Some(section) = whole.section("bmc", &mut faults) {
            config.wishes.bmc = bmc::read(&section, &mut faults);
        }
        if let Some(section) = whole.section("metrics", &mut faults) {
            config.metrics = Metrics::read(&section, &mut config.wishes, &mut faults);
        }
        if let Some(listen) = overrides.listen {
            config.listen = listen;
            listen_at = "--listen".to_owned();
        }
        config.socket = overrides.socket.unwrap_or(config.socket);
        config.state_dir = overrides.state_dir.unwrap_or(config.state_dir);
        config.check(&listen_at, &mut faults);
        faults.into_result(config)
    }

    fn read_agent(&mut self, agent: &Reader<'_>, faults: &mut Faults<'_>) {
        agent.only(&AGENT_KEYS, faults);
        if let Some((name, place)) = agent.text("name", faults) {
            let right = (1..=LONGEST_NAME).contains(&name.len())
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
            if right {
                self.name = Some(name.to_owned());
            } else {
                let expected = "expected 1 to 253 letters, digits, dashes or dots";
                faults.add(place, format!("name = {name:?} is no name of a node; {expected}"));
            }
        }
        if let Some((mode, place)) = agent.text("mode", faults) {
            match mode.parse() {
                Ok(mode) => self.actuators.mode = mode,
                Err(error) => faults.add(place, format!("mode: {error}")),
            }
        }
        if let Some((address, place)) = agent.text("listen_address", faults) {
            match address.parse() {
                Ok(address) => self.listen = address,
                Err(_) => {
                    let expected = "expected IP:PORT, as in 127.0.0.1:9711 or [::1]:9711";
                    faults.add(
                        place,
                        format!("listen_address = {address:?} is no address; {expected}"),
                    );
                }
            }
        }
        let path = |key, faults: &mut Faults<'_>| agent.path(key, faults);
        self.socket = path("socket", faults).unwrap_or_else(|| self.socket.clone());
        self.state_dir = path("state_dir", faults).unwrap_or_else(|| self.state_dir.clone());
        self.token_file = path("token_file", faults);
        self.rack_token_file = path("rack_token_file", faults);
        let (certificate, key) = (path("tls_certificate_file", faults), path("tls_key_file", faults));
        self.tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (certificate, _) => {
                let (there, missing) = match certificate {
                    Some(_) => ("tls_certificate_file", "tls_key_file"),
                    None => ("tls_key_file", "tls_certificate_file"),
                };
                let place = agent.place(there, faults).unwrap_or_default();
                faults.add(
                    place,
                    format!("{there} is set and {missing} is not; expected both or neither"),
                );
                None
            }
        };
    }

    fn read_reserved(&mut self, section: &Reader<'_>, faults: &mut Faults<'_>) {
        section.only(&RESERVED_KEYS, faults);
        if let Some((text, place)) = section.text("cpus", faults) {
            match text.parse::<CpuSet>() {
                Ok(cpus) if cpus.is_empty() => {
                    let expected = "expected at least one, as in \"0\"; leave the key out for the first core";
                    faults.add(
                        place,
                        format!("cpus = {text:?} keeps no CPU for the host; {expected}"),
                    );
                }
                Ok(cpus) => self.reserved_cpus = Some(cpus),
                Err(error) => faults.add(place, format!("cpus: {error}")),
            }
        }
    }

    /// What no single line can tell.
    fn check(&self, listen_at: &str, faults: &mut Faults<'_>) {
        if !self.listen.ip().is_loopback() && (self.tls.is_none() || self.token_file.is_none()) {
            let missing: Vec<&str> = [
                ("tls_certificate_file and tls_key_file", self.tls.is_none()),
                ("token_file", self.token_file.is_none()),
            ]
            .into_iter()
            .filter_map(|(key, is_missing)| is_missing.then_some(key))
            .collect();
            faults.add(
                listen_at.to_owned(),
                format!(
                    "{} is beyond loopback and {} is not set; expected TLS and a token there, or a loopback address",
                    self.listen,
                    missing.join(", "),
                ),
            );
        }
        if self.socket.as_os_str().len() > LONGEST_SOCKET_PATH {
            let message = format!(
                "the socket's path {} is longer than {LONGEST_SOCKET_PATH} bytes, which is all that the kernel takes",
                self.socket.display(),
            );
            faults.add("socket".to_owned(), message);
        }
    }

    /// Files that are named without a leading slash stand beside the configuration.
    fn stand_below(&mut self, directory: &Path) {
        let tls = self
            .tls
            .iter_mut()
            .flat_map(|tls| [&mut tls.certificate, &mut tls.key]);
        let tokens = [&mut self.token_file, &mut self.rack_token_file];
        for path in tls.chain(tokens.into_iter().flatten()) {
            *path = directory.join(&*path);
        }
        bmc::stand_below(&mut self.wishes.bmc, directory);
    }
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
