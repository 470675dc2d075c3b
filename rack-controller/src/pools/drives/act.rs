//! The only hand that orders something about drives, and the only place where its mode is asked. It writes nothing itself: agents do, and
//! read back what they did.
//!
//! Level-triggered, like the hand for power: what failed is wanted again later. Each order is a task of its own with a deadline, so that no
//! drive waits for another one. What an answer says is not believed either: the eye looks again, and that is what the core decides by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_api::v1::DriveOrder;
use agent_api::{AgentClient, ClientError};
use intent::{Actuator, Actuators};

use crate::config::{NodeConfig, RackConfig};
use crate::eyes::{AgentFailure, Looks, agent_client, chain, is_it};
use crate::metrics::Own;
use crate::rack::Outcome;

/// For one order, its read-back included: a kernel needs 10 s to let go of a connection (6.1), and a connect waits for as long.
const DEADLINE: Duration = Duration::from_secs(30);

/// The hand. Cheap to clone.
#[derive(Clone)]
pub struct DriveHand {
    actuators: Actuators,
    nodes: Arc<BTreeMap<String, NodeConfig>>,
    names: Arc<BTreeSet<String>>,
    clients: Arc<Mutex<BTreeMap<String, AgentClient>>>,
    looks: Looks,
    own: Own,
}

impl DriveHand {
    /// The hand of one rack, with the modes of its configuration.
    pub fn new(config: &RackConfig, looks: Looks, own: Own) -> DriveHand {
        let nodes = config.nodes.iter().map(|node| (node.name.clone(), node.clone()));
        DriveHand {
            actuators: config.actuators.clone(),
            nodes: Arc::new(nodes.collect()),
            names: Arc::new(config.node_names()),
            clients: Arc::default(),
            looks,
            own,
        }
    }

    /// The gate: what holds an order back; `None` where nothing does.
    pub fn held_back(&self, order: &DriveOrder) -> Option<Actuator> {
        let actuator = match order {
            DriveOrder::Locate { .. } => Actuator::Led,
            DriveOrder::Admit { .. }
            | DriveOrder::Shut { .. }
            | DriveOrder::Erase { .. }
            | DriveOrder::Attach { .. }
            | DriveOrder::Detach { .. } => Actuator::Drives,
        };
        (!self.actuators.may_act(actuator)).then_some(actuator)
    }

    /// Gives one order to a node's agent, or says that it would.
    pub async fn act(&self, node: &str, order: &DriveOrder) -> Outcome {
        let word = word(order);
        if self.held_back(order).is_some() {
            self.own.action(word, "would");
            return Outcome::Would;
        }
        let done = match tokio::time::timeout(DEADLINE, self.order(node, order)).await {
            Ok(done) => done.map_err(|failure| chain(&failure)),
            Err(_) => Err(format!("not done and read back within {DEADLINE:?}")),
        };
        // Whatever came of it, the eye shall see how it is now.
        self.looks.now(node);
        match done {
            Ok(()) => {
                self.own.action(word, "done");
                Outcome::Done
            }
            Err(why) => {
                self.own.action(word, "failed");
                Outcome::Failed(why)
            }
        }
    }

    async fn order(&self, node: &str, order: &DriveOrder) -> Result<(), AgentFailure> {
        let client = self.client(node).await?;
        let answered = client.order_drive(order).await;
        if let Err(error) = &answered
            && !matches!(error, ClientError::Refused { .. })
        {
            // Whoever answers there next is asked first who it is.
            self.clients().remove(node);
        }
        answered?;
        Ok(())
    }

    /// The client of a node's agent, which was asked whose it is before anything is ordered of it.
    async fn client(&self, node: &str) -> Result<AgentClient, AgentFailure> {
        if let Some(client) = self.clients().get(node) {
            return Ok(client.clone());
        }
        let Some(config) = self.nodes.get(node) else {
            return Err(AgentFailure::Unknown(node.to_owned()));
        };
        let client = agent_client(config)?.with_deadline(DEADLINE);
        let said = client.drives().await?.node;
        is_it(config, &self.names, said.as_deref())?;
        self.clients().insert(node.to_owned(), client.clone());
        Ok(client)
    }

    fn clients(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, AgentClient>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn word(order: &DriveOrder) -> &'static str {
    match order {
        DriveOrder::Admit { .. } => "drive_admit",
        DriveOrder::Shut { .. } => "drive_shut",
        DriveOrder::Erase { .. } => "drive_erase",
        DriveOrder::Attach { .. } => "drive_attach",
        DriveOrder::Detach { .. } => "drive_detach",
        DriveOrder::Locate { .. } => "led",
    }
}
