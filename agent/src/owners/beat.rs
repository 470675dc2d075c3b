//! Level-triggered: each second what the kernel shows of the cgroups that owners write is held against the intent.

use std::collections::BTreeMap;
use std::time::Duration;

use intent::WorkloadId;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::{Asked, Doors, OwnerError};
use crate::events::Events;
use crate::keeping::Desk;
use crate::reconcile::Drift;
use crate::view::Board;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(1);
/// An owner that does not do what it is asked is asked again after one look, two, four, and at most so many.
const MOST_PATIENCE: u32 = 60;

/// Holds what owners were asked for against what is.
pub struct Beat {
    desk: Desk,
    doors: Doors,
    events: Events,
    drift: Drift,
    /// How many looks pass before an owner is asked again, and how many that were the last time.
    rests: BTreeMap<WorkloadId, (u32, u32)>,
    /// What was told of each.
    told: BTreeMap<WorkloadId, String>,
}

impl Beat {
    /// Nobody was asked yet.
    pub fn new(desk: Desk, doors: Doors, events: Events, drift: Drift) -> Beat {
        Beat {
            desk,
            doors,
            events,
            drift,
            rests: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Looks until the agent stops.
    pub async fn run(mut self, board: Board, mut stopping: watch::Receiver<bool>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            if board.latest().kept.asks {
                self.look().await;
            }
        }
    }

    async fn look(&mut self) {
        // Only while the agent stops are no orders taken.
        let Ok(all) = self.desk.asked().await else {
            return;
        };
        let is_there = |id: &WorkloadId| all.iter().any(|asked| asked.workload == *id);
        self.rests.retain(|id, _| is_there(id));
        self.told.retain(|id, _| is_there(id));
        for asked in &all {
            if let Some((rest, _)) = self.rests.get_mut(&asked.workload)
                && *rest > 0
            {
                *rest -= 1;
                continue;
            }
            if asked.ends {
                self.end(asked).await;
            } else if asked.differs.is_empty() {
                self.told.remove(&asked.workload);
                self.rests.remove(&asked.workload);
            } else {
                self.put_right(asked).await;
            }
        }
    }

    async fn end(&mut self, asked: &Asked) {
        let id = &asked.workload;
        match self.doors.give_back(asked).await {
            Ok(()) => {
                if self.desk.owner_gave_back(id.clone()).await.is_ok() {
                    let message = format!("workload {id} has ended; {} has what it had", asked.owner);
                    self.events.tell("workload_ended", message);
                }
            }
            Err(error) => self.failed(asked, &error),
        }
    }

    async fn put_right(&mut self, asked: &Asked) {
        let id = &asked.workload;
        if self.drift == Drift::Report {
            let message = format!(
                "somebody changed what {} had set; drift = \"report\" leaves it so: {}",
                asked.owner, asked.differs
            );
            self.tell_once(id, "drift", message);
            return;
        }
        match self.doors.set(&asked.owner, &asked.values, &asked.had.run).await {
            Ok(()) => {
                self.wait_longer(id);
                let message = format!(
                    "somebody changed what {} had set; told again: {} ({})",
                    asked.owner, asked.values, asked.differs
                );
                self.tell_once(id, "drift_repaired", message);
            }
            Err(OwnerError::Gone(_)) => {
                // Another run of the same name: what was adopted has ended.
                if let Err(error) = self.desk.owner_will_give_back(id.clone()).await {
                    tracing::warn!(workload = %id, %error, "it has ended, and keeps what it was given");
                }
            }
            Err(error) => self.failed(asked, &error),
        }
    }

    fn failed(&mut self, asked: &Asked, error: &OwnerError) {
        self.wait_longer(&asked.workload);
        self.tell_once(
            &asked.workload,
            "trouble",
            format!("workload {}: {error}", asked.workload),
        );
    }

    fn wait_longer(&mut self, id: &WorkloadId) {
        let (rest, patience) = self.rests.entry(id.clone()).or_default();
        *patience = (*patience * 2).clamp(1, MOST_PATIENCE);
        *rest = *patience;
    }

    /// One event for one state, however many looks it lasts.
    fn tell_once(&mut self, id: &WorkloadId, kind: &'static str, message: String) {
        if self.told.get(id) != Some(&message) {
            self.told.insert(id.clone(), message.clone());
            self.events.tell(kind, message);
        }
    }
}

/// Has an owner give back at once, from where no runtime is: `busbar-agent leave`.
///
/// # Errors
/// When the owner does not do it, with why.
pub fn give_back_now(doors: &Doors, asked: &Asked) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot ask {}: {error}", asked.owner))?;
    runtime
        .block_on(doors.give_back(asked))
        .map_err(|error| error.to_string())
}
