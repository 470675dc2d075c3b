//! The kernel's NVMe target as configfs shows it (drivers/nvme/target/configfs.c): where things stand, and how each subsystem does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::keys::{HostKey, host_key};
use crate::host::Host;
use crate::isolator::IsolateError;

/// Where the target stands in configfs.
pub(super) const NVMET: &str = "/sys/kernel/config/nvmet";
pub(super) const SUBSYSTEMS: &str = "subsystems";
pub(super) const PORTS: &str = "ports";
pub(super) const HOSTS: &str = "hosts";
pub(super) const NAMESPACES: &str = "namespaces";
pub(super) const ALLOWED_HOSTS: &str = "allowed_hosts";
pub(super) const ENABLE: &str = "enable";
pub(super) const DEVICE_PATH: &str = "device_path";
pub(super) const ANY_HOST: &str = "attr_allow_any_host";
pub(super) const SERIAL: &str = "attr_serial";
/// Where a port listens.
pub(super) const ADDRESS: &str = "addr_traddr";
pub(super) const SERVICE: &str = "addr_trsvcid";
/// The only namespace of a subsystem of ours.
pub(super) const FIRST: &str = "1";

/// How a subsystem stands, as it is read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Ports that lead to it: with none, nobody is connected and nobody can connect.
    pub ports: BTreeSet<String>,
    /// Hosts that may connect.
    pub hosts: BTreeSet<String>,
    /// Whether anybody may.
    pub any_host: bool,
    /// Whether its namespace serves.
    pub enabled: bool,
    /// The device behind it.
    pub device: Option<String>,
    /// The serial number that hosts are told.
    pub serial: Option<String>,
    /// How each of the hosts proves who it is.
    #[serde(default)]
    pub keys: BTreeMap<String, HostKey>,
}

impl Standing {
    /// Whether nobody can read or write through it.
    pub fn is_fenced(&self) -> bool {
        self.ports.is_empty() && !self.enabled
    }
}

pub(super) fn nvmet() -> &'static Path {
    Path::new(NVMET)
}

pub(super) fn subsystem(nqn: &str) -> PathBuf {
    nvmet().join(SUBSYSTEMS).join(nqn)
}

pub(super) fn namespace(nqn: &str) -> PathBuf {
    subsystem(nqn).join(NAMESPACES).join(FIRST)
}

pub(super) fn port(number: &str) -> PathBuf {
    nvmet().join(PORTS).join(number)
}

/// Every subsystem of the target, others' too, by its name.
///
/// # Errors
/// When configfs cannot be read.
pub fn standing(host: &Host) -> Result<BTreeMap<String, Standing>, IsolateError> {
    let mut all = BTreeMap::new();
    for nqn in list(host, &nvmet().join(SUBSYSTEMS))? {
        let dir = subsystem(&nqn);
        let first = namespace(&nqn);
        let said = |file: PathBuf| text(host, &file);
        let hosts: BTreeSet<String> = list(host, &dir.join(ALLOWED_HOSTS))?.into_iter().collect();
        let mut keys = BTreeMap::new();
        for guest in &hosts {
            keys.extend(host_key(host, guest)?.map(|key| (guest.clone(), key)));
        }
        let standing = Standing {
            ports: BTreeSet::new(),
            hosts,
            keys,
            any_host: said(dir.join(ANY_HOST))?.as_deref() == Some("1"),
            enabled: said(first.join(ENABLE))?.as_deref() == Some("1"),
            device: said(first.join(DEVICE_PATH))?.filter(|path| !path.is_empty()),
            serial: said(dir.join(SERIAL))?,
        };
        all.insert(nqn, standing);
    }
    for number in list(host, &nvmet().join(PORTS))? {
        for nqn in list(host, &port(&number).join(SUBSYSTEMS))? {
            if let Some(standing) = all.get_mut(&nqn) {
                standing.ports.insert(number.clone());
            }
        }
    }
    Ok(all)
}

/// Where a port of the target listens, by its number; `None` where there is none, or one that is not of IP.
///
/// # Errors
/// When configfs cannot be read.
pub fn listens(host: &Host, number: u16) -> Result<Option<SocketAddr>, IsolateError> {
    let dir = port(&number.to_string());
    let says = |name: &str| text(host, &dir.join(name));
    let (address, service) = (says(ADDRESS)?, says(SERVICE)?);
    let address = address.and_then(|text| text.parse::<IpAddr>().ok());
    let service = service.and_then(|text| text.parse::<u16>().ok());
    Ok(address.zip(service).map(SocketAddr::from))
}

pub(super) fn list(host: &Host, dir: &Path) -> Result<Vec<String>, IsolateError> {
    host.entries(dir).map_err(|cause| IsolateError::Unreadable {
        path: dir.to_owned(),
        cause,
    })
}

pub(super) fn text(host: &Host, file: &Path) -> Result<Option<String>, IsolateError> {
    host.read(file).map_err(|cause| IsolateError::Unreadable {
        path: file.to_owned(),
        cause,
    })
}
