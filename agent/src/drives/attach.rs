//! The initiator's side: drives of other nodes, connected, verified and let go.

use std::net::SocketAddr;

use agent_api::v1::DriveAnswer;
use facts::Identity;
use intent::{Actuator, DriveKey};
use isolators::block;
use isolators::fabric::initiator::{self, Attachment};
use isolators::fabric::{DriveIdentity, NotAName, Nqn, Peer, keys};

use super::show::LIVE;
use super::state::Wanted;
use super::{Inner, Refusal, shown, told};

/// An order to attach, checked.
pub(super) fn wanted(
    drive: &Identity,
    nguid: Option<&str>,
    generation: u64,
    nqn: &str,
    address: SocketAddr,
    key: Option<DriveKey>,
) -> Result<Wanted, Refusal> {
    let bad = |error: NotAName| Refusal::BadOrder(error.to_string());
    let nqn: Nqn = nqn.parse().map_err(bad)?;
    if !nqn.is_ours() {
        return Err(Refusal::BadOrder(format!(
            "{nqn} is no subsystem of a pooled drive; expected one that begins with {}",
            isolators::fabric::OURS
        )));
    }
    let serial = drive.serial.as_deref().unwrap_or_default();
    Ok(Wanted {
        nqn,
        generation,
        drive: DriveIdentity::new(serial, drive.model.as_deref(), nguid).map_err(bad)?,
        address,
        key,
    })
}

impl Inner {
    fn attachment(&self, wanted: &Wanted) -> Result<Attachment, Refusal> {
        let host = self.fabric_host()?;
        Ok(Attachment {
            nqn: wanted.nqn.clone(),
            peer: Peer {
                address: wanted.address,
                host: host.nqn,
                host_id: host.id,
            },
            drive: wanted.drive.clone(),
            key: wanted.key.clone().filter(|_| keys::can_prove(&self.host)),
        })
    }

    /// Connects to a drive, and sees that it is the one that is meant. One that was wanted before and does not answer now stays wanted.
    pub(super) fn attach(&self, wanted: &Wanted) -> Result<DriveAnswer, Refusal> {
        let before = self.with_books(|books| {
            let mut attached = books.state().attached.iter();
            Ok(attached.find(|other| other.nqn == wanted.nqn).cloned())
        })?;
        if let Some(before) = before.as_ref().filter(|before| !before.is_same(wanted)) {
            return Err(Refusal::Conflict(format!(
                "{} is attached as drive {} at {} by grant {}; detach that first",
                wanted.nqn, before.drive, before.address, before.generation
            )));
        }
        self.keep_attached(&wanted.nqn, Some(wanted))?;
        if let Err(error) = self.connect(wanted) {
            if before.is_none() {
                self.keep_attached(&wanted.nqn, None)?;
            }
            return Err(error);
        }
        let now = self.connections()?;
        let attached = self.shown_attached(wanted, &now);
        if before.is_none() {
            let device = attached.device.as_deref().unwrap_or_default();
            let message = format!(
                "drive {} at {} is attached as {device} by grant {}",
                wanted.drive, wanted.address, wanted.generation
            );
            self.place.events.tell("drive_attached", message);
        }
        Ok(DriveAnswer::Attached(attached))
    }

    /// Brings one connection about, or back.
    pub(super) fn connect(&self, wanted: &Wanted) -> Result<(), Refusal> {
        let attachment = self.attachment(wanted)?;
        self.converge(Actuator::Drives, || {
            initiator::steps_of(&self.host, &wanted.nqn, Some(&attachment))
        })
    }

    /// Disconnects from a drive that nobody uses.
    pub(super) fn detach(&self, nqn: &str) -> Result<DriveAnswer, Refusal> {
        let name: Nqn = nqn
            .parse()
            .map_err(|error: NotAName| Refusal::BadOrder(error.to_string()))?;
        for is in self.connections()?.iter().filter(|is| is.nqn == nqn) {
            // Who uses a drive that has gone has lost it already.
            let Some(device) = is.device.as_deref().filter(|_| is.state == LIVE) else {
                continue;
            };
            let user = match self.used_by(device) {
                Some(user) => Some(user),
                None => block::in_use(&self.host, device).map_err(|error| Refusal::Failed(told(&error)))?,
            };
            if let Some(user) = user {
                return Err(Refusal::Conflict(format!(
                    "{nqn} ({device}) is in use: {user}; end that, and try again"
                )));
            }
        }
        let was = self.with_books(|books| {
            let mut attached = books.state().attached.iter();
            Ok(attached.find(|other| other.nqn == name).cloned())
        })?;
        self.keep_attached(&name, None)?;
        self.disconnect(&name)?;
        if let Some(was) = was {
            let message = format!("drive {} at {} is detached", was.drive, was.address);
            self.place.events.tell("drive_detached", message);
        }
        Ok(DriveAnswer::Detached { nqn: nqn.to_owned() })
    }

    /// Ends what leads to a subsystem, unless it is wanted after all.
    pub(super) fn disconnect(&self, nqn: &Nqn) -> Result<(), Refusal> {
        let is_wanted = self.with_books(|books| {
            let mut attached = books.state().attached.iter();
            Ok(attached.any(|other| other.nqn == *nqn))
        })?;
        if is_wanted {
            return Ok(());
        }
        self.converge(Actuator::Drives, || initiator::steps_of(&self.host, nqn, None))
    }

    fn keep_attached(&self, nqn: &Nqn, wanted: Option<&Wanted>) -> Result<(), Refusal> {
        self.with_books(|books| {
            let changed = books.change(|state| {
                state.attached.retain(|other| other.nqn != *nqn);
                state.attached.extend(wanted.cloned());
            });
            changed.map_err(|error| Refusal::Failed(told(&error)))
        })
    }
}

/// A connection for people.
pub(super) fn of(wanted: &Wanted) -> String {
    let drive = Identity {
        maker: None,
        model: wanted.drive.model().map(str::to_owned),
        serial: Some(wanted.drive.serial().to_owned()),
    };
    format!("drive {} at {}", shown(&drive), wanted.address)
}
