//! Signals to everything that runs in a workload's cgroups.

use intent::{Actuator, WorkloadId};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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
}
