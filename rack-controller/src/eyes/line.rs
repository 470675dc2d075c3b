//! The line to one BMC: one client and one session, shared by the eye that reads and the hand that writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bmc::ipmi::IpmiError;
use bmc::{Bmc, BmcError, Credentials, CredentialsError, DriveFacts, Endpoint, Limits, Trust};
use facts::supply::Supplies;
use facts::{Identity, NoData};
use tokio::sync::{Mutex, Notify, watch};

use super::drives::Looks;
use super::erasures::Erasures;
use super::ipmi::Place;
use crate::config::{BmcConfig, BmcTrust, RackConfig};

/// To a finished handshake.
const CONNECT: Duration = Duration::from_secs(5);
/// For one request. Half of the client's own default: a supply's state that is 10 s old decides nothing.
const REQUEST: Duration = Duration::from_secs(5);
/// For logging out of a BMC when we stop; one that hangs keeps its session until it times out by itself.
const FAREWELL: Duration = Duration::from_secs(2);
/// Where Debian and Fedora keep the system's authorities.
const SYSTEM_AUTHORITIES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
/// A file of authorities has less; a longer one is something else.
const MAX_AUTHORITIES_BYTES: u64 = 8 << 20;

/// Why a BMC could not be asked at all, or how it failed.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Its credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// What it is trusted by cannot be used.
    #[error("cannot use {path} to trust the BMC {bmc}: {why}")]
    Trust {
        /// The BMC.
        bmc: String,
        /// The file, or the fingerprint as configured.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// It failed.
    #[error(transparent)]
    Bmc(#[from] BmcError),
    /// It failed over IPMI.
    #[error(transparent)]
    Ipmi(#[from] IpmiError),
    /// It speaks the other protocol.
    #[error("the BMC {bmc} is spoken to over {speaks}")]
    Other {
        /// The BMC.
        bmc: String,
        /// What it speaks.
        speaks: &'static str,
    },
}

impl LineError {
    /// The reason in one word.
    pub fn no_data(&self) -> NoData {
        match self {
            LineError::Credentials(_) | LineError::Trust { .. } => NoData::Refused,
            LineError::Bmc(error) => error.no_data(),
            LineError::Ipmi(error) => error.no_data(),
            LineError::Other { .. } => NoData::Unsupported,
        }
    }
}

/// The line to one BMC.
#[derive(Debug)]
pub struct Line {
    config: BmcConfig,
    bmc: Mutex<Option<Bmc>>,
    connected: watch::Sender<Option<Bmc>>,
    resources: std::sync::Mutex<BTreeMap<String, String>>,
    look: Notify,
    look_at_drives: Notify,
    drives: std::sync::Mutex<Vec<DriveFacts>>,
    retired_writes: AtomicU64,
    ipmi: Place,
}

impl Line {
    fn new(config: BmcConfig) -> Line {
        Line {
            config,
            bmc: Mutex::new(None),
            connected: watch::Sender::new(None),
            resources: std::sync::Mutex::default(),
            look: Notify::new(),
            look_at_drives: Notify::new(),
            drives: std::sync::Mutex::default(),
            retired_writes: AtomicU64::new(0),
            ipmi: Place::default(),
        }
    }

    /// The BMC's name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// How it is configured.
    pub fn config(&self) -> &BmcConfig {
        &self.config
    }

    /// Whether the BMC is spoken to over IPMI.
    pub fn is_ipmi(&self) -> bool {
        self.config.ipmi().is_some()
    }

    /// What is kept of a BMC that is spoken to over IPMI.
    pub fn place(&self) -> &Place {
        &self.ipmi
    }

    /// The client; connects where there is none yet.
    ///
    /// # Errors
    /// The BMC cannot be reached, or our side of it is configured wrongly.
    pub async fn bmc(&self) -> Result<Bmc, LineError> {
        if self.is_ipmi() {
            let (bmc, speaks) = (self.config.name.clone(), "IPMI, and not over Redfish");
            return Err(LineError::Other { bmc, speaks });
        }
        let mut kept = self.bmc.lock().await;
        if let Some(bmc) = kept.as_ref() {
            return Ok(bmc.clone());
        }
        let endpoint = endpoint(&self.config)?;
        let bmc = Bmc::connect(endpoint).await?;
        self.connected.send_replace(Some(bmc.clone()));
        *kept = Some(bmc.clone());
        Ok(bmc)
    }

    /// The client of the moment, and a notice of the next one.
    pub(super) fn connection(&self) -> watch::Receiver<Option<Bmc>> {
        self.connected.subscribe()
    }

    /// Gives the client up, so that the next look begins anew; its session is closed where the BMC still listens.
    pub(super) async fn retire(&self) {
        self.ipmi.retire().await;
        let Some(bmc) = self.bmc.lock().await.take() else {
            return;
        };
        self.connected.send_replace(None);
        self.retired_writes
            .fetch_add(bmc.writes_made(), Ordering::Relaxed);
        tokio::spawn(async move {
            let _ = tokio::time::timeout(FAREWELL, bmc.close()).await;
        });
    }

    /// Logs out.
    pub async fn close(&self) {
        let _ = tokio::time::timeout(FAREWELL, self.ipmi.retire()).await;
        let bmc = self.bmc.lock().await.take();
        self.connected.send_replace(None);
        if let Some(bmc) = bmc {
            self.retired_writes
                .fetch_add(bmc.writes_made(), Ordering::Relaxed);
            let _ = tokio::time::timeout(FAREWELL, bmc.close()).await;
        }
    }

    /// Requests that could change something at the BMC, since the start; log-ins and log-outs are not among them.
    pub fn writes(&self) -> u64 {
        let now = self.connected.borrow().as_ref().map_or(0, Bmc::writes_made);
        let gone = self.retired_writes.load(Ordering::Relaxed);
        gone.saturating_add(now).saturating_add(self.ipmi.writes())
    }

    /// Asks the eyes to look now rather than at the end of their rest: the one on supplies, and the one on drives.
    pub fn look_now(&self) {
        self.look.notify_one();
        self.look_at_drives.notify_one();
    }

    pub(super) async fn asked_to_look_at_drives(&self) {
        self.look_at_drives.notified().await;
    }

    /// Keeps who sits in which bay for a drive, and under which resource.
    pub(super) fn learn_drives(&self, drives: &[DriveFacts]) {
        drives.clone_into(&mut self.drives.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The resource of a bay for a drive, as it was seen last.
    ///
    /// # Errors
    /// The BMC lists no such bay, or two.
    pub fn drive_bay(&self, bay: &str) -> Result<String, String> {
        self.the_one(&format!("bay {bay}"), |drive| drive.bay == bay)
    }

    /// The resource of a drive, as it was seen last.
    ///
    /// # Errors
    /// The BMC lists no such drive, or two.
    pub fn drive(&self, who: &Identity) -> Result<String, String> {
        let serial = who.serial.as_deref().unwrap_or("without a serial number");
        self.the_one(&format!("drive {serial}"), |drive| drive.identity == *who)
    }

    fn the_one(&self, what: &str, is_it: impl Fn(&DriveFacts) -> bool) -> Result<String, String> {
        let drives = self.drives.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = drives.iter().filter(|drive| is_it(drive));
        let name = self.name();
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.resource.clone()),
            (None, _) => Err(format!("the BMC {name} lists no {what}")),
            (Some(_), Some(_)) => Err(format!(
                "the BMC {name} lists {what} twice: nobody knows which is meant"
            )),
        }
    }

    pub(super) async fn asked_to_look(&self) {
        self.look.notified().await;
    }

    /// Keeps under which resource each supply is addressed.
    pub(super) fn learn(&self, supplies: &Supplies) {
        let seen = supplies.domains.iter().flat_map(|domain| &domain.supplies);
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        *resources = seen
            .map(|supply| (supply.bay.clone(), supply.resource.clone()))
            .collect();
    }

    /// The resource of a supply, as it was seen last.
    pub fn resource(&self, supply: &str) -> Option<String> {
        let resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        resources.get(supply).cloned()
    }
}

fn endpoint(config: &BmcConfig) -> Result<Endpoint, LineError> {
    let endpoint = Endpoint::new(&config.url, trust(config)?).with_limits(Limits {
        connect: CONNECT,
        request: REQUEST,
        ..Limits::default()
    });
    // Read at each connection, so that a changed password needs no restart.
    Ok(match &config.credentials_file {
        Some(path) => endpoint.with_credentials(Credentials::load(path)?),
        None => endpoint,
    })
}

fn trust(config: &BmcConfig) -> Result<Trust, LineError> {
    let wrong = |path: &str, why: String| LineError::Trust {
        bmc: config.name.clone(),
        path: path.to_owned(),
        why,
    };
    let read = |path: &Path| {
        let shown = path.display().to_string();
        let size = std::fs::metadata(path)
            .map_err(|error| wrong(&shown, error.to_string()))?
            .len();
        if size > MAX_AUTHORITIES_BYTES {
            return Err(wrong(
                &shown,
                format!("it is longer than {MAX_AUTHORITIES_BYTES} bytes"),
            ));
        }
        std::fs::read_to_string(path).map_err(|error| wrong(&shown, error.to_string()))
    };
    match &config.trust {
        BmcTrust::CaFile(path) => read(path).map(Trust::Ca),
        BmcTrust::Fingerprint(text) => text
            .parse()
            .map(Trust::Fingerprint)
            .map_err(|error: bmc::redfish::trust::NotAFingerprint| wrong(text, error.to_string())),
        BmcTrust::Insecure => Ok(Trust::Insecure),
        BmcTrust::System => {
            let found = SYSTEM_AUTHORITIES
                .iter()
                .map(Path::new)
                .find(|path| path.exists());
            let missing = || {
                wrong(
                    &SYSTEM_AUTHORITIES.join(" or "),
                    "there is none; expected ca_file or fingerprint".to_owned(),
                )
            };
            read(found.ok_or_else(missing)?).map(Trust::Ca)
        }
    }
}

/// The lines of one rack, by name; and where eyes on drives are asked to look.
#[derive(Clone, Debug)]
pub struct Lines {
    bmcs: Arc<BTreeMap<String, Arc<Line>>>,
    looks: Looks,
    erasures: Arc<Erasures>,
}

impl Lines {
    /// One line a BMC. Nothing is opened yet.
    pub fn new(config: &RackConfig) -> Lines {
        let lines = config
            .bmcs
            .iter()
            .map(|bmc| (bmc.name.clone(), Arc::new(Line::new(bmc.clone()))));
        Lines {
            bmcs: Arc::new(lines.collect()),
            looks: Looks::new(config),
            erasures: Arc::new(Erasures::open(&config.state_dir)),
        }
    }

    /// Where eyes on drives are asked to look.
    pub const fn looks(&self) -> &Looks {
        &self.looks
    }

    /// What BMCs were asked to erase.
    pub const fn erasures(&self) -> &Arc<Erasures> {
        &self.erasures
    }

    /// One line.
    pub fn get(&self, bmc: &str) -> Option<&Arc<Line>> {
        self.bmcs.get(bmc)
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Line>> {
        self.bmcs.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bmcs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bmcs.is_empty()
    }

    /// Logs out everywhere, at once.
    pub async fn close(&self) {
        futures_util::future::join_all(self.iter().map(|line| line.close())).await;
    }
}
