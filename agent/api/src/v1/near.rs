//! Parts of the machine that an ask wants to be near: `gpu:1`, `nic:eth0`, `drive:nvme0n1`, `pci:0000:3b:00.0`.

use std::fmt;
use std::str::FromStr;

use facts::PciAddress;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name of a part that is read; a driver's unique id has 45 characters at most.
pub(super) const LONGEST_NAME: usize = 64;

/// A part of the machine that the CPUs and the memory shall be near to. Text and JSON: `KIND:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Near {
    /// A GPU by its number in the node's list of GPUs, from 0, or by its driver's unique id.
    Gpu(String),
    /// A network interface by what the OS calls it today: `eth0`.
    Nic(String),
    /// A drive by what the OS calls it today: `nvme0n1`.
    Drive(String),
    /// A PCI function.
    Pci(PciAddress),
}

/// Why a text names no part to be near to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no part of a machine; expected gpu:NUMBER, gpu:UUID, nic:NAME, drive:NAME or pci:ADDRESS, \
     as in gpu:1, nic:eth0, drive:nvme0n1 or pci:0000:3b:00.0, names of at most 64 letters, digits, dots and dashes"
)]
pub struct NotNear(String);

impl FromStr for Near {
    type Err = NotNear;

    fn from_str(text: &str) -> Result<Near, NotNear> {
        let not = || NotNear(shortened(text));
        let (kind, name) = text.split_once(':').ok_or_else(not)?;
        if kind == "pci" {
            return name.parse().map(Near::Pci).map_err(|_| not());
        }
        if !is_name(name) {
            return Err(not());
        }
        match kind {
            "gpu" => Ok(Near::Gpu(name.to_owned())),
            "nic" => Ok(Near::Nic(name.to_owned())),
            "drive" => Ok(Near::Drive(name.to_owned())),
            _ => Err(not()),
        }
    }
}

/// Whether a text may be the name of a part: no path, nothing that a terminal would obey.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'@'))
        && !name.contains("..")
}

/// Enough of a text to know it again.
pub(super) fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_NAME + 8 {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST_NAME).collect();
    short.push('…');
    short
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Near::Gpu(name) => write!(f, "gpu:{name}"),
            Near::Nic(name) => write!(f, "nic:{name}"),
            Near::Drive(name) => write!(f, "drive:{name}"),
            Near::Pci(address) => write!(f, "pci:{address}"),
        }
    }
}

impl Serialize for Near {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Near {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Near, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
