//! What agents tell of drives: which is in which bay, who can reach it, and what cannot be believed.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_api::v1::{FabricHost, PooledDrive};

use crate::config::{DriveBayConfig, EnclosureConfig, RackConfig};
use crate::pools::drives::{AccessSeen, Drive, DriveId, Seat};
use crate::rack::drives::DrivesSight;
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

/// Where one drive is told to be now.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// In no bay that can be seen.
    Nowhere,
    /// In one bay.
    One(Told<'a>),
    /// In two bays at once or more, by what they tell: nobody knows which of them is meant.
    Many(Vec<Told<'a>>),
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

impl<'a> Place<'a> {
    /// The only bay that it is told to be in.
    pub const fn one(&self) -> Option<&Told<'a>> {
        match self {
            Place::One(told) => Some(told),
            Place::Nowhere | Place::Many(_) => None,
        }
    }

    /// All bays that it is told to be in.
    pub fn all(&self) -> &[Told<'a>] {
        match self {
            Place::Nowhere => &[],
            Place::One(told) => std::slice::from_ref(told),
            Place::Many(told) => told,
        }
    }
}

/// Where one drive is told to be now.
pub fn told<'a>(rack: &'a Rack, id: &DriveId) -> Place<'a> {
    told_in(&rack.config, &rack.sight.drives, id)
}

/// The same by what was seen at another time.
pub fn told_in<'a>(config: &'a RackConfig, sight: &'a DrivesSight, id: &DriveId) -> Place<'a> {
    let spots = sight.spots.get(id).map_or(&[][..], Vec::as_slice);
    let mut told = spots.iter().filter_map(|spot| {
        let enclosure = config.enclosures.get(spot.enclosure)?;
        let bay = enclosure.bays.get(spot.bay)?;
        // One in an enclosure that does not answer is told of by nobody.
        let drive = sight.now(&enclosure.agent)?.drives.get(spot.drive)?;
        Some(Told {
            enclosure,
            bay,
            drive,
        })
    });
    match (told.next(), told.next()) {
        (None, _) => Place::Nowhere,
        (Some(one), None) => Place::One(one),
        (Some(one), Some(other)) => Place::Many([one, other].into_iter().chain(told).collect()),
    }
}

/// Drives that stand in two bays at once, with the bays.
pub fn doubled(rack: &Rack) -> impl Iterator<Item = (&DriveId, Vec<Told<'_>>)> {
    rack.sight
        .drives
        .spots
        .keys()
        .filter_map(move |id| match told(rack, id) {
            Place::Many(places) => Some((id, places)),
            Place::Nowhere | Place::One(_) => None,
        })
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
pub fn gone_unfit(rack: &Rack, drive: &Drive, now: facts::Moment) -> Option<&'static str> {
    let seat = drive.seat.as_ref()?;
    let place = match told(rack, &drive.id) {
        Place::One(one) => one,
        Place::Many(_) => return Some("in two bays at once, by what they tell"),
        Place::Nowhere => return Some("not seen now"),
    };
    let is_there = place.bay.place == seat.place && place.drive.arrival == seat.arrival;
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
