//! Enclosures of drives, as the rack file describes them.

use serde::Deserialize;
use toml::Spanned;

use super::{Complaint, MAX_PARTS, distinct};
use crate::quantity::Millis;

/// One enclosure of drives with its BMC: a JBOF.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JbofPlan {
    /// The name of the enclosure and of its BMC.
    pub name: Spanned<String>,
    /// Maker, as its BMC reports it.
    pub maker: String,
    /// Model, as its BMC reports it.
    pub model: String,
    /// Serial number, as its BMC reports it.
    pub serial: String,
    /// How long its BMC needs to erase a drive.
    #[serde(default = "default_erase_time")]
    pub erase_time: Millis,
    /// The bays, in the order of their positions.
    #[serde(rename = "bay")]
    pub bays: Vec<DriveBayPlan>,
}

/// One bay, with the drive that is in it at first, if any.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriveBayPlan {
    /// The bay's name, such as `bay-3`.
    pub name: Spanned<String>,
    /// The drive.
    pub drive: Option<DrivePlan>,
}

/// One drive.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrivePlan {
    /// Maker.
    pub maker: String,
    /// Model.
    pub model: String,
    /// Serial number, as it says it itself.
    pub serial: String,
    /// How much it holds.
    pub bytes: u64,
    /// Percent of its rated endurance that is left.
    #[serde(default = "default_life")]
    pub life_left_percent: u8,
}

fn default_erase_time() -> Millis {
    Millis(4_000)
}
fn default_life() -> u8 {
    97
}

impl JbofPlan {
    pub(super) fn check(&self) -> Result<(), Complaint> {
        if self.bays.len() > MAX_PARTS {
            let what = format!("more than {MAX_PARTS} bays; expected one enclosure");
            return Err((self.name.span().start, what));
        }
        distinct("bay", self.bays.iter().map(|bay| &bay.name))?;
        for bay in &self.bays {
            let left = bay.drive.as_ref().map_or(0, |drive| drive.life_left_percent);
            if left > 100 {
                let what = format!(
                    "the drive in bay \"{}\" has {left} % of its life left; expected 0 to 100",
                    bay.name.get_ref()
                );
                return Err((bay.name.span().start, what));
            }
        }
        Ok(())
    }
}
