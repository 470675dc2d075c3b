//! Drills that were shown, and timed, before this story begins: they are in the controller's journal when it starts.
//!
//! A drill takes seconds, one node at a time; that it shows what it says is the matter of `caps_of_agents`. Each lowering of the story that
//! is slower than the one that is journaled here counts instead of it.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;
use facts::{Moment, Power};
use rack_controller::journal::Journal;
use rack_controller::rack::{Event, Proof, What};

/// How long the drills took to lower a node.
const LOWERED_MILLIS: u64 = 5;

/// Journals for each node that its cap of so many watts was seen to bite under a load that wanted `load` watts.
pub fn journal(state_dir: &Path, nodes: &[String], cap: u64, load: u64) -> anyhow::Result<()> {
    let watts = |watts| Power::from_watts(watts).context("so many watts");
    let proof = Proof {
        cap: watts(cap)?,
        before: watts(load)?,
        under: watts(cap)?,
        at: Moment::EPOCH,
    };
    let shown = nodes.iter().map(|node| {
        let (node, proof) = (node.clone(), proof.clone());
        Event::new(Moment::EPOCH, What::CapProven { node, proof })
    });
    let mut events: Vec<Event> = shown.collect();
    if let Some(node) = nodes.first().cloned() {
        let timed = What::LoweringTimed {
            node,
            took_millis: LOWERED_MILLIS,
        };
        // Whatever is older than an hour counts no more.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let at = Moment::from_millis(u64::try_from(now.as_millis())?);
        events.push(Event::new(at, timed));
    }
    Journal::open(state_dir)?.append(&events)?;
    Ok(())
}
