//! What a runtime asks and says of its containers (NRI), as orders to the keeper.

mod asked;

use facts::{Inventory, Moment};
use intent::WorkloadId;

use super::{Desk, OrderError, Reply, Task};
use crate::reconcile::{Container, Given, KeeperError};

pub(super) enum Order {
    /// The runtime is about to create one.
    Place(Box<Container>, Reply<Placed>),
    /// It has ended.
    Gone(String, Reply<Option<WorkloadId>>),
    /// These are all.
    Meet(Vec<Container>, Reply<Vec<Given>>),
    /// What each was given.
    All(Reply<Vec<Given>>),
    /// Of those whose owner writes their cgroup.
    Asked(asked::Order),
}

/// What a container was given, and all that others were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// What it was given.
    pub given: Given,
    /// Everybody, itself included.
    pub all: Vec<Given>,
}

impl Desk {
    /// Places a container that its runtime is about to create. Where nobody waits for the answer any more, it is given back.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn place_container(&self, container: Container) -> Result<Placed, OrderError> {
        let order = |reply| super::Order::Containers(Order::Place(Box::new(container), reply));
        self.order(order).await
    }

    /// A container has ended, as its runtime says. Gives the workload that it was, where what it held is free.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn container_gone(&self, container: String) -> Result<Option<WorkloadId>, OrderError> {
        let order = |reply| super::Order::Containers(Order::Gone(container, reply));
        self.order(order).await
    }

    /// These are all containers of the runtime. Gives what each was given.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn meet_containers(&self, all: Vec<Container>) -> Result<Vec<Given>, OrderError> {
        let order = |reply| super::Order::Containers(Order::Meet(all, reply));
        self.order(order).await
    }

    /// What each container was given, and what its cgroup lacks of it.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn containers(&self) -> Result<Vec<Given>, OrderError> {
        self.order(|reply| super::Order::Containers(Order::All(reply)))
            .await
    }
}

impl Task {
    pub(super) fn containers(&mut self, order: Order, inventory: &Inventory, now: Moment) {
        match order {
            Order::Place(container, reply) => {
                let placed = self.place_container(&container, inventory, now);
                if reply.send(placed).is_err()
                    && let Err(error) = self.container_gone(&container.id)
                {
                    tracing::warn!(container = container.id, %error, "its runtime waits no more, and it keeps what it was given");
                }
            }
            // A reply fails only where nobody waits for it any more.
            Order::Gone(container, reply) => {
                let _ = reply.send(self.container_gone(&container));
            }
            Order::Meet(all, reply) => {
                self.keeper.look(inventory);
                for event in self.keeper.meet_containers(&all, inventory, now) {
                    self.events.pass_on(event);
                }
                self.show();
                let _ = reply.send(Ok(self.keeper.containers()));
            }
            Order::All(reply) => {
                let _ = reply.send(Ok(self.keeper.containers()));
            }
            Order::Asked(order) => self.asked(order, inventory, now),
        }
    }

    fn place_container(
        &mut self,
        container: &Container,
        inventory: &Inventory,
        now: Moment,
    ) -> Result<Placed, KeeperError> {
        let given = self.keeper.place_container(container, inventory, now)?;
        let message = format!(
            "workload {} gets CPUs {} from {}",
            given.workload, given.cpus, container.runtime
        );
        self.events.tell("workload_started", message);
        self.post();
        Ok(Placed {
            given,
            all: self.keeper.containers(),
        })
    }

    fn container_gone(&mut self, container: &str) -> Result<Option<WorkloadId>, KeeperError> {
        let gone = self.keeper.container_gone(container)?;
        if let Some(id) = &gone {
            self.events.tell(
                "workload_ended",
                format!("workload {id} has ended, as its runtime says"),
            );
            self.show();
        }
        Ok(gone)
    }
}
