//! Drills that were shown before this story begins: they are in the controller's journal when it starts.
//!
//! A drill takes seconds, one node at a time; that it shows what it says is the matter of `caps_of_agents`.

use std::path::Path;

use anyhow::Context;
use facts::{Moment, Power};
use rack_controller::journal::Journal;
use rack_controller::rack::{Event, Proof, What};

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
    let events: Vec<Event> = shown.collect();
    Journal::open(state_dir)?.append(&events)?;
    Ok(())
}
