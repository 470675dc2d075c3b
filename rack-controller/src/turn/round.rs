//! The one loop that owns the rack.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::DriveOrder;
use facts::Moment;
use rack_api::v1::Asked;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::drives::ShownDrives;
use super::light::{Light, Waiting};
use super::memory::Memory;
use super::shown::Shown;
use super::store::Store;
use super::{Desk, Message, NoAnswer, QUEUE};
use crate::clock::{Clock, since_boot};
use crate::config::RackConfig;
use crate::decide::{self, Input, Refusal};
use crate::eyes::Lines;
use crate::journal::{Journal, JournalError};
use crate::metrics::Own;
use crate::pools::drives::act::DriveHand;
use crate::pools::drives::keys::KeyName;
use crate::pools::drives::plan as drives;
use crate::pools::power::act::lessor::Lessors;
use crate::pools::power::act::{Hand, Would};
use crate::pools::power::plan;
use crate::rack::evolve::SWAP_LIGHT;
use crate::rack::{Action, Outcome, Rack, SwitchTo};

/// The longest rest of the turn: also what no deadline is known for is looked at once a second.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Actions under way at once: one a bay of the largest shelf and one a node of the largest rack would be 128; BMCs take four
/// requests each anyway, and what finds no room is wanted again.
const MOST_ACTIONS: usize = 32;
/// Orders about drives under way at once: one a drive of four times the rack that is measured, 256 drives.
const MOST_ORDERS: usize = 1_024;

/// The turn: owns the rack until the daemon stops.
pub struct Turn {
    pub(super) rack: Rack,
    pub(super) store: Store,
    pub(super) clock: Clock,
    hand: Hand,
    drive_hand: DriveHand,
    pub(super) lessors: Lessors,
    lines: Lines,
    pub(super) own: Own,
    shown: watch::Sender<Arc<Shown>>,
    shown_drives: ShownDrives,
    pub(super) trouble: watch::Sender<Option<String>>,
    pub(super) inputs: mpsc::Receiver<Message>,
    actions: JoinSet<(Action, Outcome)>,
    moving: BTreeSet<Action>,
    would: Vec<Would>,
    /// What is wanted, and since which event: it is done when the journal has that.
    wanted: BTreeMap<Action, u64>,
    pub(super) waiting: Vec<Waiting>,
    /// What agents know of the journal, and who waits to hear that.
    pub(super) memory: Memory,
    /// Who asks, while they are answered.
    pub(super) asked: Option<Asked>,
    /// When something was decided last: time passes for the rack whenever something is.
    pub(super) decided: Instant,
}

/// What a turn is made of.
pub struct Parts {
    /// The rack as the journal left it.
    pub rack: Rack,
    /// The journal.
    pub journal: Journal,
    /// Events that were read for the rack, after a snapshot where there was one.
    pub read: u64,
    /// The clock.
    pub clock: Clock,
    /// The lines to the BMCs.
    pub lines: Lines,
    /// Counters.
    pub own: Own,
}

impl Turn {
    /// Begins with the start as its first event. Nothing is seen yet: domains are blind, not empty, and what was promised stands. Where the
    /// disk is full or hangs, what was ordered is renewed all the same.
    ///
    /// # Errors
    /// The journal's thread cannot be started.
    pub fn begin(
        parts: Parts,
        config: Arc<RackConfig>,
    ) -> Result<(Turn, Desk, mpsc::Sender<Message>), JournalError> {
        let (send, inputs) = mpsc::channel(QUEUE);
        let drive_hand = DriveHand::new(&config, &parts.lines, parts.clock, parts.own.clone());
        let hand = Hand::new(config, parts.lines.clone(), parts.own.clone());
        let may_lease = hand.may_lease();
        let memory = Memory::begin(parts.journal.last().sequence);
        let lessors = Lessors::start(&parts.rack.config, may_lease, &send, parts.clock, &parts.journal);
        let store = Store::start(parts.journal, parts.read, parts.own.clone())?;
        let mut shown_drives = ShownDrives::of(&parts.rack, parts.clock.now());
        let drives = shown_drives.look(&parts.rack, parts.clock.now());
        let first = Shown::of(&parts.rack, parts.clock.now(), &parts.lines, Vec::new(), drives);
        let (shown, see) = watch::channel(Arc::new(first));
        let (trouble, ask_trouble) = watch::channel(None);
        let mut turn = Turn {
            rack: parts.rack,
            store,
            clock: parts.clock,
            drive_hand,
            hand,
            lessors,
            lines: parts.lines,
            own: parts.own,
            shown,
            shown_drives,
            trouble,
            inputs,
            actions: JoinSet::new(),
            moving: BTreeSet::new(),
            would: Vec::new(),
            wanted: BTreeMap::new(),
            waiting: Vec::new(),
            memory,
            asked: None,
            decided: Instant::now(),
        };
        // What was ordered before stands: it is renewed before anything is seen (power.md, rule 5).
        for (node, order) in turn.rack.kept.orders.iter() {
            turn.lessors.order(node, order);
        }
        if let Some((boot_id, boot_millis)) = since_boot() {
            // Before anything ends because its time is over: the wall's clock may have been set meanwhile.
            let _ = turn.take(&Input::ClockFound { boot_id, boot_millis });
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        // Nobody asked for it, so nobody is told; the queue is empty, so there is room.
        let _ = turn.take(&Input::Started { version });
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
                    Some(Message::Asked(question, asked)) => self.answer_for(question, asked),
                    None => break,
                },
                goes_on = self.store.changed() => if goes_on {
                    self.written();
                } else {
                    tracing::error!("the journal's thread ended, so nothing can be promised any more");
                    break;
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
                _ = stopping.wait_for(|stop| *stop) => break,
            }
        }
        self.store.close().await;
    }

    /// want → act, and the view goes out.
    pub(super) fn after(&mut self) {
        self.act();
        self.publish();
        self.tell_lights();
    }

    pub(super) fn act(&mut self) {
        let wanted = decide::want(&self.rack, self.clock.now());
        let sequence = self.rack.kept.sequence;
        let mut since = std::mem::take(&mut self.wanted);
        self.wanted = wanted
            .iter()
            .map(|action| (action.clone(), since.remove(action).unwrap_or(sequence)))
            .collect();
        let mut would = Vec::new();
        for action in wanted {
            if let Some(held_back) = self.hand.held_back(&action) {
                would.push(held_back);
            } else if let Action::ReadSupplies { bmc } = &action {
                if let Some(line) = self.lines.get(bmc) {
                    line.look_now();
                }
            } else if self.waits_for_the_journal(&action) {
                // It is wanted again when the journal has come further.
            } else if let Some((node, order)) = drives::order(&self.rack, &action) {
                let key = drives::key_of(&self.rack, &action);
                self.order_drive(action, node, order, key);
            } else if self
                .moving
                .iter()
                .filter(|moving| !is_drives(&self.rack, moving))
                .count()
                < MOST_ACTIONS
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

    /// One task an order, and one order a drive at a time: whatever hangs, no other one waits for it.
    fn order_drive(&mut self, action: Action, node: String, order: DriveOrder, key: Option<KeyName>) {
        let is_moving = self.moving.iter().any(|moving| same_target(moving, &action));
        if is_moving || self.moving.len() >= MOST_ORDERS {
            return;
        }
        self.moving.insert(action.clone());
        let hand = self.drive_hand.clone();
        self.actions.spawn(async move {
            let order = hand.keyed(order, key.as_ref());
            let outcome = hand.act(&node, &order).await;
            (action, outcome)
        });
    }

    pub(super) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown.borrow())
    }

    /// What led to an action is in the journal first, but where it lowers (power.md, rule 8).
    fn waits_for_the_journal(&self, action: &Action) -> bool {
        let lowers = match action {
            Action::SetCap { node, watts } => {
                let standing = self.rack.kept.caps.get(node);
                standing.is_none_or(|standing| watts <= standing)
            }
            Action::SwitchNode { to, .. } => *to != SwitchTo::On,
            // What is closed waits too: it is closed under a number that must not be forgotten.
            Action::SetLed { .. }
            | Action::OrderDrive { .. }
            | Action::DetachDrive { .. }
            | Action::ReadSupplies { .. } => false,
        };
        let since = self.wanted.get(action).copied().unwrap_or_default();
        !lowers && since > self.store.durable()
    }

    fn publish(&mut self) {
        let now = self.clock.now();
        let drives = self.shown_drives.look(&self.rack, now);
        let mut shown = Shown::of(&self.rack, now, &self.lines, self.would.clone(), drives);
        // Who follows the events reads them from the disk.
        shown.rack.journal_sequence = self.store.durable();
        shown.rack.doubts.extend(self.journal_doubts());
        self.shown.send_replace(Arc::new(shown));
    }

    fn tell_lights(&mut self) {
        let (now, durable) = (Instant::now(), self.store.durable());
        for waiting in std::mem::take(&mut self.waiting) {
            let light = self.light(&waiting);
            let is_written = waiting.sequence <= durable;
            let is_seen = !matches!(light, Light::Open) || now >= waiting.until;
            if is_written && is_seen {
                waiting.tell(light);
            } else if is_written || now < waiting.write_until {
                self.waiting.push(waiting);
            } else {
                let why = self.store.trouble().unwrap_or_default();
                waiting.fail(NoAnswer::Unwritten(why));
            }
        }
    }

    fn light(&self, waiting: &Waiting) -> Light {
        let place = &waiting.place;
        let moving = self.moving.iter().any(|action| match action {
            Action::SetLed { place: moving, .. } => moving == place,
            Action::SetCap { .. }
            | Action::SwitchNode { .. }
            | Action::OrderDrive { .. }
            | Action::DetachDrive { .. }
            | Action::ReadSupplies { .. } => false,
        });
        let now = self.clock.now();
        let wanted = if self.rack.config.drive_bay(place).is_some() {
            drives::is_light_wanted(&self.rack, place, now)
        } else {
            plan::wanted_light(&self.rack, place, now)
        };
        waiting.light(&self.rack, &self.hand, moving, wanted, now)
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
            .chain(drives::deadlines(&self.rack))
            .filter(|moment| *moment > now)
            .min();
        let wall = Instant::now();
        let longest = self.decided + LONGEST_REST;
        let next = next.map_or(longest, |moment| self.clock.instant(moment));
        // What is over already waits for something else, which wakes us.
        let waiting = self
            .waiting
            .iter()
            .flat_map(|waiting| [waiting.until, waiting.write_until])
            .filter(|until| *until > wall);
        waiting
            .chain(self.store.deadline())
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
        (
            Action::SetCap { node: one, .. } | Action::SwitchNode { node: one, .. },
            Action::SetCap { node: other, .. } | Action::SwitchNode { node: other, .. },
        ) => one == other,
        // A node that does not answer an order to attach keeps nobody from shutting it out at the drive's own enclosure.
        (
            Action::OrderDrive {
                drive: one,
                wish: first,
            },
            Action::OrderDrive {
                drive: other,
                wish: second,
            },
        ) => one == other && first.is_of_the_user() == second.is_of_the_user(),
        (Action::DetachDrive { nqn: one, .. }, Action::DetachDrive { nqn: other, .. }) => one == other,
        (_, _) => false,
    }
}

/// Whether an action is about a drive or its bay: those are bounded by themselves.
fn is_drives(rack: &Rack, action: &Action) -> bool {
    match action {
        Action::OrderDrive { .. } | Action::DetachDrive { .. } => true,
        Action::SetLed { place, .. } => rack.config.drive_bay(place).is_some(),
        Action::SetCap { .. } | Action::SwitchNode { .. } | Action::ReadSupplies { .. } => false,
    }
}
