//! The only hand that orders something about drives, and the only place where its mode is asked. It writes nothing itself: agents do, and
//! read back what they did. Of an enclosure that a BMC speaks for it lights bays and has drives erased, over
//! Redfish, and nothing else.
//!
//! Level-triggered, like the hand for power: what failed is wanted again later. Each order is a task of its own with a deadline, so that no
//! drive waits for another one. What an answer says is not believed either: the eye looks again, and that is what the core decides by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agent_api::v1::DriveOrder;
use agent_api::{AgentClient, ClientError};
use intent::{Actuator, Actuators};

use crate::clock::Clock;
use crate::config::{NodeConfig, RackConfig};
use crate::eyes::erasures::{Asked, Erasures, Stands};
use crate::eyes::{AgentFailure, Line, Lines, Looks, agent_client, chain, is_it};
use crate::metrics::Own;
use crate::pools::drives::keys::{KeyName, Keys};
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
    /// Of enclosures that a BMC speaks for, by who tells of them.
    bmcs: Arc<BTreeMap<String, Arc<Line>>>,
    erasures: Arc<Erasures>,
    looks: Looks,
    clock: Clock,
    own: Own,
    keys: Keys,
}

impl DriveHand {
    /// The hand of one rack, with the modes of its configuration.
    pub fn new(config: &RackConfig, lines: &Lines, clock: Clock, own: Own) -> DriveHand {
        let bmcs = config.enclosures.iter().filter_map(|enclosure| {
            let line = lines.get(enclosure.bmc.as_ref()?)?;
            Some((enclosure.of_bmc()?, Arc::clone(line)))
        });
        let nodes = config.nodes.iter().map(|node| (node.name.clone(), node.clone()));
        DriveHand {
            actuators: config.actuators.clone(),
            nodes: Arc::new(nodes.collect()),
            names: Arc::new(config.node_names()),
            clients: Arc::default(),
            bmcs: Arc::new(bmcs.collect()),
            erasures: Arc::clone(lines.erasures()),
            looks: lines.looks().clone(),
            clock,
            own,
            keys: Keys::at(&config.state_dir),
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

    /// An order with the key that goes with it, where one does. Without the secret it goes without: a lender that asks for one says so.
    pub fn keyed(&self, order: DriveOrder, name: Option<&KeyName>) -> DriveOrder {
        let Some(name) = name.filter(|_| self.held_back(&order).is_none()) else {
            return order;
        };
        match self.keys.told(order.clone(), name) {
            Ok(order) => order,
            Err(error) => {
                tracing::warn!(%error, "no node can prove to a lender of drives who it is");
                order
            }
        }
    }

    /// Gives one order to a node's agent, or to the BMC of an enclosure, or says that it would.
    pub async fn act(&self, node: &str, order: &DriveOrder) -> Outcome {
        let word = word(order);
        if self.held_back(order).is_some() {
            self.own.action(word, "would");
            return Outcome::Would;
        }
        let ordered = async {
            match self.bmcs.get(node) {
                Some(line) => self.over_redfish(line, order).await,
                None => self.order(node, order).await.map_err(|failure| chain(&failure)),
            }
        };
        let done = match tokio::time::timeout(DEADLINE, ordered).await {
            Ok(done) => done,
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

    /// A BMC lights bays and erases drives. It is ordered nothing else: it offers no drive to anybody.
    async fn over_redfish(&self, line: &Line, order: &DriveOrder) -> Result<(), String> {
        let done = match order {
            DriveOrder::Locate { slot, lit } => {
                let resource = line.drive_bay(slot)?;
                let bmc = line.bmc().await.map_err(|error| chain(&error))?;
                let done = bmc::act::set_led(&bmc, &resource, *lit).await;
                done.map_err(|error| chain(&error))
            }
            DriveOrder::Erase {
                drive,
                generation,
                overwrite,
                ..
            } => {
                let asked = Asked {
                    bmc: line.name().to_owned(),
                    resource: line.drive(drive)?,
                    drive: drive.clone(),
                    generation: *generation,
                    began: self.clock.now(),
                    stands: Stands::Asking,
                };
                self.erase(line, asked, *overwrite).await
            }
            DriveOrder::Admit { .. }
            | DriveOrder::Shut { .. }
            | DriveOrder::Attach { .. }
            | DriveOrder::Detach { .. } => {
                let (bmc, word) = (line.name(), word(order));
                Err(format!(
                    "only the BMC {bmc} speaks for this enclosure, and it is not asked for {word}; expected an enclosure with an agent"
                ))
            }
        };
        line.look_now();
        done
    }

    /// Once for each try, and noted before it is asked: a task that nobody remembers could not be followed.
    async fn erase(&self, line: &Line, asked: Asked, overwrite: bool) -> Result<(), String> {
        if !self.erasures.begin(asked.clone()).await? {
            return Ok(());
        }
        let begun = async {
            let bmc = line.bmc().await.map_err(|error| chain(&error))?;
            let is_it = |who: &facts::Identity| *who == asked.drive;
            let begun = bmc::act::secure_erase(&bmc, &asked.resource, overwrite, asked.began, is_it).await;
            begun.map_err(|error| chain(&error))
        };
        let begun = begun.await;
        let stands = match &begun {
            Ok(begun) => Stands::Task {
                kind: begun.kind.clone(),
                path: begun.task.clone(),
            },
            Err(why) => Stands::Failed { why: why.clone() },
        };
        let noted = self
            .erasures
            .stands(&asked.bmc, &asked.drive, asked.generation, stands);
        noted.await.and(begun.map(|_| ()))
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
