//! Claims of drives, decided: in memory, and until the journal holds them.

use std::time::{Duration, Instant};

use anyhow::ensure;
use house_tests::raise::Scratch;
use nix::time::{ClockId, clock_gettime};
use rack_controller::decide::decide;
use rack_controller::journal::Journal;
use rack_controller::rack::evolve;

use crate::pool::{DRIVES, Pool, ask, asked};
use crate::sample::Sample;

/// Claims that stand while others ask: half of all drives are lent.
const STANDING: u64 = DRIVES / 2;
/// Decisions that are timed in memory, and claims that are journaled.
const ASKS: u64 = 4_000;
const JOURNALED: u64 = 500;

/// CPU time of this thread: what else runs on this machine is no part of a decision.
fn cpu_time() -> anyhow::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?))
}

fn half_lent() -> anyhow::Result<Pool> {
    let mut pool = Pool::raise()?;
    for number in 0..STANDING {
        pool.take(&asked(ask(number, 1)))?;
    }
    let claims = pool.rack.kept.drives.claims.len() as u64;
    ensure!(claims == STANDING, "{claims} claims stand");
    Ok(pool)
}

/// Each ask meets the same rack: half of it lent. One in four asks for more drives than there are enclosures, each in another one.
pub fn decided() -> anyhow::Result<()> {
    let pool = half_lent()?;
    let (mut admitted, mut refused) = (Sample::default(), Sample::default());
    for number in 0..ASKS {
        let is_large = number % 4 == 3;
        let count = if is_large {
            9
        } else {
            1 + u32::try_from(number % 2)?
        };
        let input = asked(ask(STANDING + number, count));
        let mut rack = pool.rack.clone();
        let began = cpu_time()?;
        match decide(&rack, &input, pool.now) {
            Ok(events) => {
                for event in &events {
                    evolve(&mut rack, event);
                }
                admitted.add(cpu_time()? - began);
                ensure!(
                    !is_large,
                    "an ask for more enclosures than there are was admitted"
                );
            }
            Err(_) => {
                refused.add(cpu_time()? - began);
                ensure!(is_large, "ask {number} was refused");
            }
        }
    }
    admitted.tell("drives.decide.admitted");
    refused.tell("drives.decide.refused");
    Ok(())
}

/// A claim is answered after the journal has it: decided, written, synced.
pub fn journaled() -> anyhow::Result<()> {
    let pool = half_lent()?;
    let folder = Scratch::new("drives")?;
    let mut journal = Journal::open(&folder.join("rack"))?;
    let mut took = Sample::default();
    for number in 0..JOURNALED {
        let input = asked(ask(STANDING + number, 1));
        let began = Instant::now();
        let events = decide(&pool.rack, &input, pool.now).map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        journal.append(&events)?;
        took.add_millis(began.elapsed().as_secs_f64() * 1_000.0);
    }
    took.tell("drives.journal.acknowledged");
    Ok(())
}
