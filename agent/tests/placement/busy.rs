//! A busy node: 256 CPUs, 200 workloads that come and go. For the measurement of decisions and its benchmark.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use agent::place::{Machine, Taken, place};
use agent_api::v1::{Ask, CoreWish, GpuWish, Policy, TopologyRule};
use facts::{Bytes, Inventory};
use intent::{Generation, Priority};

use super::made;

/// As many as the requirement names.
pub const WORKLOADS: usize = 200;

/// 2 packages x 4 NUMA nodes x 2 L3 caches x 8 cores x 2 CPUs = 256 CPUs; 8 GPUs; memory enough for everybody.
pub fn inventory() -> Inventory {
    let mut inventory = made::with_distances(made::machine([2, 4, 2, 8, 2]));
    for node in &mut inventory.numa_nodes {
        node.memory_bytes = Some(Bytes::new(256 << 30));
    }
    made::with_gpus(inventory, &[0, 1, 2, 3, 4, 5, 6, 7])
}

/// Numbers that look random and are always the same (xorshift).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Any ask: of ten, four share CPUs, five take 1 or 2 exclusive ones, one takes up to 32.
pub fn ask(dice: &mut Dice) -> Ask {
    let memory_bytes = (dice.roll(2) == 0).then(|| Bytes::new((1 + dice.roll(8)) << 30));
    let priority = Some(Priority::new(1 + dice.roll(9)).unwrap());
    let plain = Ask {
        cpus: 1,
        memory_bytes,
        priority,
        ..Ask::default()
    };
    let kind = dice.roll(10);
    if kind < 4 {
        return plain;
    }
    let large = u32::try_from(1 + dice.roll(32)).unwrap();
    let small = u32::try_from(1 + dice.roll(2)).unwrap();
    Ask {
        cpus: if kind == 9 { large } else { small },
        exclusive: true,
        policy: Policy::ALL[dice.roll(3) as usize],
        topology: TopologyRule::ALL[dice.roll(3) as usize],
        core_kind: (dice.roll(4) == 0).then_some(CoreWish::Any),
        gpus: (dice.roll(12) == 0).then_some(GpuWish::Count(1)),
        near: if dice.roll(4) == 0 {
            vec![format!("gpu:{}", dice.roll(8)).parse().unwrap()]
        } else {
            Vec::new()
        },
        ..plain
    }
}

/// Workloads until there are 200.
pub fn filled(machine: &Machine, dice: &mut Dice) -> Vec<Taken> {
    let mut taken = Vec::new();
    let mut number = 0;
    while taken.len() < WORKLOADS {
        number += 1;
        let mut ask = ask(dice);
        ask.cpus = ask.cpus.min(2);
        if let Ok(offer) = place(&ask, machine, &taken, Generation(1)) {
            taken.push(Taken::of(format!("w{number}").parse().unwrap(), &ask, &offer));
        }
    }
    taken
}
