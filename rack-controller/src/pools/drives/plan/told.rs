//! What agents tell of drives: which is in which bay, who can reach it, and what cannot be believed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agent_api::v1::{FabricHost, PooledDrive};

use crate::config::{DriveBayConfig, EnclosureConfig};
use crate::pools::drives::{AccessSeen, Drive, DriveId, Seat};
use crate::rack::state::Rack;

/// A drive that an enclosure's agent tells of now, in a bay that is configured.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its enclosure.
    pub enclosure: &'a EnclosureConfig,
    /// Its bay.
    pub bay: &'a DriveBayConfig,
    /// What is told of it.
    pub drive: &'a PooledDrive,
}

impl Told<'_> {
    /// Where it sits, and in which stay.
    pub fn seat(&self) -> Seat {
        Seat {
            place: self.bay.place.clone(),
            arrival: self.drive.arrival,
        }
    }
}

/// Every drive that is told of now and says who it is. One that stands there twice is told of twice.
pub fn told(rack: &Rack) -> BTreeMap<DriveId, Vec<Told<'_>>> {
    let mut told: BTreeMap<DriveId, Vec<Told<'_>>> = BTreeMap::new();
    for enclosure in &rack.config.enclosures {
        let Some(view) = rack.sight.drives.now(&enclosure.agent) else {
            continue;
        };
        // Looked up for each of its drives at each decision.
        let bays = enclosure.bays.iter().map(|bay| (bay.slot.as_str(), bay));
        let bays: BTreeMap<&str, &DriveBayConfig> = bays.collect();
        for drive in &view.drives {
            let bay = bays.get(drive.slot.as_str()).copied();
            if let (Some(bay), Ok(id)) = (bay, DriveId::of(&drive.identity)) {
                let one = Told {
                    enclosure,
                    bay,
                    drive,
                };
                told.entry(id).or_default().push(one);
            }
        }
    }
    told
}

/// Whether a drive says that it will fail, itself or by the BMC that speaks for its enclosure beside an agent. While nothing was heard of
/// that BMC since our start, what was `known` stands: a restart makes no drive whole.
pub fn predicts_failure(rack: &Rack, told: &Told<'_>, known: bool) -> bool {
    if told.drive.predicts_failure {
        return true;
    }
    let bmc = told.enclosure.of_bmc().filter(|_| !told.enclosure.has_only_bmc());
    let Some(bmc) = bmc else { return false };
    let seen = rack.sight.drives.nodes.get(&bmc);
    let Some(view) = seen.and_then(|seen| seen.view.as_deref()) else {
        return known;
    };
    // Makers and models are told differently by a BMC and by a kernel; serial numbers are not.
    let serial = &told.drive.identity.serial;
    let same = view
        .drives
        .iter()
        .filter(|drive| drive.identity.serial == *serial);
    serial.is_some() && same.into_iter().any(|drive| drive.predicts_failure)
}

/// Drives that stand in two bays at once: nobody knows which of them is meant.
pub fn doubled<'a>(told: &'a BTreeMap<DriveId, Vec<Told<'_>>>) -> impl Iterator<Item = &'a DriveId> {
    let twice = told.iter().filter(|(_, places)| places.len() > 1);
    twice.map(|(id, _)| id)
}

/// As whom a node asks to be let in, where its agent tells it now and no other node asks under the same name: two nodes of one name could
/// not be told apart at a target.
///
/// # Errors
/// Why nothing can be lent to it.
pub fn host_of<'a>(rack: &'a Rack, node: &str) -> Result<&'a FabricHost, String> {
    let seen = rack.sight.drives.nodes.get(node);
    let Some(view) = seen.and_then(|seen| seen.now()) else {
        let why = seen.and_then(|seen| seen.reason.clone());
        let why = why.unwrap_or_else(|| "it was not asked yet".to_owned());
        return Err(format!(
            "the agent of {node} does not say how it stands to pooled drives: {why}"
        ));
    };
    let Some(host) = &view.host else {
        return Err(format!(
            "{node} cannot use drives of others: its kernel has no NVMe-over-fabrics initiator"
        ));
    };
    let twin = named(rack, &host.nqn).into_iter().find(|other| other != node);
    match twin {
        Some(twin) => Err(format!(
            "{node} and {twin} ask under one name ({}), so nobody could let in one of them alone; expected a host NQN for each",
            host.nqn
        )),
        None => Ok(host),
    }
}

/// The nodes that ask under this name, as far as they ever told.
fn named(rack: &Rack, nqn: &str) -> BTreeSet<String> {
    let nodes = rack.sight.drives.nodes.iter();
    let is_it =
        |view: &Arc<agent_api::v1::DrivesView>| view.host.as_ref().is_some_and(|host| host.nqn == nqn);
    nodes
        .filter(|(_, seen)| seen.view.as_ref().is_some_and(is_it))
        .map(|(node, _)| node.clone())
        .collect()
}

/// What a target was read to let in, by the nodes' names. A host that is no node's is itself: it is nobody who should be there.
pub fn access(rack: &Rack, drive: &PooledDrive) -> AccessSeen {
    let mut nodes = BTreeSet::new();
    for host in &drive.access.hosts {
        let mut named = named(rack, host);
        if named.is_empty() {
            named.insert(host.clone());
        }
        nodes.append(&mut named);
    }
    AccessSeen {
        arrival: drive.arrival,
        nodes,
        granted: drive.access.granted,
        closed: drive.access.closed,
        written: drive.written,
    }
}

/// Why a drive is not lent now although nothing in its tenancy speaks against it; `None` where nothing does.
pub fn gone_unfit(
    rack: &Rack,
    told: &BTreeMap<DriveId, Vec<Told<'_>>>,
    drive: &Drive,
    now: facts::Moment,
) -> Option<&'static str> {
    let seat = drive.seat.as_ref()?;
    let place = match told.get(&drive.id).map(Vec::as_slice) {
        Some([one]) => one,
        Some([_, ..]) => return Some("in two bays at once, by what they tell"),
        Some([]) | None => return Some("not seen now"),
    };
    let is_there = place.seat() == *seat;
    let offers = rack.sight.drives.now(&place.enclosure.agent);
    if !is_there {
        Some("not seen now")
    } else if place.drive.is_hung {
        Some("not answering")
    } else if offers.is_none_or(|view| view.target.is_none()) {
        Some("in an enclosure that offers nothing")
    } else if rack.kept.drives.leaving.contains_key(&seat.place) {
        Some("in a bay that is being emptied")
    } else if rack.is_node_paused(&place.enclosure.agent, now) {
        Some("in an enclosure that is paused")
    } else {
        None
    }
}
