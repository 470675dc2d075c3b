//! Plan and apply in turns, until nothing is left to do.

use intent::{Actuator, Actuators};
use isolators::apply::apply;
use isolators::{Host, IsolateError, Outcome, Phase, Step};

use super::refusal::{Refusal, told};

/// Plan and apply alternate at most this often.
const MOST_ROUNDS: usize = 4;

/// Plans and applies until nothing is left to do.
///
/// # Errors
/// The mode forbids it, the host cannot be read, or a step failed twice.
pub(super) fn converge(
    gate: &Actuators,
    host: &Host,
    actuator: Actuator,
    mut plan: impl FnMut() -> Result<Vec<(Phase, Step)>, IsolateError>,
) -> Result<(), Refusal> {
    let mut last = None;
    for _ in 0..MOST_ROUNDS {
        let steps = plan().map_err(|error| Refusal::Conflict(told(&error)))?;
        if steps.is_empty() {
            return Ok(());
        }
        let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
        match apply(gate, actuator, host, &steps, &mut |_| {}) {
            Ok(Outcome::Done(_)) => last = None,
            Ok(Outcome::Would { mode, .. }) => {
                return Err(Refusal::Forbidden(format!(
                    "mode {mode} of the actuator {actuator}"
                )));
            }
            // Another drive's lane may have taken something away that both needed: planned anew it is made again.
            Err(error) if last.is_none() => last = Some(told(&error)),
            Err(error) => return Err(Refusal::Conflict(told(&error))),
        }
    }
    Err(Refusal::Failed(last.unwrap_or_else(|| {
        format!("the kernel does not keep what was written, {MOST_ROUNDS} times")
    })))
}
