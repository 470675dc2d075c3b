//! Drives as a BMC has them: who each is, in which bay, how it is, whether it could be erased and lit there.

use std::collections::BTreeSet;

use facts::supply::Doubt;
use facts::{Bytes, Identity};

use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::schema::status::Status;
use crate::redfish::schema::{Doubts, Fields, last_part};
use crate::redfish::walk::{members, or_doubt, read_all};

/// Drives of one BMC: a JBOF has 24 to 108, and a BMC that lists more is broken.
const MAX_DRIVES: usize = 512;

/// What a BMC says of one drive, or of a bay that it lists as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriveFacts {
    /// Its resource.
    pub resource: String,
    /// The bay: the part's own words for its place (`PhysicalLocation.PartLocation.ServiceLabel`), else the last part of its resource.
    pub bay: String,
    /// Who it is.
    pub identity: Identity,
    /// How much it holds; `None` where it does not say.
    pub capacity: Option<Bytes>,
    /// `Status.State`: `Absent` is an empty bay.
    pub state: Option<String>,
    /// `Status.Health`.
    pub health: Option<String>,
    /// `FailurePredicted`.
    pub predicts_failure: Option<bool>,
    /// Percent of its rated endurance that is used; from `PredictedMediaLifeLeftPercent`.
    pub percent_used: Option<u8>,
    /// Whether its locate LED is lit; `None` where it has none.
    pub lit: Option<bool>,
    /// Whether the BMC can erase it (`Drive.SecureErase`).
    pub can_erase: bool,
}

impl DriveFacts {
    /// Of a `Drive` resource.
    pub(crate) fn read(fields: &Fields<'_>, resource: &str) -> DriveFacts {
        let status = Status::read(fields);
        let location = fields
            .object("PhysicalLocation")
            .and_then(|place| place.object("PartLocation"));
        let label = location.and_then(|part| part.text("ServiceLabel"));
        let legacy = fields.text("IndicatorLED").map(|word| word != "Off");
        let left = fields.number("PredictedMediaLifeLeftPercent");
        let used = left
            .filter(|left| (0.0..=100.0).contains(left))
            .map(|left| 100.0 - left);
        DriveFacts {
            resource: resource.to_owned(),
            bay: label.unwrap_or_else(|| last_part(resource).to_owned()),
            identity: Identity {
                maker: fields.text("Manufacturer"),
                model: fields.text("Model"),
                serial: fields.text("SerialNumber"),
            },
            // Through text, because a float has no lossless conversion to an integer; it holds every number of bytes up to 9 PB.
            capacity: fields
                .number("CapacityBytes")
                .and_then(|bytes| format!("{bytes:.0}").parse().ok())
                .filter(|bytes: &u64| *bytes > 0)
                .map(Bytes::new),
            state: status.state,
            health: status.health,
            predicts_failure: fields.flag("FailurePredicted"),
            percent_used: used.and_then(|used| format!("{used:.0}").parse().ok()),
            lit: fields.flag("LocationIndicatorActive").or(legacy),
            can_erase: fields
                .object("Actions")
                .and_then(|actions| actions.object("#Drive.SecureErase"))
                .is_some_and(|action| action.text("target").is_some()),
        }
    }
}

/// All drives of a BMC.
#[derive(Clone, Debug, Default)]
pub struct Drives {
    /// Each once, in the BMC's order.
    pub drives: Vec<DriveFacts>,
    /// What cannot be believed.
    pub doubts: Vec<Doubt>,
}

/// Reads all drives: those in its chassis, and those that only a storage controller of a system names. Every one of them is read anew.
///
/// # Errors
/// Where the BMC does not answer; what costs one drive only is a doubt.
pub async fn drives(bmc: &Bmc) -> Result<Drives, BmcError> {
    let doubts = Doubts::default();
    let mut paths = of_chassis(bmc, &doubts).await?;
    paths.extend(of_systems(bmc, &doubts).await?);
    let mut seen = BTreeSet::new();
    paths.retain(|path| seen.insert(path.trim_end_matches('/').to_owned()));
    if paths.len() > MAX_DRIVES {
        let message = format!("lists {} drives; only {MAX_DRIVES} are read", paths.len());
        doubts.add("garbled", &bmc.name(), message);
        paths.truncate(MAX_DRIVES);
    }
    let mut drives = Vec::new();
    for (path, got) in read_all(bmc, paths, true).await? {
        let Some(value) = or_doubt(bmc, &path, &doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        drives.push(DriveFacts::read(&Fields::of(&value, &name, &doubts), &path));
    }
    Ok(Drives {
        drives,
        doubts: doubts.take(),
    })
}

async fn of_chassis(bmc: &Bmc, doubts: &Doubts) -> Result<Vec<String>, BmcError> {
    let mut all = Vec::new();
    let links = members(bmc, bmc.root().chassis(), doubts).await?;
    for (path, got) in read_all(bmc, links, false).await? {
        let Some(value) = or_doubt(bmc, &path, doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        let fields = Fields::of(&value, &name, doubts);
        if let Some(collection) = fields.link("Drives") {
            let found = members(bmc, &collection, doubts).await;
            all.extend(or_doubt(bmc, &collection, doubts, found)?.unwrap_or_default());
        }
        // The way of BMCs before Chassis 1.14.
        all.extend(
            fields
                .object("Links")
                .map(|links| links.links("Drives"))
                .unwrap_or_default(),
        );
    }
    Ok(all)
}

async fn of_systems(bmc: &Bmc, doubts: &Doubts) -> Result<Vec<String>, BmcError> {
    let mut all = Vec::new();
    let systems = members(bmc, bmc.root().systems(), doubts).await;
    let systems = or_doubt(bmc, bmc.root().systems(), doubts, systems)?.unwrap_or_default();
    for (path, got) in read_all(bmc, systems, false).await? {
        let Some(value) = or_doubt(bmc, &path, doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        let Some(collection) = Fields::of(&value, &name, doubts).link("Storage") else {
            continue;
        };
        let storages = members(bmc, &collection, doubts).await;
        let storages = or_doubt(bmc, &collection, doubts, storages)?.unwrap_or_default();
        for (path, got) in read_all(bmc, storages, false).await? {
            let Some(value) = or_doubt(bmc, &path, doubts, got)? else {
                continue;
            };
            let name = bmc.name_of(&path);
            all.extend(Fields::of(&value, &name, doubts).links("Drives"));
        }
    }
    Ok(all)
}
