//! Changes to a fabric, as data: items and links of configfs, and connections of the initiator.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use intent::DriveKey;
use serde::{Deserialize, Serialize};

use super::name::{DriveIdentity, HostId, Nqn};

/// What takes orders for new connections (`drivers/nvme/host/fabrics.c`).
pub(crate) const FABRICS: &str = "/dev/nvme-fabrics";
/// Every NVMe controller that the kernel knows.
pub(crate) const NVME: &str = "/sys/class/nvme";
/// The name of a controller's subsystem.
pub(crate) const SUBSYSNQN: &str = "subsysnqn";
/// Written to end a controller of a fabric.
pub(crate) const DELETE_CONTROLLER: &str = "delete_controller";

/// Where a drive is offered, and who asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The target's address and port.
    pub address: SocketAddr,
    /// The name by which this host asks to be let in.
    pub host: Nqn,
    /// The identifier of this host; the same for all its connections.
    pub host_id: HostId,
}

/// A connection that is made, and what must be found at its other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The drive's subsystem.
    pub nqn: Nqn,
    /// Where.
    pub peer: Peer,
    /// Who the drive must be: another one is disconnected at once.
    pub drive: DriveIdentity,
    /// What this host proves to know; it is written nowhere.
    #[serde(default, skip_serializing)]
    pub key: Option<DriveKey>,
}

/// One change to a fabric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum FabricStep {
    /// Make an item of configfs.
    Make {
        /// Its directory.
        dir: PathBuf,
    },
    /// Remove an item of configfs.
    Remove {
        /// Its directory.
        dir: PathBuf,
    },
    /// Set the key that a host must know.
    Key {
        /// Its file.
        file: PathBuf,
        /// The key; it is written nowhere else.
        #[serde(skip_serializing)]
        key: DriveKey,
    },
    /// Link an item of configfs to another one.
    Link {
        /// The link.
        link: PathBuf,
        /// What it points to.
        to: PathBuf,
    },
    /// Remove a link. From a port: whoever is connected there is thrown out.
    Unlink {
        /// The link.
        link: PathBuf,
    },
    /// Connect to a drive, and see that it is the one that is meant.
    Connect(Box<Connect>),
    /// End a connection.
    Disconnect {
        /// The kernel's name of the controller: `nvme3`.
        controller: String,
        /// The subsystem that it must belong to: the kernel gives a number that is free to the next one.
        nqn: Nqn,
    },
}

impl FabricStep {
    /// The path that the step changes.
    pub fn path(&self) -> PathBuf {
        match self {
            FabricStep::Make { dir } | FabricStep::Remove { dir } => dir.clone(),
            FabricStep::Key { file, .. } => file.clone(),
            FabricStep::Link { link, .. } | FabricStep::Unlink { link } => link.clone(),
            FabricStep::Connect(_) => PathBuf::from(FABRICS),
            FabricStep::Disconnect { controller, .. } => {
                Path::new(NVME).join(controller).join(DELETE_CONTROLLER)
            }
        }
    }
}

impl fmt::Display for FabricStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FabricStep::Make { dir } => write!(f, "make {}", dir.display()),
            FabricStep::Remove { dir } => write!(f, "remove {}", dir.display()),
            FabricStep::Key { file, .. } => write!(f, "write a key to {}", file.display()),
            FabricStep::Link { link, to } => write!(f, "link {} to {}", link.display(), to.display()),
            FabricStep::Unlink { link } => write!(f, "unlink {}", link.display()),
            FabricStep::Connect(connect) => {
                let Connect { nqn, peer, drive, .. } = connect.as_ref();
                write!(f, "connect to {nqn} at {} for drive {drive}", peer.address)
            }
            FabricStep::Disconnect { controller, nqn } => write!(f, "disconnect {controller} ({nqn})"),
        }
    }
}
