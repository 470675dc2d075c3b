//! Pooled drives: what agents tell of them and what people ask become events. What is irreversible is decided in the tenancy's steps
//! ([`crate::pools::drives`]), and a step that is refused there makes no event.

mod ask;
mod bays;
mod check;
mod news;
mod people;
mod restart;
mod seen;
mod spares;
mod time;

use std::sync::Arc;

use agent_api::v1::DrivesView;
use rack_api::v1::{DriveClaimAsk, EraseDrive, VouchDrive};

use super::Refusal;
use super::settle::Course;
use crate::pools::drives::{Drive, Ending, Stage, Tenancy};
use crate::rack::event::{DriveCause, DriveChange, DriveClaimChange, DriveClaimTurn, What};

pub use ask::preview;
pub use people::find;

pub(super) use ask::{of_watts, release, release_asked, renew, withdraw};
pub(super) use bays::{drain, drain_answer, locate};
pub(super) use time::pass_time;

/// What can come to a rack about drives.
#[derive(Clone, Debug, PartialEq)]
pub enum DrivesInput {
    /// A node's agent said how it stands to drives.
    Seen {
        /// The node.
        node: String,
        /// What it said.
        view: Arc<DrivesView>,
    },
    /// A node's agent does not say how it stands to drives.
    Silent {
        /// The node.
        node: String,
        /// Why, in words.
        reason: String,
    },
    /// Somebody asks for drives.
    Claim {
        /// The ask.
        ask: Box<DriveClaimAsk>,
        /// The idempotency key.
        key: Option<String>,
    },
    /// Somebody gives a claim of drives back.
    Release {
        /// Its id or its name.
        claim: String,
        /// How long its drives are held, in seconds; what the claim says where nothing is said.
        erase_after_seconds: Option<u32>,
    },
    /// Somebody has a drive erased, so that it joins the pool.
    Enrol {
        /// Its serial number.
        serial: String,
        /// The serial number typed again.
        request: EraseDrive,
    },
    /// Somebody gives up what is on a held drive.
    Erase {
        /// Its serial number.
        serial: String,
        /// The serial number typed again.
        request: EraseDrive,
    },
    /// Somebody says that what is on a drive that was away is what its holder left.
    Vouch {
        /// Its serial number.
        serial: String,
        /// The serial number typed again.
        request: VouchDrive,
    },
}

pub(super) fn happen(next: &mut Course<'_>, input: &DrivesInput) -> Result<(), Refusal> {
    match input {
        DrivesInput::Seen { node, view } => seen::seen(next, node, view),
        DrivesInput::Silent { node, reason } => seen::silent(next, node, reason),
        DrivesInput::Claim { ask, key } => ask::claim(next, ask, key.as_deref())?,
        DrivesInput::Release {
            claim,
            erase_after_seconds,
        } => ask::release_asked(next, claim, *erase_after_seconds)?,
        DrivesInput::Enrol { serial, request } => people::enrol(next, serial, request)?,
        DrivesInput::Erase { serial, request } => people::give_up(next, serial, request)?,
        DrivesInput::Vouch { serial, request } => people::vouch(next, serial, request)?,
    }
    Ok(())
}

/// The event of a view that says what the one before it said: nothing follows from it.
pub(super) fn seen_again(rack: &crate::rack::Rack, input: &DrivesInput, now: facts::Moment) -> Option<What> {
    let DrivesInput::Seen { node, view } = input else {
        return None;
    };
    let before = rack.sight.drives.nodes.get(node)?;
    // After a restart of the enclosure's node a user's node says what it said before, and that is what was waited for.
    if rack.kept.drives.all().any(|drive| is_awaited(drive, node)) {
        return None;
    }
    (before.now() == Some(view)).then(|| seen::what(rack, node, view, now))
}

/// Whether a node is yet to say that it sees a drive.
fn is_awaited(drive: &Drive, node: &str) -> bool {
    matches!(&drive.tenancy, Tenancy::Claimed(grant) if grant.stage == Stage::Admitted && grant.holder.node == node)
}

/// A drive's life goes on.
fn change(next: &mut Course<'_>, cause: DriveCause, drive: Drive) {
    next.happen(What::DriveChanged(Box::new(DriveChange { cause, drive })));
}

/// A claim of drives goes on.
fn change_claim(next: &mut Course<'_>, turn: DriveClaimTurn, claim: crate::rack::drives::DriveClaim) {
    next.happen(What::DriveClaimChanged(Box::new(DriveClaimChange {
        turn,
        claim,
    })));
}

/// A drive leaves its holder, where it has one.
fn end(next: &mut Course<'_>, drive: &Drive, ending: Ending) {
    if let Ok(ended) = drive.end(ending, next.now) {
        change(next, DriveCause::Ending, ended);
    }
}
