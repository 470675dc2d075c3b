//! The world while it is served: one lock, the wall clock as its clock, its memory on disk, its listeners.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::clock;
use crate::powercap::Powercaps;
use crate::state_dir::StateDir;
use crate::world::{Answer, Event, Refusal, Verb, World};

/// How often the world is moved forward when nobody asks.
pub const BEAT: Duration = Duration::from_millis(10);

/// After a pause of the machine the world does not catch up more than this at once.
const LONGEST_LEAP_MS: u64 = 60_000;

/// Hears what happens in the world.
pub trait Listener: Send + Sync {
    /// Takes one event; must not block.
    fn hear(&self, event: &Event, at: &str);
}

/// A served world.
pub struct Live {
    world: Mutex<World>,
    dir: StateDir,
    powercaps: Powercaps,
    began: Instant,
    began_wall: SystemTime,
    /// Set once, before anything is served.
    listeners: Mutex<Vec<Arc<dyn Listener>>>,
}

impl Live {
    /// Begins to serve a world from this moment.
    #[must_use]
    pub fn new(world: World, dir: StateDir, powercaps: Powercaps) -> Self {
        Self {
            world: Mutex::new(world),
            dir,
            powercaps,
            began: Instant::now(),
            began_wall: SystemTime::now(),
            listeners: Mutex::new(Vec::new()),
        }
    }

    /// Adds one that hears what happens from now on.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }

    /// The world, moved forward to this moment.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let latest = world.now_ms().saturating_add(LONGEST_LEAP_MS);
        world.advance_to(now.min(latest));
        world
    }

    /// Moves the world forward, reads what limits its packages, and passes on what happened.
    pub fn beat(&self) {
        let mut world = self.world();
        self.powercaps.tell(&mut world);
        self.settle(&mut world);
    }

    /// Changes the world through `change`, remembers the outcome on disk, then passes on what happened.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world();
        let outcome = change(&mut world);
        self.settle(&mut world);
        outcome
    }

    /// Does a deed.
    ///
    /// # Errors
    /// [`Refusal`] when the world's state does not allow it.
    pub fn act(&self, verb: &Verb) -> Result<String, Refusal> {
        self.change(|world| world.act(verb))
    }

    /// How a BMC answers now. A node's BMC lives on the busbar: in the dark it answers nothing.
    #[must_use]
    pub fn answer(&self, bmc: &str) -> Answer {
        let world = self.world();
        if world.node(bmc).is_some_and(|node| !node.is_fed()) {
            Answer::Never
        } else {
            world.answer(bmc)
        }
    }

    /// A moment of the world as wall-clock time.
    #[must_use]
    pub fn wall(&self, at_ms: u64) -> String {
        clock::rfc3339(self.began_wall + Duration::from_millis(at_ms))
    }

    /// This moment as wall-clock time.
    #[must_use]
    pub fn now(&self) -> String {
        clock::rfc3339(SystemTime::now())
    }

    /// How long the world has been served.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// Writes the memory before anybody hears of the change: who saw it may rely on it.
    fn settle(&self, world: &mut World) {
        let events = world.take_events();
        if events.is_empty() {
            return;
        }
        if let Err(e) = self.dir.write_memory(&world.snapshot()) {
            tracing::error!(
                "{e}: {}",
                std::error::Error::source(&e).map_or_else(String::new, ToString::to_string)
            );
        }
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            tracing::info!(at_ms = event.at_ms, "{:?}", event.happening);
            let at = self.wall(event.at_ms);
            for listener in listeners.iter() {
                listener.hear(&event, &at);
            }
        }
    }
}
