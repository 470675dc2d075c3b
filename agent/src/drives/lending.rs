//! Which of its own drives a node lends, as it is configured, and where it offers them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use collectors::Root;
use facts::PciAddress;
use isolators::Host;

use super::here;

/// The word for all drives but those that the system stands on.
const ALL_BUT_BOOT: &str = "all_but_boot";

/// What a node lends, and where it offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lending {
    /// Which of its drives; at least one.
    pub picks: Vec<Pick>,
    /// Where its NVMe target listens.
    pub listen: SocketAddr,
    /// The number of the target's port: a name for it in configfs.
    pub port: u16,
    /// Whether a host must prove who it is.
    pub authentication: Authentication,
}

/// Whether a host must prove that it knows a key (DH-HMAC-CHAP) before it is let in to a drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Nobody is let in without.
    Require,
    /// Where both kernels can.
    #[default]
    WherePossible,
    /// Its name is enough.
    Off,
}

impl FromStr for Authentication {
    type Err = ();

    fn from_str(text: &str) -> Result<Authentication, ()> {
        match text {
            "require" => Ok(Authentication::Require),
            "where_possible" => Ok(Authentication::WherePossible),
            "off" => Ok(Authentication::Off),
            _ => Err(()),
        }
    }
}

impl Lending {
    /// Where the target listens unless it is configured.
    pub const USUAL_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4420);
    /// The number of its port in configfs unless it is configured: others take small ones.
    pub const USUAL_PORT: u16 = 4420;
}

/// The drives of a machine that are lent by order of the rack, and to nobody else.
#[derive(Clone, Debug)]
pub struct Lent {
    root: Root,
    lending: Option<Lending>,
}

impl Lent {
    /// Those of this machine.
    pub const fn new(root: Root, lending: Option<Lending>) -> Lent {
        Lent { root, lending }
    }

    /// Whether a drive, by what the OS calls it, is the rack's to lend. One that cannot be told from them counts as one.
    pub fn has(&self, device: &str) -> bool {
        self.lending.as_ref().is_some_and(|lending| {
            let host = Host::at(self.root.directory());
            let drives = here::lent(&self.root, &host, lending);
            drives.map_or(true, |drives| drives.iter().any(|here| here.device == device))
        })
    }
}

/// One way to name drives that are lent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// All but those that the system stands on.
    AllButBoot,
    /// Whatever sits in this slot: the PCI slot's name, or the enclosure's.
    Slot(String),
    /// Whatever sits at this PCI address.
    Pci(PciAddress),
    /// The drive of this serial number.
    Serial(String),
}

/// Why a text names no drives.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} names no drives; expected \"all_but_boot\", \"slot:7\", \"pci:0000:3b:00.0\" or \"serial:S1234\""
)]
pub struct NotAPick(String);

impl FromStr for Pick {
    type Err = NotAPick;

    fn from_str(text: &str) -> Result<Pick, NotAPick> {
        let not = || NotAPick(text.chars().take(64).collect());
        if text == ALL_BUT_BOOT {
            return Ok(Pick::AllButBoot);
        }
        let (kind, name) = text.split_once(':').ok_or_else(not)?;
        let name = name.trim();
        match kind {
            _ if name.is_empty() => Err(not()),
            "slot" => Ok(Pick::Slot(name.to_owned())),
            "serial" => Ok(Pick::Serial(name.to_owned())),
            "pci" => name.parse().map(Pick::Pci).map_err(|_| not()),
            _ => Err(not()),
        }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pick::AllButBoot => f.write_str(ALL_BUT_BOOT),
            Pick::Slot(name) => write!(f, "slot:{name}"),
            Pick::Pci(address) => write!(f, "pci:{address}"),
            Pick::Serial(serial) => write!(f, "serial:{serial}"),
        }
    }
}

impl fmt::Display for Lending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let picks: Vec<String> = self.picks.iter().map(Pick::to_string).collect();
        write!(f, "lends {} over NVMe/TCP at {}", picks.join(", "), self.listen)
    }
}
