//! Enclosures whose nodes started anew: their drives are where they were, in stays of their own. Nobody pulled them.

use std::collections::BTreeSet;

use facts::Moment;

use super::change;
use super::news::Finding;
use super::seen::look_again;
use crate::decide::settle::Course;
use crate::pools::drives::{Drive, DriveId};
use crate::rack::drives::NodeDrives;
use crate::rack::event::DriveCause;

/// Whether a drive is told to be where it was, in another boot of its enclosure's node than before. An agent that lost its state may give the
/// same number to another stay.
pub(super) fn is_one(drive: &Drive, found: &Finding) -> bool {
    let is_there = drive
        .seat
        .as_ref()
        .is_some_and(|seat| seat.place == found.seat.place);
    is_there && drive.boot.is_some() && found.boot.is_some() && drive.boot != found.boot
}

/// A drive after its enclosure's node started anew; `None` while it has not told its counter yet, by which it is known.
pub(super) fn restarted(next: &mut Course<'_>, drive: &Drive, found: &Finding) -> Option<Drive> {
    let (enclosure, _) = next.rack.config.drive_bay(&found.seat.place)?;
    let agent = next.rack.sight.drives.nodes.get(&enclosure.agent)?;
    let told = &found.told;
    let tells = !told.is_hung && (told.written.is_some() || drive.written.is_none());
    if !tells && !agent.has_settled(next.now) {
        return None;
    }
    let believed = enclosure.believe_restarts;
    let (seat, boot) = (found.seat.clone(), found.boot.clone());
    let after = drive.restarted(seat, boot, told.written, believed, next.now);
    change(next, DriveCause::Restarted, after.clone());
    Some(after)
}

/// Whether an enclosure's node would tell of a drive that sat in it: not for a while after it started anew.
pub(super) fn has_looked(drive: &Drive, agent: &NodeDrives, now: Moment) -> bool {
    agent.now().is_some_and(|view| {
        let is_new = drive.boot.as_ref().is_some_and(|boot| *boot != view.boot_id);
        !is_new || agent.has_settled(now)
    })
}

/// Drives that were waited for after their enclosure's node started anew, and that it does not tell of still, or not enough.
pub(super) fn pass_time(next: &mut Course<'_>) {
    let rack = &next.rack;
    let nodes = rack.config.enclosures.iter();
    let nodes = nodes.filter_map(|enclosure| rack.sight.drives.nodes.get(&enclosure.agent));
    let boots: BTreeSet<&str> = nodes
        .filter_map(|node| node.now())
        .map(|view| view.boot_id.as_str())
        .collect();
    let is_of_another = |drive: &&Drive| {
        let boot = drive.boot.as_deref();
        drive.seat.is_some() && boot.is_some_and(|boot| !boots.contains(boot))
    };
    let waiting: Vec<DriveId> = rack
        .kept
        .drives
        .all()
        .filter(is_of_another)
        .map(|drive| drive.id.clone())
        .collect();
    for id in waiting {
        look_again(next, &id);
    }
}
