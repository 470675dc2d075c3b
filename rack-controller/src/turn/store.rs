//! What waits for the journal: events on their way to the disk, caps that rise with them, and answers to those who asked.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::NoAnswer;
use super::round::Turn;
use crate::claim::ClaimId;
use crate::decide::Input;
use crate::journal::{Batch, Journal, JournalError, Progress, Writer};
use crate::metrics::Own;
use crate::pools::power::act::lessor::head_of;
use crate::rack::{Event, NodeOrder, Rack, What, evolve};

/// How long an answer waits for the journal, and how long the disk may take before nothing more is promised: a healthy one takes
/// milliseconds, and a client waits for ten seconds.
pub(super) const STORE_PATIENCE: Duration = Duration::from_secs(3);
/// Events that may wait for the disk: some 50 MB, the events of hours in which everything flaps.
const MOST_UNWRITTEN: u64 = 100_000;
/// How long the end waits for the disk.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// What led to one piece of the journal that is not on the disk yet.
struct Unwritten {
    /// The number of its last event.
    sequence: u64,
    since: Instant,
    /// Orders that raise something: sent when the journal has them.
    raises: Vec<NodeOrder>,
}

/// An answer that waits until the journal has what it says.
pub(super) struct Held {
    sequence: u64,
    until: Instant,
    /// The claim that is taken back where the journal does not get it in time.
    claim: Option<ClaimId>,
    tell: Box<dyn FnOnce(Result<(), NoAnswer>) + Send>,
}

/// What waits for the journal.
pub(super) struct Store {
    writer: Writer,
    /// The journal's file.
    path: PathBuf,
    progress: watch::Receiver<Progress>,
    unwritten: VecDeque<Unwritten>,
    /// When the next snapshot is due, in events, and how many lie between two.
    snapshot_at: u64,
    snapshot_every: u64,
    held: Vec<Held>,
}

impl Store {
    /// Gives the journal to its thread. `read` is how many events were read at the start: where they were many, a snapshot is due at once.
    pub fn start(journal: Journal, read: u64, own: Own) -> Result<Store, JournalError> {
        let every = journal.snapshot_every();
        let begun = journal.last().sequence.saturating_sub(read);
        let path = journal.path().to_owned();
        let writer = Writer::start(journal, move |took| own.append(took))?;
        Ok(Store {
            progress: writer.progress(),
            snapshot_at: begun.saturating_add(every),
            snapshot_every: every,
            writer,
            path,
            unwritten: VecDeque::new(),
            held: Vec::new(),
        })
    }

    fn give(&mut self, events: Vec<Event>, rack: &Rack) {
        let sequence = rack.kept.sequence;
        let due = sequence >= self.snapshot_at;
        if due {
            self.snapshot_at = sequence.saturating_add(self.snapshot_every);
        }
        let snapshot = due.then(|| Box::new(rack.kept.clone()));
        self.writer.give(Batch { events, snapshot });
    }

    /// The number of the last event that is on the disk.
    pub fn durable(&self) -> u64 {
        self.progress.borrow().durable.sequence
    }

    /// The journal has come further, or cannot; false when its thread is gone.
    pub async fn changed(&mut self) -> bool {
        self.progress.changed().await.is_ok()
    }

    /// Why nothing new is promised; `None` while the disk takes what it is given.
    pub fn trouble(&self) -> Option<String> {
        let progress = self.progress.borrow();
        if let Some(trouble) = &progress.trouble {
            return Some(trouble.clone());
        }
        let oldest = self
            .unwritten
            .iter()
            .find(|waits| waits.sequence > progress.durable.sequence)?;
        (oldest.since.elapsed() >= STORE_PATIENCE).then(|| {
            format!(
                "the disk of {} has not answered for more than {} s",
                self.path.display(),
                STORE_PATIENCE.as_secs()
            )
        })
    }

    /// When an answer has waited long enough, or the disk.
    pub fn deadline(&self) -> Option<Instant> {
        let answers = self.held.iter().map(|held| held.until);
        let writes = self.unwritten.iter().map(|waits| waits.since + STORE_PATIENCE);
        let now = Instant::now();
        answers.chain(writes).filter(|at| *at > now).min()
    }

    /// Takes nothing more, and gives the disk a moment for the rest.
    pub async fn close(self) {
        self.writer.close(LAST_WRITE).await;
    }
}

impl Turn {
    /// Whether something may be asked of the rack that has to be journaled.
    pub(super) fn may_promise(&self) -> Result<(), NoAnswer> {
        self.store
            .trouble()
            .map_or(Ok(()), |why| Err(NoAnswer::Journal(why)))
    }

    /// Events happen: what lowers is sent, the rack goes on, and the journal's thread gets them.
    pub(super) fn happen(&mut self, mut events: Vec<Event>) -> Result<(), NoAnswer> {
        self.lower(&mut events);
        let kept: Vec<Event> = events
            .iter()
            .filter(|event| event.is_journaled())
            .cloned()
            .collect();
        let waiting = self.rack.kept.sequence.saturating_sub(self.store.durable());
        if !kept.is_empty() && waiting >= MOST_UNWRITTEN {
            self.keep_lowered(&events);
            return Err(NoAnswer::Journal(format!("{waiting} events wait for its disk")));
        }
        let mut raises = Vec::new();
        for event in &events {
            evolve(&mut self.rack, event);
            self.own.happened(event);
            if let What::CapsOrdered { orders, .. } = &event.what {
                raises.extend(orders.iter().filter(|given| !self.is_sent(given)).cloned());
            }
            if event.is_journaled() {
                tracing::info!(
                    sequence = self.rack.kept.sequence,
                    kind = event.kind(),
                    "{}",
                    event.message()
                );
            }
        }
        if !kept.is_empty() {
            self.store.unwritten.push_back(Unwritten {
                sequence: self.rack.kept.sequence,
                since: Instant::now(),
                raises,
            });
            self.store.give(kept, &self.rack);
        }
        Ok(())
    }

    fn is_sent(&self, given: &NodeOrder) -> bool {
        let sent = self.lessors.standing(&given.node);
        sent.is_some_and(|sent| sent.number >= given.order.number)
    }

    /// Orders that lower are sent before anything is written down (power.md, rule 8). One that lowers a cap whose raise still waits for
    /// the journal stays below what was sent too: so it need not wait for that.
    fn lower(&self, events: &mut [Event]) {
        for event in events {
            let What::CapsOrdered { orders, .. } = &mut event.what else {
                continue;
            };
            for NodeOrder { node, order } in orders {
                let standing = self.rack.kept.orders.get(node);
                if !standing.is_none_or(|standing| standing.is_above(order)) {
                    continue;
                }
                if let Some(sent) = self.lessors.standing(node) {
                    *order = order.at_most(&sent);
                }
                self.lessors.order(node, order);
            }
        }
    }

    /// Nothing more can wait for the disk: what was lowered stands, and is lowered no second time.
    fn keep_lowered(&mut self, events: &[Event]) {
        for event in events {
            let What::CapsOrdered { orders, .. } = &event.what else {
                continue;
            };
            let mut orders = orders.clone();
            orders.retain(|given| self.is_sent(given));
            evolve(
                &mut self.rack,
                &Event::new(event.at, What::CapsLowered { orders }),
            );
        }
    }

    /// The journal has come further: what waited for that is done, in order.
    pub(super) fn written(&mut self) {
        let progress = self.store.progress.borrow_and_update().clone();
        self.lessors.head(head_of(progress.durable));
        while let Some(first) = self.store.unwritten.front()
            && first.sequence <= progress.durable.sequence
            && let Some(first) = self.store.unwritten.pop_front()
        {
            for NodeOrder { node, order } in first.raises {
                // What was lowered since is not raised by an order from before.
                let newest = self.rack.kept.orders.get(&node);
                if newest.is_some_and(|newest| newest.number == order.number) {
                    self.lessors.order(&node, &order);
                }
            }
        }
        self.after();
        self.tell_held();
    }

    /// Answers whose events are on the disk, and those that have waited long enough.
    pub(super) fn tell_held(&mut self) {
        let (durable, trouble) = (self.store.durable(), self.store.trouble());
        let now = Instant::now();
        for held in std::mem::take(&mut self.store.held) {
            if held.sequence <= durable {
                (held.tell)(Ok(()));
            } else if let Some(why) = trouble.clone().filter(|_| now >= held.until || self.is_failing()) {
                (held.tell)(Err(self.take_back(held.claim, why)));
            } else {
                self.store.held.push(held);
            }
        }
        self.say_trouble(trouble);
    }

    fn is_failing(&self) -> bool {
        self.store.progress.borrow().trouble.is_some()
    }

    fn take_back(&mut self, claim: Option<ClaimId>, why: String) -> NoAnswer {
        let Some(claim) = claim else {
            return NoAnswer::Unwritten(why);
        };
        // Decided like everything else, and journaled after the claim itself.
        let _ = self.take(&Input::WithdrawClaim(claim));
        NoAnswer::Journal(why)
    }

    fn say_trouble(&self, trouble: Option<String>) {
        self.own.journal(trouble.is_none());
        self.own.missing(self.missing());
        let trouble = self
            .journal_doubts()
            .into_iter()
            .next()
            .map(|doubt| doubt.doubt.message);
        let changed = self.trouble.send_if_modified(|known| {
            let changed = known.is_some() != trouble.is_some();
            known.clone_from(&trouble);
            changed
        });
        match trouble {
            Some(why) if changed => tracing::error!("{why}"),
            None if changed => tracing::info!("the journal is written again"),
            Some(_) | None => {}
        }
    }

    /// Whether the answer about a claim still waits.
    pub(super) fn is_held(&self, claim: ClaimId) -> bool {
        self.store.held.iter().any(|held| held.claim == Some(claim))
    }

    /// Whether everything that happened is on the disk.
    pub(super) fn is_written(&self) -> bool {
        self.rack.kept.sequence <= self.store.durable()
    }

    /// An answer goes out when the journal has all that happened until now.
    pub(super) fn hold(
        &mut self,
        claim: Option<ClaimId>,
        tell: impl FnOnce(Result<(), NoAnswer>) + Send + 'static,
    ) {
        let sequence = self.rack.kept.sequence;
        if self.is_written() {
            tell(Ok(()));
            return;
        }
        self.store.held.push(Held {
            sequence,
            until: Instant::now() + STORE_PATIENCE,
            claim,
            tell: Box::new(tell),
        });
    }
}
