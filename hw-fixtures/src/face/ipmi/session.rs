//! Sessions of one BMC: the handshake (RAKP) that proves a password both ways, and who is in.

use std::time::{Duration, Instant};

use super::suite::{Keys, Suite};

/// Sessions at one time; common BMCs have as few.
pub const SESSION_LIMIT: usize = 6;
/// A session that says nothing for this long ends (IPMI 2.0 section 6.12.15).
const IDLE: Duration = Duration::from_secs(60);
/// A handshake that takes longer gives its place up.
const UNFINISHED: Duration = Duration::from_secs(10);
/// The highest privilege: administrator.
const ADMINISTRATOR: u8 = 4;
/// The privilege of a new session: user.
const USER: u8 = 2;
/// Statuses (IPMI 2.0 table 13-15).
const NO_ROOM: u8 = 0x01;
const NO_SESSION: u8 = 0x02;
const NO_SUCH_USER: u8 = 0x0D;
const NOT_PRIVILEGED: u8 = 0x0A;
const WRONG_CHECK: u8 = 0x0F;
const NO_SUCH_SUITE: u8 = 0x11;
const INVALID: u8 = 0x12;

/// How far a handshake has come.
enum Stage {
    Offered,
    Greeted {
        console_random: [u8; 16],
        bmc_random: [u8; 16],
        role: u8,
    },
    Open(Keys),
}

/// One session.
struct Session {
    suite: Suite,
    console: u32,
    bmc: u32,
    most: u8,
    privilege: u8,
    stage: Stage,
    used: Instant,
    sent: u32,
    seen: u32,
}

/// Who may come in.
#[derive(Clone)]
pub struct Account {
    /// The user's name.
    pub user: String,
    /// The password: at most 20 bytes.
    pub password: String,
}

/// The sessions of one BMC.
pub struct Sessions {
    account: Account,
    guid: [u8; 16],
    open: Vec<Session>,
    last: u32,
}

/// What a proven packet of an open session is answered with.
pub struct Entrant {
    /// What the session may do now: 2 user, 3 operator, 4 administrator.
    pub privilege: u8,
}

fn sixteen() -> [u8; 16] {
    *uuid::Uuid::new_v4().as_bytes()
}

fn field<const N: usize>(payload: &[u8], at: usize) -> Option<[u8; N]> {
    payload.get(at..at + N)?.try_into().ok()
}

impl Sessions {
    /// No sessions yet.
    #[must_use]
    pub fn new(account: Account, guid: [u8; 16]) -> Self {
        Self {
            account,
            guid,
            open: Vec::new(),
            last: 0,
        }
    }

    /// One step of the handshake: the type and payload of its answer. `stranger`: nobody is known today.
    pub fn step(&mut self, kind: u8, payload: &[u8], stranger: bool) -> Option<(u8, Vec<u8>)> {
        let now = Instant::now();
        self.open.retain(|session| {
            let patience = if matches!(session.stage, Stage::Open(_)) {
                IDLE
            } else {
                UNFINISHED
            };
            now.duration_since(session.used) < patience
        });
        let answer = match kind {
            0x10 => self.offer(payload),
            0x12 => self.greet(payload, stranger),
            _ => self.prove(payload),
        }?;
        Some((kind + 1, answer))
    }

    /// Open Session Request to its response.
    fn offer(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let tag = *payload.first()?;
        let console = u32::from_le_bytes(field(payload, 4)?);
        let refuse = |status: u8| {
            let mut answer = vec![tag, status, 0, 0];
            answer.extend_from_slice(&console.to_le_bytes());
            Some(answer)
        };
        let algorithm = |at: usize| payload.get(at + 4).map(|byte| byte & 0x3F);
        let (Some(first), Some(second), Some(third)) = (algorithm(8), algorithm(16), algorithm(24)) else {
            return refuse(INVALID);
        };
        let Some(suite) = Suite::of([first, second, third]) else {
            return refuse(NO_SUCH_SUITE);
        };
        if self.open.len() >= SESSION_LIMIT {
            return refuse(NO_ROOM);
        }
        let wanted = payload.get(1).copied().unwrap_or_default() & 0x0F;
        let most = if wanted == 0 {
            ADMINISTRATOR
        } else {
            wanted.min(ADMINISTRATOR)
        };
        self.last = self.last.wrapping_add(1);
        let [a, b, ..] = sixteen();
        // Never 0, which means no session, and never one that is in use.
        let bmc = u32::from_le_bytes([a, b, 0, 0]) | (self.last << 16).max(1 << 16);
        let mut answer = vec![tag, 0, most, 0];
        answer.extend_from_slice(&console.to_le_bytes());
        answer.extend_from_slice(&bmc.to_le_bytes());
        for (kind, algorithm) in (0_u8..).zip(suite.algorithms()) {
            answer.extend_from_slice(&[kind, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        self.open.push(Session {
            suite,
            console,
            bmc,
            most,
            privilege: USER.min(most),
            stage: Stage::Offered,
            used: Instant::now(),
            sent: 0,
            seen: 0,
        });
        Some(answer)
    }

    fn refusal(tag: u8, status: u8, console: u32) -> Vec<u8> {
        let mut answer = vec![tag, status, 0, 0];
        answer.extend_from_slice(&console.to_le_bytes());
        answer
    }

    /// RAKP message 1 to message 2.
    fn greet(&mut self, payload: &[u8], stranger: bool) -> Option<Vec<u8>> {
        let tag = *payload.first()?;
        let bmc = u32::from_le_bytes(field(payload, 4)?);
        let console_random: [u8; 16] = field(payload, 8)?;
        let role = *payload.get(24)?;
        let length = *payload.get(27)?;
        let user = payload.get(28..28 + usize::from(length))?;
        let Some(session) = self.open.iter_mut().find(|session| session.bmc == bmc) else {
            return Some(Self::refusal(tag, NO_SESSION, 0));
        };
        if stranger || user != self.account.user.as_bytes() {
            return Some(Self::refusal(tag, NO_SUCH_USER, session.console));
        }
        if role & 0x0F > session.most {
            return Some(Self::refusal(tag, NOT_PRIVILEGED, session.console));
        }
        if role & 0x0F != 0 {
            session.most = role & 0x0F;
        }
        // A message that comes again is answered again alike: its first answer was lost.
        let bmc_random = match &session.stage {
            Stage::Greeted {
                console_random: known,
                bmc_random,
                ..
            } if *known == console_random => *bmc_random,
            Stage::Offered | Stage::Greeted { .. } | Stage::Open(_) => sixteen(),
        };
        let proof = session.suite.hmac(
            self.account.password.as_bytes(),
            &[
                &session.console.to_le_bytes(),
                &bmc.to_le_bytes(),
                &console_random,
                &bmc_random,
                &self.guid,
                &[role, length],
                user,
            ],
        );
        session.stage = Stage::Greeted {
            console_random,
            bmc_random,
            role,
        };
        session.used = Instant::now();
        let mut answer = Self::refusal(tag, 0, session.console);
        answer.extend_from_slice(&bmc_random);
        answer.extend_from_slice(&self.guid);
        answer.extend_from_slice(&proof);
        Some(answer)
    }

    /// RAKP message 3 to message 4; from then on the session is open.
    fn prove(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let (tag, status) = (*payload.first()?, *payload.get(1)?);
        let bmc = u32::from_le_bytes(field(payload, 4)?);
        let at = self.open.iter().position(|session| session.bmc == bmc);
        let Some(at) = at else {
            return Some(Self::refusal(tag, NO_SESSION, 0));
        };
        let session = &mut self.open[at];
        let console = session.console;
        let Stage::Greeted {
            console_random,
            bmc_random,
            role,
        } = session.stage
        else {
            return None;
        };
        if status != 0 {
            // The console gave up.
            self.open.remove(at);
            return None;
        }
        let (suite, key) = (session.suite, self.account.password.as_bytes());
        let user = self.account.user.as_bytes();
        let name = [role, u8::try_from(user.len()).unwrap_or_default()];
        let expected = suite.hmac(key, &[&bmc_random, &console.to_le_bytes(), &name, user]);
        if payload.get(8..) != Some(expected.as_slice()) {
            self.open.remove(at);
            return Some(Self::refusal(tag, WRONG_CHECK, console));
        }
        let session_key = suite.hmac(key, &[&console_random, &bmc_random, &name, user]);
        let proof = suite.check(&session_key, &[&console_random, &bmc.to_le_bytes(), &self.guid]);
        session.stage = Stage::Open(Keys::of(suite, &session_key));
        session.used = Instant::now();
        let mut answer = Self::refusal(tag, 0, console);
        answer.extend_from_slice(&proof);
        Some(answer)
    }

    /// The keys of an open session.
    #[must_use]
    pub fn keys(&self, bmc: u32) -> Option<Keys> {
        let session = self.open.iter().find(|session| session.bmc == bmc)?;
        match &session.stage {
            Stage::Open(keys) => Some(keys.clone()),
            Stage::Offered | Stage::Greeted { .. } => None,
        }
    }

    /// Takes a proven packet's number; `None` where it came before.
    pub fn admit(&mut self, bmc: u32, sequence: u32) -> Option<Entrant> {
        let session = self.open.iter_mut().find(|session| session.bmc == bmc)?;
        if sequence <= session.seen {
            return None;
        }
        session.seen = sequence;
        session.used = Instant::now();
        Some(Entrant {
            privilege: session.privilege,
        })
    }

    /// The console's session id and the number of the next answer.
    pub fn next(&mut self, bmc: u32) -> Option<(u32, u32)> {
        let session = self.open.iter_mut().find(|session| session.bmc == bmc)?;
        session.sent = session.sent.wrapping_add(1).max(1);
        Some((session.console, session.sent))
    }

    /// Another privilege, within the session's most; answers what holds now.
    pub fn raise(&mut self, bmc: u32, wanted: u8) -> Option<u8> {
        let session = self.open.iter_mut().find(|session| session.bmc == bmc)?;
        if wanted > session.most {
            return None;
        }
        if wanted != 0 {
            session.privilege = wanted;
        }
        Some(session.privilege)
    }

    /// Ends a session; answers whether there was one.
    pub fn close(&mut self, bmc: u32) -> bool {
        let before = self.open.len();
        self.open.retain(|session| session.bmc != bmc);
        self.open.len() < before
    }
}
