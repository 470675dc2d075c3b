//! The memory controller: how much memory a workload may use, what is kept for it, and what ends where there is none left.

use std::path::Path;

use facts::Bytes;
use intent::{Intent, Isolation};

use super::difference::{Wanted, limit, read, unless_said};
use super::lacking::Optional;
use super::layout::Layout;
use super::mount::{Controller, Place, Version};
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::{Reads, Step};

/// v2: the most memory, or `max`.
const MEMORY_MAX: &str = "memory.max";
/// v2: memory that is never reclaimed.
const MEMORY_MIN: &str = "memory.min";
/// v2: memory that is reclaimed last.
const MEMORY_LOW: &str = "memory.low";
/// v2: memory beyond which the workload is slowed down.
const MEMORY_HIGH: &str = "memory.high";
/// v2: whether all processes end where one does for want of memory.
const MEMORY_OOM_GROUP: Optional = Optional {
    controller: Controller::Memory,
    file: "memory.oom.group",
    gives: "Linux 4.19 or later with cgroup v2 has it",
};
/// v1: the most memory.
const MEMORY_LIMIT_IN_BYTES: &str = "memory.limit_in_bytes";
/// v1: what is left to it when the host reclaims.
const MEMORY_SOFT_LIMIT_IN_BYTES: &str = "memory.soft_limit_in_bytes";
/// v2: no limit.
const NO_LIMIT: &str = "max";
/// What gives what v1 does not have.
const V2_GIVES: &str = "cgroup v2 has it: boot with systemd.unified_cgroup_hierarchy=1";

/// Plans `memory.max`, `.high`, `.low`, `.min` and `.oom.group` (v2), or `memory.limit_in_bytes` and
/// `memory.soft_limit_in_bytes` (v1).
#[derive(Clone, Debug)]
pub struct Memory {
    layout: Layout,
}

type Steps = Vec<(Phase, Step)>;

/// What a workload asks.
type Asked = fn(&Isolation) -> Option<Bytes>;

/// One amount of a workload: what it asks, and the two files.
type Amount = (Asked, &'static str, Option<&'static str>);

const AMOUNTS: [Amount; 4] = [
    (|one| one.memory_max, MEMORY_MAX, Some(MEMORY_LIMIT_IN_BYTES)),
    (|one| one.memory_high, MEMORY_HIGH, None),
    (|one| one.memory_low, MEMORY_LOW, Some(MEMORY_SOFT_LIMIT_IN_BYTES)),
    (|one| one.memory_min, MEMORY_MIN, None),
];

/// What is kept for a workload must be kept for the cgroup above it too: v2 shares out no more than that one has.
const KEPT: [(Asked, &str); 2] = [
    (|one| one.memory_min, MEMORY_MIN),
    (|one| one.memory_low, MEMORY_LOW),
];

impl Memory {
    /// For this layout.
    pub fn new(layout: &Layout) -> Memory {
        Memory {
            layout: layout.clone(),
        }
    }

    fn of_one(&self, host: &Host, isolation: &Isolation) -> Result<Steps, IsolateError> {
        let mut steps = Vec::new();
        for (asked, v2, v1) in AMOUNTS {
            let Some(bytes) = asked(isolation) else {
                continue;
            };
            let place = self.layout.place(Controller::Memory)?;
            let group = self.layout.group(place, isolation);
            let file = match (place.version, v1) {
                (Version::V2, _) => v2,
                (Version::V1, Some(v1)) => v1,
                (Version::V1, None) => return Err(lacks(&group, v2)),
            };
            let wanted = Wanted::new(group.join(file), bytes.get().to_string(), Reads::Bytes);
            steps.extend(limit(host, wanted, number)?);
        }
        if isolation.memory_max.is_none() {
            steps.extend(self.lift(host, isolation)?);
        }
        if let Some(group_ends) = isolation.memory_oom_group {
            steps.extend(self.oom_group(host, isolation, group_ends)?);
        }
        Ok(steps)
    }

    fn oom_group(&self, host: &Host, isolation: &Isolation, all: bool) -> Result<Steps, IsolateError> {
        let place = self.layout.place(Controller::Memory)?;
        let group = self.layout.group(place, isolation);
        if place.version == Version::V1 {
            return Err(lacks(&group, MEMORY_OOM_GROUP.file));
        }
        MEMORY_OOM_GROUP.in_group(host, place, &group, "ending all of a workload at once")?;
        let value = if all { "1" } else { "0" };
        let wanted = Wanted::new(group.join(MEMORY_OOM_GROUP.file), value, Reads::Same);
        Ok(unless_said(host, Phase::Shape, wanted)?.into_iter().collect())
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

    /// Our own cgroups keep the sum of what the workloads in them keep.
    fn kept(&self, host: &Host, place: &Place, intent: &Intent) -> Result<Steps, IsolateError> {
        let mut steps = Vec::new();
        for own in self.layout.own(place) {
            let children = self.layout.children(place, &own, intent)?;
            if children.is_empty() {
                // It goes, and what it keeps with it.
                continue;
            }
            for (asked, file) in KEPT {
                let all = children.iter().filter_map(|isolation| asked(isolation));
                let sum: Bytes = all.sum();
                let file = own.join(file);
                let is_kept = read(host, &file)?.is_some_and(|said| said != "0");
                if sum.get() > 0 || is_kept {
                    let wanted = Wanted::new(file, sum.get().to_string(), Reads::Bytes);
                    steps.extend(limit(host, wanted, number)?);
                }
            }
        }
        Ok(steps)
    }
}

fn lacks(group: &Path, file: &str) -> IsolateError {
    IsolateError::Lacks {
        what: format!("what {file} does"),
        controller: Controller::Memory.word(),
        file: group.join(file),
        gives: V2_GIVES,
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
        let mut steps = Vec::new();
        if let Ok(place) = self.layout.place(Controller::Memory)
            && place.version == Version::V2
        {
            steps.extend(self.kept(host, place, intent)?);
        }
        for isolation in &intent.isolations {
            steps.extend(self.of_one(host, isolation)?);
        }
        Ok(steps)
    }
}
