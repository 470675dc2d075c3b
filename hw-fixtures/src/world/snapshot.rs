//! The world's memory between two runs: what a hand changed stays changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answer, DrivePart, Part, World};
use crate::plan::Plan;

/// The form that this build writes; another number is refused rather than guessed at.
const VERSION: u32 = 1;

/// What is remembered of a world. Meters, ramps and timers begin anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    version: u32,
    world: String,
    feeds: BTreeMap<String, bool>,
    bays: BTreeMap<String, BayMemory>,
    nodes: BTreeMap<String, NodeMemory>,
    answers: BTreeMap<String, Answer>,
    shelf_locate: bool,
    /// By place. What a memory from before there were enclosures lacks begins anew.
    #[serde(default)]
    drives: BTreeMap<String, DriveMemory>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DriveMemory {
    part: Option<DrivePart>,
    locate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BayMemory {
    part: Option<Part>,
    failed: bool,
    tripped: bool,
    locate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NodeMemory {
    demand_milliwatts: u64,
    limit_milliwatts: Option<u64>,
    #[serde(default)]
    off_after_ms: Option<u64>,
    on: bool,
    locate: bool,
}

/// Why a memory does not fit.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Another build wrote it.
    #[error("it has version {found}; this build reads version {VERSION}")]
    Version {
        /// The version it has.
        found: u32,
    },
    /// It belongs to another rack.
    #[error("it remembers the rack \"{found}\", and this one is \"{expected}\"")]
    World {
        /// The rack it remembers.
        found: String,
        /// The rack that is to be raised.
        expected: String,
    },
}

impl World {
    /// What to remember.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let bays = self.supplies.iter().map(|supply| {
            let memory = BayMemory {
                part: supply.part.clone(),
                failed: supply.failed,
                tripped: supply.tripped,
                locate: supply.locate,
            };
            (supply.bay().to_owned(), memory)
        });
        let nodes = self.nodes.iter().map(|node| {
            let memory = NodeMemory {
                demand_milliwatts: node.demand,
                limit_milliwatts: node.limit,
                off_after_ms: node.off_after_ms,
                on: node.on,
                locate: node.locate,
            };
            (node.name().to_owned(), memory)
        });
        let drives = self.jbofs.iter().flat_map(|jbof| {
            jbof.bays().iter().map(|bay| {
                let memory = DriveMemory {
                    part: bay.part.clone(),
                    locate: bay.locate,
                };
                (format!("{}/{}", jbof.name(), bay.name()), memory)
            })
        });
        let drives = drives.collect();
        Snapshot {
            version: VERSION,
            world: self.plan.name.clone(),
            feeds: self.feeds.iter().cloned().collect(),
            bays: bays.collect(),
            nodes: nodes.collect(),
            answers: self.answers.clone(),
            shelf_locate: self.shelf_locate,
            drives,
        }
    }

    /// A world of this plan as it was remembered; bays, feeds and nodes that the memory lacks begin anew.
    ///
    /// # Errors
    /// [`SnapshotError`] when the memory is of another version or rack.
    pub fn restore(plan: Plan, memory: &Snapshot) -> Result<Self, SnapshotError> {
        if memory.version != VERSION {
            return Err(SnapshotError::Version {
                found: memory.version,
            });
        }
        if memory.world != plan.name {
            return Err(SnapshotError::World {
                found: memory.world.clone(),
                expected: plan.name,
            });
        }
        let mut world = Self::new(plan);
        for (name, live) in &mut world.feeds {
            *live = memory.feeds.get(name).copied().unwrap_or(*live);
        }
        for supply in &mut world.supplies {
            let Some(bay) = memory.bays.get(supply.bay()) else {
                continue;
            };
            supply.locate = bay.locate;
            if bay.part.is_none() || bay.failed || bay.tripped {
                supply.stop();
            }
            supply.part.clone_from(&bay.part);
            supply.failed = bay.failed;
            supply.tripped = bay.tripped;
        }
        for node in &mut world.nodes {
            let Some(known) = memory.nodes.get(node.name()) else {
                continue;
            };
            node.restore_demand(known.demand_milliwatts);
            node.restore_limit(known.limit_milliwatts);
            node.off_after_ms = known.off_after_ms;
            node.on = known.on;
            node.locate = known.locate;
        }
        for jbof in &mut world.jbofs {
            let name = jbof.name().to_owned();
            for bay in &mut jbof.bays {
                if let Some(known) = memory.drives.get(&format!("{name}/{}", bay.name())) {
                    bay.part.clone_from(&known.part);
                    bay.locate = known.locate;
                }
            }
        }
        world.answers.clone_from(&memory.answers);
        world.shelf_locate = memory.shelf_locate;
        for index in 0..world.supplies.len() {
            let live = world.feed_live(world.supplies[index].feed());
            world.supplies[index].input = live;
            if !live {
                world.supplies[index].stop();
            }
        }
        world.settle();
        world.waiting.clear();
        Ok(world)
    }
}
