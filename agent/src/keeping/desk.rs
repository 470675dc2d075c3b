//! Where orders for the keeper are put.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

use agent_api::v1::{Ask, Ended, Offer, RunRequest, Workload};
use intent::WorkloadId;
use tokio::sync::oneshot;

use super::{Asker, MOST_ORDERS, Order, Reply, leases};
use crate::proof::Checked;
use crate::reconcile::{KeeperError, Preview};

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The keeper said no.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// Too many orders wait.
    #[error("{MOST_ORDERS} orders wait already; try again")]
    Busy,
    /// The agent is stopping, or its keeper broke.
    #[error("the agent takes no orders any more: it is stopping")]
    Gone,
}

/// Where orders go. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    pub(super) orders: Arc<SyncSender<Order>>,
    /// Orders of the rack: they wait for no other.
    pub(super) leases: Arc<SyncSender<leases::Order>>,
    pub(super) sweeps: Arc<AtomicU64>,
}

impl Desk {
    /// What would be given for an ask.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn offer(&self, ask: Ask) -> Result<Offer, OrderError> {
        self.order(|reply| Order::Offer(ask, reply)).await
    }

    /// What placement must know, copied: long searches hold nobody up.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn preview(&self) -> Result<Preview, OrderError> {
        self.order(Order::Preview).await
    }

    /// Places the process that asks.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn start(&self, request: RunRequest, asker: Asker) -> Result<Workload, OrderError> {
        self.order(|reply| Order::Start(request, asker, reply)).await
    }

    /// Ends a workload.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn end(&self, workload: WorkloadId) -> Result<Ended, OrderError> {
        self.order(|reply| Order::End(workload, reply)).await
    }

    /// What the keeper says of a workload, read now.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn check(&self, workload: WorkloadId) -> Result<Checked, OrderError> {
        self.order(|reply| Order::Check(workload, reply)).await
    }

    /// Lets the keeper finish what it does; workloads are left running.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.orders.try_send(Order::Stop(reply)).is_ok() {
            let _ = done.await;
        }
    }

    /// How many sweeps were made: while the number grows, the keeper lives.
    pub fn sweeps(&self) -> u64 {
        self.sweeps.load(Ordering::Relaxed)
    }

    pub(super) async fn order<T>(&self, order: impl FnOnce(Reply<T>) -> Order) -> Result<T, OrderError> {
        let (reply, answer) = oneshot::channel();
        match self.orders.try_send(order(reply)) {
            Ok(()) => Ok(answer.await.map_err(|_| OrderError::Gone)??),
            Err(TrySendError::Full(_)) => Err(OrderError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(OrderError::Gone),
        }
    }
}
