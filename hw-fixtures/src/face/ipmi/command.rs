//! What a BMC answers to each command (IPMI 2.0 appendix G); what is not listed is an invalid command.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Kind;
use super::dcmi::{self, Limit};
use super::fru;
use super::gauge::{self, OWN_STATES, Reading, Sensor};
use super::log::{Keeps, Log, now};
use super::records::{self, Inventory};
use super::session::{Entrant, Sessions};
use super::suite::Suite;
use crate::live::Live;
use crate::plan::Restore;
use crate::world::{Phase, Verb};

/// Completion codes (table 5-2).
pub const INVALID_COMMAND: u8 = 0xC1;
pub const TOO_SHORT: u8 = 0xC7;
pub const INVALID_FIELD: u8 = 0xCC;
pub(super) const NOT_PRESENT: u8 = 0xCB;
const NOT_PRIVILEGED: u8 = 0xD4;
const NOT_NOW: u8 = 0xD5;
const DISABLED: u8 = 0xD6;
/// Network functions.
const CHASSIS: u8 = 0x00;
const SENSOR: u8 = 0x04;
const APP: u8 = 0x06;
const STORAGE: u8 = 0x0A;
const GROUP_EXTENSION: u8 = 0x2C;
/// Privileges.
const OPERATOR: u8 = 3;
/// The locate light burns so long where nothing else is said (section 28.5).
const USUAL_IDENTIFY: Duration = Duration::from_secs(15);

/// An answer: completion code, data, and whether the session ends with it.
pub struct Answer {
    /// 0 is success.
    pub completion: u8,
    /// What follows.
    pub data: Vec<u8>,
    /// Another session to end.
    pub closes: Option<u32>,
}

impl Answer {
    /// Success with data.
    #[must_use]
    pub fn done(data: impl Into<Vec<u8>>) -> Self {
        Self::coded(0, data)
    }

    /// A code with data.
    #[must_use]
    pub fn coded(completion: u8, data: impl Into<Vec<u8>>) -> Self {
        Self {
            completion,
            data: data.into(),
            closes: None,
        }
    }

    /// No.
    #[must_use]
    pub fn no(completion: u8) -> Self {
        Self::coded(completion, [])
    }
}

/// Whom a BMC says it is (IPMI 2.0 sections 20.8 and 22.14).
#[derive(Debug, Clone, Copy)]
pub struct Guids {
    /// The BMC itself.
    pub device: [u8; 16],
    /// The machine that it manages: its SMBIOS UUID.
    pub system: [u8; 16],
}

/// One BMC behind its sessions.
pub struct Machine {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) live: Arc<Live>,
    guids: Guids,
    sensors: Vec<Sensor>,
    pub(super) inventories: Vec<Inventory>,
    pub(super) records: Vec<Vec<u8>>,
    pub(super) began: u32,
    pub(super) reservation: u16,
    pub(super) log: Arc<Log>,
    limit: Limit,
    dark_at: Option<Instant>,
}

impl Machine {
    /// A BMC that hears from now on what happens in the world.
    #[must_use]
    pub fn new(name: &str, kind: Kind, live: Arc<Live>, guids: Guids) -> Self {
        let world = live.world();
        let plan = world.plan();
        let sensors = gauge::sensors(plan, kind, name);
        let inventories = fru::inventories(plan, kind);
        let keeps = match kind {
            Kind::Node => Keeps::Node(name.to_owned()),
            Kind::Shelf => {
                let status = sensors.iter().filter(|sensor| sensor.event == OWN_STATES);
                let bays = plan.shelf.supplies.iter().map(|bay| bay.bay.get_ref().clone());
                Keeps::Bays(bays.zip(status.map(|sensor| sensor.number)).collect())
            }
        };
        drop(world);
        let log = Arc::new(Log::new(keeps));
        live.listen(Arc::<Log>::clone(&log));
        Self {
            name: name.to_owned(),
            kind,
            guids,
            records: records::repository(&sensors, &inventories),
            sensors,
            inventories,
            began: now(),
            reservation: 0,
            log,
            limit: Limit::default(),
            dark_at: None,
            live,
        }
    }

    /// How the BMC answers today.
    #[must_use]
    pub fn mood(&self) -> crate::world::Answer {
        self.live.answer(&self.name)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts the locate light out when its time is over.
    pub fn tick(&mut self) {
        if self.dark_at.is_some_and(|at| at <= Instant::now()) {
            self.dark_at = None;
            self.light(false);
        }
    }

    /// What anybody may ask, outside of a session.
    #[must_use]
    pub fn stranger(&self, netfn: u8, command: u8, data: &[u8]) -> Answer {
        match (netfn, command) {
            // Channel 1; RMCP+ is spoken, names are asked for, a K_G is not set.
            (APP, 0x38) => Answer::done([1, 0x80, 0x04, 0x02, 0, 0, 0, 0]),
            (APP, 0x54) => suites(data),
            (APP, 0x37) => Answer::done(self.guids.system),
            _ => Answer::no(NOT_PRIVILEGED),
        }
    }

    /// What a session asks.
    pub fn answer(
        &mut self,
        sessions: &mut Sessions,
        (session, entrant): (u32, Entrant),
        (netfn, command): (u8, u8),
        data: &[u8],
    ) -> Answer {
        let acts = matches!((netfn, command), (CHASSIS, 0x02 | 0x04) | (STORAGE, 0x47))
            || (netfn == GROUP_EXTENSION && dcmi::acts(command));
        if acts && entrant.privilege < OPERATOR {
            return Answer::no(NOT_PRIVILEGED);
        }
        match netfn {
            APP => match command {
                0x3B => match data.first().map(|byte| byte & 0x0F) {
                    None => Answer::no(TOO_SHORT),
                    Some(wanted) => sessions
                        .raise(session, wanted)
                        .map_or(Answer::no(0x81), |level| Answer::done([level])),
                },
                0x3C => match data.first_chunk::<4>().map(|id| u32::from_le_bytes(*id)) {
                    Some(wanted) if wanted == session => Answer {
                        closes: Some(session),
                        ..Answer::done([])
                    },
                    Some(_) => Answer::no(0x87),
                    None => Answer::no(TOO_SHORT),
                },
                // IPMI 2.0, with sensors, repository, log, inventories and chassis; the maker is not told.
                0x01 => Answer::done([0x20, 1, 2, 0x14, 0x02, 0x8F, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
                0x08 => Answer::done(self.guids.device),
                _ => match self.stranger(netfn, command, data) {
                    Answer {
                        completion: NOT_PRIVILEGED,
                        ..
                    } => Answer::no(INVALID_COMMAND),
                    answer => answer,
                },
            },
            CHASSIS => self.chassis(command, data),
            SENSOR => self.sensor(command, data),
            STORAGE => self.storage(command, data),
            GROUP_EXTENSION => match (self.kind, data.split_first()) {
                (Kind::Node, Some((&dcmi::GROUP, rest))) => {
                    dcmi::answer(&self.live, &self.name, &mut self.limit, command, rest)
                }
                _ => Answer::no(INVALID_COMMAND),
            },
            _ => Answer::no(INVALID_COMMAND),
        }
    }

    fn light(&self, on: bool) {
        self.live.change(|world| match self.kind {
            Kind::Shelf => world.set_shelf_locate(on),
            Kind::Node => {
                world.set_node_locate(&self.name, on);
            }
        });
    }

    fn chassis(&mut self, command: u8, data: &[u8]) -> Answer {
        match command {
            0x01 => {
                let world = self.live.world();
                let (on, lit, fault, restore) = match self.kind {
                    Kind::Shelf => {
                        let broken = |phase| matches!(phase, Phase::Failed | Phase::Tripped);
                        let fault = world.supplies().iter().any(|supply| broken(supply.phase()));
                        (true, world.shelf_locate(), fault, Restore::AlwaysOn)
                    }
                    Kind::Node => {
                        let node = world.node(&self.name);
                        let on = node.is_some_and(crate::world::Node::is_on);
                        let restore = node.map_or(Restore::default(), crate::world::Node::restore);
                        (on, node.is_some_and(crate::world::Node::locate), false, restore)
                    }
                };
                let lit = match (lit, self.dark_at) {
                    (false, _) => 0x40,
                    (true, Some(_)) => 0x50,
                    (true, None) => 0x60,
                };
                let restore = match restore {
                    Restore::AlwaysOff => 0x00,
                    Restore::LastState => 0x20,
                    Restore::AlwaysOn => 0x40,
                };
                // A fault is a power control fault.
                Answer::done([restore | u8::from(on) | (u8::from(fault) << 3), 0, lit, 0])
            }
            0x02 => data
                .first()
                .map_or(Answer::no(TOO_SHORT), |what| self.control(what & 0x0F)),
            0x04 => {
                let forced = data.get(1).is_some_and(|byte| byte & 1 == 1);
                let seconds = data
                    .first()
                    .map_or(USUAL_IDENTIFY, |byte| Duration::from_secs((*byte).into()));
                let on = forced || !seconds.is_zero();
                self.dark_at = (on && !forced).then(|| Instant::now() + seconds);
                self.light(on);
                Answer::done([])
            }
            _ => Answer::no(INVALID_COMMAND),
        }
    }

    fn control(&self, what: u8) -> Answer {
        if self.kind == Kind::Shelf {
            return Answer::no(DISABLED);
        }
        let power = |on: bool| {
            self.live.act(&Verb::Power {
                node: self.name.clone(),
                on,
            })
        };
        let done = match what {
            // Off at once, and off in order: the world's nodes have no operating system to wait for.
            0 | 5 => power(false),
            1 => power(true),
            2 | 3 => power(false).and_then(|_| power(true)),
            _ => return Answer::no(INVALID_FIELD),
        };
        match (what, done) {
            (_, Ok(_)) => Answer::done([]),
            // Off when it is off, on when it is on: nothing to do, and no error on common BMCs.
            (0 | 1 | 5, Err(_)) => Answer::done([]),
            (_, Err(_)) => Answer::no(NOT_NOW),
        }
    }

    fn sensor(&self, command: u8, data: &[u8]) -> Answer {
        let Some(number) = data.first() else {
            return Answer::no(TOO_SHORT);
        };
        let Some(sensor) = self.sensors.iter().find(|sensor| sensor.number == *number) else {
            return Answer::no(NOT_PRESENT);
        };
        match command {
            0x2D => Answer::done(match sensor.reading(&self.live.world(), &self.name) {
                Reading::Raw(raw, passed) => vec![raw, 0xC0, 0xC0 | passed],
                Reading::States(states) => {
                    let [low, high] = states.to_le_bytes();
                    vec![0, 0xC0, low, 0x80 | high]
                }
                Reading::Unavailable => vec![0, 0xE0, 0xC0],
            }),
            0x27 => {
                let mask = if sensor.upper.is_some() { 0x18 } else { 0 };
                let (noncritical, critical) = sensor.upper.unwrap_or_default();
                Answer::done([mask, 0, 0, 0, noncritical, critical, 0])
            }
            0x25 => Answer::done([0, 0]),
            0x23 => Answer::done([
                *number,
                sensor.m,
                0,
                0,
                0,
                0,
                if sensor.exponent == -2 { 0xE0 } else { 0 },
            ]),
            _ => Answer::no(INVALID_COMMAND),
        }
    }
}

/// The suites that are spoken, as records: number, then the three algorithms.
fn suites(data: &[u8]) -> Answer {
    let index = data.get(2).map_or(0, |byte| usize::from(byte & 0x3F));
    let all: Vec<u8> = Suite::ALL
        .into_iter()
        .flat_map(|suite| {
            let [authentication, integrity, confidentiality] = suite.algorithms();
            let number = suite.number();
            [
                0xC0,
                number,
                authentication,
                0x40 | integrity,
                0x80 | confidentiality,
            ]
        })
        .collect();
    let mut answer = vec![1];
    answer.extend(all.into_iter().skip(index * 16).take(16));
    Answer::done(answer)
}
