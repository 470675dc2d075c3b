//! The node behind a BMC: who it is, how large, how much it draws, and which power limit stands there.

use facts::supply::Doubt;
use facts::{Bytes, NoData, Power, Reading};
use serde::{Deserialize, Serialize};

use super::limit::{self, read_limit};
use super::list::reading;
use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::schema::{Doubts, Fields};
use crate::redfish::walk::{members, or_doubt, read_all};

/// Storage subsystems of one node that are looked into for drives: the largest recorded node has 6.
const MAX_STORAGE: usize = 32;

/// Where a BMC keeps the limit of its node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitWay {
    /// `EnvironmentMetrics.PowerLimitWatts` (since 2021).
    #[default]
    Environment,
    /// A `Control` of the chassis whose type is `Power` (since 2021).
    Control,
    /// `Power.PowerControl[].PowerLimit`, the member of this number (deprecated since 2020, and what most recorded BMCs have).
    PowerControl(usize),
}

/// A power limit that stands at a BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerLimit {
    /// The resource that holds it.
    pub resource: String,
    /// `SetPoint`; none while no limit is set.
    pub set_point_watts: Option<Power>,
    /// `AllowableMin`.
    pub min_watts: Option<Power>,
    /// `AllowableMax`.
    pub max_watts: Option<Power>,
    /// `ControlMode`.
    pub control_mode: Option<String>,
    /// Where it is kept.
    #[serde(default)]
    pub way: LimitWay,
}

/// What a BMC says of its node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// The system's resource.
    pub resource: String,
    /// SMBIOS UUID, in lower case: matches a node with its BMC.
    pub uuid: Option<String>,
    /// `SerialNumber`.
    pub serial: Option<String>,
    /// `Model`.
    pub model: Option<String>,
    /// `Manufacturer`.
    pub maker: Option<String>,
    /// `HostName`.
    pub host_name: Option<String>,
    /// `BiosVersion`.
    pub bios_version: Option<String>,
    /// `PowerState`, as written: `On`, `Off`, `PoweringOn` …
    pub power_state: Option<String>,
    /// `PowerRestorePolicy`, as written: `AlwaysOn`, `AlwaysOff`, `LastState`.
    #[serde(default)]
    pub restore_policy: Option<String>,
    /// `ProcessorSummary.Count`.
    pub packages: Option<u32>,
    /// `ProcessorSummary.CoreCount`.
    pub cores: Option<u32>,
    /// `ProcessorSummary.LogicalProcessorCount`.
    pub cpus: Option<u32>,
    /// `MemorySummary.TotalSystemMemoryGiB`.
    pub memory_bytes: Option<Bytes>,
    /// What the node's chassis draws.
    pub drawn_watts: Reading<Power>,
    /// The power limit, where the BMC offers one.
    pub limit: Option<PowerLimit>,
    /// Drives in the node's storage subsystems; none where there is no such list.
    pub drives: Option<u32>,
    /// What cannot be believed as it stands.
    pub doubts: Vec<Doubt>,
}

/// Reads the node behind a BMC. Where there are several systems, the one that says most of itself is the node.
///
/// # Errors
/// Where the BMC as a whole cannot be read, or names no system.
pub async fn node(bmc: &Bmc) -> Result<NodeFacts, BmcError> {
    let doubts = Doubts::default();
    let systems = members(bmc, bmc.root().systems(), &doubts).await?;
    let mut best: Option<(NodeFacts, Vec<String>, Option<String>)> = None;
    let several = systems.len() > 1;
    for (path, got) in read_all(bmc, systems, true).await? {
        let Some(value) = or_doubt(bmc, &path, &doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        let fields = Fields::of(&value, &name, &doubts);
        let facts = read(&fields, &path);
        let chassis = fields
            .object("Links")
            .map(|links| links.links("Chassis"))
            .unwrap_or_default();
        if best
            .as_ref()
            .is_none_or(|(so_far, _, _)| weight(&facts) > weight(so_far))
        {
            best = Some((facts, chassis, fields.link("Storage")));
        }
    }
    let Some((mut facts, chassis, storage)) = best else {
        return Err(BmcError::Refused {
            resource: bmc.name_of(bmc.root().systems()),
            why: "no system can be read there, so there is no node".to_owned(),
        });
    };
    if several {
        let message = format!(
            "several systems; {} says most of itself and is taken as the node",
            facts.resource
        );
        doubts.add("domains", &bmc.name_of(bmc.root().systems()), message);
    }
    power(bmc, &mut facts, &chassis, &doubts).await?;
    facts.drives = drives(bmc, storage, &doubts).await?;
    facts.doubts = bmc.root_doubts().to_vec();
    facts.doubts.extend(doubts.take());
    Ok(facts)
}

fn read(fields: &Fields<'_>, path: &str) -> NodeFacts {
    let processors = fields.object("ProcessorSummary");
    let count = |key| processors.as_ref().and_then(|summary| summary.count(key));
    let memory = fields
        .object("MemorySummary")
        .and_then(|memory| memory.number("TotalSystemMemoryGiB"));
    NodeFacts {
        resource: path.to_owned(),
        uuid: fields.text("UUID").map(|uuid| uuid.to_ascii_lowercase()),
        serial: fields.text("SerialNumber"),
        model: fields.text("Model"),
        maker: fields.text("Manufacturer"),
        host_name: fields.text("HostName"),
        bios_version: fields.text("BiosVersion"),
        power_state: fields.text("PowerState"),
        restore_policy: fields.text("PowerRestorePolicy"),
        packages: count("Count"),
        cores: count("CoreCount"),
        cpus: count("LogicalProcessorCount"),
        memory_bytes: memory.and_then(gibibytes),
        drawn_watts: Reading::none(NoData::Unsupported),
        ..NodeFacts::default()
    }
}

fn gibibytes(number: f64) -> Option<Bytes> {
    // Through text, because a float has no lossless conversion to an integer. The DMTF unit may have decimals.
    let bytes: u64 = format!("{:.0}", number * 1_073_741_824.0).parse().ok()?;
    Some(Bytes::new(bytes))
}

/// How much a system says of itself; the UUID counts most, because it is what a node is matched by.
fn weight(facts: &NodeFacts) -> u32 {
    let known = [
        facts.serial.is_some(),
        facts.model.is_some(),
        facts.maker.is_some(),
        facts.bios_version.is_some(),
        facts.packages.is_some_and(|packages| packages > 0),
        facts.memory_bytes.is_some(),
    ];
    let rest: u32 = known.into_iter().map(u32::from).sum();
    rest + 10 * u32::from(facts.uuid.is_some())
}

/// The draw and the limit: `EnvironmentMetrics` of the node's chassis, else a `Control` of it, else the legacy `Power`.
async fn power(
    bmc: &Bmc,
    facts: &mut NodeFacts,
    chassis: &[String],
    doubts: &Doubts,
) -> Result<(), BmcError> {
    for path in chassis {
        let got = bmc.get(path).await;
        let Some(value) = or_doubt(bmc, path, doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(path);
        let fields = Fields::of(&value, &name, doubts);
        let (environment, legacy) = (fields.link("EnvironmentMetrics"), fields.link("Power"));
        let controls = fields.link("Controls");
        if let Some(path) = environment {
            let got = bmc.get_fresh(&path).await;
            if let Some(value) = or_doubt(bmc, &path, doubts, got)? {
                let name = bmc.name_of(&path);
                let fields = Fields::of(&value, &name, doubts);
                let drawn = reading(bmc, &fields, "PowerWatts", doubts).await?;
                take(&mut facts.drawn_watts, drawn);
                if facts.limit.is_none() {
                    facts.limit = fields
                        .object(limit::POWER_LIMIT)
                        .map(|limit| read_limit(&limit, &path, LimitWay::Environment));
                }
            }
        }
        if let Some(path) = controls.filter(|_| facts.limit.is_none()) {
            facts.limit = limit::in_controls(bmc, &path, doubts).await?;
        }
        let lacks = facts.drawn_watts.as_ref().is_none() || facts.limit.is_none();
        if let Some(path) = legacy.filter(|_| lacks) {
            let got = bmc.get_fresh(&path).await;
            if let Some(value) = or_doubt(bmc, &path, doubts, got)? {
                let name = bmc.name_of(&path);
                let fields = Fields::of(&value, &name, doubts);
                if let Some(control) = fields.objects("PowerControl").first() {
                    take(&mut facts.drawn_watts, control.watts("PowerConsumedWatts"));
                }
                if facts.limit.is_none() {
                    facts.limit = limit::in_power(&fields, &path);
                }
            }
        }
    }
    Ok(())
}

fn take(mine: &mut Reading<Power>, seen: Reading<Power>) {
    if mine.as_ref().is_none() {
        *mine = seen;
    }
}

/// How many drives the node's storage subsystems list.
async fn drives(bmc: &Bmc, storage: Option<String>, doubts: &Doubts) -> Result<Option<u32>, BmcError> {
    let Some(collection) = storage else {
        return Ok(None);
    };
    let found = members(bmc, &collection, doubts).await;
    let Some(mut links) = or_doubt(bmc, &collection, doubts, found)? else {
        return Ok(None);
    };
    links.truncate(MAX_STORAGE);
    let mut all: Vec<String> = Vec::new();
    for (path, got) in read_all(bmc, links, false).await? {
        let Some(value) = or_doubt(bmc, &path, doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        all.extend(Fields::of(&value, &name, doubts).links("Drives"));
    }
    all.sort_unstable();
    all.dedup();
    Ok(u32::try_from(all.len()).ok())
}
