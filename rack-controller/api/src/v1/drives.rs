//! Pooled drives as the rack shows them: enclosures with their bays, whose each drive is, and how far it has come.

use facts::{Bytes, Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BayLife;

mod claim;

pub use claim::*;

/// All pooled drives: answer of `GET /v1/drives`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DrivesView {
    /// The rack's name.
    pub rack: String,
    /// Whether the controller acts on drives: `observe`, `advise` or `enforce`.
    pub mode: String,
    /// When this view was made.
    pub at: Moment,
    /// Enclosures, by name.
    pub enclosures: Vec<EnclosureView>,
    /// Drives that the journal knows and that sit in no bay now.
    #[serde(default)]
    pub away: Vec<DriveView>,
    /// Claims of drives in force.
    #[serde(default)]
    pub claims: Vec<DriveClaim>,
}

impl DrivesView {
    /// Every drive, those in bays first.
    pub fn drives(&self) -> impl Iterator<Item = &DriveView> {
        let bays = self.enclosures.iter().flat_map(|enclosure| &enclosure.bays);
        bays.filter_map(|bay| bay.drive.as_ref()).chain(&self.away)
    }

    /// Every bay.
    pub fn bays(&self) -> impl Iterator<Item = &DriveBay> {
        self.enclosures.iter().flat_map(|enclosure| &enclosure.bays)
    }
}

/// One enclosure: a JBOF, or a node that lends drives of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnclosureView {
    /// Its name: `jbof`.
    pub name: String,
    /// The node whose agent lends its drives; `bmc NAME` where a BMC speaks for it.
    pub agent: String,
    /// Whether that agent answers. Where it does not, its bays are as they were seen last.
    pub seen: bool,
    /// When it last answered.
    #[serde(default)]
    pub last_seen: Option<Moment>,
    /// Why it cannot be seen, or cannot lend.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its bays, in the order of its front.
    pub bays: Vec<DriveBay>,
}

/// One bay of an enclosure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriveBay {
    /// Its place: `jbof/bay-7`.
    pub place: String,
    /// Its printed label.
    pub label: String,
    /// The slot, as the enclosure's agent calls it.
    pub slot: String,
    /// Where it is in its life.
    pub life: BayLife,
    /// Since when.
    pub since: Moment,
    /// Until when, where the state ends by itself.
    #[serde(default)]
    pub until: Option<Moment>,
    /// Why, where there is a reason to tell: a drive that tells no serial number, one that stands twice in the rack.
    #[serde(default)]
    pub reason: Option<String>,
    /// The serial number of the drive that was pulled out of another bay of its enclosure while this one was to be emptied, until it is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_pulled: Option<String>,
    /// Whether its locate LED is lit, as it was read back; `None` where that is not known.
    #[serde(default)]
    pub led: Option<bool>,
    /// The drive in it; `None` where there is none, or none that says who it is.
    #[serde(default)]
    pub drive: Option<DriveView>,
}

/// One drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriveView {
    /// Its serial number, by which it is named everywhere.
    pub serial: String,
    /// Its model. The same serial number of two models is two drives.
    #[serde(default)]
    pub model: Option<String>,
    /// The bay it sits in; `None` while it is in none.
    #[serde(default)]
    pub place: Option<String>,
    /// What the kernel of the node that lends it calls it today. Never an identity.
    #[serde(default)]
    pub device: Option<String>,
    /// How much it holds; 0 where it says so, and then it is never lent.
    pub size_bytes: Bytes,
    /// Percent of its rated endurance that is used; may be above 100. `None` where it does not tell.
    #[serde(default)]
    pub percent_used: Option<u8>,
    /// Whether it says of itself that it will fail.
    #[serde(default)]
    pub predicts_failure: bool,
    /// Whether it does not answer in time; what is said of it otherwise is from before.
    #[serde(default)]
    pub is_hung: bool,
    /// Whose it is.
    pub tenancy: DriveTenancy,
    /// Since when.
    pub since: Moment,
    /// How often it was lent.
    pub generation: u64,
    /// Whose data is on it, or may be.
    #[serde(default)]
    pub holder: Option<DriveHolder>,
    /// How far its grant has come; only while it is claimed.
    #[serde(default)]
    pub stage: Option<DriveStage>,
    /// Why it left its holder, or leaves it; only while it is releasing or held.
    #[serde(default)]
    pub ending: Option<DriveEnding>,
    /// When it is erased; only where its holder gave it back. `None` on a held drive: not before somebody says so.
    #[serde(default)]
    pub held_until: Option<Moment>,
    /// The erasure that runs; only while it is wiping.
    #[serde(default)]
    pub erasing: Option<DriveErasing>,
    /// Whether the journal holds a proof that it was erased: `GET /v1/drives/{serial}/proof`.
    #[serde(default)]
    pub proven: bool,
    /// Why it is as it is, where there is a reason to tell: why it is foreign, why an erasure failed, why it is not lent.
    #[serde(default)]
    pub why: Option<String>,
    /// Why what is on it may be somebody else's than we know; until somebody vouches for it.
    #[serde(default)]
    pub unsealed: Option<String>,
    /// What speaks against erasing it: mounted, swap, partitioned … A sentence each.
    #[serde(default)]
    pub obstacles: Vec<String>,
    /// What it says and cannot be believed. A sentence each.
    #[serde(default)]
    pub doubts: Vec<String>,
}

/// Whose a drive is, in one word (drives.md: tenancy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriveTenancy {
    /// It never joined the pool, or came back with something on it.
    Foreign,
    /// Erased with proof, and nobody's.
    Free,
    /// Lent.
    Claimed,
    /// Its access ends.
    Releasing,
    /// Nobody can reach it, and what is on it is kept.
    Held,
    /// Being erased.
    Wiping,
    /// It could not be erased, so it stays out.
    Failed,
}

impl DriveTenancy {
    /// All of them, in the order of a drive's life.
    pub const ALL: [DriveTenancy; 7] = [
        DriveTenancy::Foreign,
        DriveTenancy::Free,
        DriveTenancy::Claimed,
        DriveTenancy::Releasing,
        DriveTenancy::Held,
        DriveTenancy::Wiping,
        DriveTenancy::Failed,
    ];

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            DriveTenancy::Foreign => "foreign",
            DriveTenancy::Free => "free",
            DriveTenancy::Claimed => "claimed",
            DriveTenancy::Releasing => "releasing",
            DriveTenancy::Held => "held",
            DriveTenancy::Wiping => "wiping",
            DriveTenancy::Failed => "failed",
        }
    }
}

/// Who holds a drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriveHolder {
    /// The id of the claim.
    pub claim: String,
    /// What that is for.
    #[serde(rename = "for")]
    pub purpose: String,
    /// Whose it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// On which node.
    pub node: String,
}

/// How far a grant has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriveStage {
    /// The enclosure is told to let the node in.
    Admitting,
    /// The enclosure was read back: this node and no other may connect.
    Admitted,
    /// The node has seen the very drive: it may be used.
    Attached,
}

impl DriveStage {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            DriveStage::Admitting => "admitting",
            DriveStage::Admitted => "admitted",
            DriveStage::Attached => "attached",
        }
    }
}

/// Why a drive leaves its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriveEnding {
    /// Its holder or an operator gave it back.
    Released,
    /// Its claim ran out.
    Expired,
    /// Its node is lost, or silent for too long.
    NodeLost,
    /// It was pulled out of its bay.
    Pulled,
    /// The node saw another drive than the one that was lent.
    WrongDrive,
    /// It is about to fail, or hangs.
    Failing,
    /// Another claim took the watts that were claimed with it.
    Preempted,
}

impl DriveEnding {
    /// The words, as in `held: its claim ran out`.
    pub const fn words(self) -> &'static str {
        match self {
            DriveEnding::Released => "it was given back",
            DriveEnding::Expired => "its claim ran out",
            DriveEnding::NodeLost => "its node is lost",
            DriveEnding::Pulled => "it was pulled",
            DriveEnding::WrongDrive => "its node saw another drive",
            DriveEnding::Failing => "it is about to fail, or hangs",
            DriveEnding::Preempted => "another claim took its watts",
        }
    }
}

/// How a drive is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EraseMethod {
    /// NVMe Sanitize, crypto erase.
    SanitizeCrypto,
    /// NVMe Sanitize, block erase.
    SanitizeBlock,
    /// NVMe Format NVM with secure erase.
    Format,
    /// Redfish `Drive.SecureErase`.
    Redfish,
    /// ATA SECURITY ERASE UNIT.
    Ata,
    /// Every block written: blocks that the drive has set aside keep what they hold.
    Overwrite,
}

impl EraseMethod {
    /// All of them, what is tried first foremost.
    pub const ALL: [EraseMethod; 6] = [
        EraseMethod::SanitizeCrypto,
        EraseMethod::SanitizeBlock,
        EraseMethod::Format,
        EraseMethod::Redfish,
        EraseMethod::Ata,
        EraseMethod::Overwrite,
    ];

    /// The word, as it goes over the wire.
    pub const fn word(self) -> &'static str {
        match self {
            EraseMethod::SanitizeCrypto => "sanitize_crypto",
            EraseMethod::SanitizeBlock => "sanitize_block",
            EraseMethod::Format => "format",
            EraseMethod::Redfish => "redfish",
            EraseMethod::Ata => "ata",
            EraseMethod::Overwrite => "overwrite",
        }
    }

    /// What it is, for people.
    pub const fn words(self) -> &'static str {
        match self {
            EraseMethod::SanitizeCrypto => "NVMe sanitize, crypto erase",
            EraseMethod::SanitizeBlock => "NVMe sanitize, block erase",
            EraseMethod::Format => "NVMe format with secure erase",
            EraseMethod::Redfish => "Redfish secure erase",
            EraseMethod::Ata => "ATA security erase",
            EraseMethod::Overwrite => "every block overwritten",
        }
    }
}

/// An erasure that runs, or waits to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriveErasing {
    /// How; `None` before the enclosure's agent has told.
    #[serde(default)]
    pub method: Option<EraseMethod>,
    /// How far it is, as the device says, in thousandths; `None` where it does not.
    #[serde(default)]
    pub permille: Option<u16>,
    /// Erasures of it that failed before this one.
    #[serde(default)]
    pub failed: u32,
    /// Who asked for it.
    pub asked_by: String,
}
