//! Orders of the rack, and the time of its lease: both come before whatever else waits.

use std::sync::mpsc::{Receiver, TrySendError};
use std::time::{Duration, Instant};

use agent_api::v1::{Lease, LeaseEnd, LeaseView};
use facts::Moment;
use tokio::sync::oneshot;

use super::{Desk, Order as Others, OrderError, Reply, Task};
use crate::clock::boot_millis;

/// How many orders of racks may wait: one rack has one connection.
pub(super) const MOST: usize = 16;

/// What a rack orders.
pub(super) enum Order {
    Take(Lease, Reply<LeaseView>),
    End(LeaseEnd, Reply<LeaseView>),
}

impl Desk {
    /// Takes a lease of power, or renews it.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn take_lease(&self, lease: Lease) -> Result<LeaseView, OrderError> {
        self.order_lease(|reply| Order::Take(lease, reply)).await
    }

    /// Ends a lease of power in order.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn end_lease(&self, end: LeaseEnd) -> Result<LeaseView, OrderError> {
        self.order_lease(|reply| Order::End(end, reply)).await
    }

    async fn order_lease(
        &self,
        order: impl FnOnce(Reply<LeaseView>) -> Order,
    ) -> Result<LeaseView, OrderError> {
        let (reply, answer) = oneshot::channel();
        match self.leases.try_send(order(reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(OrderError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(OrderError::Gone),
        }
        // Where the queue of all others is full the keeper is awake, and looks here before each of them.
        match self.orders.try_send(Others::Wake) {
            Ok(()) | Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => return Err(OrderError::Gone),
        }
        Ok(answer.await.map_err(|_| OrderError::Gone)??)
    }
}

impl Task {
    /// What the rack ordered meanwhile, and what has ended meanwhile.
    pub(super) fn keep_leases(&mut self, of_rack: &Receiver<Order>) {
        self.expire_lease();
        while let Ok(order) = of_rack.try_recv() {
            let now = self.clock.now();
            match order {
                Order::Take(lease, reply) => {
                    let taken = self.keeper.take_lease(&lease, now, boot_millis());
                    self.answer_lease(taken, reply, now);
                }
                Order::End(end, reply) => {
                    let ended = self.keeper.end_lease(&end, now, boot_millis());
                    self.answer_lease(ended, reply, now);
                }
            }
        }
    }

    /// The answer goes out once the limits are read back; the disk and whoever is squeezed come after it.
    fn answer_lease(
        &mut self,
        came: Result<Vec<agent_api::v1::AgentEvent>, crate::reconcile::KeeperError>,
        reply: Reply<LeaseView>,
        now: Moment,
    ) {
        self.post_lease();
        match came {
            Ok(events) => {
                // Fails only where nobody waits for it any more.
                let _ = reply.send(Ok(self.keeper.lease_view(boot_millis())));
                let is_news = !events.is_empty();
                events.into_iter().for_each(|event| self.events.pass_on(event));
                if self.keeper.is_lease_to_settle() || is_news {
                    self.settle_lease(now);
                }
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    /// Lets the lease end where nobody renewed it in time.
    pub(super) fn expire_lease(&mut self) {
        let now = self.clock.now();
        let events = self.keeper.expire_lease(now, boot_millis());
        if events.is_empty() {
            return;
        }
        self.post_lease();
        events.into_iter().for_each(|event| self.events.pass_on(event));
        self.settle_lease(now);
    }

    /// Writes the ledger, squeezes whom the new cap asks for, and shows it all.
    fn settle_lease(&mut self, now: Moment) {
        let mut events = self.keeper.settle_lease(now);
        events.extend(self.keeper.keep_power(now));
        events.into_iter().for_each(|event| self.events.pass_on(event));
        self.show();
    }

    /// When the lease ends, by the clock that the keeper waits with. That one stands while the machine sleeps: after a sleep the next
    /// sweep finds the end.
    pub(super) fn lease_ends(&self) -> Option<Instant> {
        let left = self.keeper.lease_ends()?.saturating_sub(boot_millis());
        Instant::now().checked_add(Duration::from_millis(left))
    }

    pub(super) fn post_lease(&self) {
        self.board.post_lease(self.keeper.leased(boot_millis()));
    }
}
