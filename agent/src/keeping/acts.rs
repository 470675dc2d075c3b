//! Acts that are no part of the intent: a workload stands still and goes on, the packages' power is capped.

use std::time::Duration;

use agent_api::v1::{Capped, Frozen, NodeDrain};
use facts::{Moment, Power};
use intent::WorkloadId;

use super::{Desk, Order, OrderError, Task};
use crate::reconcile::{KeeperError, Restraint};

impl Desk {
    /// Stops all processes of a workload, or lets them go on.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn freeze(&self, workload: WorkloadId, frozen: bool) -> Result<Frozen, OrderError> {
        self.order(|reply| Order::Freeze(workload, frozen, reply)).await
    }

    /// Holds a workload back for so long. Gives how many steps that took.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn hold(
        &self,
        workload: WorkloadId,
        restraint: Restraint,
        lasts: Duration,
    ) -> Result<usize, OrderError> {
        self.order(|reply| Order::Hold(workload, restraint, lasts, reply))
            .await
    }

    /// Lets a workload go that was held back. Gives how many steps that took.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn let_go(&self, workload: WorkloadId) -> Result<usize, OrderError> {
        self.order(|reply| Order::LetGo(workload, reply)).await
    }

    /// Takes no new workloads, for this reason; `None` takes them again.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn drain(&self, reason: Option<String>) -> Result<NodeDrain, OrderError> {
        self.order(|reply| Order::Drain(reason, reply)).await
    }

    /// Caps the packages' power; `None` puts back what was found before the first cap.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn cap(&self, watts: Option<Power>) -> Result<Capped, OrderError> {
        self.order(|reply| Order::Cap(watts, reply)).await
    }
}

impl Task {
    pub(super) fn freeze(&mut self, id: &WorkloadId, frozen: bool) -> Result<Frozen, KeeperError> {
        let came = self.keeper.freeze(id, frozen)?;
        if !came.done.is_empty() {
            let (kind, word) = if frozen {
                ("workload_frozen", "stands still")
            } else {
                ("workload_thawed", "goes on")
            };
            self.events.tell(kind, format!("workload {id} {word} on request"));
        }
        self.show();
        Ok(came)
    }

    pub(super) fn hold(
        &mut self,
        id: &WorkloadId,
        restraint: &Restraint,
        until: Moment,
    ) -> Result<usize, KeeperError> {
        let done = self.keeper.hold(id, restraint, until);
        // Also where it failed: what was in force before may be undone.
        self.show();
        Ok(done?.len())
    }

    pub(super) fn let_go(&mut self, id: &WorkloadId) -> Result<usize, KeeperError> {
        let done = self.keeper.let_go(id)?;
        if !done.is_empty() {
            self.events
                .tell("antagonist_let_go", format!("workload {id} is held back no more"));
        }
        self.show();
        Ok(done.len())
    }

    pub(super) fn drain(&mut self, reason: Option<&str>, now: Moment) -> Result<NodeDrain, KeeperError> {
        let before = self.keeper.drained().cloned();
        let came = match reason {
            Some(reason) => self.keeper.drain(reason, now)?,
            None => self.keeper.undrain()?,
        };
        if came.drained != before {
            let message = match &came.drained {
                Some(drained) => format!("this node takes no new workloads: {:?}", drained.reason),
                None => "this node takes workloads again".to_owned(),
            };
            self.events.tell("node_drain_changed", message);
        }
        self.show();
        Ok(came)
    }

    pub(super) fn cap(&mut self, watts: Option<Power>, now: Moment) -> Result<Capped, KeeperError> {
        let came = match watts {
            Some(watts) => self.keeper.cap(watts, now)?,
            None => self.keeper.uncap(now)?,
        };
        if !came.done.is_empty() {
            let message = match watts {
                Some(watts) => format!("the CPU packages are capped at {watts} together, on request"),
                None => "the CPU packages have the power limits again that were found, on request".to_owned(),
            };
            self.events.tell("power_cap_changed", message);
        }
        Ok(came)
    }
}
