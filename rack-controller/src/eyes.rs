//! The eyes: polls and events become inputs. One task a BMC, one task an agent; one that hangs delays no other.
//!
//! What a BMC sends is a hint to read it again, never a fact. Polling is the net under it.

mod agent;
mod bmc;
mod drives;
mod drives_of_bmc;
pub mod erasures;
mod hints;
pub mod ipmi;
pub mod line;
mod pace;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use agent::{AgentFailure, client as agent_client, is_it};
pub use drives::Looks;
pub use line::{Line, Lines};

use crate::clock::Clock;
use crate::config::RackConfig;
use crate::metrics::Own;
use crate::turn::Message;

/// What every eye works with.
#[derive(Clone)]
struct Nerve {
    inputs: mpsc::Sender<Message>,
    clock: Clock,
    own: Own,
    first_look: FirstLook,
    stopping: watch::Receiver<bool>,
}

impl Nerve {
    /// Tells the turn. Waits while its channel is full: an observation is worth nothing when it is late, but it must not be lost
    /// silently either; false when the turn is gone.
    async fn tell(&self, input: crate::decide::Input) -> bool {
        self.inputs.send(Message::Seen(input)).await.is_ok()
    }
}

/// Whether everything has been looked at once since the start.
#[derive(Clone, Debug)]
pub struct FirstLook(Arc<AtomicUsize>);

impl FirstLook {
    fn of(eyes: usize) -> FirstLook {
        FirstLook(Arc::new(AtomicUsize::new(eyes)))
    }

    fn one_more(&self) {
        // An eye reports once, so that this never goes below zero.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether every eye has seen something, or why it cannot.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// The eyes of one rack, running.
pub struct Eyes {
    /// Whether everything was looked at once.
    pub first_look: FirstLook,
    tasks: JoinSet<()>,
}

impl Eyes {
    /// Opens the eyes: they look at once, and then at their pace.
    pub fn open(
        config: &RackConfig,
        lines: &Lines,
        inputs: mpsc::Sender<Message>,
        clock: Clock,
        own: Own,
        stopping: watch::Receiver<bool>,
    ) -> Eyes {
        let agents = config.nodes.iter().filter(|node| node.agent.is_some()).count();
        let first_look = FirstLook::of(lines.len().saturating_add(agents));
        let nerve = Nerve {
            inputs,
            clock,
            own,
            first_look: first_look.clone(),
            stopping,
        };
        let mut tasks = JoinSet::new();
        for line in lines.iter() {
            tasks.spawn(bmc::watch(
                bmc::Duty::of(config, line.name()),
                Arc::clone(line),
                nerve.clone(),
            ));
            // IPMI has no stream of events that we listen to.
            if !line.is_ipmi() {
                tasks.spawn(hints::follow(Arc::clone(line), nerve.clone()));
            }
        }
        for enclosure in &config.enclosures {
            let line = enclosure.bmc.as_ref().and_then(|bmc| lines.get(bmc));
            if let (Some(line), Some(teller)) = (line, enclosure.of_bmc()) {
                let duty = drives_of_bmc::Duty {
                    teller,
                    line: Arc::clone(line),
                    erasures: Arc::clone(lines.erasures()),
                    erase_unseen: enclosure.erase_unseen,
                };
                tasks.spawn(drives_of_bmc::watch(duty, nerve.clone()));
            }
        }
        let names = Arc::new(config.node_names());
        for node in config.nodes.iter().filter(|node| node.agent.is_some()) {
            tasks.spawn(agent::watch(node.clone(), Arc::clone(&names), nerve.clone()));
            let looks = lines.looks();
            if looks.has(&node.name) {
                let lends = config.lent_by(&node.name).is_some();
                let names = Arc::clone(&names);
                tasks.spawn(drives::watch(
                    node.clone(),
                    lends,
                    names,
                    looks.clone(),
                    nerve.clone(),
                ));
            }
        }
        Eyes { first_look, tasks }
    }

    /// Waits until all eyes have closed, which they do when the daemon stops.
    pub async fn closed(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        // Some errors already quote their cause.
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}
