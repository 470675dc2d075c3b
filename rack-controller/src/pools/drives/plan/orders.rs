//! What should be done about drives now and is not, and how that is said to an agent.

use agent_api::v1::{AttachedDrive, DriveOrder, ErasureState, PooledDrive};
use facts::{Identity, Moment};

use super::told::{Told, access, host_of, told};
use crate::pools::drives::keys::KeyName;
use crate::pools::drives::{Drive, DriveId, Grant, Stage, Tenancy, Wish};
use crate::rack::event::Action;
use crate::rack::state::Rack;

/// What every subsystem that our agents make is called, up to the drive.
const OURS: &str = "nqn.2026-11.dev.busbar:";

/// What should be done and is not. Level-triggered: asked again until it is so. Where an enclosure or a node is paused, or does not answer,
/// nothing is wanted of it: a drive that cannot be seen is not gone.
pub fn want(rack: &Rack, now: Moment) -> Vec<Action> {
    if rack.config.enclosures.is_empty() {
        return Vec::new();
    }
    let drives = rack.kept.drives.all();
    let mut actions: Vec<Action> = drives
        .filter_map(|drive| {
            let wish = wish(rack, drive, now)?;
            let drive = drive.id.clone();
            Some(Action::OrderDrive { drive, wish })
        })
        .collect();
    actions.extend(left_over(rack, now));
    actions.extend(lights(rack, now));
    actions.retain(|action| {
        let tried = rack.sight.attempts.get(action);
        tried.is_none_or(|attempt| attempt.retry_at <= now)
    });
    actions
}

fn wish(rack: &Rack, drive: &Drive, now: Moment) -> Option<Wish> {
    // Of two that say the same of themselves nobody knows which is meant: nothing is opened and nothing erased, but both may be closed.
    let seat = drive.seat.as_ref()?;
    let told = told(rack, &drive.id);
    let places = told.all();
    let place = places.iter().find(|place| place.seat() == *seat)?;
    if rack.is_node_paused(&place.enclosure.agent, now) {
        return None;
    }
    let seen = access(rack, place.drive);
    let wish = drive.wish(Some(&seen)).or_else(|| again(rack, drive, place))?;
    let is_plain = places.len() == 1 && !place.drive.is_hung;
    match &wish {
        Wish::Shut { .. } => Some(wish),
        Wish::Admit { node, .. } => (is_plain && host_of(rack, node).is_ok()).then_some(wish),
        Wish::Attach { node, .. } => {
            let is_open = place.drive.access.nqn.is_some() && target(rack, place).is_some();
            let may = is_plain && is_open && !rack.is_node_paused(node, now);
            (may && rack.sight.drives.now(node).is_some()).then_some(wish)
        }
        Wish::Erase { generation, .. } => {
            (is_plain && !is_under_way(place.drive, *generation)).then_some(wish)
        }
    }
}

/// A grant that stands and is not in force any more: its target started anew, or its node did.
fn again(rack: &Rack, drive: &Drive, place: &Told<'_>) -> Option<Wish> {
    let Tenancy::Claimed(grant) = &drive.tenancy else {
        return None;
    };
    let seat = drive.seat.clone()?;
    let (node, generation) = (grant.holder.node.clone(), grant.generation);
    let host = host_of(rack, &node).ok()?;
    let is_in = place.drive.access.hosts.contains(&host.nqn);
    if !is_in {
        let may = grant.stage != Stage::Admitting && place.drive.access.closed < generation;
        return may.then_some(Wish::Admit {
            seat,
            node,
            generation,
        });
    }
    let attached = rack.sight.drives.now(&node)?.attached.iter();
    let is_used = attached
        .into_iter()
        .any(|attached| is_of(attached, grant, place.drive));
    (grant.stage == Stage::Attached && !is_used).then_some(Wish::Attach {
        seat,
        node,
        generation,
    })
}

/// Whether what a node has attached is what a grant is about.
pub fn is_of(attached: &AttachedDrive, grant: &Grant, drive: &PooledDrive) -> bool {
    attached.generation == grant.generation && Some(&attached.nqn) == drive.access.nqn.as_ref()
}

fn is_under_way(drive: &PooledDrive, generation: u64) -> bool {
    let erasure = drive.erasure.as_ref();
    erasure.is_some_and(|erasure| {
        erasure.generation == generation && matches!(erasure.state, ErasureState::Running { .. })
    })
}

fn target(rack: &Rack, place: &Told<'_>) -> Option<std::net::SocketAddr> {
    rack.sight.drives.now(&place.enclosure.agent)?.target
}

/// Connections of ours that no grant stands behind any more: their nodes let go of them.
fn left_over(rack: &Rack, now: Moment) -> Vec<Action> {
    let stands = |node: &str, attached: &AttachedDrive| {
        rack.kept.drives.all().any(|drive| match &drive.tenancy {
            Tenancy::Claimed(grant) => {
                grant.holder.node == node
                    && grant.generation == attached.generation
                    && attached
                        .identity
                        .as_ref()
                        .is_none_or(|identity| DriveId::of(identity).as_ref() == Ok(&drive.id))
            }
            Tenancy::Foreign { .. }
            | Tenancy::Free { .. }
            | Tenancy::Releasing { .. }
            | Tenancy::Held { .. }
            | Tenancy::Wiping { .. }
            | Tenancy::Failed { .. } => false,
        })
    };
    let mut actions = Vec::new();
    for (node, seen) in rack.sight.drives.nodes.iter() {
        let Some(view) = seen.now().filter(|_| !rack.is_node_paused(node, now)) else {
            continue;
        };
        let gone = view.attached.iter();
        let gone = gone.filter(|attached| attached.nqn.starts_with(OURS) && !stands(node, attached));
        actions.extend(gone.map(|attached| Action::DetachDrive {
            node: node.clone(),
            nqn: attached.nqn.clone(),
        }));
    }
    actions
}

/// Bays whose LED should be lit, or not any more.
fn lights(rack: &Rack, now: Moment) -> Vec<Action> {
    let mut actions = Vec::new();
    for enclosure in &rack.config.enclosures {
        let lighter = enclosure.of_bmc().unwrap_or_else(|| enclosure.agent.clone());
        let is_there = rack.sight.drives.now(&lighter).is_some();
        if !is_there || rack.is_node_paused(&enclosure.agent, now) {
            continue;
        }
        for bay in &enclosure.bays {
            let on = is_light_wanted(rack, &bay.place, now);
            let was = rack.sight.drives.leds.get(&bay.place).copied();
            let noted = rack.kept.lit.contains(&bay.place);
            // One that nobody wants lit is put out only where we lit it.
            if was != Some(on) && (on || noted) {
                let place = bay.place.clone();
                actions.push(Action::SetLed { place, on });
            }
        }
    }
    actions
}

/// Whether a bay's LED should be lit: somebody looks for it, or its drive may be pulled.
pub fn is_light_wanted(rack: &Rack, place: &str, now: Moment) -> bool {
    let located = rack.kept.located.get(place);
    located.is_some_and(|until| now < *until) || rack.kept.drives.leaving.contains_key(place)
}

/// The order that does an action, and the node whose agent gets it; `None` where it cannot be said now.
pub fn order(rack: &Rack, action: &Action) -> Option<(String, DriveOrder)> {
    match action {
        Action::OrderDrive { drive, wish } => about(rack, drive, wish),
        Action::DetachDrive { node, nqn } => Some((node.clone(), DriveOrder::Detach { nqn: nqn.clone() })),
        Action::SetLed { place, on } => {
            let (enclosure, bay) = rack.config.drive_bay(place)?;
            let (lighter, slot) = enclosure.lighter(bay);
            let (slot, lit) = (slot.to_owned(), *on);
            Some((lighter, DriveOrder::Locate { slot, lit }))
        }
        Action::SetCap { .. } | Action::SwitchNode { .. } | Action::ReadSupplies { .. } => None,
    }
}

/// Whose key goes with an action's order: the host that proves who it is, and the node that lends. `None` where there is nothing to prove,
/// or the host's kernel cannot.
pub fn key_of(rack: &Rack, action: &Action) -> Option<KeyName> {
    let Action::OrderDrive { wish, .. } = action else {
        return None;
    };
    let (Wish::Admit { node, .. } | Wish::Attach { node, .. }) = wish else {
        return None;
    };
    let (enclosure, _) = rack.config.drive_bay(&wish.seat().place)?;
    let host = host_of(rack, node).ok().filter(|host| host.proves)?;
    Some(KeyName {
        host: host.nqn.clone(),
        lender: enclosure.agent.clone(),
    })
}

fn about(rack: &Rack, id: &DriveId, wish: &Wish) -> Option<(String, DriveOrder)> {
    let (enclosure, bay) = rack.config.drive_bay(&wish.seat().place)?;
    let told = rack.sight.drives.slot(&enclosure.agent, &bay.slot)?;
    // By its own words as they came, white space and all: so its agent knows it again.
    let drive: Identity = told.identity.clone();
    if DriveId::of(&drive).as_ref() != Ok(id) {
        return None;
    }
    let arrival = wish.seat().arrival;
    let agent = enclosure.agent.clone();
    let order = match wish {
        Wish::Admit { node, generation, .. } => DriveOrder::Admit {
            drive,
            arrival,
            generation: *generation,
            host: host_of(rack, node).ok()?.nqn.clone(),
            key: None,
        },
        Wish::Shut { generation, .. } => DriveOrder::Shut {
            drive,
            arrival,
            generation: *generation,
        },
        Wish::Erase { generation, .. } => {
            let Tenancy::Wiping { asked_by, .. } = &rack.kept.drives.get(id)?.tenancy else {
                return None;
            };
            DriveOrder::Erase {
                drive,
                arrival,
                generation: *generation,
                asked_by: asked_by.clone(),
                overwrite: enclosure.overwrite_allowed,
            }
        }
        Wish::Attach { node, generation, .. } => {
            let order = DriveOrder::Attach {
                drive,
                nguid: told.nguid.clone(),
                generation: *generation,
                nqn: told.access.nqn.clone()?,
                address: rack.sight.drives.now(&agent)?.target?,
                key: None,
            };
            return Some((node.clone(), order));
        }
    };
    Some((agent, order))
}

/// Moments at which something follows for a drive from the time alone.
pub fn deadlines(rack: &Rack) -> impl Iterator<Item = Moment> {
    let kept = &rack.kept.drives;
    let holds = kept.all().filter_map(|drive| {
        if let Tenancy::Held { until, .. } = &drive.tenancy {
            return *until;
        }
        None
    });
    holds.chain(kept.claims.values().filter_map(|claim| claim.until))
}
