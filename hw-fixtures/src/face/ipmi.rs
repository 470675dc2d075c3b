//! A BMC's IPMI over LAN (RMCP+): one UDP socket, one datagram in, one out, fed from the world.

mod command;
mod dcmi;
mod fru;
mod gauge;
mod log;
mod packet;
mod records;
mod session;
mod storage;
mod suite;
#[cfg(test)]
mod tests;

pub use session::Account;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use self::command::{Answer, Guids, Machine};
use self::packet::{Datagram, Request, Sealed};
use self::session::Sessions;
use crate::live::Live;
use crate::world::Answer as Mood;

/// RMCP+ carries no longer password.
pub const LONGEST_PASSWORD: usize = 20;
/// Longer than any request.
const LONGEST_DATAGRAM: usize = 2048;
/// How often timers are looked at.
const TICK: Duration = Duration::from_millis(200);
/// A command that a BMC does not know, and one that a user may not send.
const INVALID_COMMAND: u8 = 0xC1;
const NOT_PRIVILEGED: u8 = 0xD4;

/// What a BMC sits in that speaks IPMI. That of an enclosure of drives does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The power shelf.
    Shelf,
    /// A node.
    Node,
}

/// One BMC as IPMI shows it.
pub struct Face {
    machine: Machine,
    sessions: Sessions,
}

impl Face {
    /// A BMC of that name, whose own UUID this is; it hears what happens in the world from now on. A shelf is its own system.
    #[must_use]
    pub fn new(name: &str, kind: Kind, uuid: &str, live: Arc<Live>, account: Account) -> Self {
        let bytes = |uuid: &str| *uuid::Uuid::try_parse(uuid).unwrap_or_default().as_bytes();
        let device = bytes(uuid);
        let system = live.world().node(name).map_or(device, |node| bytes(node.uuid()));
        Self {
            machine: Machine::new(name, kind, live, Guids { device, system }),
            // A session is opened with the managed system's GUID (section 13.21).
            sessions: Sessions::new(account, system),
        }
    }

    /// Answers datagrams for as long as the socket works.
    ///
    /// # Errors
    /// What the system says when it does not.
    pub async fn serve(mut self, socket: UdpSocket) -> std::io::Result<()> {
        let mut buffer = vec![0; LONGEST_DATAGRAM];
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            let (length, from) = tokio::select! {
                came = socket.recv_from(&mut buffer) => match came {
                    Ok(came) => came,
                    // A port that nobody listens on any more says so in the next call.
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => continue,
                    Err(error) => return Err(error),
                },
                _ = tick.tick() => {
                    self.machine.tick();
                    continue;
                }
            };
            if let Some(answer) = self.answer(&buffer[..length]) {
                // An answer that cannot be sent is one that was lost; the console asks again.
                if let Err(error) = socket.send_to(&answer, from).await {
                    tracing::debug!(
                        "{}: an answer to {from} was not sent: {error}",
                        self.machine.name()
                    );
                }
            }
        }
    }

    /// The datagram that answers this one, as the BMC was told to answer.
    pub fn answer(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mood = self.machine.mood();
        if mood == Mood::Never {
            return None;
        }
        let mut answer = match packet::read(datagram)? {
            Datagram::Ping(tag) => packet::pong(tag),
            Datagram::Old(message) => packet::old(&self.stranger(message)?),
            Datagram::Clear(message) => packet::clear(0, &self.stranger(message)?),
            Datagram::Handshake(kind, payload) => {
                let (kind, payload) = self.sessions.step(kind, payload, mood == Mood::Unauthorized)?;
                packet::clear(kind, &payload)
            }
            Datagram::Sealed(sealed) => self.within(&sealed, mood)?,
        };
        if mood == Mood::Half {
            answer.truncate(answer.len() / 2);
        }
        Some(answer)
    }

    fn stranger(&self, message: &[u8]) -> Option<Vec<u8>> {
        let request = Request::read(message)?;
        let answer = self
            .machine
            .stranger(request.netfn, request.command, request.data);
        Some(request.answer(answer.completion, &answer.data))
    }

    fn within(&mut self, sealed: &Sealed<'_>, mood: Mood) -> Option<Vec<u8>> {
        let keys = self.sessions.keys(sealed.session)?;
        let message = sealed.open(&keys)?;
        let entrant = self.sessions.admit(sealed.session, sealed.sequence)?;
        let request = Request::read(&message)?;
        let what = (request.netfn, request.command);
        let answer = match mood {
            Mood::Unauthorized => Answer::no(NOT_PRIVILEGED),
            Mood::NotFound => Answer::no(INVALID_COMMAND),
            // It has no stream of events.
            Mood::Ok | Mood::Half | Mood::Never | Mood::Forgetful | Mood::Doubled | Mood::Lossy => {
                let who = (sealed.session, entrant);
                self.machine.answer(&mut self.sessions, who, what, request.data)
            }
        };
        let (console, sequence) = self.sessions.next(sealed.session)?;
        let message = request.answer(answer.completion, &answer.data);
        if let Some(closed) = answer.closes {
            self.sessions.close(closed);
        }
        let vector = *uuid::Uuid::new_v4().as_bytes();
        Some(packet::seal(&keys, console, sequence, vector, &message))
    }
}
