//! The pids controller: how many processes and threads a workload may have.

use intent::{Intent, Isolation};

use super::difference::{Wanted, limit};
use super::layout::Layout;
use super::mount::Controller;
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::{Reads, Step};

/// v2 and v1: the most processes and threads, or `max`.
const PIDS_MAX: &str = "pids.max";
/// No limit.
const NO_LIMIT: &str = "max";

/// Plans `pids.max`.
#[derive(Clone, Debug)]
pub struct Pids {
    layout: Layout,
}

impl Pids {
    /// For this layout.
    pub fn new(layout: &Layout) -> Pids {
        Pids {
            layout: layout.clone(),
        }
    }

    fn step(&self, host: &Host, isolation: &Isolation) -> Result<Option<(Phase, Step)>, IsolateError> {
        let Some(most) = isolation.pids_max else {
            return Ok(None);
        };
        let place = self.layout.place(Controller::Pids)?;
        let file = self.layout.group(place, isolation).join(PIDS_MAX);
        limit(host, Wanted::new(file, most.to_string(), Reads::Same), number)
    }
}

fn number(text: &str) -> Option<u64> {
    if text == NO_LIMIT {
        Some(u64::MAX)
    } else {
        text.parse().ok()
    }
}

impl Isolator for Pids {
    fn name(&self) -> &'static str {
        Controller::Pids.word()
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let steps = intent
            .isolations
            .iter()
            .map(|isolation| self.step(host, isolation));
        steps.filter_map(Result::transpose).collect()
    }
}
