//! The event stream: what happens on this node, to everybody who listens now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent_api::v1::AgentEvent;
use tokio::sync::broadcast;

use crate::clock::Clock;

/// How many events a listener may be behind; one that is slower is told how many it missed. A shelf of 64 drives that
/// vanishes at once fits.
const MOST_BEHIND: usize = 256;

/// An event and its number in this run of the agent.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Grows by one with each event.
    pub number: u64,
    /// What happened.
    pub event: AgentEvent,
}

/// Where events are told. Cheap to clone; nobody listening is no error.
#[derive(Clone, Debug)]
pub struct Events {
    clock: Clock,
    sender: broadcast::Sender<Numbered>,
    last: Arc<AtomicU64>,
}

impl Events {
    /// A stream without listeners.
    pub fn new(clock: Clock) -> Events {
        let (sender, _) = broadcast::channel(MOST_BEHIND);
        Events {
            clock,
            sender,
            last: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Tells that something has happened now.
    pub fn tell(&self, kind: &str, message: String) {
        self.pass_on(AgentEvent {
            at: self.clock.now(),
            kind: kind.to_owned(),
            message,
        });
    }

    /// Tells what somebody else saw happen.
    pub fn pass_on(&self, event: AgentEvent) {
        tracing::info!(kind = event.kind, "{}", event.message);
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        // Fails only where nobody listens.
        let _ = self.sender.send(Numbered { number, event });
    }

    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Numbered> {
        self.sender.subscribe()
    }

    /// How many listen now.
    pub fn listeners(&self) -> usize {
        self.sender.receiver_count()
    }

    /// How many have been told in this run.
    pub fn told(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}
