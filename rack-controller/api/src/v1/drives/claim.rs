//! What people ask of the pool of drives, and what it answers.

use facts::{Bytes, Moment, Power};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DriveEnding, DriveStage, EraseMethod};

/// An ask for drives: all of them or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DriveClaimAsk {
    /// What for; also the claim's name. Who asks again for the same, as the same tenant, gets the same drives with what is on them, as long
    /// as they are held.
    #[serde(rename = "for")]
    pub purpose: String,
    /// The node that shall use them.
    pub node: String,
    /// How many; 1 where nothing is said.
    #[serde(default = "one")]
    pub count: u32,
    /// The least that each must hold.
    #[serde(default)]
    pub at_least_bytes: Bytes,
    /// Only of this model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only as worn as this, in percent of the rated endurance. One that does not tell does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_worn_percent: Option<u8>,
    /// No two of them in one enclosure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spread: bool,
    /// Whose quota they count in, where the rack has tenants; whose the data is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// 1 (kept longest) to 9 (shed first).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// For how many seconds it stands unless it is renewed. One that runs out is fenced and held, never erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u32>,
    /// How long a drive is held after it was given back, in seconds, before it is erased; the rack's default where nothing is said. 0 for
    /// what nobody will miss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase_after_seconds: Option<u32>,
    /// A drive that predicts its failure is replaced by another one of the pool.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
    /// Firm watts for the same node under the same name: both are admitted, or neither. 0 for none.
    #[serde(default)]
    pub watts: Power,
}

const fn one() -> u32 {
    1
}

/// One claim of drives in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriveClaim {
    /// Its id; empty in a dry run.
    pub id: String,
    /// What for.
    #[serde(rename = "for")]
    pub purpose: String,
    /// The node that uses them.
    pub node: String,
    /// Whose it is.
    #[serde(default)]
    pub tenant: Option<String>,
    /// 1 (kept longest) to 9 (shed first).
    pub priority: u8,
    /// When it was admitted.
    pub since: Moment,
    /// When it ends unless it is renewed.
    #[serde(default)]
    pub until: Option<Moment>,
    /// How long its drives are held after they were given back, in seconds.
    pub erase_after_seconds: u32,
    /// Whether a drive that predicts its failure is replaced.
    #[serde(default)]
    pub replace: bool,
    /// Firm watts that were admitted with it, under the same name.
    #[serde(default)]
    pub watts: Power,
    /// Its drives.
    pub drives: Vec<ClaimedDrive>,
    /// Drives that it had and lost.
    #[serde(default)]
    pub lost: Vec<LostDrive>,
}

impl DriveClaim {
    /// Whether its node has seen each of its drives, and may use it.
    pub fn is_ready(&self) -> bool {
        self.lost.is_empty()
            && self
                .drives
                .iter()
                .all(|drive| drive.stage == DriveStage::Attached)
    }
}

/// A drive of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimedDrive {
    /// Its serial number.
    pub serial: String,
    /// Its model.
    #[serde(default)]
    pub model: Option<String>,
    /// Where it sits.
    #[serde(default)]
    pub place: Option<String>,
    /// How much it holds.
    pub size_bytes: Bytes,
    /// How far it has come.
    pub stage: DriveStage,
    /// The block device on the claim's node; `None` until that has seen the very drive.
    #[serde(default)]
    pub device: Option<String>,
    /// Whether it came back with what the same purpose wrote to it before.
    #[serde(default)]
    pub kept: bool,
    /// Why it is not attached, or will not stay: what was tried last.
    #[serde(default)]
    pub why: Option<String>,
}

/// A drive that a claim had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostDrive {
    /// Its serial number.
    pub serial: String,
    /// When it was lost.
    pub at: Moment,
    /// Why.
    pub ending: DriveEnding,
}

/// Why an ask for drives was not admitted, and what would make it fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DriveShort {
    /// How many were asked for.
    pub asked: u32,
    /// How many fit.
    pub fit: u32,
    /// What the others lack, a line each: `3 are too small`.
    pub lacking: Vec<String>,
    /// What would make it fit, a line a way.
    #[serde(default)]
    pub would_fit: Vec<String>,
}

/// A request to have a drive erased: to join the pool (`enrol`), or to give up what it holds (`erase`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseDrive {
    /// Its serial number, typed again.
    pub serial: String,
    /// Its model; needed only where two drives have one serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A request to say that what is on a drive that was away is what its holder left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VouchDrive {
    /// Its serial number, typed again.
    pub serial: String,
    /// Its model; needed only where two drives have one serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// The last proof that a drive was erased, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProofView {
    /// The drive, as it told who it is after the erasure.
    pub serial: String,
    /// Its model.
    #[serde(default)]
    pub model: Option<String>,
    /// What was done.
    pub method: EraseMethod,
    /// When it began.
    pub began: Moment,
    /// When the device said that it was done.
    pub ended: Moment,
    /// What the device itself says of it: for Sanitize its log page 81h, in hexadecimal; `None` for a method that has no such page.
    #[serde(default)]
    pub log_page: Option<String>,
    /// Samples that were read back.
    pub samples: u32,
    /// How many of them still held something: 0, or there would be no proof.
    pub dirty: u32,
    /// Everything that was ever written to it, in the device's own units, when it was done; `None` where it does not count.
    #[serde(default)]
    pub written: Option<u64>,
    /// Who asked for it.
    pub asked_by: String,
    /// The number of the event that holds it.
    pub sequence: u64,
    /// When that was journaled.
    pub at: Moment,
    /// Whether the drive was lent since: then it shows what was before that, not what is on it now.
    pub lent_since: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_ask_is_read_as_people_would_write_it_and_nothing_else_is() {
        let ask: DriveClaimAsk = serde_json::from_str(r#"{"for":"db","node":"n01"}"#).unwrap();
        assert_eq!((ask.count, ask.watts), (1, Power::ZERO));
        let again: DriveClaimAsk = serde_json::from_str(&serde_json::to_string(&ask).unwrap()).unwrap();
        assert_eq!(again, ask);
        // A word that is not known is never left out: it may be the one that spares the data.
        for wrong in [
            r#"{"for":"db","node":"n01","erase_after":0}"#,
            r#"{"for":"db"}"#,
            r#"{"node":"n01"}"#,
        ] {
            assert!(serde_json::from_str::<DriveClaimAsk>(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<EraseDrive>(r#"{"model":"M1"}"#).is_err());
    }

    #[test]
    fn a_claim_is_ready_when_its_node_has_seen_each_drive() {
        let drive = |stage| ClaimedDrive {
            serial: "S1".to_owned(),
            model: None,
            place: None,
            size_bytes: Bytes::ZERO,
            stage,
            device: None,
            kept: false,
            why: None,
        };
        let mut claim = DriveClaim {
            id: "c1".to_owned(),
            purpose: "db".to_owned(),
            node: "n01".to_owned(),
            tenant: None,
            priority: 5,
            since: Moment::EPOCH,
            until: None,
            erase_after_seconds: 86_400,
            replace: false,
            watts: Power::ZERO,
            drives: vec![drive(DriveStage::Attached), drive(DriveStage::Admitted)],
            lost: vec![],
        };
        assert!(!claim.is_ready());
        claim.drives[1].stage = DriveStage::Attached;
        assert!(claim.is_ready());
        claim.lost.push(LostDrive {
            serial: "S2".to_owned(),
            at: Moment::EPOCH,
            ending: DriveEnding::Pulled,
        });
        assert!(!claim.is_ready());
    }
}
