//! DCMI of a node: its power and its power limit, which the world learns (DCMI 1.5 section 6.6).

use std::time::Duration;

use super::command::{Answer, INVALID_COMMAND, INVALID_FIELD, TOO_SHORT};
use super::log;
use crate::live::Live;
use crate::world::Meter;

/// The first byte of every request and answer.
pub const GROUP: u8 = 0xDC;
/// Commands.
const CAPABILITIES: u8 = 0x01;
const POWER_READING: u8 = 0x02;
const GET_LIMIT: u8 = 0x03;
const SET_LIMIT: u8 = 0x04;
const ACTIVATE: u8 = 0x05;
/// A limit is kept and not in force.
const NOT_ACTIVE: u8 = 0x80;
/// A limit outside of what the node can be held to.
const OUT_OF_RANGE: u8 = 0x84;
/// The exception action that switches the node off.
const POWER_OFF: u8 = 0x01;
/// DCMI 1.5, parameter revision 2.
const VERSION: [u8; 3] = [1, 5, 2];
/// Over how long least, most and mean are told, and how often is measured.
const PERIOD: Duration = Duration::from_secs(1);

/// The limit as it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    exception: u8,
    watts: u16,
    correction: [u8; 4],
    sampling: [u8; 2],
}

impl Limit {
    /// How long the node may draw more before the BMC switches it off; `None` where it does not.
    fn off_after_ms(&self) -> Option<u64> {
        (self.exception == POWER_OFF).then(|| u32::from_le_bytes(self.correction).into())
    }
}

impl Default for Limit {
    /// As recorded BMCs are born: none, and a hard power-off where it could not be held.
    fn default() -> Self {
        Self {
            exception: POWER_OFF,
            watts: 0,
            correction: 1_000_u32.to_le_bytes(),
            sampling: 1_u16.to_le_bytes(),
        }
    }
}

fn done(data: &[u8]) -> Answer {
    coded(0, data)
}

fn coded(completion: u8, data: &[u8]) -> Answer {
    let mut whole = vec![GROUP];
    whole.extend_from_slice(data);
    Answer::coded(completion, whole)
}

/// Whether a command needs an operator.
#[must_use]
pub fn acts(command: u8) -> bool {
    matches!(command, SET_LIMIT | ACTIVATE)
}

/// Answers one command of the group; `data` begins after the group's byte.
pub fn answer(live: &Live, node: &str, limit: &mut Limit, command: u8, data: &[u8]) -> Answer {
    match command {
        CAPABILITIES => capabilities(data),
        POWER_READING => power(live, node),
        GET_LIMIT => get(live, node, limit),
        SET_LIMIT => set(live, node, limit, data),
        ACTIVATE => activate(live, node, limit, data),
        _ => Answer::no(INVALID_COMMAND),
    }
}

fn capabilities(data: &[u8]) -> Answer {
    let mut answer = VERSION.to_vec();
    match data.first() {
        // Supported: power management; out-of-band access over the primary LAN channel.
        Some(1) => answer.extend_from_slice(&[0, 0x01, 0x07]),
        Some(2) => answer.extend_from_slice(&[0, 0x42, 0, 0, 0]),
        Some(3) => answer.extend_from_slice(&[0x20, 0x10]),
        Some(4) => answer.extend_from_slice(&[1, 0xFF, 0xFF]),
        Some(_) => return Answer::no(INVALID_FIELD),
        None => return Answer::no(TOO_SHORT),
    }
    done(&answer)
}

fn shown(live: &Live, node: &str) -> (u16, bool) {
    let world = live.world();
    let truth = world.node(node).map_or(0, |node| node.draw(world.now_ms()));
    let meter = Meter {
        seed: world.plan().seed,
        name: &format!("{node} dcmi"),
        error_permille: world.plan().meter_error.0,
    };
    let watts = (meter.shows(truth, world.now_ms()) + 500) / 1_000;
    let on = world.node(node).is_some_and(crate::world::Node::is_on);
    (u16::try_from(watts).unwrap_or(u16::MAX), on)
}

fn power(live: &Live, node: &str) -> Answer {
    let (watts, on) = shown(live, node);
    let mut answer = Vec::new();
    // Now, least, most, mean: the world keeps no history.
    for _ in 0..4 {
        answer.extend_from_slice(&watts.to_le_bytes());
    }
    answer.extend_from_slice(&log::now().to_le_bytes());
    let period = u32::try_from(PERIOD.as_millis()).unwrap_or(u32::MAX);
    answer.extend_from_slice(&period.to_le_bytes());
    answer.push(if on { 0x40 } else { 0 });
    done(&answer)
}

/// The limit that the world has, in whole watts. It may have come over Redfish.
fn in_force(live: &Live, node: &str) -> Option<u16> {
    let limit = live.world().node(node)?.limit()?;
    Some(u16::try_from(limit / 1_000).unwrap_or(u16::MAX))
}

fn get(live: &Live, node: &str, limit: &Limit) -> Answer {
    let active = in_force(live, node);
    let watts = active.unwrap_or(limit.watts);
    let mut answer = vec![0, 0, limit.exception];
    answer.extend_from_slice(&watts.to_le_bytes());
    answer.extend_from_slice(&limit.correction);
    answer.extend_from_slice(&[0, 0]);
    answer.extend_from_slice(&limit.sampling);
    coded(if active.is_some() { 0 } else { NOT_ACTIVE }, &answer)
}

fn set(live: &Live, node: &str, limit: &mut Limit, data: &[u8]) -> Answer {
    let Some(data) = data.first_chunk::<14>() else {
        return Answer::no(TOO_SHORT);
    };
    let [_, _, _, exception, low, high, c0, c1, c2, c3, _, _, s0, s1] = *data;
    let watts = u16::from_le_bytes([low, high]);
    let most = live.world().node(node).map_or(0, crate::world::Node::max_draw);
    if watts == 0 || u64::from(watts) * 1_000 > most.saturating_mul(2) {
        return Answer::no(OUT_OF_RANGE);
    }
    *limit = Limit {
        exception,
        watts,
        correction: [c0, c1, c2, c3],
        sampling: [s0, s1],
    };
    if in_force(live, node).is_some() {
        put_in_force(live, node, limit);
    }
    done(&[])
}

fn put_in_force(live: &Live, node: &str, limit: &Limit) {
    live.change(|world| {
        world.set_exception(node, limit.off_after_ms());
        world.set_limit(node, Some(u64::from(limit.watts) * 1_000))
    });
}

fn activate(live: &Live, node: &str, limit: &mut Limit, data: &[u8]) -> Answer {
    match data.first() {
        Some(1) if limit.watts == 0 => Answer::no(INVALID_FIELD),
        Some(1) => {
            put_in_force(live, node, limit);
            done(&[])
        }
        Some(0) => {
            // What came over Redfish is kept as well, out of force.
            limit.watts = in_force(live, node).unwrap_or(limit.watts);
            live.change(|world| world.set_limit(node, None));
            done(&[])
        }
        Some(_) => Answer::no(INVALID_FIELD),
        None => Answer::no(TOO_SHORT),
    }
}
