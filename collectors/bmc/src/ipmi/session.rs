//! One RMCP+ session on one UDP socket: the handshake, sealed calls one at a time, late answers thrown away, the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::bytes::DecodeError;
use super::cipher;
use super::command::{CLOSE_SESSION, Repeat, Request, SET_SESSION_PRIVILEGE_LEVEL};
use super::counts::Counts;
use super::endpoint::Endpoint;
use super::error::IpmiError;
use super::message::{self, Answer, SEQUENCES};
use super::peer::{Peer, Strays};
use super::rakp::{self, Failed, Handshake};
use super::suite::Suite;
use super::wire::{Keys, MAX_DATAGRAM};

/// Statuses of an Open Session Response that ask for another cipher suite.
const ANOTHER_SUITE: [u8; 7] = [0x04, 0x05, 0x06, 0x07, 0x10, 0x11, 0x12];
/// The highest distance at which a packet's sequence number counts as newer, and not as an old one (half of all numbers).
const NEWER: u32 = 1 << 31;

/// An open session.
pub(super) struct Session {
    peer: Peer,
    keys: Keys,
    tries: u32,
    console_session: u32,
    bmc_session: u32,
    /// Sequence number of our last packet; 0 is reserved for packets outside of a session.
    sent: u32,
    /// Highest sequence number of the BMC's packets so far.
    seen: Option<u32>,
    /// rqSeq of our last request.
    number: u8,
    closed: bool,
    last_used: Instant,
}

impl Session {
    /// Opens a session with the strongest of our suites that the BMC offers, and raises its privilege.
    pub(super) async fn open(endpoint: &Endpoint, counts: &Arc<Counts>) -> Result<Session, IpmiError> {
        endpoint.check()?;
        let mut refused = 0;
        let suites = cipher::worth_an_offer(endpoint, counts).await?;
        for suite in &suites {
            let peer = Peer::reach(endpoint, counts).await?;
            let mut handshake = greet(endpoint, *suite)?;
            match offer(&peer, endpoint, &mut handshake).await? {
                Some(status) => refused = status,
                None => return prove(peer, endpoint, handshake).await,
            }
        }
        let offered: Vec<String> = suites.iter().map(Suite::to_string).collect();
        Err(IpmiError::NoSuite {
            address: endpoint.address.clone(),
            offered: offered.join(" and "),
            status: refused,
        })
    }

    /// Sends one request and waits for its answer. A command that acts is sent once.
    pub(super) async fn call(&mut self, request: &Request) -> Result<Answer, IpmiError> {
        let act = request.command.to_string();
        let tries = match request.command.repeat {
            Repeat::Read => self.tries,
            Repeat::Act => 1,
        };
        self.number = (self.number + 1) % SEQUENCES;
        let message = message::encode(request, self.number);
        let mut strays = Strays::default();
        let mut buffer = vec![0; MAX_DATAGRAM];
        for attempt in 0..tries {
            if attempt > 0 {
                self.peer.counts.resent();
            }
            let packet = self.seal(&message)?;
            self.peer.send(&act, &packet).await?;
            self.last_used = Instant::now();
            let deadline = self.last_used + self.peer.wait;
            while let Some(length) = self.peer.receive(&act, &mut buffer, deadline).await? {
                let came = buffer.get(..length).unwrap_or_default();
                match self.unseal(came) {
                    Err(error) => strays.add(error, &self.peer.counts),
                    Ok(answer) if answer.answers(request, self.number) => return Ok(answer),
                    Ok(_) => self.peer.counts.late(),
                }
            }
        }
        Err(self.peer.silent(&act, tries, &strays))
    }

    /// How long ago something was sent.
    pub(super) fn idle(&self) -> Duration {
        self.last_used.elapsed()
    }

    /// The cipher suite in use.
    pub(super) fn suite(&self) -> Suite {
        self.keys.suite
    }

    /// Ends the session, so that the BMC has its place free at once.
    pub(super) async fn close(mut self) -> Result<(), IpmiError> {
        self.closed = true;
        let request = Request::new(CLOSE_SESSION, self.bmc_session.to_le_bytes());
        let answer = self.call(&request).await?;
        match answer.completion {
            0 => Ok(()),
            code => Err(IpmiError::Completion {
                address: self.peer.address.clone(),
                command: CLOSE_SESSION,
                code,
            }),
        }
    }

    fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>, IpmiError> {
        self.sent = self.sent.checked_add(1).unwrap_or(1);
        let iv = random(&self.peer.address)?;
        Ok(self.keys.seal(self.bmc_session, self.sent, iv, message))
    }

    /// Checks and reads a packet. Each sequence number counts once and only upwards: since one request is out at a time, its
    /// answer was sent after every answer that we have seen.
    fn unseal(&mut self, packet: &[u8]) -> Result<Answer, DecodeError> {
        let (sequence, message) = self.keys.open(self.console_session, packet)?;
        let newer = |seen: u32| sequence != seen && sequence.wrapping_sub(seen) < NEWER;
        if !self.seen.is_none_or(newer) {
            return Err(DecodeError::wrong(
                "the session sequence number",
                sequence.to_string(),
                "a newer one",
            ));
        }
        self.seen = Some(sequence);
        message::decode(&message)
    }
}

impl Drop for Session {
    /// A session that is dropped while it is open is closed without waiting: BMCs have few places.
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        self.number = (self.number + 1) % SEQUENCES;
        let request = Request::new(CLOSE_SESSION, self.bmc_session.to_le_bytes());
        let message = message::encode(&request, self.number);
        if let Ok(packet) = self.seal(&message) {
            self.peer.counts.sent();
            // Nobody is left to tell; the BMC then frees the place after a minute of silence.
            let _ = self.peer.socket.try_send(&packet);
        }
    }
}

/// A handshake that has not begun.
fn greet(endpoint: &Endpoint, suite: Suite) -> Result<Handshake, IpmiError> {
    let [first, rest @ ..] = random::<4>(&endpoint.address)?;
    Ok(Handshake {
        suite,
        privilege: endpoint.privilege.number(),
        username: endpoint.credentials.username().as_bytes().to_vec(),
        password: Zeroizing::new(endpoint.credentials.password().as_bytes().to_vec()),
        kg: endpoint.kg.as_ref().map(|kg| Zeroizing::new(kg.bytes().to_vec())),
        // Never 0, which means no session.
        console_session: u32::from_le_bytes([first | 1, rest[0], rest[1], rest[2]]),
        console_random: random(&endpoint.address)?,
        bmc_session: 0,
        bmc_random: [0; 16],
        guid: [0; 16],
    })
}

/// Offers the suite; the status where the BMC wants another one.
async fn offer(peer: &Peer, endpoint: &Endpoint, handshake: &mut Handshake) -> Result<Option<u8>, IpmiError> {
    const ACT: &str = "Open Session Request";
    let payload = handshake.open_request(0);
    let answer = peer
        .step(
            (ACT, endpoint.limits.tries),
            (rakp::OPEN_SESSION_REQUEST, &payload),
            |came| handshake.read_open(0, came),
        )
        .await?;
    match answer {
        Ok(()) => Ok(None),
        Err(Failed::Status(status)) if ANOTHER_SUITE.contains(&status) => Ok(Some(status)),
        Err(failed) => Err(told(endpoint, ACT, failed)),
    }
}

/// Proves the password both ways, and raises the privilege.
async fn prove(peer: Peer, endpoint: &Endpoint, mut handshake: Handshake) -> Result<Session, IpmiError> {
    let tries = endpoint.limits.tries;
    let first = handshake.rakp_1(1);
    peer.step(("RAKP message 1", tries), (rakp::RAKP_1, &first), |came| {
        handshake.read_rakp_2(1, came)
    })
    .await?
    .map_err(|failed| told(endpoint, "RAKP message 1", failed))?;
    let third = handshake.rakp_3(2);
    let keys = peer
        .step(("RAKP message 3", tries), (rakp::RAKP_3, &third), |came| {
            handshake.read_rakp_4(2, came)
        })
        .await?
        .map_err(|failed| told(endpoint, "RAKP message 3", failed))?;
    peer.counts.opened();
    let mut session = Session {
        peer,
        keys,
        tries,
        console_session: handshake.console_session,
        bmc_session: handshake.bmc_session,
        sent: 0,
        seen: None,
        number: 0,
        closed: false,
        last_used: Instant::now(),
    };
    let wanted = endpoint.privilege.number();
    let request = Request::new(SET_SESSION_PRIVILEGE_LEVEL, [wanted]);
    let answer = session.call(&request).await?;
    match (answer.completion, answer.data.first()) {
        (0, Some(level)) if level & 0x0F == wanted => Ok(session),
        (0, level) => Err(IpmiError::NotTaken {
            address: endpoint.address.clone(),
            command: SET_SESSION_PRIVILEGE_LEVEL,
            wanted: wanted.to_string(),
            seen: format!("{level:?}"),
        }),
        (code, _) => Err(IpmiError::Completion {
            address: endpoint.address.clone(),
            command: SET_SESSION_PRIVILEGE_LEVEL,
            code,
        }),
    }
}

fn told(endpoint: &Endpoint, step: &'static str, failed: Failed) -> IpmiError {
    let (address, user) = (
        endpoint.address.clone(),
        endpoint.credentials.username().to_owned(),
    );
    match failed {
        Failed::Status(status) => IpmiError::Handshake {
            address,
            step,
            user,
            status,
        },
        Failed::Unproven => IpmiError::Unproven { address, step, user },
        Failed::Stray(source) => IpmiError::Malformed {
            address,
            act: step.to_owned(),
            source,
        },
    }
}

/// Random bytes from the system; without them there is no session.
fn random<const N: usize>(address: &str) -> Result<[u8; N], IpmiError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| IpmiError::Unusable {
        address: address.to_owned(),
        why: format!("the system gives no random bytes: {error}"),
    })?;
    Ok(bytes)
}
