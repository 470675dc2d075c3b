//! What is asked and said of workloads whose owner writes their cgroup, as orders to the keeper.

use agent_api::v1::{AdoptRequest, Ended, Workload};
use facts::{Inventory, Moment};
use intent::WorkloadId;

use super::super::{Desk, OrderError, Reply, Task};
use crate::ledger::Had;
use crate::owners::Asked;
use crate::reconcile::{KeeperError, Meant};

pub(in crate::keeping) enum Order {
    /// Who is meant by an adoption.
    Meant(Box<AdoptRequest>, u32, Reply<Meant>),
    /// Write an adoption down; the owner has set this.
    Ask(Box<AdoptRequest>, u32, Had, Reply<Asked>),
    /// The owner says that it is done.
    Did(WorkloadId, Reply<Workload>),
    /// It is to end: what is to be given back.
    Ends(WorkloadId, Reply<Option<Asked>>),
    /// It is to end, and the beat sees to it.
    WillEnd(WorkloadId, Reply<()>),
    /// The owner has given back.
    GaveBack(WorkloadId, Reply<Ended>),
    /// What is asked of whom.
    All(Reply<Vec<Asked>>),
}

impl Desk {
    /// Who is meant by an adoption through the owner.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn meant(&self, request: AdoptRequest, uid: u32) -> Result<Meant, OrderError> {
        self.of_owners(|reply| Order::Meant(Box::new(request), uid, reply))
            .await
    }

    /// Writes an adoption through the owner down, who had set this before.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn ask_owner(&self, request: AdoptRequest, uid: u32, had: Had) -> Result<Asked, OrderError> {
        self.of_owners(|reply| Order::Ask(Box::new(request), uid, had, reply))
            .await
    }

    /// The owner says that it did what it was asked.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn owner_did(&self, id: WorkloadId) -> Result<Workload, OrderError> {
        self.of_owners(|reply| Order::Did(id, reply)).await
    }

    /// A workload is to end: what its owner is to give back; nothing where no owner was asked for it.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn owner_is_to_give_back(&self, id: WorkloadId) -> Result<Option<Asked>, OrderError> {
        self.of_owners(|reply| Order::Ends(id, reply)).await
    }

    /// The owner is to be asked until it has given back.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn owner_will_give_back(&self, id: WorkloadId) -> Result<(), OrderError> {
        self.of_owners(|reply| Order::WillEnd(id, reply)).await
    }

    /// The owner has given back.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn owner_gave_back(&self, id: WorkloadId) -> Result<Ended, OrderError> {
        self.of_owners(|reply| Order::GaveBack(id, reply)).await
    }

    /// What is asked of whom, as it is now.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn asked(&self) -> Result<Vec<Asked>, OrderError> {
        self.of_owners(Order::All).await
    }

    async fn of_owners<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, OrderError> {
        let order = |reply| super::super::Order::Containers(super::Order::Asked(order(reply)));
        self.order(order).await
    }
}

impl Task {
    pub(super) fn asked(&mut self, order: Order, inventory: &Inventory, now: Moment) {
        // A reply fails only where nobody waits for it any more.
        match order {
            Order::Meant(request, uid, reply) => {
                let _ = reply.send(self.keeper.meant(&request, uid, inventory));
            }
            Order::Ask(request, uid, had, reply) => {
                let asked = self.keeper.ask_owner(&request, uid, had, inventory, now);
                self.show();
                let _ = reply.send(asked);
            }
            Order::Did(id, reply) => {
                let _ = reply.send(self.owner_did(&id));
            }
            Order::Ends(id, reply) => {
                let asked = self.keeper.owner_is_to_give_back(&id);
                self.show();
                let _ = reply.send(asked);
            }
            Order::WillEnd(id, reply) => {
                let came = self.keeper.owner_will_give_back(&id);
                self.show();
                let _ = reply.send(came);
            }
            Order::GaveBack(id, reply) => {
                let ended = self.keeper.owner_gave_back(&id);
                self.show();
                let _ = reply.send(ended);
            }
            Order::All(reply) => {
                let _ = reply.send(Ok(self.keeper.asked()));
            }
        }
    }

    fn owner_did(&mut self, id: &WorkloadId) -> Result<Workload, KeeperError> {
        let workload = self.keeper.owner_did(id)?;
        let message = format!(
            "workload {id}: adopted through {}, on CPUs {}",
            workload.container.as_deref().unwrap_or_default(),
            workload.cpus
        );
        self.events.tell("workload_adopted", message);
        self.show();
        Ok(workload)
    }
}
