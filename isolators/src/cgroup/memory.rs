//! The memory controller: how much memory a workload may use.

use intent::{Intent, Isolation};

use super::difference::{Wanted, limit, read};
use super::layout::Layout;
use super::mount::{Controller, Version};
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::{Reads, Step};

/// v2: the most memory, or `max`.
const MEMORY_MAX: &str = "memory.max";
/// v1: the most memory.
const MEMORY_LIMIT_IN_BYTES: &str = "memory.limit_in_bytes";
/// v2: no limit.
const NO_LIMIT: &str = "max";

/// Plans `memory.max` (v2) or `memory.limit_in_bytes` (v1).
#[derive(Clone, Debug)]
pub struct Memory {
    layout: Layout,
}

impl Memory {
    /// For this layout.
    pub fn new(layout: &Layout) -> Memory {
        Memory {
            layout: layout.clone(),
        }
    }

    fn step(&self, host: &Host, isolation: &Isolation) -> Result<Option<(Phase, Step)>, IsolateError> {
        let Some(most) = isolation.memory_max else {
            return self.lift(host, isolation);
        };
        let place = self.layout.place(Controller::Memory)?;
        let file = match place.version {
            Version::V1 => MEMORY_LIMIT_IN_BYTES,
            Version::V2 => MEMORY_MAX,
        };
        let file = self.layout.group(place, isolation).join(file);
        limit(
            host,
            Wanted::new(file, most.get().to_string(), Reads::Bytes),
            number,
        )
    }

    /// No limit is wanted: on v2, where all controllers share one directory, one that somebody set is lifted.
    fn lift(&self, host: &Host, isolation: &Isolation) -> Result<Option<(Phase, Step)>, IsolateError> {
        let Ok(place) = self.layout.place(Controller::Memory) else {
            return Ok(None);
        };
        let file = self.layout.group(place, isolation).join(MEMORY_MAX);
        match read(host, &file)? {
            Some(said) if place.version == Version::V2 && said != NO_LIMIT => {
                let wanted = Wanted::new(file, NO_LIMIT, Reads::Bytes);
                Ok(Some((Phase::Grant, wanted.step(Some(said)))))
            }
            Some(_) | None => Ok(None),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    if text == NO_LIMIT {
        Some(u64::MAX)
    } else {
        text.parse().ok()
    }
}

impl Isolator for Memory {
    fn name(&self) -> &'static str {
        Controller::Memory.word()
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let steps = intent
            .isolations
            .iter()
            .map(|isolation| self.step(host, isolation));
        steps.filter_map(Result::transpose).collect()
    }
}
