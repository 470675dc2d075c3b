//! What must hold at every moment, asked of the world and of the machines, not of the controller's books.

use crate::day::{Day, NODES};

/// How long after a loss sums may be broken: the overload time of the shelf's supplies.
const RIDES_MS: u64 = 1_000;

/// What was known at the last check.
#[derive(Default)]
pub struct Judge {
    /// Whether every node has had its first lease.
    settled: bool,
}

impl Judge {
    pub fn check(&mut self, day: &Day) {
        assert!(
            !day.world.is_dark(),
            "the rack went dark at {} ms; the last loss was at {:?}",
            day.now,
            day.last_loss
        );
        self.settled |= day.nodes.iter().filter(|node| node.leases.held.is_some()).count() == NODES;
        if !self.settled {
            return;
        }
        let caps: u64 = day.nodes.iter().map(|node| node.cap(&day.world)).sum();
        let next: u64 = day.nodes.iter().map(|node| node.next(&day.world)).sum();
        let installed: u64 = day.world.supplies().iter().map(|supply| supply.available()).sum();
        let rated = |supply: &hw_fixtures::world::Supply| supply.available();
        let largest = day.world.supplies().iter().map(rated).max().unwrap_or_default();
        let is_whole = day.world.supplies().iter().all(|supply| supply.available() > 0);
        // While a supply is gone nothing further is covered: what runs is what survives.
        let surviving = if is_whole { installed - largest } else { installed };
        let answered = day.last_loss.is_none_or(|loss| day.now >= loss + RIDES_MS);
        // Leases of a rack that was silent when the loss came end by themselves; that risk was accepted by name or not taken.
        let fits = |sum: u64, most: u64| sum <= most || !answered;
        assert!(
            fits(caps, installed),
            "rule 1: {caps} > {installed} at {}",
            day.now
        );
        assert!(
            caps <= surviving + surviving / 5,
            "rule 3: {caps} > 1.2 x {surviving} at {}",
            day.now
        );
        assert!(
            fits(next, surviving),
            "rule 2: {next} > {surviving} at {}",
            day.now
        );
        if !day.accepts && is_whole {
            assert!(caps <= surviving, "rule 6: {caps} > {surviving} at {}", day.now);
        }
    }
}
