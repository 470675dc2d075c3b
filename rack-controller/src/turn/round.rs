//! The one loop that owns the rack.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use facts::Moment;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::light::{Light, Waiting};
use super::shown::Shown;
use super::{Desk, Message, NoAnswer, QUEUE};
use crate::clock::Clock;
use crate::config::RackConfig;
use crate::decide::{self, Input, Refusal, decide, decide_all};
use crate::eyes::Lines;
use crate::journal::{Journal, JournalError};
use crate::metrics::Own;
use crate::pools::power::act::lessor::{Lessors, head_of};
use crate::pools::power::act::{Hand, Would};
use crate::pools::power::plan;
use crate::rack::evolve::SWAP_LIGHT;
use crate::rack::{Action, Event, NodeOrder, Outcome, Rack, What, evolve};

/// The longest rest of the turn: also what no deadline is known for is looked at once a second.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Actions under way at once: one a bay of the largest shelf and one a node of the largest rack would be 128; BMCs take four
/// requests each anyway, and what finds no room is wanted again.
const MOST_ACTIONS: usize = 32;

/// Inputs that are seen before the view goes out: one of each node of the largest rack.
const MOST_AT_ONCE: usize = 64;

/// Why the turn could not begin.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// The start could not be journaled.
    #[error("cannot journal the start")]
    Journal(#[source] JournalError),
}

/// The turn: owns the rack until the daemon stops.
pub struct Turn {
    pub(super) rack: Rack,
    journal: Journal,
    pub(super) clock: Clock,
    hand: Hand,
    lessors: Lessors,
    lines: Lines,
    own: Own,
    shown: watch::Sender<Arc<Shown>>,
    trouble: watch::Sender<Option<String>>,
    inputs: mpsc::Receiver<Message>,
    actions: JoinSet<(Action, Outcome)>,
    moving: BTreeSet<Action>,
    would: Vec<Would>,
    pub(super) waiting: Vec<Waiting>,
    /// When something was decided last: time passes for the rack whenever something is.
    decided: Instant,
}

/// What a turn is made of.
pub struct Parts {
    /// The rack as the journal left it.
    pub rack: Rack,
    /// The journal.
    pub journal: Journal,
    /// The clock.
    pub clock: Clock,
    /// The lines to the BMCs.
    pub lines: Lines,
    /// Counters.
    pub own: Own,
}

impl Turn {
    /// Journals the start. Nothing is seen yet: domains are blind, not empty, and what was promised stands.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn begin(
        parts: Parts,
        config: Arc<RackConfig>,
    ) -> Result<(Turn, Desk, mpsc::Sender<Message>), TurnError> {
        let (send, inputs) = mpsc::channel(QUEUE);
        let hand = Hand::new(config, parts.lines.clone(), parts.own.clone());
        let may_lease = hand.may_lease();
        let head = head_of(parts.journal.last());
        let lessors = Lessors::start(&parts.rack.config, may_lease, &send, parts.clock, head);
        let first = Shown::of(&parts.rack, parts.clock.now(), &parts.lines, Vec::new());
        let (shown, see) = watch::channel(Arc::new(first));
        let (trouble, ask_trouble) = watch::channel(None);
        let mut turn = Turn {
            rack: parts.rack,
            journal: parts.journal,
            clock: parts.clock,
            hand,
            lessors,
            lines: parts.lines,
            own: parts.own,
            shown,
            trouble,
            inputs,
            actions: JoinSet::new(),
            moving: BTreeSet::new(),
            would: Vec::new(),
            waiting: Vec::new(),
            decided: Instant::now(),
        };
        // What was ordered before stands: it is renewed before anything is seen (power.md, rule 5).
        for (node, order) in turn.rack.kept.orders.iter() {
            turn.lessors.order(node, order);
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let events = decide(&turn.rack, &Input::Started { version }, turn.clock.now()).unwrap_or_default();
        turn.happen(&events).map_err(TurnError::Journal)?;
        turn.publish();
        let desk = Desk {
            inputs: send.clone(),
            shown: see,
            trouble: ask_trouble,
        };
        Ok((turn, desk, send))
    }

    /// Runs until the daemon stops.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        loop {
            let deadline = self.deadline();
            tokio::select! {
                message = self.inputs.recv() => match message {
                    Some(Message::Seen(input)) => self.see_all(input),
                    Some(Message::Asked(question)) => self.answer(question),
                    None => return,
                },
                Some(done) = self.actions.join_next(), if !self.actions.is_empty() => {
                    // A task that panicked did nothing that we know of; what it was for is wanted again.
                    match done {
                        Ok((action, outcome)) => {
                            self.moving.remove(&action);
                            self.see(&[Input::ActionDone { action, outcome }]);
                        }
                        Err(_) => self.moving.clear(),
                    }
                },
                () = tokio::time::sleep_until(deadline) => self.see(&[Input::Tick]),
                _ = stopping.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// An input that nobody waits for, and those that came with it: after a loss all agents answer at once. They are decided, journaled and
    /// shown together. Whoever asked meanwhile is answered after that.
    fn see_all(&mut self, first: Input) {
        let mut seen = vec![first];
        let mut asked = None;
        while seen.len() < MOST_AT_ONCE && asked.is_none() {
            match self.inputs.try_recv() {
                Ok(Message::Seen(input)) => seen.push(input),
                Ok(Message::Asked(question)) => asked = Some(question),
                Err(_) => break,
            }
        }
        let now = self.clock.now();
        let mut news: Vec<Input> = Vec::new();
        for input in seen {
            // Behind a node's silence its answer is news again.
            let may_be_again = !news.iter().any(|seen| matches!(seen, Input::NodeSilent { .. }));
            let again = decide::seen_again(&self.rack, &input, now).filter(|_| may_be_again);
            match again {
                Some(event) => {
                    self.own.input();
                    evolve(&mut self.rack, &event);
                }
                None => news.push(input),
            }
        }
        if !news.is_empty() {
            self.see(&news);
        }
        if let Some(question) = asked {
            self.answer(question);
        }
    }

    /// What is seen or done is never refused, and what cannot be journaled now is seen again.
    fn see(&mut self, inputs: &[Input]) {
        if self.take_all(inputs).is_err() && inputs.len() > 1 {
            // One that cannot be journaled keeps none of the others back.
            for input in inputs {
                let _ = self.take(input);
            }
        }
        self.after();
    }

    /// input → decide → journal → evolve.
    pub(super) fn take(&mut self, input: &Input) -> Result<(), NoAnswer> {
        self.take_all(std::slice::from_ref(input))
    }

    fn take_all(&mut self, inputs: &[Input]) -> Result<(), NoAnswer> {
        for _ in inputs {
            self.own.input();
        }
        self.decided = Instant::now();
        let events = decide_all(&self.rack, inputs, self.clock.now()).map_err(refused)?;
        self.happen(&events).map_err(|error| {
            let said = crate::eyes::chain(&error);
            tracing::error!("the journal cannot be written, so nothing new is promised: {said}");
            self.trouble.send_replace(Some(said.clone()));
            NoAnswer::Journal(said)
        })
    }

    fn happen(&mut self, events: &[Event]) -> Result<(), JournalError> {
        self.lower(events);
        let kept: Vec<Event> = events
            .iter()
            .filter(|event| event.is_journaled())
            .cloned()
            .collect();
        if !kept.is_empty() {
            let began = StdInstant::now();
            let journal = &mut self.journal;
            let written = tokio::task::block_in_place(|| journal.append(&kept));
            if let Err(error) = written {
                self.keep_lowered(events);
                return Err(error);
            }
            self.own.append(began.elapsed());
            self.lessors.head(head_of(self.journal.last()));
            self.trouble.send_if_modified(|trouble| trouble.take().is_some());
        }
        for event in events {
            evolve(&mut self.rack, event);
            self.give_orders(event);
            if event.is_journaled() {
                tracing::info!(
                    sequence = self.rack.kept.sequence,
                    kind = event.kind(),
                    "{}",
                    event.message()
                );
            }
        }
        Ok(())
    }

    /// Orders that lower are sent before anything is written down (power.md, rule 8).
    fn lower(&self, events: &[Event]) {
        for event in events {
            let What::CapsOrdered { orders, .. } = &event.what else {
                continue;
            };
            for NodeOrder { node, order } in orders {
                let standing = self.rack.kept.orders.get(node);
                if standing.is_none_or(|standing| standing.is_above(order)) {
                    self.lessors.order(node, order);
                }
            }
        }
    }

    /// The journal is full or gone: what was lowered stands, and is lowered no second time.
    fn keep_lowered(&mut self, events: &[Event]) {
        for event in events {
            let What::CapsOrdered { orders, .. } = &event.what else {
                continue;
            };
            let mut orders = orders.clone();
            orders.retain(|given| {
                let standing = self.rack.kept.orders.get(&given.node);
                standing.is_none_or(|standing| standing.is_above(&given.order))
            });
            evolve(
                &mut self.rack,
                &Event::new(event.at, What::CapsLowered { orders }),
            );
        }
    }

    /// All others are sent when the journal has them.
    fn give_orders(&self, event: &Event) {
        if let What::CapsOrdered { orders, .. } = &event.what {
            for NodeOrder { node, order } in orders {
                self.lessors.order(node, order);
            }
        }
    }

    /// want → act, and the view goes out.
    pub(super) fn after(&mut self) {
        self.act();
        self.publish();
        self.tell_lights();
    }

    fn act(&mut self) {
        let wanted = decide::want(&self.rack, self.clock.now());
        let mut would = Vec::new();
        for action in wanted {
            if let Some(held_back) = self.hand.held_back(&action) {
                would.push(held_back);
            } else if let Action::ReadSupplies { bmc } = &action {
                if let Some(line) = self.lines.get(bmc) {
                    line.look_now();
                }
            } else if self.moving.len() < MOST_ACTIONS
                && !self.moving.iter().any(|moving| same_target(moving, &action))
            {
                self.moving.insert(action.clone());
                let hand = self.hand.clone();
                self.actions.spawn(async move {
                    let outcome = hand.act(&action).await;
                    (action, outcome)
                });
            }
        }
        for fresh in would.iter().filter(|held_back| !self.would.contains(held_back)) {
            tracing::info!(
                "would do, but the actuator {} does not enforce: {:?}",
                fresh.actuator,
                fresh.action
            );
        }
        self.would = would;
    }

    fn publish(&self) {
        let shown = Shown::of(&self.rack, self.clock.now(), &self.lines, self.would.clone());
        self.shown.send_replace(Arc::new(shown));
    }

    fn tell_lights(&mut self) {
        let now = Instant::now();
        for waiting in std::mem::take(&mut self.waiting) {
            let light = self.light(&waiting);
            if matches!(light, Light::Open) && now < waiting.until {
                self.waiting.push(waiting);
            } else {
                waiting.tell(light);
            }
        }
    }

    fn light(&self, waiting: &Waiting) -> Light {
        let place = &waiting.place;
        let moving = self.moving.iter().any(|action| match action {
            Action::SetLed { place: moving, .. } => moving == place,
            Action::SetCap { .. } | Action::ReadSupplies { .. } => false,
        });
        let wanted = plan::wanted_light(&self.rack, place, self.clock.now());
        waiting.light(&self.rack, &self.hand, moving, wanted)
    }

    /// When the turn must look at the time again.
    fn deadline(&self) -> Instant {
        let now = self.clock.now();
        let kept = &self.rack.kept;
        let lives = kept.bays.values().filter_map(|bay| bay.life.until());
        let lights = kept
            .bays
            .values()
            .filter_map(|bay| bay.life.leaving())
            .map(|leaving| leaving.began.after(SWAP_LIGHT));
        let retries = self.rack.sight.attempts.values().map(|attempt| attempt.retry_at);
        let next: Option<Moment> = lives
            .chain(lights)
            .chain(retries)
            .chain(kept.located.values().copied())
            .filter(|moment| *moment > now)
            .min();
        let longest = self.decided + LONGEST_REST;
        let next = next.map_or(longest, |moment| self.clock.instant(moment));
        self.waiting
            .iter()
            .map(|waiting| waiting.until)
            .chain([next, longest])
            .min()
            .unwrap_or(longest)
    }
}

pub(super) fn refused(refusal: Refusal) -> NoAnswer {
    NoAnswer::Refused(Box::new(refusal))
}

/// Whether two actions write to the same place: one after the other, never at once.
fn same_target(one: &Action, other: &Action) -> bool {
    match (one, other) {
        (Action::SetLed { place: one, .. }, Action::SetLed { place: other, .. }) => one == other,
        (Action::SetCap { node: one, .. }, Action::SetCap { node: other, .. }) => one == other,
        (_, _) => false,
    }
}
