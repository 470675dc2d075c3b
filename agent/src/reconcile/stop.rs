//! Signals to everything that runs in a workload's cgroups, and letting those go on that were asked to end: whoever stands still
//! hears nothing.

use agent_api::v1::Grade;
use intent::{Actuator, Squeeze, WorkloadId};
use isolators::Step;
use isolators::cgroup::is_frozen;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::held::grade;
use super::{Keeper, KeeperError};

/// How often the list is read again for those that were born while the others were signalled.
const MOST_ROUNDS: usize = 8;

impl Keeper {
    /// Sends a signal to every process in a workload's cgroups, once each. Gives how many there were.
    ///
    /// # Errors
    /// When there is no such workload, the mode forbids to act, or the kernel refused.
    pub fn signal(&self, id: &WorkloadId, signal: Signal) -> Result<usize, KeeperError> {
        let entry = self
            .ledger
            .entry(id)
            .ok_or_else(|| KeeperError::NotFound(id.clone()))?;
        self.refuse_containers(id, "signalled")?;
        if !self.gate_is_open() {
            return Err(KeeperError::Refused(format!(
                "actuator {} may not act in its mode: no signal is sent to workload {id}",
                Actuator::Cpu
            )));
        }
        let mut told = Vec::new();
        for _ in 0..MOST_ROUNDS {
            let fresh: Vec<u32> = self
                .members(entry)?
                .into_iter()
                .filter(|pid| !told.contains(pid))
                .collect();
            if fresh.is_empty() {
                break;
            }
            for pid in fresh {
                told.push(pid);
                let Ok(number) = i32::try_from(pid) else { continue };
                match kill(Pid::from_raw(number), signal) {
                    // Who has just ended needs no signal any more.
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(error) => {
                        return Err(KeeperError::Failed(format!(
                            "cannot send {signal} to process {pid} of workload {id}: {error}"
                        )));
                    }
                }
            }
        }
        Ok(told.len())
    }

    /// Lets a workload go on that was asked to end, whoever made it stand still, and nobody but a person makes it stand still again.
    /// Call it after the signal: that is then the first thing that its processes hear. What a cap of power or the interference loop
    /// asked of it goes on asking: of its CPU time as little is left as a squeeze leaves, and of CPUs of its own everything.
    ///
    /// # Errors
    /// When there is no such workload, the mode forbids it, or its processes do not go on in time.
    pub fn let_end(&mut self, id: &WorkloadId) -> Result<Vec<Step>, KeeperError> {
        self.refuse_containers(id, "set going")?;
        let Some(isolation) = self.ledger.intent.of(id).cloned() else {
            return Err(KeeperError::NotFound(id.clone()));
        };
        if !self.is_asked_to_end(id) {
            self.gate(&[])?;
            self.ask_to_end(id);
            self.save()?;
        }
        if isolation.squeezed == Some(Squeeze::Still) {
            self.squeeze_to_end(&isolation)
        } else if grade(&isolation) == Some(Grade::Freeze) {
            self.hold_to_end(&isolation)
        } else if is_frozen(&self.host, &self.layout, &isolation) == Some(true) {
            self.stand(id, false)
        } else {
            Ok(Vec::new())
        }
    }

    fn ask_to_end(&mut self, id: &WorkloadId) {
        for entry in self.ledger.workloads.iter_mut().filter(|entry| entry.id == *id) {
            entry.asked_to_end = true;
        }
    }

    /// Whether somebody asked it to end.
    pub(super) fn is_asked_to_end(&self, id: &WorkloadId) -> bool {
        self.ledger.entry(id).is_some_and(|entry| entry.asked_to_end)
    }
}
