//! Acts that are no part of the intent: a workload stands still and goes on, the packages' power is capped.

use std::time::Duration;

use agent_api::v1::{AdoptRequest, Adopted, Migrated};
use agent_api::v1::{Capped, Ended, Frozen, NodeDrain, VmRequest, Workload};
use facts::{Inventory, Moment, Power};
use intent::WorkloadId;
use nix::sys::signal::Signal;

use super::{Asker, Desk, Order, OrderError, Task};
use crate::reconcile::{KeeperError, Restraint};
use crate::view::Kept;
use crate::vm::Said;

impl Desk {
    /// The process that was awaited is in the workload's cgroups, or who asked is to be moved there.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn entered(
        &self,
        workload: WorkloadId,
        born: bool,
        asker: Asker,
    ) -> Result<Workload, OrderError> {
        self.order(|reply| Order::Entered(workload, born, asker, reply))
            .await
    }

    /// Stops all processes of a workload, or lets them go on.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn freeze(&self, workload: WorkloadId, frozen: bool) -> Result<Frozen, OrderError> {
        self.order(|reply| Order::Freeze(workload, frozen, reply)).await
    }

    /// Sends a signal to everything that runs in a workload. Gives how many processes that were.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn signal(&self, workload: WorkloadId, signal: Signal) -> Result<usize, OrderError> {
        self.order(|reply| Order::Signal(workload, signal, reply)).await
    }

    /// Lets a workload go on that was asked to end and stands still. Gives how many steps that took.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn let_end(&self, workload: WorkloadId) -> Result<usize, OrderError> {
        self.order(|reply| Order::LetEnd(workload, reply)).await
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

    /// Takes what runs in a workload for the QEMU that said this, and pins it.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn make_vm(
        &self,
        workload: WorkloadId,
        request: VmRequest,
        said: Said,
    ) -> Result<Workload, OrderError> {
        self.order(|reply| Order::MakeVm(workload, request, said, reply))
            .await
    }

    /// Tells what a QEMU says now, or why it does not.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn saw_vm(&self, workload: WorkloadId, said: Result<Said, String>) -> Result<(), OrderError> {
        self.order(|reply| Order::SawVm(workload, said, reply)).await
    }

    /// Makes a workload of what somebody else started, for this user.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn adopt(&self, request: AdoptRequest, uid: u32) -> Result<Adopted, OrderError> {
        self.order(|reply| Order::Adopt(request, uid, reply)).await
    }

    /// Moves a workload to another place, or says where that would be.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn migrate(&self, workload: WorkloadId, dry_run: bool) -> Result<Migrated, OrderError> {
        self.order(|reply| Order::Migrate(workload, dry_run, reply)).await
    }

    /// Caps the power of packages and GPUs; `None` puts back what was found before the first cap.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn cap(&self, watts: Option<Power>) -> Result<Capped, OrderError> {
        self.order(|reply| Order::Cap(watts, reply)).await
    }
}

impl Task {
    pub(super) fn show(&mut self) {
        if let Some(ears) = &mut self.ears {
            ears.hear(self.keeper.directories().into_iter());
        }
        self.post();
    }

    pub(super) fn post(&self) {
        self.post_lease();
        let keeper = &self.keeper;
        self.board.post_kept(Kept {
            generation: keeper.generation(),
            workloads: keeper.workloads(),
            cgroup: keeper.cgroup_status(),
            reserved: keeper.reserved(),
            shared: keeper.shared(),
            drained: keeper.drained().cloned(),
            power_cap: keeper.power_cap(),
            asks: keeper.asks(),
            drives: keeper.drives(),
            plan: keeper.outstanding().map_err(|error| error.to_string()),
        });
    }

    pub(super) fn end(&mut self, id: &WorkloadId, now: Moment) -> Result<Ended, KeeperError> {
        let ended = self.keeper.end(id, now);
        if ended.is_ok() {
            self.events
                .tell("workload_ended", format!("workload {id} was ended on request"));
        }
        self.post();
        ended
    }

    pub(super) fn signal(&mut self, id: &WorkloadId, signal: Signal) -> Result<usize, KeeperError> {
        let sent = self.keeper.signal(id, signal);
        if let Ok(count) = &sent {
            let message = format!("{signal} was sent to {count} processes of workload {id} on request");
            self.events.tell("workload_signalled", message);
        }
        sent
    }

    pub(super) fn let_end(&mut self, id: &WorkloadId) -> Result<usize, KeeperError> {
        let done = self.keeper.let_end(id)?;
        if !done.is_empty() {
            let message = format!("workload {id} goes on: it stood still and was asked to end");
            self.events.tell("workload_thawed", message);
            self.show();
        }
        Ok(done.len())
    }

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

    pub(super) fn adopt(
        &mut self,
        request: &AdoptRequest,
        uid: u32,
        inventory: &Inventory,
        now: Moment,
    ) -> Result<Adopted, KeeperError> {
        let adopted = self.keeper.adopt(request, uid, inventory, now)?;
        if let Some(workload) = &adopted.workload {
            let count = adopted.processes.len();
            let message = format!(
                "workload {}: {count} processes adopted, on CPUs {}",
                workload.id, workload.cpus
            );
            self.events.tell("workload_adopted", message);
            self.show();
        }
        Ok(adopted)
    }

    pub(super) fn migrate(
        &mut self,
        id: &WorkloadId,
        dry_run: bool,
        inventory: &Inventory,
    ) -> Result<Migrated, KeeperError> {
        let came = self.keeper.migrate(id, dry_run, inventory);
        if let Ok(moved) = &came
            && !dry_run
        {
            let message = format!(
                "workload {id} moved from CPUs {} to {} on request",
                moved.from, moved.to
            );
            self.events.tell("workload_migrated", message);
        }
        // One that failed has moved and come back.
        self.show();
        came
    }

    pub(super) fn make_vm(
        &mut self,
        id: &WorkloadId,
        request: &VmRequest,
        said: Said,
    ) -> Result<Workload, KeeperError> {
        let workload = self.keeper.make_vm(id, request, said)?;
        if let Some(vm) = &workload.vm {
            let each = vm
                .vcpus
                .iter()
                .map(|vcpu| format!("{} on {}", vcpu.index, vcpu.cpus));
            let each: Vec<String> = each.collect();
            let message = format!(
                "workload {id}: virtual CPUs {} (QEMU is process {})",
                each.join(", "),
                vm.pid
            );
            self.events.tell("vm_pinned", message);
        }
        self.show();
        Ok(workload)
    }

    pub(super) fn saw_vm(&mut self, id: &WorkloadId, said: Result<Said, String>, now: Moment) {
        let events = self.keeper.saw_vm(id, said, now);
        if events.is_empty() {
            return;
        }
        for event in events {
            self.events.pass_on(event);
        }
        self.show();
    }

    pub(super) fn cap(&mut self, watts: Option<Power>, now: Moment) -> Result<Capped, KeeperError> {
        let came = match watts {
            Some(watts) => self.keeper.cap(watts, now)?,
            None => self.keeper.uncap(now)?,
        };
        if !came.done.is_empty() {
            let message = match watts {
                Some(watts) => format!("CPU packages and GPUs are capped at {watts} together, on request"),
                None => {
                    "CPU packages and GPUs have the power limits again that were found, on request".to_owned()
                }
            };
            self.events.tell("power_cap_changed", message);
        }
        for event in self.keeper.keep_power(now) {
            self.events.pass_on(event);
        }
        self.show();
        Ok(came)
    }
}
