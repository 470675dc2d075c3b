//! Pooled drives: what a node has of them and uses of others, and what its rack orders about them.
//!
//! Everything is said of a drive by what it tells of itself, in a stay in its bay (`arrival`) and for a grant (`generation`): an order about
//! an earlier stay or a closed grant is refused, however late it comes.

use std::net::SocketAddr;

use facts::{Bytes, Identity, Moment};
use intent::DriveKey;
use serde::{Deserialize, Serialize};

/// How a node stands to pooled drives: answer of `GET /v1/drives`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrivesView {
    /// This boot of the node.
    pub boot_id: String,
    /// The node's name, as its agent is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How this node asks other nodes for their drives; `None` where its kernel has no initiator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<FabricHost>,
    /// Where this node offers drives; `None` where it is not configured to, or its kernel has no target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<SocketAddr>,
    /// Its own drives that it is configured to lend.
    pub drives: Vec<PooledDrive>,
    /// Drives of other nodes that it uses.
    pub attached: Vec<AttachedDrive>,
    /// Locate LEDs that were lit by order and are not out, as they were read back. `None` of an agent that does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leds: Option<Vec<BayLed>>,
}

/// A bay's locate LED that was lit by order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BayLed {
    /// The bay, as it was named in the order.
    pub slot: String,
    /// Whether it is lit, as it was read back last; `None` where it was not read yet, or cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lit: Option<bool>,
    /// When the node puts it out by itself, where nobody orders it again.
    pub until: Moment,
    /// Why it is not as it should be: it cannot be read, or does not go out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// As whom a node asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FabricHost {
    /// The host's NVMe qualified name.
    pub nqn: String,
    /// Its identifier: a UUID.
    pub id: String,
    /// Whether its kernel can prove that it knows a key (DH-HMAC-CHAP).
    #[serde(default)]
    pub proves: bool,
}

/// A drive that its node lends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PooledDrive {
    /// Who it is, as it was read from the device.
    pub identity: Identity,
    /// The NGUID of its namespace, as the kernel prints it; `None` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nguid: Option<String>,
    /// What the node's kernel calls it today: `nvme0n1`. For people; never an identity.
    pub device: String,
    /// The bay it sits in, as the node knows it: the PCI slot, the enclosure's slot, or else the PCI address.
    pub slot: String,
    /// Which stay in a bay this is: a number that this node gives each arrival and never twice, also over its restarts.
    pub arrival: u64,
    /// How much it holds; 0 where it says so.
    pub size: Bytes,
    /// Percent of its rated endurance that is used; may be above 100. `None` where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent_used: Option<u8>,
    /// Whether it says of itself that it will fail.
    #[serde(default)]
    pub predicts_failure: bool,
    /// Whether it did not answer in time: what is said of it otherwise is from before.
    #[serde(default)]
    pub is_hung: bool,
    /// Everything that was ever written to it, in its own units (NVMe SMART log, `Data Units Written`); `None` where it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<u64>,
    /// What speaks against erasing it: mounted, swap, partitioned, member of something, the boot drive. A sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obstacles: Vec<String>,
    /// Who is let in, as it was read back from the kernel.
    pub access: DriveAccess,
    /// The erasure that runs, or the last one of this stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Erasure>,
}

/// Who can reach a drive, as its target was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveAccess {
    /// The subsystem under which it is offered; `None` where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nqn: Option<String>,
    /// Names of hosts that may connect, or are connected. `*` where anybody may.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// How the host that is let in proves who it is, as it was read back: `DH-HMAC-CHAP`, or `none` with the reason. `None` where nobody is
    /// let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<String>,
    /// The latest grant of this stay that was obeyed; 0 before the first.
    #[serde(default)]
    pub granted: u64,
    /// Grants up to this one are closed: no order to admit by them is obeyed any more. Kept over restarts.
    #[serde(default)]
    pub closed: u64,
}

/// A drive of another node that this node uses, or tries to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedDrive {
    /// Its subsystem.
    pub nqn: String,
    /// The grant by which it was attached.
    pub generation: u64,
    /// Who the drive at the other end says it is; `None` where nothing answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The block device to use: `nvme3n1`; `None` while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The kernel's word for the connection: `live`, `connecting` …
    pub state: String,
    /// Who uses it, where somebody does: a mount point, a workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
}

/// How a drive is erased. What stands first is tried first; nothing falls back to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseMethod {
    /// NVMe Sanitize, crypto erase (NVM Express Base 2.0, 5.24, SANACT 100b).
    SanitizeCrypto,
    /// NVMe Sanitize, block erase (the same, SANACT 010b).
    SanitizeBlock,
    /// NVMe Format NVM with secure erase settings (5.14).
    Format,
    /// Redfish `Drive.SecureErase`.
    Redfish,
    /// ATA SECURITY ERASE UNIT.
    Ata,
    /// Every block written. The last resort: blocks that the drive has set aside keep what they hold.
    Overwrite,
}

/// An erasure: how far it is, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The last grant before it.
    pub generation: u64,
    /// What is done, or was done last.
    pub method: EraseMethod,
    /// When it began.
    pub began: Moment,
    /// Methods that were tried before this one, and why each did not do: a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// How it stands.
    pub state: ErasureState,
}

/// How an erasure stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum ErasureState {
    /// It runs.
    Running {
        /// How far it is, as the device says, in thousandths; `None` where it does not.
        permille: Option<u16>,
    },
    /// It is done, and was read back.
    Done {
        /// When the device said that it was done.
        ended: Moment,
        /// The drive, as it told who it is afterwards.
        identity: Identity,
        /// What the device itself says of it: log page 81h in hexadecimal; `None` for a method that has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log_page: Option<String>,
        /// Samples that were read back.
        samples: u32,
        /// How many of them still held something.
        dirty: u32,
        /// `Data Units Written` afterwards, where the device counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        written: Option<u64>,
    },
    /// It failed.
    Failed {
        /// What happened, and what was expected.
        why: String,
    },
}

/// What a rack orders about one drive: `POST /v1/drives/orders`. Each may come twice, and is answered again with how things are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order", deny_unknown_fields)]
pub enum DriveOrder {
    /// To the node that has it: let this host in and nobody else, and read that back.
    Admit {
        /// Who the drive must be.
        drive: Identity,
        /// In which stay.
        arrival: u64,
        /// By which grant.
        generation: u64,
        /// The name of the host.
        host: String,
        /// What that host proves to know; `None` where it cannot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<DriveKey>,
    },
    /// To the node that has it: let nobody in, end what is connected, close this grant and all before it, and read that back.
    Shut {
        /// Who the drive must be.
        drive: Identity,
        /// In which stay.
        arrival: u64,
        /// Up to which grant.
        generation: u64,
    },
    /// To the node that has it: begin to erase it. Refused while anybody is let in, and where a later grant was obeyed.
    Erase {
        /// Who the drive must be; read again from the device before the first command that destroys.
        drive: Identity,
        /// In which stay.
        arrival: u64,
        /// The last grant before.
        generation: u64,
        /// Who asked for it.
        asked_by: String,
        /// Whether every block may be written where nothing better is there.
        overwrite: bool,
    },
    /// To the node that shall use it: connect, and see that it is the very drive.
    Attach {
        /// Who the drive must be: another one is disconnected at once.
        drive: Identity,
        /// The NGUID that it must have, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nguid: Option<String>,
        /// By which grant.
        generation: u64,
        /// Its subsystem, as the target tells it.
        nqn: String,
        /// Where it is offered.
        address: SocketAddr,
        /// What this node proves to know there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<DriveKey>,
    },
    /// To the node that used it: disconnect. Refused while somebody uses it, unless it is gone.
    Detach {
        /// Its subsystem.
        nqn: String,
    },
    /// To the node that has the bay: light its locate LED, or put it out. Works on an empty bay.
    Locate {
        /// The bay, as the node knows it.
        slot: String,
        /// Lit, or out.
        lit: bool,
    },
}

/// How things are after an order, as they were read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum DriveAnswer {
    /// A drive of the node.
    Drive(Box<PooledDrive>),
    /// A drive that it uses.
    Attached(AttachedDrive),
    /// It uses no such drive (any more).
    Detached {
        /// The subsystem.
        nqn: String,
    },
    /// A bay's locate LED.
    Located {
        /// The bay.
        slot: String,
        /// Whether it is lit, as it was read back.
        lit: bool,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_order_is_read_as_people_would_write_it_and_nothing_else_is() {
        let text = r#"{"order":"shut","drive":{"maker":null,"model":"M1","serial":"S1"},"arrival":3,"generation":2}"#;
        let order: DriveOrder = serde_json::from_str(text).unwrap();
        assert!(matches!(
            &order,
            DriveOrder::Shut { arrival: 3, generation: 2, drive } if drive.serial.as_deref() == Some("S1")
        ));
        let again: DriveOrder = serde_json::from_str(&serde_json::to_string(&order).unwrap()).unwrap();
        assert_eq!(again, order);
        for wrong in [text.replace("shut", "format"), text.replace("arrival", "arrived")] {
            assert!(serde_json::from_str::<DriveOrder>(&wrong).is_err(), "{wrong}");
        }
    }
}
