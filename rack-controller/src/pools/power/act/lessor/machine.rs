//! One node's lessor as a machine: pure, with time and answers as arguments and requests as results. The task around it waits and
//! sends; the house's simulator does the same on a clock of its own.

use std::time::Duration;

use agent_api::v1::{Head, Lease, LeaseInForce, LeaseView};
use facts::{Moment, Power};

use crate::rack::{LeaseSight, Order};

/// How long a cap stands that nobody renews (power.md, rule 5).
pub const LEASE: Duration = Duration::from_secs(5);
/// How often it is renewed.
pub const RENEW: Duration = Duration::from_secs(1);
/// An agent that has not answered for this long counts with its cap in force instead of the armed one (power.md, rule 6).
pub const SILENT: Duration = Duration::from_millis(1_500);
/// For one request: two of them fit into the time after which an agent is silent.
pub const REQUEST: Duration = Duration::from_millis(700);
/// The rest after a refusal, so that an agent that refuses everything is not asked without pause.
pub const REFUSED: Duration = Duration::from_millis(200);

/// What goes to the agent.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// How do you stand to your lease? What it answers is needed for the next one.
    Ask,
    /// This is your lease.
    Put(Box<Lease>),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// How the agent stands to its lease now.
    View(Box<LeaseView>),
    /// It said no, and why.
    Refused(String),
    /// It did not answer, and what is known of why.
    Silent(String),
    /// Another node's agent answered, and which. What it said of itself says nothing of this node.
    Stranger(String),
}

/// One node's lessor.
#[derive(Debug)]
pub struct Machine {
    rack: String,
    /// What of the node its agent's caps do not cover.
    rest: Power,
    order: Option<Order>,
    /// What the agent said last: its boot and its clock go into the next lease.
    view: Option<LeaseView>,
    told: Option<LeaseSight>,
    /// How far the journal had come when the controller started. What it wrote since says nothing of what it lost.
    begun: Option<Head>,
    /// What the agent's journal had come to where ours lacks that: never taken back, because ours goes on from where it was cut off,
    /// and is longer than the other one some day.
    forgot: Option<u64>,
    /// An older head of the agent's, which the journal has to be asked for.
    older: Option<Head>,
    /// What is sent as the journal's head while ours lacks what the agent knows, or may: below that, so that the agent takes what lowers
    /// and what renews, refuses what rises, and keeps what it knows for the next controller.
    low: Option<Head>,
    /// Whether what the agent knew before our first lease was looked at.
    is_compared: bool,
    answered_at: Moment,
    /// At which part of each second it is renewed; a second after each answer where there is none.
    phase: Option<Duration>,
    /// When the next request is due; `None` before the first order and while a request is under way.
    due: Option<Moment>,
    /// The request that is under way: whether it only asks, and the number of the order that it was made of.
    under_way: Option<(bool, u64)>,
}

impl Machine {
    /// The lessor of one node of a rack, with nothing ordered yet.
    pub fn new(rack: &str, rest: Power, now: Moment) -> Machine {
        Machine {
            rack: rack.to_owned(),
            rest,
            order: None,
            view: None,
            told: None,
            begun: None,
            forgot: None,
            older: None,
            low: None,
            is_compared: false,
            answered_at: now,
            phase: None,
            due: None,
            under_way: None,
        }
    }

    /// The same, for a journal that had come so far when its controller started.
    #[must_use]
    pub fn since(self, begun: Head) -> Machine {
        Machine {
            begun: Some(begun),
            ..self
        }
    }

    /// The same, renewed at a part of each second that is its own among so many: a rack's renewals in one moment would keep whoever asks
    /// for something meanwhile waiting for all of them.
    #[must_use]
    pub fn one_of(self, number: usize, all: usize) -> Machine {
        let share = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let phase = RENEW.saturating_mul(share(number)).checked_div(share(all));
        Machine { phase, ..self }
    }

    /// How long until the next renewal. Between half of [`RENEW`] and all of it: an agent is not given less time to answer twice.
    fn until_renewal(&self, now: Moment) -> Duration {
        let Some(phase) = self.phase else { return RENEW };
        let every = u64::try_from(RENEW.as_millis()).unwrap_or(u64::MAX);
        let phase = u64::try_from(phase.as_millis()).unwrap_or(0);
        let gone = now.millis().saturating_add(every).saturating_sub(phase) % every;
        let left = every.saturating_sub(gone);
        let half = every / 2;
        Duration::from_millis(if left >= half {
            left
        } else {
            left.saturating_add(half)
        })
    }

    /// A head before the controller's start that the agent keeps: whether the journal has it must be looked up, once.
    pub const fn older(&mut self) -> Option<Head> {
        self.older.take()
    }

    /// What the journal says of a head that was [older](Machine::older): that it has it, or another one there.
    pub fn looked_up(&mut self, head: &Head, is_there: bool) {
        if !is_there {
            self.forgot.get_or_insert(head.sequence);
        } else if self.forgot.is_none() {
            self.low = None;
        }
    }

    /// The journal could not be asked: again.
    pub fn not_looked_up(&mut self, head: Head) {
        self.older = Some(head);
    }

    /// The node's order, to be sent at once. One that is not later than the last changes nothing.
    pub fn order(&mut self, order: &Order, now: Moment) {
        if self
            .order
            .as_ref()
            .is_some_and(|standing| standing.number >= order.number)
        {
            return;
        }
        self.order = Some(order.clone());
        if self.under_way.is_none() {
            self.due = Some(now);
        }
    }

    /// When there is something to send; `None` where nothing is until an order or an answer comes.
    pub const fn due(&self) -> Option<Moment> {
        self.due
    }

    /// The request that is due, if one is. `head` is how far the journal has come.
    pub fn send(&mut self, now: Moment, head: &Head) -> Option<Request> {
        self.due.filter(|due| *due <= now)?;
        let view = self.view.take();
        let order = self.order.as_ref()?;
        // Where the agent was given a later lease in our name, ours would be refused until the turn has ordered anew.
        let is_ours = |view: &LeaseView| self.ours(view).is_none_or(|lease| lease.sequence <= order.number);
        let request = match view.filter(is_ours) {
            None => Request::Ask,
            Some(view) => Request::Put(Box::new(self.lease(order, view, head))),
        };
        self.under_way = Some((matches!(request, Request::Ask), order.number));
        self.due = None;
        Some(request)
    }

    fn lease(&self, order: &Order, before: LeaseView, head: &Head) -> Lease {
        let part = |whole: Power| whole.saturating_sub(self.rest);
        Lease {
            rack: self.rack.clone(),
            sequence: order.number,
            boot_id: before.boot_id,
            heard_millis: before.now_millis,
            valid_millis: u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX),
            cap_watts: part(order.cap),
            levels: order.levels.iter().map(|level| part(*level)).collect(),
            level: 0,
            head: self.low.as_ref().unwrap_or(head).clone(),
        }
    }

    /// What came of the request under way, and what the turn should know of that, if it is new. An answer that nobody waits for
    /// says nothing.
    pub fn heard(&mut self, answer: Answer, head: &Head, now: Moment) -> Option<LeaseSight> {
        let (only_asked, number) = self.under_way.take()?;
        let standing = self.order.as_ref().map_or(number, |order| order.number);
        // An order that came meanwhile goes out without waiting for the next second.
        let rest = |rest: Duration| if standing > number { now } else { now.after(rest) };
        let sight = match answer {
            Answer::View(view) => {
                let given = self.ours(&view).map_or(0, |lease| lease.sequence);
                self.compare(only_asked, &view, head);
                let sight = self.sight(number, &view);
                self.view = Some(*view);
                // The question alone gives no lease: that follows at once. But where somebody with our name gave a later one, our journal
                // forgot it, and the turn shall order anew.
                if only_asked && given <= number {
                    self.due = Some(now);
                    return None;
                }
                self.due = Some(rest(self.until_renewal(now)));
                self.answered_at = now;
                sight
            }
            Answer::Refused(why) => {
                self.due = Some(rest(REFUSED));
                self.answered_at = now;
                LeaseSight {
                    applied: false,
                    in_force: None,
                    silent_since: None,
                    stranger: false,
                    reason: Some(why),
                    ..self.told.clone().unwrap_or_default()
                }
            }
            Answer::Silent(why) => {
                self.due = Some(rest(REFUSED));
                let before = self.told.clone().unwrap_or_default();
                if now.since(self.answered_at) < SILENT || before.silent_since.is_some() {
                    return None;
                }
                LeaseSight {
                    silent_since: Some(now),
                    reason: Some(why),
                    ..before
                }
            }
            // Nobody answers for this node, and that is known at once.
            Answer::Stranger(why) => {
                self.due = Some(rest(RENEW));
                let before = self.told.clone().unwrap_or_default();
                LeaseSight {
                    silent_since: before.silent_since.or(Some(now)),
                    stranger: true,
                    reason: Some(why),
                    ..before
                }
            }
        };
        (self.told.as_ref() != Some(&sight)).then_some(sight)
    }

    /// The turn has been told this.
    pub fn told(&mut self, sight: LeaseSight) {
        self.told = Some(sight);
    }

    /// The lease that we gave, and nobody else.
    fn ours<'a>(&self, view: &'a LeaseView) -> Option<&'a LeaseInForce> {
        view.lease.as_ref().filter(|lease| lease.rack == self.rack)
    }

    /// Whether the agent knows of events that our journal has not. Before it was given a lease by us, its head is from before our start.
    fn compare(&mut self, only_asked: bool, view: &LeaseView, head: &Head) {
        // Only the first answer to a question is from before: the answer to our first lease may be lost, and then the next question is
        // answered with a head of our own.
        let is_from_before = only_asked && !std::mem::replace(&mut self.is_compared, true);
        let Some(seen) = &view.head else { return };
        // Where the lease is another rack's, so is the head.
        if self.ours(view).is_none() {
            return;
        }
        let begun = self.begun.as_ref().filter(|_| is_from_before);
        let known = begun.unwrap_or(head);
        let is_beyond =
            seen.sequence > known.sequence || (seen.sequence == known.sequence && seen.chain != known.chain);
        if is_beyond {
            self.forgot.get_or_insert(seen.sequence);
        } else if begun.is_some() && seen.sequence < known.sequence {
            self.older = Some(seen.clone());
        }
        if is_beyond || self.older.is_some() {
            self.low = Some(Head {
                sequence: seen.sequence.saturating_sub(1),
                chain: seen.chain.clone(),
            });
        }
    }

    /// What the turn needs to know of an answer.
    fn sight(&self, number: u64, view: &LeaseView) -> LeaseSight {
        let ours = self.ours(view);
        let is_this = ours.is_some_and(|lease| lease.sequence == number);
        LeaseSight {
            answered: ours.map_or(0, |lease| lease.sequence),
            in_force: ours
                .and_then(|lease| lease.in_force_watts)
                .map(|watts| watts.saturating_add(self.rest)),
            applied: is_this && ours.is_some_and(|lease| lease.applied && !lease.expired),
            expired: ours.is_some_and(|lease| lease.expired),
            silent_since: None,
            stranger: false,
            ahead: self.forgot,
            reason: ours.and_then(|lease| lease.why_not.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_is_renewed_at_its_own_part_of_a_second_and_never_later_than_after_one() {
        let long = |millis: u64| Duration::from_millis(millis);
        for (number, all) in [(0, 1), (0, 64), (17, 64), (63, 64), (999, 1_000)] {
            let machine = Machine::new("r", Power::ZERO, Moment::EPOCH).one_of(number, all);
            for answered in (0..3_000).step_by(7) {
                let mut now = Moment::from_millis(answered);
                for _ in 0..2 {
                    let rest = machine.until_renewal(now);
                    assert!((long(500)..=RENEW).contains(&rest), "{number} of {all}: {rest:?}");
                    now = now.after(rest);
                }
                let phase = u64::try_from(number * 1_000 / all).unwrap_or(u64::MAX);
                assert_eq!(
                    now.millis() % 1_000,
                    phase,
                    "{number} of {all}, answered at {answered}"
                );
                // Where the answer takes its time, the next one is not later for it.
                assert_eq!(machine.until_renewal(now.after(long(3))), long(997));
            }
        }
        let alone = Machine::new("r", Power::ZERO, Moment::EPOCH);
        assert_eq!(alone.until_renewal(Moment::from_millis(123)), RENEW);
    }
}
