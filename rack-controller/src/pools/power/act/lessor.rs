//! Leases: one task a node keeps its agent at what was ordered. It sends an order at once and again each second, and tells the turn
//! when the agent's answer is another one than before, or does not come.
//!
//! What is sent is what stands in the watched order, so that a lowering never waits for anybody else: not for the turn, not for the
//! journal, not for another node.

pub mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::{Head, LeaseView};
use agent_api::{AgentClient, ClientError};
use facts::Power;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use self::machine::{Answer, Machine, REQUEST, Request};
use crate::clock::Clock;
use crate::config::{NodeConfig, RackConfig};
use crate::decide::Input;
use crate::eyes::{AgentFailure, agent_client, chain, is_it};
use crate::journal::{Journal, JournalError, Reader};
use crate::rack::{LeaseSight, Order};
use crate::turn::Message;

/// For a person's question; nobody else waits for it.
const ASKED: Duration = Duration::from_secs(3);
/// How long a renewal waits for one row of the journal: a healthy disk needs milliseconds.
const LOOKUP: Duration = Duration::from_millis(200);

/// What all lessors have in common.
#[derive(Clone)]
struct Office {
    rack: String,
    head: watch::Receiver<Head>,
    /// How far the journal had come at the start, and who reads it.
    begun: Head,
    reader: Reader,
    inputs: mpsc::Sender<Message>,
    clock: Clock,
    /// All nodes' names: an agent that calls itself by another one of them is that one's.
    names: Arc<BTreeSet<String>>,
}

/// The lessors of one rack. They end when this is dropped.
pub struct Lessors {
    orders: BTreeMap<String, watch::Sender<Option<Order>>>,
    head: watch::Sender<Head>,
}

impl Lessors {
    /// Starts one for each node whose agent holds its caps. Without `may_lease` there is none: nothing is sent. `journal` is what was read
    /// at the start.
    pub fn start(
        config: &RackConfig,
        may_lease: bool,
        inputs: &mpsc::Sender<Message>,
        clock: Clock,
        journal: &Journal,
    ) -> Lessors {
        let begun = head_of(journal.last());
        let (head, read_head) = watch::channel(begun.clone());
        let office = Office {
            rack: config.name.clone(),
            head: read_head,
            begun,
            reader: journal.reader(),
            inputs: inputs.clone(),
            clock,
            names: Arc::new(config.node_names()),
        };
        let nodes = config
            .nodes
            .iter()
            .filter(|node| may_lease && node.rest.is_some());
        let all = nodes.clone().count();
        let orders = nodes
            .enumerate()
            .map(|(number, node)| {
                let (order, orders) = watch::channel(None);
                let mut lessor = Lessor::new(node, office.clone(), orders);
                lessor.machine = lessor.machine.one_of(number, all);
                tokio::spawn(lessor.run());
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

    /// The nodes that are leased to.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.orders.keys().map(String::as_str)
    }

    /// How far the journal has come.
    pub fn head(&self, head: Head) {
        self.head.send_replace(head);
    }
}

/// The chain that the journal has at an event, if it has that.
type Found = Result<Option<String>, JournalError>;

/// One node's lessor: it waits and sends, and the machine says when and what.
struct Lessor {
    node: NodeConfig,
    machine: Machine,
    office: Office,
    orders: watch::Receiver<Option<Order>>,
    client: Option<AgentClient>,
    /// The last order that was answered.
    answered: u64,
    /// A head that is looked up in the journal, and the chain that stands there. Renewals do not wait for that.
    lookup: Option<JoinHandle<(Head, Found)>>,
}

impl Lessor {
    fn new(node: &NodeConfig, office: Office, orders: watch::Receiver<Option<Order>>) -> Lessor {
        let rest = node.rest.unwrap_or(Power::ZERO);
        Lessor {
            machine: Machine::new(&office.rack, rest, office.clock.now()).since(office.begun.clone()),
            node: node.clone(),
            office,
            orders,
            client: None,
            answered: 0,
            lookup: None,
        }
    }

    async fn run(mut self) {
        // An order that is there already is sent at once.
        self.orders.mark_changed();
        loop {
            let due = self.machine.due().map(|due| self.office.clock.instant(due));
            let wait = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.orders.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if let Some(order) = self.orders.borrow_and_update().as_ref() {
                        self.machine.order(order, self.office.clock.now());
                    }
                }
                () = wait => {}
            }
            let head = self.office.head.borrow().clone();
            let Some(request) = self.machine.send(self.office.clock.now(), &head) else {
                continue;
            };
            let answer = self.ask(request).await;
            let head = self.office.head.borrow().clone();
            let news = self.machine.heard(answer, &head, self.office.clock.now());
            self.look_up().await;
            if let Some(sight) = news {
                self.note(&sight);
                if !self.tell(sight) {
                    return;
                }
            }
        }
    }

    /// Whether the journal has what the agent was leased to under before. A disk that hangs is waited for only so long, and orders are not
    /// kept waiting at all: until it is known, the agent is sent a head below its own.
    async fn look_up(&mut self) {
        if self.lookup.is_none()
            && let Some(head) = self.machine.older()
        {
            let reader = self.office.reader.clone();
            self.lookup = Some(tokio::task::spawn_blocking(move || {
                let found = reader.chain_at(head.sequence);
                (head, found)
            }));
        }
        let Some(mut lookup) = self.lookup.take() else {
            return;
        };
        tokio::select! {
            looked = &mut lookup => {
                if let Ok((head, found)) = looked {
                    self.looked_up(head, found);
                }
            }
            () = tokio::time::sleep(LOOKUP) => self.lookup = Some(lookup),
            _ = self.orders.changed() => {
                self.orders.mark_changed();
                self.lookup = Some(lookup);
            }
        }
    }

    fn looked_up(&mut self, head: Head, found: Found) {
        match found {
            Ok(found) => {
                // An event that is kept no more says nothing against it.
                let is_there = found.is_none_or(|found| found == head.chain);
                self.machine.looked_up(&head, is_there);
            }
            Err(error) => {
                tracing::warn!("cannot look event {} up: {}", head.sequence, chain(&error));
                self.machine.not_looked_up(head);
            }
        }
    }

    /// An order was answered for the first time: what `cargo prove power` times losses by.
    fn note(&mut self, sight: &LeaseSight) {
        if sight.answered > self.answered {
            self.answered = sight.answered;
            tracing::debug!(
                node = self.node.name,
                order = sight.answered,
                applied = sight.applied,
                "an order was answered"
            );
        }
    }

    /// One request, and what came of it.
    async fn ask(&mut self, request: Request) -> Answer {
        match self.try_ask(request).await {
            Ok(view) => Answer::View(Box::new(view)),
            Err(failure @ AgentFailure::Agent(ClientError::Refused { .. })) => {
                Answer::Refused(chain(&failure))
            }
            Err(failure @ AgentFailure::Stranger { .. }) => {
                self.client = None;
                Answer::Stranger(chain(&failure))
            }
            Err(failure) => {
                self.client = None;
                Answer::Silent(chain(&failure))
            }
        }
    }

    async fn try_ask(&mut self, request: Request) -> Result<LeaseView, AgentFailure> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => agent_client(&self.node)?.with_deadline(REQUEST),
        };
        self.client = Some(client.clone());
        // An agent is asked before anything is leased to it, so that another node's is never leased what is this one's.
        let view = match request {
            Request::Ask => client.lease().await?,
            Request::Put(lease) => client.take_lease(&lease).await?,
        };
        is_it(&self.node, &self.office.names, view.node.as_deref())?;
        Ok(view)
    }

    /// Tells the turn what is new; false when the turn is gone. A turn that is busy is not waited for, because renewals must not wait:
    /// it is told a second later.
    fn tell(&mut self, sight: LeaseSight) -> bool {
        let input = Input::LeaseSeen {
            node: self.node.name.clone(),
            seen: sight.clone(),
        };
        match self.office.inputs.try_send(Message::Seen(input)) {
            Ok(()) => self.machine.told(sight),
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
