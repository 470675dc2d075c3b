//! How long the CPUs of each socket worked and idled (`/proc/stat`, proc_stat(5)).

use std::collections::BTreeMap;

use facts::CpuId;

use crate::collector::CollectError;
use crate::columns::{fill, lines, whole};
use crate::perf::place::Place;
use crate::root::Root;

const STAT: &str = "proc/stat";
/// Clock ticks of the kernel's interface: USER_HZ is 100 on every architecture that Linux runs on today, Alpha apart.
const NANOSECONDS_OF_TICK: u64 = 10_000_000;
/// user, nice, system, idle, iowait, irq, softirq; what follows is stolen by a hypervisor, or in `user` already.
const COLUMNS: usize = 7;

/// Time of one socket's CPUs, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// At work.
    pub busy: u64,
    /// Idle, or waiting for a drive.
    pub idle: u64,
}

impl Times {
    /// What came since `before`; nothing where the counters run backwards (a CPU went off).
    pub fn since(self, before: Times) -> Times {
        Times {
            busy: self.busy.saturating_sub(before.busy),
            idle: self.idle.saturating_sub(before.idle),
        }
    }
}

/// The times of each socket since boot.
///
/// # Errors
/// When the file cannot be read.
pub fn read(root: &Root, places: &BTreeMap<CpuId, Place>) -> Result<BTreeMap<String, Times>, CollectError> {
    Ok(times(&root.read_bytes(STAT)?, places))
}

fn times(text: &[u8], places: &BTreeMap<CpuId, Place>) -> BTreeMap<String, Times> {
    let mut sockets: BTreeMap<String, Times> = BTreeMap::new();
    for line in lines(text) {
        let Some(rest) = line.strip_prefix(b"cpu") else {
            continue;
        };
        let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
        let (number, columns) = rest.split_at(end);
        let number = whole(number).and_then(|number| u32::try_from(number).ok());
        let Some(place) = number.and_then(|number| places.get(&CpuId(number))) else {
            continue;
        };
        let mut ticks = [0_u64; COLUMNS];
        if fill(&mut ticks, columns).is_none() {
            continue;
        }
        let [user, nice, system, idle, iowait, irq, softirq] = ticks;
        let sum = |all: &[u64]| {
            let ticks = all.iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
            ticks.saturating_mul(NANOSECONDS_OF_TICK)
        };
        let socket = sockets.entry(place.socket.clone()).or_default();
        socket.busy = socket
            .busy
            .saturating_add(sum(&[user, nice, system, irq, softirq]));
        socket.idle = socket.idle.saturating_add(sum(&[idle, iowait]));
    }
    sockets
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sockets_are_sums_of_their_cpus() {
        let place = |socket: &str| Place {
            socket: socket.to_owned(),
            ..Place::default()
        };
        let places = BTreeMap::from([
            (CpuId(0), place("0")),
            (CpuId(1), place("0")),
            (CpuId(2), place("1")),
        ]);
        let text = b"cpu  9 9 9 9 9 9 9 0 0 0\ncpu0 1 1 1 10 5 1 1 100 0 0\ncpu1 2 0 0 1 0 0 0\ncpu2 N/A\ncpu7 1 1 1 1 1 1 1\nintr 5\n";
        let times = times(text, &places);
        let tick = NANOSECONDS_OF_TICK;
        let expected = Times {
            busy: 7 * tick,
            idle: 16 * tick,
        };
        assert_eq!(times, BTreeMap::from([("0".to_owned(), expected)]));
        assert_eq!(Times::default().since(expected), Times::default());
    }
}
