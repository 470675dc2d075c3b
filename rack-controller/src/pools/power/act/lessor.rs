//! Leases: one task a node keeps its agent at what was ordered. It sends an order at once and again each second, and tells the turn
//! when the agent's answer is another one than before, or does not come.
//!
//! What is sent is what stands in the watched order, so that a lowering never waits for anybody else: not for the turn, not for the
//! journal, not for another node.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_api::v1::{Head, Lease, LeaseInForce, LeaseView};
use agent_api::{AgentClient, ClientError};
use facts::Power;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::config::{NodeConfig, RackConfig};
use crate::decide::Input;
use crate::eyes::{AgentFailure, agent_client, chain};
use crate::rack::{LeaseSight, Order};
use crate::turn::Message;

/// How long a cap stands that nobody renews (power.md, rule 5).
pub const LEASE: Duration = Duration::from_secs(5);
/// How often it is renewed.
pub const RENEW: Duration = Duration::from_secs(1);
/// An agent that has not answered for this long counts with its cap in force instead of the armed one (power.md, rule 6).
pub const SILENT: Duration = Duration::from_millis(1_500);
/// For one request: two of them fit into the time after which an agent is silent.
const REQUEST: Duration = Duration::from_millis(700);
/// For a person's question; nobody else waits for it.
const ASKED: Duration = Duration::from_secs(3);
/// The rest after a refusal, so that an agent that refuses everything is not asked without pause.
const REFUSED: Duration = Duration::from_millis(200);

/// What all lessors have in common.
#[derive(Clone)]
struct Office {
    rack: String,
    head: watch::Receiver<Head>,
    inputs: mpsc::Sender<Message>,
    clock: Clock,
}

/// The lessors of one rack. They end when this is dropped.
pub struct Lessors {
    orders: BTreeMap<String, watch::Sender<Option<Order>>>,
    head: watch::Sender<Head>,
}

impl Lessors {
    /// Starts one for each node whose agent holds its caps. Without `may_lease` there is none: nothing is sent.
    pub fn start(
        config: &RackConfig,
        may_lease: bool,
        inputs: &mpsc::Sender<Message>,
        clock: Clock,
        head: Head,
    ) -> Lessors {
        let (head, read_head) = watch::channel(head);
        let office = Office {
            rack: config.name.clone(),
            head: read_head,
            inputs: inputs.clone(),
            clock,
        };
        let nodes = config
            .nodes
            .iter()
            .filter(|node| may_lease && node.rest.is_some());
        let orders = nodes
            .map(|node| {
                let (order, orders) = watch::channel(None);
                tokio::spawn(Lessor::new(node, office.clone(), orders).run());
                (node.name.clone(), order)
            })
            .collect();
        Lessors { orders, head }
    }

    /// A node's order. An older one than the last is not taken.
    pub fn order(&self, node: &str, order: &Order) {
        if let Some(sender) = self.orders.get(node) {
            sender.send_if_modified(|standing| {
                let is_new = standing
                    .as_ref()
                    .is_none_or(|standing| standing.number < order.number);
                if is_new {
                    *standing = Some(order.clone());
                }
                is_new
            });
        }
    }

    /// What a node's lessor sends now.
    pub fn standing(&self, node: &str) -> Option<Order> {
        self.orders.get(node)?.borrow().clone()
    }

    /// How far the journal has come.
    pub fn head(&self, head: Head) {
        self.head.send_replace(head);
    }
}

/// One node's lessor.
struct Lessor {
    node: NodeConfig,
    rest: Power,
    office: Office,
    orders: watch::Receiver<Option<Order>>,
    client: Option<AgentClient>,
    /// What the agent said last: its boot and its clock go into the next lease.
    view: Option<LeaseView>,
    told: Option<LeaseSight>,
    answered_at: Instant,
}

impl Lessor {
    fn new(node: &NodeConfig, office: Office, orders: watch::Receiver<Option<Order>>) -> Lessor {
        Lessor {
            rest: node.rest.unwrap_or(Power::ZERO),
            node: node.clone(),
            office,
            orders,
            client: None,
            view: None,
            told: None,
            answered_at: Instant::now(),
        }
    }

    async fn run(mut self) {
        // An order that is there already is sent at once.
        self.orders.mark_changed();
        loop {
            let renewal = tokio::time::sleep(RENEW);
            tokio::select! {
                changed = self.orders.changed() => if changed.is_err() { return },
                () = renewal => {}
            }
            let Some(order) = self.orders.borrow_and_update().clone() else {
                continue;
            };
            let told = match self.give(&order).await {
                Ok(view) => {
                    self.answered_at = Instant::now();
                    let sight = self.sight(&order, &view);
                    self.note(&sight);
                    self.view = Some(view);
                    self.tell(sight)
                }
                Err(failure) => self.failed(&failure).await,
            };
            if !told {
                return;
            }
        }
    }

    /// Gives the order, and answers with how the agent stands to it then.
    async fn give(&mut self, order: &Order) -> Result<LeaseView, AgentFailure> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => agent_client(&self.node)?.with_deadline(REQUEST),
        };
        self.client = Some(client.clone());
        let before = match self.view.take() {
            Some(view) => view,
            None => client.lease().await?,
        };
        if self
            .ours(&before)
            .is_some_and(|lease| lease.sequence > order.number)
        {
            // Somebody with our name gave a later one: our journal forgot it. The turn shall order anew.
            return Ok(before);
        }
        Ok(client.take_lease(&self.lease(order, &before)).await?)
    }

    fn lease(&self, order: &Order, before: &LeaseView) -> Lease {
        let part = |whole: Power| whole.saturating_sub(self.rest);
        Lease {
            rack: self.office.rack.clone(),
            sequence: order.number,
            boot_id: before.boot_id.clone(),
            heard_millis: before.now_millis,
            valid_millis: u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX),
            cap_watts: part(order.cap),
            levels: order.levels.iter().map(|level| part(*level)).collect(),
            level: 0,
            head: self.office.head.borrow().clone(),
        }
    }

    /// The lease that we gave, and nobody else.
    fn ours<'a>(&self, view: &'a LeaseView) -> Option<&'a LeaseInForce> {
        view.lease.as_ref().filter(|lease| lease.rack == self.office.rack)
    }

    /// What the turn needs to know of the answer.
    fn sight(&self, order: &Order, view: &LeaseView) -> LeaseSight {
        let ours = self.ours(view);
        let is_this = ours.is_some_and(|lease| lease.sequence == order.number);
        let head = self.office.head.borrow();
        let ahead = view.head.as_ref().filter(|seen| {
            seen.sequence > head.sequence || (seen.sequence == head.sequence && seen.chain != head.chain)
        });
        LeaseSight {
            answered: ours.map_or(0, |lease| lease.sequence),
            in_force: ours
                .and_then(|lease| lease.in_force_watts)
                .map(|watts| watts.saturating_add(self.rest)),
            applied: is_this && ours.is_some_and(|lease| lease.applied && !lease.expired),
            expired: ours.is_some_and(|lease| lease.expired),
            silent_since: None,
            ahead: ahead.map(|head| head.sequence),
            reason: ours.and_then(|lease| lease.why_not.clone()),
        }
    }

    /// An order was answered for the first time: what `cargo prove power` times losses by.
    fn note(&self, sight: &LeaseSight) {
        let before = self.told.as_ref().map_or(0, |told| told.answered);
        if sight.answered > before {
            tracing::debug!(
                node = self.node.name,
                order = sight.answered,
                applied = sight.applied,
                "an order was answered"
            );
        }
    }

    /// The agent refused, or did not answer. What it said before is not believed any more: the next try asks it anew.
    async fn failed(&mut self, failure: &AgentFailure) -> bool {
        let before = self.told.clone().unwrap_or_default();
        let refused = matches!(failure, AgentFailure::Agent(ClientError::Refused { .. }));
        let told = if refused {
            self.answered_at = Instant::now();
            let sight = LeaseSight {
                applied: false,
                in_force: None,
                silent_since: None,
                reason: Some(chain(failure)),
                ..before
            };
            self.tell(sight)
        } else {
            self.client = None;
            self.fall_silent(before, failure)
        };
        tokio::select! {
            () = tokio::time::sleep(REFUSED) => {}
            changed = self.orders.changed() => if changed.is_err() { return false },
        }
        // The order of the moment is sent again without waiting for the next second.
        self.orders.mark_changed();
        told
    }

    fn fall_silent(&mut self, before: LeaseSight, failure: &AgentFailure) -> bool {
        if self.answered_at.elapsed() < SILENT || before.silent_since.is_some() {
            return true;
        }
        let sight = LeaseSight {
            silent_since: Some(self.office.clock.now()),
            reason: Some(chain(failure)),
            ..before
        };
        self.tell(sight)
    }

    /// Tells the turn what is new; false when the turn is gone. A turn that is busy is not waited for, because renewals must not wait:
    /// it is told a second later.
    fn tell(&mut self, sight: LeaseSight) -> bool {
        if self.told.as_ref() == Some(&sight) {
            return true;
        }
        let input = Input::LeaseSeen {
            node: self.node.name.clone(),
            seen: sight.clone(),
        };
        match self.office.inputs.try_send(Message::Seen(input)) {
            Ok(()) => self.told = Some(sight),
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Closed(_)) => return false,
        }
        true
    }
}

/// How far the journal had come by which a node's agent was leased to last; `None` where it never was.
///
/// # Errors
/// The agent cannot be asked.
pub async fn head_at(node: &NodeConfig) -> Result<Option<Head>, AgentFailure> {
    let client = agent_client(node)?.with_deadline(ASKED);
    Ok(client.lease().await?.head)
}

/// How far a journal has come, as agents keep it.
pub fn head_of(link: crate::journal::Link) -> Head {
    Head {
        sequence: link.sequence,
        chain: link.hex(),
    }
}
