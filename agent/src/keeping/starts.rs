//! The two halves of a start, each answered as soon as it may be; what nobody waits for comes after that.

use std::path::PathBuf;
use std::time::Duration;

use agent_api::v1::{AgentEvent, RunRequest, Workload};
use facts::{Inventory, Moment};
use intent::WorkloadId;

use super::{Asker, Reply, Task};
use crate::reconcile::KeeperError;

/// So long after a start it is told: whoever reads the log wakes up for that, and the command shall run by then.
pub(super) const TOLD_AFTER: Duration = Duration::from_millis(50);

impl Task {
    /// Places who asks. A child that is to be born is born while the rest is done.
    pub(super) fn start(
        &mut self,
        request: RunRequest,
        asker: Asker,
        inventory: &Inventory,
        now: Moment,
        reply: Reply<Workload>,
    ) {
        self.keeper.look(inventory);
        let begun = self.keeper.begin(request, asker.pid, asker.uid, inventory, now);
        let id = begun.as_ref().ok().map(|workload| workload.id.clone());
        let is_awaited = begun.as_ref().is_ok_and(|workload| workload.awaits);
        if !is_awaited {
            self.note_started(&begun, now);
            self.renew(id.as_ref());
            // A reply fails only where nobody waits for it any more.
            let _ = reply.send(begun);
            return;
        }
        let _ = reply.send(begun);
        // Where it fails it is undone and logged, and who asked hears of it with the second half.
        if let Some(id) = &id
            && self.keeper.complete(id).is_err()
        {
            tracing::debug!(workload = %id, "nobody is awaited in it any more");
        }
        self.renew(id.as_ref());
    }

    /// The second half.
    pub(super) fn entered(
        &mut self,
        id: &WorkloadId,
        born: bool,
        asker: u32,
        now: Moment,
        reply: Reply<Workload>,
    ) {
        let entered = self.keeper.entered(id, born, asker);
        self.note_started(&entered, now);
        self.post();
        let _ = reply.send(entered);
    }

    /// What a start made is heard at once; what else came and went, by the next sweep.
    fn renew(&mut self, id: Option<&WorkloadId>) {
        let dirs: Vec<PathBuf> = id.map_or_else(Vec::new, |id| self.keeper.directories_of(id));
        if let Some(ears) = &mut self.ears {
            ears.hear_also(dirs.into_iter());
        }
        self.post();
    }

    fn note_started(&mut self, started: &Result<Workload, KeeperError>, now: Moment) {
        if let Ok(workload) = started {
            let where_ = format!("on CPUs {} for process {}", workload.cpus, workload.pid);
            self.late.push(AgentEvent {
                at: now,
                kind: "workload_started".to_owned(),
                message: format!("workload {} runs {where_}", workload.id),
            });
        }
    }

    /// Tells what is still to be told.
    pub(super) fn tell_late(&mut self) {
        for event in std::mem::take(&mut self.late) {
            self.events.pass_on(event);
        }
    }
}
