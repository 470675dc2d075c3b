//! Pooled drives of a rack: what the journal holds of them, and what was seen of them last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::{DrivesView, PooledDrive};
use facts::{Bytes, Moment, Power};
use rack_api::v1::DriveClaimAsk;
use serde::{Deserialize, Serialize};

use crate::claim::ClaimId;
use crate::pools::drives::{Drive, DriveId, Ending, Proof};

/// So long after its start an enclosure's node has found its drives, and has asked them for their counters: a minute is how often it asks.
const SETTLED: Duration = Duration::from_secs(75);

/// What the journal holds of drives. Shared between copies as the claims are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeptDrives {
    /// Every drive that was ever seen and not forgotten.
    #[serde(with = "by_drive")]
    pub drives: Arc<BTreeMap<DriveId, Arc<Drive>>>,
    /// The last proof of each.
    #[serde(with = "by_proof")]
    pub proven: Arc<BTreeMap<DriveId, Arc<Proven>>>,
    /// Claims in force.
    #[serde(with = "shared")]
    pub claims: Arc<BTreeMap<ClaimId, DriveClaim>>,
    /// Answered asks by idempotency key, the oldest first.
    #[serde(with = "shared")]
    pub answered: Arc<VecDeque<AnsweredDrives>>,
    /// Bays that somebody empties, by place.
    pub leaving: BTreeMap<String, LeavingBay>,
}

/// A claim of drives in force. Which drives it has stands with the drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveClaim {
    /// Its id; that of its watts too, where it has some.
    pub id: ClaimId,
    /// What was asked.
    pub ask: DriveClaimAsk,
    /// How long what it gives back is held, in seconds, where the ask says it.
    pub since: Moment,
    /// When it ends unless it is renewed.
    #[serde(default)]
    pub until: Option<Moment>,
    /// Drives that came with what the same purpose wrote before.
    #[serde(default)]
    pub kept: Vec<DriveId>,
    /// Drives that it had and lost.
    #[serde(default)]
    pub lost: Vec<Lost>,
    /// Drives that say that they will fail, and when they are taken from it.
    #[serde(default)]
    pub failing: Vec<(DriveId, Moment)>,
}

impl DriveClaim {
    /// Firm watts that were admitted with it.
    pub const fn watts(&self) -> Power {
        self.ask.watts
    }
}

/// A drive that a claim had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Which.
    pub drive: DriveId,
    /// When.
    pub at: Moment,
    /// Why.
    pub ending: Ending,
}

/// The last proof that a drive was erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The proof.
    pub proof: Proof,
    /// The number of the event that holds it.
    pub sequence: u64,
    /// When that was.
    pub at: Moment,
    /// Whether the drive was lent since.
    pub lent_since: bool,
}

/// An answered ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredDrives {
    /// The key.
    pub key: String,
    /// The ask.
    pub ask: DriveClaimAsk,
    /// The claim that it made.
    pub claim: ClaimId,
}

/// A bay for a drive that somebody empties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingBay {
    /// The drive that is to leave; `None` where none was in it.
    pub drive: Option<DriveId>,
    /// Since when.
    pub since: Moment,
    /// The drive of the same enclosure that was pulled instead, while it is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<DriveId>,
}

impl LeavingBay {
    /// What is wrong while another drive than the one that was to be is out; `None` where nothing is.
    pub fn trouble(&self, place: &str) -> Option<String> {
        let wrong = self.wrong.as_ref()?;
        let meant = self.drive.as_ref().map_or("nothing", DriveId::serial);
        Some(format!(
            "{place} was to lose {meant}, {} was pulled: put it back",
            wrong.serial()
        ))
    }
}

impl KeptDrives {
    /// One drive.
    pub fn get(&self, id: &DriveId) -> Option<&Drive> {
        self.drives.get(id).map(Arc::as_ref)
    }

    /// All drives.
    pub fn all(&self) -> impl Iterator<Item = &Drive> {
        self.drives.values().map(Arc::as_ref)
    }

    /// The drives of a serial number: two where two models share one.
    pub fn of_serial(&self, serial: &str) -> impl Iterator<Item = &Drive> {
        self.all().filter(move |drive| drive.id.serial() == serial)
    }

    /// The drive that sits in a bay, as far as that is known.
    pub fn in_bay(&self, place: &str) -> Option<&Drive> {
        self.all()
            .find(|drive| drive.seat.as_ref().is_some_and(|seat| seat.place == place))
    }

    /// The claim in force of this id or name.
    pub fn claim(&self, id_or_name: &str) -> Option<&DriveClaim> {
        ClaimId::read(id_or_name)
            .and_then(|id| self.claims.get(&id))
            .or_else(|| self.claims.values().find(|claim| claim.ask.purpose == id_or_name))
    }

    /// The drives that a claim has now.
    pub fn of_claim(&self, claim: ClaimId) -> impl Iterator<Item = &Drive> {
        use crate::pools::drives::Tenancy;
        self.all().filter(
            move |drive| matches!(&drive.tenancy, Tenancy::Claimed(grant) if grant.holder.claim == claim),
        )
    }

    /// How many drives a tenant's claims have, and how much they hold.
    pub fn held_by(&self, tenant: &str) -> (u32, Bytes) {
        let mut count = 0_u32;
        let mut bytes = 0_u64;
        for drive in self.all() {
            let holder = drive.tenancy.holder();
            if holder.is_some_and(|holder| holder.tenant.as_deref() == Some(tenant)) {
                count = count.saturating_add(1);
                bytes = bytes.saturating_add(drive.size.get());
            }
        }
        (count, Bytes::new(bytes))
    }
}

/// What was seen last of drives. Shared between copies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DrivesSight {
    /// What each node's agent said of drives, by node.
    pub nodes: Arc<BTreeMap<String, Arc<NodeDrives>>>,
    /// Where each drive was told to be last: found by its name, so that no decision reads all views. Which of the nodes answer now stands
    /// with the nodes.
    pub spots: Arc<BTreeMap<DriveId, Vec<Spot>>>,
    /// Since when drives do not answer.
    pub hung: Arc<BTreeMap<DriveId, Moment>>,
    /// Locate LEDs as they were read back, by place.
    pub leds: Arc<BTreeMap<String, bool>>,
}

/// Where a drive was told to be, by the numbers of the configuration and of its agent's view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Which of the configured enclosures.
    pub enclosure: usize,
    /// Which of its bays.
    pub bay: usize,
    /// Which of the drives in its agent's view.
    pub drive: usize,
}

/// What a node's agent said of drives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeDrives {
    /// What it said last; `None` before it said anything since the start.
    pub view: Option<Arc<DrivesView>>,
    /// When it last answered.
    pub at: Option<Moment>,
    /// Since when it tells of the boot that it tells of now.
    pub boot_since: Option<Moment>,
    /// Since when it does not answer; `None` where it does.
    pub silent_since: Option<Moment>,
    /// Why it does not.
    pub reason: Option<String>,
}

impl NodeDrives {
    /// Whether it tells long enough of its boot that what it does not tell of is not there: a kernel finds its drives one by one.
    pub fn has_settled(&self, now: Moment) -> bool {
        self.boot_since.is_some_and(|since| now.since(since) >= SETTLED)
    }

    /// What it says now; `None` where it does not answer.
    pub fn now(&self) -> Option<&DrivesView> {
        self.view.as_deref().filter(|_| self.silent_since.is_none())
    }
}

impl DrivesSight {
    /// What a node's agent says now; `None` where it does not answer.
    pub fn now(&self, node: &str) -> Option<&DrivesView> {
        self.nodes.get(node)?.now()
    }

    /// A drive in a slot of a node, as its agent says now.
    pub fn slot(&self, node: &str, slot: &str) -> Option<&PooledDrive> {
        self.now(node)?.drives.iter().find(|drive| drive.slot == slot)
    }
}

/// What is shared is written down as if it were not.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(shared: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
        shared.as_ref().serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// JSON has no drives as keys: they are written down as a list.
mod by_drive {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::pools::drives::{Drive, DriveId};

    type Drives = Arc<BTreeMap<DriveId, Arc<Drive>>>;

    pub fn serialize<S: Serializer>(drives: &Drives, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(drives.values().map(Arc::as_ref))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Drives, D::Error> {
        let drives = Vec::<Drive>::deserialize(deserializer)?.into_iter();
        let drives = drives.map(|drive| (drive.id.clone(), Arc::new(drive)));
        Ok(Arc::new(drives.collect()))
    }
}

/// The same for proofs.
mod by_proof {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Proven;
    use crate::pools::drives::DriveId;

    type Proofs = Arc<BTreeMap<DriveId, Arc<Proven>>>;

    pub fn serialize<S: Serializer>(proofs: &Proofs, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(proofs.values().map(Arc::as_ref))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Proofs, D::Error> {
        let proofs = Vec::<Proven>::deserialize(deserializer)?.into_iter();
        let proofs = proofs.map(|proven| (proven.proof.drive.clone(), Arc::new(proven)));
        Ok(Arc::new(proofs.collect()))
    }
}
