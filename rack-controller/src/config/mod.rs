//! rack.toml: what the rack is made of, checked once, with every error's line and what was expected there.

mod access;
mod cross;
mod enclosure;
mod error;
mod fit;
mod lend;
mod listen;
mod policy;
mod power_off;
mod read;
mod refer;
mod report;
mod section;
mod sections;
mod tenant;
mod words;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::Power;
use intent::Actuators;

pub use enclosure::{DriveBayConfig, EnclosureConfig};
pub use error::{ConfigError, ConfigErrors};
pub use lend::LendConfig;
pub use policy::{NotAPolicy, Redundancy};
pub use power_off::Role;
pub use report::check_config_report;
pub use tenant::TenantConfig;

/// One million: ratios are kept in parts per million, so that sums stay exact.
pub const PPM: u32 = 1_000_000;
/// What the address of a BMC begins with that is spoken to over IPMI (RMCP+), and not over Redfish.
pub const IPMI: &str = "ipmi://";

/// The rack as configured. Every reference in it holds: a bay's domain, feed and BMC exist, names are unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RackConfig {
    /// The rack's name.
    pub name: String,
    /// The file it was read from; empty where it came from a text.
    pub file: PathBuf,
    /// What may be acted on.
    pub actuators: Actuators,
    /// Where the HTTP API listens.
    pub listen_address: SocketAddr,
    /// The node that this controller runs on; never powered off by us.
    pub controller_host: Option<String>,
    /// Where the journal stands.
    pub state_dir: PathBuf,
    /// How many events the journal keeps at least.
    pub keep_events: u64,
    /// Whether the hardware is simulated.
    pub simulated: bool,
    /// Certificate and key of the API, where it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// The bearer token that the API asks for.
    pub token_file: Option<PathBuf>,
    /// Feeds.
    pub feeds: Vec<FeedConfig>,
    /// Power domains.
    pub domains: Vec<DomainConfig>,
    /// BMCs, those that nodes name by URL included (under the node's name).
    pub bmcs: Vec<BmcConfig>,
    /// Bays of supplies.
    pub bays: Vec<BayConfig>,
    /// Nodes.
    pub nodes: Vec<NodeConfig>,
    /// Tenants and their quotas; where there are any, each claim names one.
    pub tenants: Vec<TenantConfig>,
    /// Enclosures of pooled drives.
    pub enclosures: Vec<EnclosureConfig>,
}

/// Certificate and key files (PEM).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// One feed: a PDU branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// Its name.
    pub name: String,
    /// Volts between phase and neutral, in millivolts.
    pub millivolts: u64,
    /// Phases, 1 to 3.
    pub phases: u32,
    /// What the breaker holds, in milliamperes.
    pub breaker_milliamperes: u64,
    /// The share of the breaker that may be drawn continuously, in parts per million.
    pub derating_ppm: u32,
}

impl FeedConfig {
    /// What may be drawn continuously: volts × amperes × phases × derating, rounded down.
    pub fn capacity(&self) -> Power {
        let microwatts = u128::from(self.millivolts)
            .saturating_mul(u128::from(self.breaker_milliamperes))
            .saturating_mul(u128::from(self.phases));
        let milliwatts = microwatts / 1_000;
        let derated = milliwatts.saturating_mul(u128::from(self.derating_ppm)) / u128::from(PPM);
        Power::from_milliwatts(u64::try_from(derated).unwrap_or(u64::MAX))
    }
}

/// Where a domain's watts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainSource {
    /// A shelf of supplies on a DC busbar.
    Shelf,
    /// Supplies inside one server or enclosure.
    Chassis,
    /// A PDU branch: the feed of this name.
    Feed(String),
    /// A plain number, as in a colocation contract.
    Budget(Power),
}

impl DomainSource {
    /// The word, as in rack.toml.
    pub const fn word(&self) -> &'static str {
        match self {
            DomainSource::Shelf => "shelf",
            DomainSource::Chassis => "chassis",
            DomainSource::Feed(_) => "feed",
            DomainSource::Budget(_) => "budget",
        }
    }

    /// Whether it has bays.
    pub const fn has_bays(&self) -> bool {
        matches!(self, DomainSource::Shelf | DomainSource::Chassis)
    }
}

/// One power domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainConfig {
    /// Its name.
    pub name: String,
    /// Where its watts come from.
    pub source: DomainSource,
    /// Which losses promises must survive.
    pub redundancy: Redundancy,
    /// Kept back of what survives, in parts per million.
    pub margin_ppm: u32,
    /// Fans, switches, conversion loss.
    pub fixed_load: Power,
    /// The BMC that shows its supplies; `None` for a feed or a budget.
    pub bmc: Option<String>,
    /// Domains that it is fed from; its claims count in each of them too, and the tightest wins.
    pub within: Vec<String>,
    /// How long contacts must be quiet after an insertion.
    pub settle: Duration,
    /// How long a supply is on trial.
    pub probation: Duration,
    /// Whether the redundant share may be lent as revocable watts.
    pub sell_revocable: bool,
    /// How far the supplies can be overloaded, in parts per million of what survives.
    pub overload_factor_ppm: u32,
    /// For how long.
    pub overload_for: Duration,
    /// How soon its BMC shows a loss, as the operator measured it; without it nothing revocable is lent.
    pub detect_within: Option<Duration>,
    /// Whether more is lent than a rack survives whose agents all fall silent at the moment of a loss (power.md, rule 6).
    pub accept_silence: bool,
    /// Whether claims of higher priority may take the watts of its claims (`--preempt`).
    pub preempt: bool,
    /// How slowly its nodes lend what they leave unused.
    pub lend: LendConfig,
}

/// How a BMC proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BmcTrust {
    /// By a certificate that this file's authorities signed (PEM).
    CaFile(PathBuf),
    /// By the SHA-256 of its leaf certificate: `sha256:` and 64 hexadecimal digits.
    Fingerprint(String),
    /// It need not: anybody may answer in its name.
    Insecure,
    /// By a certificate that the system's authorities signed.
    System,
}

/// One BMC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BmcConfig {
    /// Its name.
    pub name: String,
    /// Its address: `https://…` for Redfish, `ipmi://HOST[:PORT]` for IPMI.
    pub url: String,
    /// Username and password.
    pub credentials_file: Option<PathBuf>,
    /// How it proves who it is.
    pub trust: BmcTrust,
    /// How often it is read where no event calls.
    pub poll_interval: Duration,
    /// How often it is asked whether it still knows our subscription to its events.
    pub reconcile_interval: Duration,
}

impl BmcConfig {
    /// Its address as `HOST[:PORT]` where it is spoken to over IPMI; `None` where it speaks Redfish.
    pub fn ipmi(&self) -> Option<&str> {
        self.url.strip_prefix(IPMI)
    }
}

/// One bay of supplies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BayConfig {
    /// Its place: `shelf/psu-3`.
    pub place: String,
    /// Its printed label: `PSU 4`.
    pub label: String,
    /// The feed it hangs from.
    pub feed: Option<String>,
    /// Whether that is assumed: nobody has traced its cable.
    pub feed_assumed: bool,
    /// Its domain (default: the first part of its place).
    pub domain: String,
    /// The BMC that shows it (default: its domain's).
    pub bmc: String,
    /// The BMC's `Id` of it (default: the last part of its place).
    pub supply: String,
    /// What a supply in it can deliver, only where the BMC does not tell.
    pub rated: Option<Power>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its name.
    pub name: String,
    /// Height unit.
    pub unit: Option<u32>,
    /// The domain it draws from.
    pub domain: String,
    /// The name of its BMC in [`RackConfig::bmcs`].
    pub bmc: Option<String>,
    /// Its agent's address.
    pub agent: Option<String>,
    /// The token that its agent asks for.
    pub agent_token_file: Option<PathBuf>,
    /// The authorities that signed its agent's certificate (PEM).
    pub agent_ca_file: Option<PathBuf>,
    /// The most it can draw uncapped.
    pub max_draw: Power,
    /// The lowest cap that it can enforce; part of firm.
    pub floor: Power,
    /// The most that all of it draws that its agent's caps do not cover: fans, drives, NICs, losses. Where it is told, the agent holds
    /// the node's caps.
    pub rest: Option<Power>,
    /// What it is.
    pub role: Role,
    /// Whether it may be switched off as the last shed.
    pub allow_power_off: bool,
    /// How long its operating system is given to end before it is switched off; zero where there is no time.
    pub shutdown_grace: Duration,
    /// The SMBIOS UUID of its machine.
    pub uuid: Option<String>,
}

impl RackConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file cannot be read, or anything in it is wrong: all errors that could be found, each with its line.
    pub fn load(file: &Path) -> Result<RackConfig, ConfigErrors> {
        let text = std::fs::read_to_string(file).map_err(|cause| ConfigErrors::unreadable(file, cause))?;
        RackConfig::from_text(&text, file)
    }

    /// Checks a text; `file` is named in errors, and relative paths in the text stand beside it.
    ///
    /// # Errors
    /// Anything in it is wrong: all errors that could be found, each with its line.
    pub fn from_text(text: &str, file: &Path) -> Result<RackConfig, ConfigErrors> {
        read::read(text, file)
    }

    /// One domain.
    pub fn domain(&self, name: &str) -> Option<&DomainConfig> {
        self.domains.iter().find(|domain| domain.name == name)
    }

    /// One bay.
    pub fn bay(&self, place: &str) -> Option<&BayConfig> {
        self.bays.iter().find(|bay| bay.place == place)
    }

    /// The names of all nodes.
    pub fn node_names(&self) -> BTreeSet<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// One node.
    pub fn node(&self, name: &str) -> Option<&NodeConfig> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// One BMC.
    pub fn bmc(&self, name: &str) -> Option<&BmcConfig> {
        self.bmcs.iter().find(|bmc| bmc.name == name)
    }

    /// One feed.
    pub fn feed(&self, name: &str) -> Option<&FeedConfig> {
        self.feeds.iter().find(|feed| feed.name == name)
    }

    /// Whether caps are enforced, as configured. What is written is asked of the gate (`pools/power/act`) all the same.
    pub fn enforces_caps(&self) -> bool {
        fit::would_enforce(self)
    }

    /// Whether nodes are switched, as configured.
    pub fn switches_nodes(&self) -> bool {
        self.actuators.of(intent::Actuator::NodePower) == intent::Mode::Enforce
    }

    /// One enclosure.
    pub fn enclosure(&self, name: &str) -> Option<&EnclosureConfig> {
        self.enclosures.iter().find(|enclosure| enclosure.name == name)
    }

    /// The enclosure whose drives a node's agent lends, or of which a BMC tells (`bmc NAME`).
    pub fn lent_by(&self, node: &str) -> Option<&EnclosureConfig> {
        self.enclosures.iter().find(|enclosure| enclosure.agent == node)
    }

    /// Whether anybody of this name can tell of drives: a node, or the BMC of an enclosure.
    pub fn tells_of_drives(&self, name: &str) -> bool {
        let is_bmc = |enclosure: &EnclosureConfig| enclosure.of_bmc().as_deref() == Some(name);
        self.node(name).is_some() || self.enclosures.iter().any(is_bmc)
    }

    /// One bay for a drive, and its enclosure.
    pub fn drive_bay(&self, place: &str) -> Option<(&EnclosureConfig, &DriveBayConfig)> {
        let (name, _) = place.split_once('/')?;
        let enclosure = self.enclosure(name)?;
        let bay = enclosure.bays.iter().find(|bay| bay.place == place)?;
        Some((enclosure, bay))
    }

    /// One tenant.
    pub fn tenant(&self, name: &str) -> Option<&TenantConfig> {
        self.tenants.iter().find(|tenant| tenant.name == name)
    }

    /// Refuses a listening address that reaches beyond loopback without TLS and a token. Also for `--listen`.
    ///
    /// # Errors
    /// The address is no loopback address, and TLS or the token is missing.
    pub fn check_listen(&self, address: SocketAddr) -> Result<(), String> {
        listen::check(address, self.tls.is_some(), self.token_file.is_some())
    }
}
