//! The target's side: one host is let in to a drive, or nobody.

use std::fmt::Write;

use agent_api::v1::DriveAnswer;
use facts::{Bytes, Identity};
use intent::{Actuator, DriveKey};
use isolators::fabric::target::{self, Export, Offered, Standing};
use isolators::fabric::{Nqn, OURS};

use super::here::Here;
use super::state::{Listens, Open, Stay};
use super::stays::Named;
use super::{Inner, Lending, Refusal, shown};

/// What the names of our subsystems of single drives go on with.
const DRIVE: &str = "drive:";

/// A serial number as a part of a name, and of nothing else: bytes that are no letters, digits, dots or dashes stand in hexadecimal.
pub(super) fn key(drive: &Identity) -> String {
    let serial = drive.serial.as_deref().unwrap_or_default().trim();
    let mut key = String::new();
    for byte in serial.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            key.push(char::from(byte));
        } else {
            // Writing to a String never fails.
            let _ = write!(key, "~{byte:02x}");
        }
    }
    key
}

/// How the names of all grants of a drive begin.
fn prefix(key: &str) -> String {
    format!("{OURS}{DRIVE}{key}:")
}

/// The drive's key in the name of one of its grants.
pub(super) fn key_of(nqn: &str) -> Option<&str> {
    let (key, _) = nqn.strip_prefix(OURS)?.strip_prefix(DRIVE)?.rsplit_once(':')?;
    Some(key)
}

/// The subsystem of a grant: each has its own, so that who was let in before is never let in by name.
fn name_of(drive: &Identity, generation: u64) -> Result<Nqn, Refusal> {
    format!("{}{generation}", prefix(&key(drive)))
        .parse()
        .map_err(|error| Refusal::BadOrder(format!("{}: {error}", shown(drive))))
}

/// Whether a subsystem leads to this drive, or once led to it.
pub(super) fn leads_to(nqn: &str, is: &Standing, here: &Here) -> bool {
    let device = format!("/dev/{}", here.device);
    is.device.as_deref() == Some(device.as_str()) || nqn.starts_with(&prefix(&key(&here.identity)))
}

impl Inner {
    pub(super) fn lending(&self) -> Result<&Lending, Refusal> {
        let none = || {
            Refusal::Unsupported(
                "this node lends no drive; expected lend in the section [pooled_drives] of its agent's configuration"
                    .to_owned(),
            )
        };
        self.place.lending.as_ref().ok_or_else(none)
    }

    /// Lets one host in to a drive, and nobody else.
    pub(super) fn admit(
        &self,
        named: &Named,
        generation: u64,
        host: &str,
        key: Option<&DriveKey>,
    ) -> Result<DriveAnswer, Refusal> {
        self.lending()?;
        let guest: Nqn = host
            .parse()
            .map_err(|error: isolators::fabric::NotAName| Refusal::BadOrder(error.to_string()))?;
        let (here, stay) = self.find(named)?;
        may_be_granted(&here, &stay, generation, &guest)?;
        if self.is_being_erased(&stay) {
            return Err(Refusal::Conflict(format!(
                "{} is being erased; nobody is let in meanwhile",
                shown(&here.identity)
            )));
        }
        here.drive()
            .map_err(|error| Refusal::Conflict(format!("{}: {error}", shown(&here.identity))))?;
        let is_new = stay.granted < generation;
        if is_new && self.hangs(&self.place.board.latest().seen.inventory, &here) {
            return Err(Refusal::Conflict(format!(
                "{} does not answer; nobody is let in before it does",
                shown(&here.identity)
            )));
        }
        let key = self.key_for(&guest, key)?;
        let open = Open {
            generation,
            host: guest,
            key,
            nqn: name_of(&here.identity, generation)?,
        };
        let kept = self.change_stay(stay.arrival, false, |stay| {
            stay.granted = generation;
            // Who comes with an earlier one comes too late.
            stay.closed = stay.closed.max(generation.saturating_sub(1));
            stay.open = Some(open.clone());
            // A proof is of the time before.
            stay.erasing = None;
        })?;
        if !kept {
            return Err(left(&here));
        }
        self.forget_erasure(&stay);
        self.offer(&here, Some(&open))?;
        let message = format!(
            "{} in bay {} is lent to {} by grant {generation}",
            shown(&here.identity),
            here.slot,
            open.host
        );
        if stay.open.as_ref() != Some(&open) {
            self.place.events.tell("pooled_drive_lent", message);
        }
        self.answer(named)
    }

    /// Lets nobody in to a drive by this grant or an earlier one, and closes them.
    pub(super) fn shut(&self, named: &Named, generation: u64) -> Result<DriveAnswer, Refusal> {
        self.lending()?;
        let (here, stay) = self.find(named)?;
        // Whatever the disk says, the access ends; who asked is told that the grant is not closed for ever.
        let closed = self.change_stay(stay.arrival, true, |stay| {
            stay.closed = stay.closed.max(generation);
            if stay
                .open
                .as_ref()
                .is_some_and(|open| open.generation <= generation)
            {
                stay.open = None;
            }
        });
        let open = stay.open.clone().filter(|open| open.generation > generation);
        self.offer(&here, open.as_ref())?;
        closed?;
        // What its tenant left there was not looked at. The answer does not wait for that: it would be the drive's own time.
        self.forget_obstacles(stay.arrival);
        if let Some(was) = stay.open.filter(|open| open.generation <= generation) {
            let who = shown(&here.identity);
            let message = format!(
                "{who} in bay {} is lent to {} no more: grant {} is closed",
                here.slot, was.host, was.generation
            );
            self.place.events.tell("pooled_drive_shut", message);
        }
        self.answer(named)
    }

    /// Brings the target of one drive to what is granted.
    pub(super) fn offer(&self, here: &Here, open: Option<&Open>) -> Result<(), Refusal> {
        let lending = self.lending()?;
        let export = open.map(|open| {
            let drive = here
                .drive()
                .map_err(|error| Refusal::Conflict(format!("{}: {error}", shown(&here.identity))))?;
            Ok(Export {
                nqn: open.nqn.clone(),
                device: here.device.clone(),
                drive,
                host: open.host.clone(),
                key: open.key.clone(),
            })
        });
        let offered = Offered {
            port: lending.port,
            address: lending.listen,
            exports: export.transpose()?.into_iter().collect(),
        };
        if !offered.exports.is_empty() {
            self.keep_port(&offered)?;
        }
        self.converge(Actuator::Drives, || {
            target::steps_of(&self.host, &offered, &|nqn, is| leads_to(nqn, is, here))
        })
    }

    /// Where drives are offered is known before the port is made: who leaves finds it without the configuration.
    fn keep_port(&self, offered: &Offered) -> Result<(), Refusal> {
        let listens = Listens {
            port: offered.port,
            address: offered.address,
        };
        self.with_books(|books| {
            let kept = books.change(|state| state.listens = Some(listens));
            kept.map_err(|error| Refusal::Failed(super::told(&error)))
        })
    }

    /// Takes away a subsystem of ours that no grant asks for.
    pub(super) fn withdraw(&self, stray: &str) -> Result<(), Refusal> {
        // Asked again in the drive's own lane: an order may have come in between.
        let is_granted = self.with_books(|books| {
            let mut open = books.state().stays.iter().filter_map(|stay| stay.open.as_ref());
            Ok(open.any(|open| open.nqn.as_str() == stray))
        })?;
        if is_granted {
            return Ok(());
        }
        let none = self.nothing_offered();
        self.converge(Actuator::Drives, || {
            target::steps_of(&self.host, &none, &|nqn, _| nqn == stray)
        })?;
        let message = format!("{stray} was offered and is granted to nobody: it is withdrawn");
        self.place.events.tell("pooled_drive_withdrawn", message);
        Ok(())
    }

    fn nothing_offered(&self) -> Offered {
        let lending = self.place.lending.as_ref();
        Offered {
            port: lending.map_or(Lending::USUAL_PORT, |lending| lending.port),
            address: lending.map_or(Lending::USUAL_ADDRESS, |lending| lending.listen),
            exports: Vec::new(),
        }
    }

    /// Hosts and the port that nothing needs any more are removed, where nothing is granted and nothing of ours stands.
    pub(super) fn tidy(&self) -> Result<(), Refusal> {
        let none = self.nothing_offered();
        // With the state in hand: a grant begins there.
        self.with_books(|books| {
            if books.state().stays.iter().any(|stay| stay.open.is_some()) {
                return Ok(());
            }
            let standing =
                target::standing(&self.host).map_err(|error| Refusal::Failed(super::told(&error)))?;
            if standing.keys().any(|nqn| nqn.starts_with(OURS)) {
                return Ok(());
            }
            self.converge(Actuator::Drives, || target::steps(&self.host, &none))
        })
    }

    /// A drive as it is now.
    pub(super) fn answer(&self, named: &Named) -> Result<DriveAnswer, Refusal> {
        let (here, stay) = self.find(named)?;
        let drive = self.pooled(&here, &stay, &self.standing()?);
        Ok(DriveAnswer::Drive(Box::new(drive)))
    }
}

fn left(here: &Here) -> Refusal {
    Refusal::Conflict(format!(
        "{} left its bay in this moment; nobody was let in",
        shown(&here.identity)
    ))
}

/// Whether a grant may be obeyed in this stay.
fn may_be_granted(here: &Here, stay: &Stay, generation: u64, guest: &Nqn) -> Result<(), Refusal> {
    let who = shown(&here.identity);
    let Stay { closed, granted, .. } = stay;
    if *closed >= generation {
        return Err(Refusal::Conflict(format!(
            "grants of {who} up to {closed} are closed, and the order is by grant {generation}: it comes too late"
        )));
    }
    if *granted > generation {
        return Err(Refusal::Conflict(format!(
            "{who} was lent by grant {granted} already, and the order is by grant {generation}: it comes too late"
        )));
    }
    let other = stay.open.as_ref().filter(|open| open.generation == generation);
    if let Some(open) = other.filter(|open| open.host != *guest) {
        return Err(Refusal::Conflict(format!(
            "grant {generation} of {who} lets {} in; expected another number for {guest}",
            open.host
        )));
    }
    if here.size == Bytes::ZERO {
        return Err(Refusal::Conflict(format!(
            "{who} says that it holds 0 bytes; expected a drive that can be written to"
        )));
    }
    Ok(())
}
