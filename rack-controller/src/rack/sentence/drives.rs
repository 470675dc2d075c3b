//! Sentences of pooled drives and of claims of them.

use super::super::event::{DriveBayChange, DriveCause, DriveChange, DriveClaimChange, DriveClaimTurn};
use crate::pools::drives::{Drive, DriveId, Ending, Tenancy, Wish};

/// The kind of a drive's event.
pub(super) const fn kind(cause: &DriveCause) -> &'static str {
    match cause {
        DriveCause::Found => "drive_found",
        DriveCause::Returned => "drive_returned",
        DriveCause::Restarted => "drive_restarted",
        DriveCause::Pulled { .. } => "drive_pulled",
        DriveCause::Enrolled => "drive_enrolled",
        DriveCause::GivenUp => "drive_given_up",
        DriveCause::HoldOver => "drive_hold_over",
        DriveCause::Lent { .. } => "drive_lent",
        DriveCause::Admitted => "drive_admitted",
        DriveCause::Attached => "drive_attached",
        DriveCause::Ending => "drive_ending",
        DriveCause::Fenced => "drive_fenced",
        DriveCause::Erased => "drive_erased",
        DriveCause::NotErased { .. } => "drive_not_erased",
        DriveCause::Vouched => "drive_vouched",
        DriveCause::WillFail => "drive_will_fail",
        DriveCause::WillNotFail => "drive_will_not_fail",
        DriveCause::Resized => "drive_resized",
        DriveCause::Worn => "drive_worn",
    }
}

/// The kind of an event of a claim of drives.
pub(super) const fn claim_kind(turn: &DriveClaimTurn) -> &'static str {
    match turn {
        DriveClaimTurn::Admitted { .. } => "drive_claim_admitted",
        DriveClaimTurn::Renewed => "drive_claim_renewed",
        DriveClaimTurn::Released => "drive_claim_released",
        DriveClaimTurn::Expired => "drive_claim_expired",
        DriveClaimTurn::Withdrawn => "drive_claim_withdrawn",
        DriveClaimTurn::Warned { .. } => "drive_claim_warned",
    }
}

/// The kind of an event of a bay for a drive.
pub(super) const fn bay_kind(change: &DriveBayChange) -> &'static str {
    match (&change.leaving, &change.wrong) {
        (_, Some(_)) => "drive_bay_wrong_serial",
        (Some(_), None) => "drive_bay_draining",
        (None, None) => "drive_bay_given_back",
    }
}

/// Why a drive leaves its holder, as in `because …`.
pub(super) const fn ending(ending: &Ending) -> &'static str {
    match ending {
        Ending::Released { .. } => "it was given back",
        Ending::Expired => "its claim ran out",
        Ending::NodeLost => "its node is lost, or silent for too long",
        Ending::Pulled => "it was pulled",
        Ending::WrongDrive => "its node saw another drive than was lent",
        Ending::Failing => "it will fail, hangs, or is not what it said",
        Ending::Preempted => "another claim took the watts that were claimed with it",
    }
}

fn place(drive: &Drive) -> String {
    match &drive.seat {
        Some(seat) => seat.place.clone(),
        None => "no bay".to_owned(),
    }
}

fn holder(drive: &Drive) -> String {
    match drive.tenancy.holder() {
        Some(holder) => format!("\"{}\" ({}) on {}", holder.purpose, holder.claim, holder.node),
        None => "nobody".to_owned(),
    }
}

/// What a drive's event says.
pub(super) fn message(change: &DriveChange) -> String {
    let drive = &change.drive;
    let name = format!("{} in {}", drive.id, place(drive));
    match &change.cause {
        DriveCause::Found => format!("{name} was found: foreign, until somebody enrols it"),
        DriveCause::Returned => returned(drive, &name),
        DriveCause::Restarted => restarted(drive, &name),
        DriveCause::Pulled { place } => {
            let lost = if let Tenancy::Releasing { grant, .. } = &drive.tenancy {
                format!(
                    ": {} has lost it, and what is on it is kept",
                    grant.holder.purpose
                )
            } else {
                format!("; it is {}", drive.tenancy.word())
            };
            format!("{} was pulled out of {place}{lost}", drive.id)
        }
        DriveCause::Enrolled => format!("{name} is to join the pool: it is erased first"),
        DriveCause::GivenUp => format!("{name} is erased now, and what was kept on it goes"),
        DriveCause::HoldOver => format!("the hold of {name} is over: it is erased"),
        DriveCause::Lent { kept, replaces } => {
            let with = if *kept {
                ", with what it wrote to it before"
            } else {
                ""
            };
            let instead = replaces
                .as_ref()
                .map_or(String::new(), |serial| format!(", to stand in for {serial}"));
            format!("{name} is lent to {}{with}{instead}", holder(drive))
        }
        DriveCause::Admitted => format!(
            "{name} lets in the node of {} and nobody else, read back",
            holder(drive)
        ),
        DriveCause::Attached => format!(
            "{name} is attached: the node of {} sees the very drive",
            holder(drive)
        ),
        DriveCause::Ending => leaves(drive, &name),
        DriveCause::Fenced => fenced(drive, &name),
        DriveCause::Erased => erased(drive, &name),
        DriveCause::NotErased { reason } if matches!(drive.tenancy, Tenancy::Failed { .. }) => {
            format!("{name} could not be erased and stays out: {reason}")
        }
        DriveCause::NotErased { reason } => format!("{name} was not erased: {reason}; tried again"),
        DriveCause::Vouched => format!(
            "somebody vouches for what is on {name}: it is what {} left",
            holder(drive)
        ),
        DriveCause::WillFail => format!("{name} says that it will fail; it is lent to nobody new"),
        DriveCause::WillNotFail => format!("{name} does not say any more that it will fail"),
        DriveCause::Resized => format!(
            "{name} tells another size than before, {} bytes now: it is not lent on its word",
            drive.size.get()
        ),
        DriveCause::Worn => match drive.wear.percent_used {
            Some(percent) => format!("{name} has used {percent} % of its rated endurance"),
            None => format!("{name} does not tell its wear any more"),
        },
    }
}

fn returned(drive: &Drive, name: &str) -> String {
    let doubt = match (&drive.tenancy, &drive.unsealed) {
        (Tenancy::Foreign { why: Some(why) }, _) => format!("foreign again: {why}"),
        (tenancy, Some(why)) => format!("{}, and nobody has it back yet: {why}", tenancy.word()),
        (tenancy, None) => tenancy.word().to_owned(),
    };
    format!("{name} is in a bay again; it is {doubt}")
}

fn restarted(drive: &Drive, name: &str) -> String {
    let how = match (&drive.tenancy, &drive.unsealed) {
        (Tenancy::Claimed(_), None) => format!("{} has it still, and is let in again", holder(drive)),
        (Tenancy::Claimed(_), Some(why)) => {
            format!(
                "{} has it still, and is not let in before somebody vouches for it: {why}",
                holder(drive)
            )
        }
        (Tenancy::Foreign { why: Some(why) }, _) => format!("it is foreign again: {why}"),
        (tenancy, Some(why)) => format!("it is {}, and doubted: {why}", tenancy.word()),
        (tenancy, None) => format!("it is {}", tenancy.word()),
    };
    format!("{name} is where it was, and its enclosure's node started anew: {how}")
}

fn erased(drive: &Drive, name: &str) -> String {
    let Tenancy::Free { proof } = &drive.tenancy else {
        return format!("{name} is {}", drive.tenancy.word());
    };
    format!(
        "{name} is erased and free: {:?}, {} samples read back, none of them with anything on it",
        proof.method, proof.samples
    )
}

fn leaves(drive: &Drive, name: &str) -> String {
    let Tenancy::Releasing { ending: why, .. } = &drive.tenancy else {
        return format!("{name} is {}", drive.tenancy.word());
    };
    format!("{name} is taken from {}: {}", holder(drive), ending(why))
}

fn fenced(drive: &Drive, name: &str) -> String {
    let Tenancy::Held {
        until, ending: why, ..
    } = &drive.tenancy
    else {
        return format!("{name} is {}", drive.tenancy.word());
    };
    match until {
        Some(until) => format!(
            "{name} lets nobody in, read back; it is held for {} until {until}, and erased then",
            holder(drive)
        ),
        None => format!(
            "{name} lets nobody in, read back; it is held for {}, because {}, and not erased before somebody says so",
            holder(drive),
            ending(why)
        ),
    }
}

/// What an event of a claim of drives says.
pub(super) fn claim(change: &DriveClaimChange) -> String {
    let claim = &change.claim;
    let ask = &claim.ask;
    let name = format!("\"{}\" ({})", ask.purpose, claim.id);
    match &change.turn {
        DriveClaimTurn::Admitted { .. } => {
            let watts = if ask.watts.is_zero() {
                String::new()
            } else {
                format!(", with {} firm", ask.watts)
            };
            format!("{} drives claimed for {name} on {}{watts}", ask.count, ask.node)
        }
        DriveClaimTurn::Renewed => match claim.until {
            Some(until) => format!("the drives of {name} stand until {until}"),
            None => format!("the drives of {name} stand"),
        },
        DriveClaimTurn::Released => format!("the drives of {name} are given back"),
        DriveClaimTurn::Expired => {
            format!("the claim {name} ran out: its drives are fenced and held, and not erased")
        }
        DriveClaimTurn::Withdrawn => {
            format!("the claim {name} is taken back, because the journal did not get it in time")
        }
        DriveClaimTurn::Warned { serial } => {
            let until = claim.failing.iter().find(|(drive, _)| drive.serial() == serial);
            match until {
                Some((_, until)) => {
                    format!("{name} was told that {serial} will fail; it is taken from it at {until}")
                }
                None => format!("{name} was told that {serial} will fail"),
            }
        }
    }
}

/// What an action about a drive would do.
pub(super) fn wish(drive: &DriveId, wish: &Wish) -> String {
    let place = &wish.seat().place;
    match wish {
        Wish::Admit { node, .. } => format!("let {node} in to {drive} in {place}"),
        Wish::Attach { node, .. } => format!("attach {drive} in {place} to {node}"),
        Wish::Shut { .. } => format!("let nobody in to {drive} in {place}"),
        Wish::Erase { .. } => format!("erase {drive} in {place}"),
    }
}

/// What an event of a bay for a drive says.
pub(super) fn bay(change: &DriveBayChange) -> String {
    let place = &change.place;
    match (&change.wrong, &change.leaving) {
        (Some(wrong), _) => wrong.clone(),
        (None, Some(leaving)) => match &leaving.drive {
            Some(drive) => format!("{place} is being drained: {drive} may be pulled"),
            None => format!("{place} is being drained: it is empty"),
        },
        (None, None) => format!("{place} is not being drained any more"),
    }
}
