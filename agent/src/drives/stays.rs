//! Which stay of a drive in a bay is which.
//!
//! A drive has stayed where the kernel of the same boot still has the same disk: it gives each insertion a number that it gives never again.
//! So a stay outlives the agent's restarts. No stay outlives a reboot: while nobody looked the drive may have been anywhere, and its counter
//! of what was written is of thousands of blocks, below which a write goes unseen. It comes back as another arrival; whether it is believed
//! is for the rack to say, which knows what it read last.

use facts::Identity;

use super::here::{self, Here, is_same};
use super::state::{Open, State, Stay};
use super::{Inner, Refusal, shown, told};

/// A drive in a stay, as an order names it.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub drive: Identity,
    pub arrival: u64,
}

/// What a look has found.
#[derive(Clone, Debug, Default)]
pub(super) struct Looked {
    /// Each drive that is lent, and its stay.
    pub drives: Vec<(Here, Stay)>,
    /// Grants that are open, whatever became of their drives.
    pub open: Vec<Open>,
}

/// The state after a look, who left and who came.
fn after(state: &State, here: &[Here], boot_id: &str) -> (State, Vec<Stay>, Vec<Stay>) {
    let mut next = State {
        stays: Vec::new(),
        ..state.clone()
    };
    let mut came = Vec::new();
    for drive in here {
        let stayed = state.stays.iter().find(|stay| is_stay_of(stay, drive, boot_id));
        let stay = stayed.cloned().map(|stay| Stay {
            slot: drive.slot.clone(),
            device: drive.device.clone(),
            ..stay
        });
        let stay = stay.unwrap_or_else(|| {
            next.last_arrival = next.last_arrival.saturating_add(1);
            let stay = arrived(drive, next.last_arrival, boot_id);
            came.push(stay.clone());
            stay
        });
        next.stays.push(stay);
    }
    let is_left = |stay: &&Stay| !next.stays.iter().any(|now| now.arrival == stay.arrival);
    let left = state.stays.iter().filter(is_left).cloned().collect();
    (next, left, came)
}

fn is_stay_of(stay: &Stay, drive: &Here, boot_id: &str) -> bool {
    stay.boot_id == boot_id && stay.disk == drive.disk && stay.identity == drive.identity
}

fn arrived(drive: &Here, arrival: u64, boot_id: &str) -> Stay {
    Stay {
        identity: drive.identity.clone(),
        slot: drive.slot.clone(),
        device: drive.device.clone(),
        arrival,
        boot_id: boot_id.to_owned(),
        disk: drive.disk,
        granted: 0,
        closed: 0,
        open: None,
        erasing: None,
    }
}

impl Inner {
    /// Looks which drives are here, and keeps who came and who left. The grants of who left are gone with it.
    pub(super) fn look(&self) -> Result<Looked, Refusal> {
        let Some(lending) = &self.place.lending else {
            // What was granted while drives were lent here is so no more.
            return self.with_books(|books| {
                let forget = |state: &mut State| state.stays.clear();
                books
                    .change(forget)
                    .map_err(|error| Refusal::Failed(told(&error)))?;
                Ok(Looked::default())
            });
        };
        let (looked, left, came) = self.with_books(|books| {
            // Under the lock: of two looks the later one is the later one here too.
            let here = here::lent(&self.place.root, &self.host, lending).map_err(Refusal::Failed)?;
            let (next, left, came) = after(books.state(), &here, &self.boot_id);
            books
                .change(|state| *state = next)
                .map_err(|error| Refusal::Failed(told(&error)))?;
            let stays = books.state().stays.clone();
            let open = stays.iter().filter_map(|stay| stay.open.clone()).collect();
            let drives = here.into_iter().zip(stays).collect();
            Ok((Looked { drives, open }, left, came))
        })?;
        for stay in left {
            self.tell_left(&stay);
        }
        for stay in came {
            let (
                who,
                Stay {
                    slot,
                    device,
                    arrival,
                    ..
                },
            ) = (shown(&stay.identity), &stay);
            let message = format!("drive {who} is in bay {slot} ({device}): arrival {arrival}");
            self.place.events.tell("pooled_drive_arrived", message);
        }
        Ok(looked)
    }

    fn tell_left(&self, stay: &Stay) {
        let Stay {
            slot,
            device,
            arrival,
            ..
        } = stay;
        let was = stay.open.as_ref().map_or_else(String::new, |open| {
            format!(
                "; it was lent to {} by grant {}, and is withdrawn",
                open.host, open.generation
            )
        });
        let who = shown(&stay.identity);
        let what = if stay.boot_id == self.boot_id {
            format!("drive {who} left bay {slot} ({device}), arrival {arrival}")
        } else {
            format!("arrival {arrival} of drive {who} in bay {slot} ended with the boot in which it was seen")
        };
        let message = format!("{what}{was}");
        self.place.events.tell("pooled_drive_left", message);
    }

    /// The drive of an order, in the stay that is meant.
    pub(super) fn find(&self, named: &Named) -> Result<(Here, Stay), Refusal> {
        let looked = self.look()?;
        let who = shown(&named.drive);
        let mut found = looked
            .drives
            .into_iter()
            .filter(|(here, _)| is_same(&here.identity, &named.drive));
        let Some((here, stay)) = found.next() else {
            return Err(Refusal::NotHere(format!(
                "no drive {who} is among those that this node lends"
            )));
        };
        if let Some((other, _)) = found.next() {
            return Err(Refusal::Conflict(format!(
                "two drives say that they are {who}, {} and {}; neither is lent",
                here.device, other.device
            )));
        }
        if stay.arrival != named.arrival {
            return Err(Refusal::Conflict(format!(
                "{who} is here since arrival {}, and the order is about arrival {}; it was away in between",
                stay.arrival, named.arrival
            )));
        }
        Ok((here, stay))
    }

    /// Changes what is kept of a stay; false where it has ended meanwhile.
    pub(super) fn change_stay(
        &self,
        arrival: u64,
        anyway: bool,
        change: impl FnOnce(&mut Stay),
    ) -> Result<bool, Refusal> {
        self.with_books(|books| {
            let mut is_there = false;
            let change = |state: &mut State| {
                if let Some(stay) = state.stays.iter_mut().find(|stay| stay.arrival == arrival) {
                    is_there = true;
                    change(stay);
                }
            };
            let changed = if anyway {
                books.change_anyway(change)
            } else {
                books.change(change)
            };
            changed.map_err(|error| Refusal::Failed(told(&error)))?;
            Ok(is_there)
        })
    }
}

#[cfg(test)]
#[path = "stays_tests.rs"]
mod tests;
