//! What files of the host said before our first change: on disk before that change, so that a release can put it back.
//!
//! For what outlives a workload's cgroup: affinities of interrupts, kernel masks, the schemata of everybody, power limits. All
//! of them are gone with the boot, so a record of an earlier boot says nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use facts::CpuSet;
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
use crate::mask::CpuMask;
use crate::step::{Reads, Step};

/// This boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// NUMA nodes.
const NUMA_NODES: &str = "/sys/devices/system/node";

/// What was found before our first change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The boot that it speaks of.
    pub boot_id: String,
    /// What each file said.
    pub originals: BTreeMap<PathBuf, String>,
    /// What the kernel refused to take: it is not asked again for the same.
    #[serde(default)]
    pub refused: BTreeMap<PathBuf, Refusal>,
}

/// A write that the kernel refused, which is no failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// What was written.
    pub value: String,
    /// What the kernel said.
    pub why: String,
}

impl Record {
    /// The record of this boot; empty where there is none yet. What was refused lately is in it either way.
    ///
    /// # Errors
    /// When it is there and cannot be read or understood.
    pub fn read(host: &Host, path: &Path) -> Result<Record, IsolateError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |cause| IsolateError::Unreadable { path, cause }
        };
        let boot = Path::new(BOOT_ID);
        let boot_id = host.recalled(boot).map_err(unreadable(boot))?.unwrap_or_default();
        let none = Record {
            boot_id,
            refused: host.refusals(),
            ..Record::default()
        };
        let text = host.recalled(path).map_err(unreadable(path))?.unwrap_or_default();
        // Some file systems leave a file without a text where the machine lost its power right after it was written.
        if text.trim_matches(['\0', '\n', ' ']).is_empty() {
            return Ok(none);
        }
        let mut record: Record = serde_json::from_str(&text).map_err(|_| IsolateError::Strange {
            path: path.to_owned(),
            text: text.chars().take(100).collect(),
            expected: "what files of this host said before they were changed",
        })?;
        if record.boot_id != none.boot_id {
            return Ok(none);
        }
        for (file, refusal) in none.refused {
            record.refused.entry(file).or_insert(refusal);
        }
        Ok(record)
    }

    /// The step that adds to it.
    pub(crate) fn remember(&self, path: &Path, originals: BTreeMap<PathBuf, String>) -> Option<Step> {
        (!originals.is_empty()).then(|| Step::Remember {
            record: path.to_owned(),
            boot_id: self.boot_id.clone(),
            originals,
        })
    }
}

/// A file that lists CPUs which kernel work may use, or which use a queue.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The file.
    pub file: PathBuf,
    /// A list or a mask.
    pub reads: Reads,
    /// Where it goes when all that it had is taken.
    pub instead: CpuSet,
    /// The file that names the NUMA node of its device: CPUs there are better.
    pub near: Option<PathBuf>,
    /// What it shall say.
    pub shall: Shall,
}

/// What a listing shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shall {
    /// What it said, without the exclusive CPUs, or others where that is none: it must name some.
    Leave,
    /// The same, and none is an answer too.
    LeaveOrEmpty,
    /// These.
    Be(CpuSet),
    /// What it said before our first change.
    AsFound,
}

/// What is to become of a listing.
#[derive(Debug)]
enum Change {
    /// Nothing: it is as it shall be, or cannot be.
    None,
    /// Nothing of ours is in it any more.
    Over,
    /// It says this text, which is these CPUs, and shall say the value.
    Write { value: String, text: String, is: CpuSet },
}

impl Listing {
    fn parse(&self, text: &str) -> Option<CpuSet> {
        if self.reads == Reads::Mask {
            CpuMask::parse(text).map(|mask| mask.0)
        } else {
            text.parse().ok()
        }
    }

    fn shown(&self, cpus: &CpuSet) -> String {
        if self.reads == Reads::Mask {
            CpuMask(cpus.clone()).to_string()
        } else {
            cpus.to_string()
        }
    }
}

impl Listing {
    /// CPUs of its NUMA node that nobody has, or of any where that one has none left.
    fn nearest(&self, host: &Host) -> CpuSet {
        let node = self
            .near
            .as_deref()
            .and_then(|file| host.read(file).ok().flatten());
        let near = node
            .and_then(|node| of_numa_node(host, &node))
            .map(|cpus| cpus.intersection(&self.instead))
            .filter(|cpus| !cpus.is_empty());
        near.unwrap_or_else(|| self.instead.clone())
    }

    /// What it shall say: what it said, without the exclusive CPUs, or others where that is none.
    fn wanted(&self, host: &Host, original: CpuSet, exclusive: &CpuSet) -> CpuSet {
        let rest = original.difference(exclusive);
        match &self.shall {
            Shall::Be(cpus) => cpus.clone(),
            Shall::AsFound => original,
            Shall::Leave if rest.is_empty() && !original.is_empty() => self.nearest(host),
            Shall::Leave | Shall::LeaveOrEmpty => rest,
        }
    }

    /// What is to become of it. Nothing of an interrupt that went since it was listed, or of a file that only some kernels let us read.
    fn change(&self, host: &Host, record: &Record, exclusive: &CpuSet) -> Change {
        let known = record.originals.get(&self.file);
        let text = host.recalled(&self.file).ok().flatten();
        let Some((text, is)) = text.and_then(|text| Some((text.clone(), self.parse(&text)?))) else {
            return Change::None;
        };
        let Some(original) = known.map_or(Some(is.clone()), |text| self.parse(text)) else {
            return Change::None;
        };
        let wanted = self.wanted(host, original, exclusive);
        let is_over = self.is_over(exclusive);
        if is == wanted {
            return if known.is_some() && is_over {
                Change::Over
            } else {
                Change::None
            };
        }
        let value = self.shown(&wanted);
        let refused = record.refused.get(&self.file);
        let asks_nothing = wanted.is_empty() && !self.may_be_empty();
        if asks_nothing || refused.is_some_and(|refused| refused.value == value) {
            return if is_over { Change::Over } else { Change::None };
        }
        Change::Write { value, text, is }
    }

    /// Whether nothing of ours is in it any more once it says what it shall.
    fn is_over(&self, exclusive: &CpuSet) -> bool {
        match self.shall {
            Shall::Be(_) => false,
            Shall::AsFound => true,
            Shall::Leave | Shall::LeaveOrEmpty => exclusive.is_empty(),
        }
    }

    fn may_be_empty(&self) -> bool {
        self.shall != Shall::Leave
    }
}

/// CPUs of a NUMA node, as a list.
pub(crate) fn of_numa_node(host: &Host, number: &str) -> Option<CpuSet> {
    let number: u32 = number.parse().ok()?;
    let file = format!("{NUMA_NODES}/node{number}/cpulist");
    host.read(Path::new(&file)).ok().flatten()?.parse().ok()
}

/// The steps that keep kernel work off these CPUs, and that put back what it had as they are given back.
pub(crate) fn keep_away(
    host: &Host,
    path: &Path,
    record: &Record,
    listings: Vec<Listing>,
    exclusive: &CpuSet,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let (mut originals, mut done) = (BTreeMap::new(), Vec::new());
    let (mut release, mut grant) = (Vec::new(), Vec::new());
    for listing in listings {
        let is_known = record.originals.contains_key(&listing.file);
        let is_old = host.remembers(&listing.file);
        let mut change = listing.change(host, record, exclusive);
        if is_old && !is_known && matches!(change, Change::Write { .. }) {
            // It becomes the original: what it says now, and not what it said a second ago.
            host.forget_below(&listing.file);
            change = listing.change(host, record, exclusive);
        }
        let (value, text, is) = match change {
            Change::None => continue,
            Change::Over => {
                done.push(listing.file);
                continue;
            }
            Change::Write { value, text, is } => (value, text, is),
        };
        if !is_known {
            originals.insert(listing.file.clone(), text.clone());
        }
        let shrinks = !is.is_disjoint(exclusive);
        let step = Step::WriteFile {
            file: listing.file,
            value,
            before: Some(text),
            reads: listing.reads,
            partition_of: Vec::new(),
            refusal_to: Some(path.to_owned()),
        };
        if shrinks { &mut release } else { &mut grant }.push(step);
    }
    let mut steps: Vec<(Phase, Step)> = Vec::new();
    // On disk before the first write.
    steps.extend(
        record
            .remember(path, originals)
            .map(|step| (Phase::Release, step)),
    );
    steps.extend(release.into_iter().map(|step| (Phase::Release, step)));
    steps.extend(grant.into_iter().map(|step| (Phase::Grant, step)));
    if !done.is_empty() {
        let forget = Step::Forget {
            record: path.to_owned(),
            files: done,
        };
        steps.push((Phase::Grant, forget));
    }
    Ok(steps)
}
