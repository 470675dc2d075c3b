//! PMUs as the kernel lists them: their type, fields, events, units, and on which CPUs they are to be asked.

use std::collections::BTreeMap;

use facts::{CpuId, CpuSet, NoData};

use crate::attribute;
use crate::collector::CollectError;
use crate::root::Root;

mod term;

pub use term::Config;
use term::Field;

const DEVICES: &str = "sys/bus/event_source/devices";
const TYPE: &str = "type";
const FORMAT: &str = "format";
const EVENTS: &str = "events";
/// The CPUs of a PMU of cores, where there is more than one kind of cores.
const CPUS: &str = "cpus";
/// One CPU for each part (package, die) that a PMU outside of the cores counts for.
const CPUMASK: &str = "cpumask";
/// What stands behind an event's name in the files beside it.
const SCALE: &str = ".scale";
const UNIT: &str = ".unit";
/// The most fields of one PMU that are read: the largest known has about thirty.
const MOST_FIELDS: usize = 256;
/// PMUs of the kinds of cores of one x86 machine are named so: `cpu_core`, `cpu_atom`.
const X86_CORES: &str = "cpu_";
/// Where the PMU's type stands in the config of a generic event (`PERF_PMU_TYPE_SHIFT`, kernel 5.13).
const PMU_TYPE_SHIFT: u32 = 32;

/// One PMU.
#[derive(Clone, Debug, PartialEq)]
pub struct Pmu {
    /// Its name.
    pub name: String,
    /// Its number as an event type.
    pub kind: u32,
    /// The CPUs on which it is to be asked (`cpumask`, or `cpus`); empty where it does not say.
    pub cpus: CpuSet,
    fields: BTreeMap<String, Field>,
}

/// One event of a PMU.
#[derive(Clone, Debug, PartialEq)]
pub struct PmuEvent {
    /// The config words of `perf_event_attr`.
    pub config: Config,
    /// What one count is worth, in `unit`.
    pub scale: f64,
    /// The unit, as the kernel writes it: `MiB`, `Joules`; empty for mere counts.
    pub unit: String,
}

/// The names of all PMUs.
///
/// # Errors
/// When the kernel lists none.
pub fn names(root: &Root) -> Result<Vec<String>, CollectError> {
    Ok(root.list(DEVICES)?)
}

impl Pmu {
    /// Reads one. A field that cannot be read is left out: the events that need it say so.
    ///
    /// # Errors
    /// When it has no type, or its CPUs are no list.
    pub fn read(root: &Root, name: &str) -> Result<Pmu, CollectError> {
        let file = |file: &str| format!("{DEVICES}/{name}/{file}");
        let kind = attribute::number(root, &file(TYPE))?;
        let listed = [CPUMASK, CPUS].into_iter().find(|list| root.has(&file(list)));
        let cpus = match listed {
            Some(list) => list_of_cpus(root, &file(list))?,
            None => CpuSet::new(),
        };
        let mut fields = BTreeMap::new();
        for field in root
            .list(&file(FORMAT))
            .unwrap_or_default()
            .into_iter()
            .take(MOST_FIELDS)
        {
            let text = root.read(&format!("{DEVICES}/{name}/{FORMAT}/{field}"));
            if let Some(bits) = text.ok().as_deref().and_then(Field::parse) {
                fields.insert(field, bits);
            }
        }
        Ok(Pmu {
            name: name.to_owned(),
            kind,
            cpus,
            fields,
        })
    }

    /// The names of its events.
    pub fn events(&self, root: &Root) -> Vec<String> {
        let files = root
            .list(&format!("{DEVICES}/{}/{EVENTS}", self.name))
            .unwrap_or_default();
        files.into_iter().filter(|file| !file.contains('.')).collect()
    }

    /// Reads one event.
    ///
    /// # Errors
    /// When it is not there, or is not what the kernel's document says.
    pub fn event(&self, root: &Root, event: &str) -> Result<PmuEvent, CollectError> {
        let file = format!("{DEVICES}/{}/{EVENTS}/{event}", self.name);
        let text = root.read(&file)?;
        let config = term::config(&text, &self.fields).map_err(|why| {
            let expected = format!("terms of {}'s format, but {why}", self.name);
            CollectError::garbled(&root.shown(&file), &expected, &text)
        })?;
        let scale_file = format!("{file}{SCALE}");
        let scale = if root.has(&scale_file) {
            let text = root.read(&scale_file)?;
            let garbled = || CollectError::garbled(&root.shown(&scale_file), "a positive number", &text);
            term::scale(&text).ok_or_else(garbled)?
        } else {
            1.0
        };
        let unit = attribute::name_if_any(root, &format!("{file}{UNIT}")).unwrap_or_default();
        Ok(PmuEvent { config, scale, unit })
    }
}

fn list_of_cpus(root: &Root, file: &str) -> Result<CpuSet, CollectError> {
    let text = root.read(file)?;
    text.parse()
        .map_err(|_| CollectError::garbled(&root.shown(file), "a list of CPUs, as in 0-3,8", &text))
}

/// The PMUs of cores on a machine with several kinds of them; none elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CoreKinds(Vec<CoreKind>);

#[derive(Clone, Debug, PartialEq)]
struct CoreKind {
    core_type: String,
    /// What is put into the config of a generic event.
    extension: u64,
    cpus: CpuSet,
}

impl CoreKinds {
    /// Reads them.
    pub fn read(root: &Root) -> CoreKinds {
        let mut kinds = Vec::new();
        for name in names(root).unwrap_or_default() {
            if !root.has(&format!("{DEVICES}/{name}/{CPUS}")) {
                continue;
            }
            let Ok(pmu) = Pmu::read(root, &name) else {
                continue;
            };
            // ARM's PMUs know by the CPU who is meant; x86 must be told (kernel 5.13, "extended hardware type").
            let is_x86 = name.starts_with(X86_CORES);
            let extension = if is_x86 {
                u64::from(pmu.kind) << PMU_TYPE_SHIFT
            } else {
                0
            };
            kinds.push(CoreKind {
                core_type: name.strip_prefix(X86_CORES).unwrap_or(&name).to_owned(),
                extension,
                cpus: pmu.cpus,
            });
        }
        if kinds.len() < 2 {
            kinds.clear();
        }
        CoreKinds(kinds)
    }

    /// The kind of this CPU's core; empty where all are alike.
    pub fn core_type(&self, cpu: CpuId) -> &str {
        self.of(cpu).map_or("", |kind| &kind.core_type)
    }

    /// The config of a generic hardware event on this CPU.
    pub fn config(&self, cpu: CpuId, generic: u64) -> u64 {
        self.of(cpu).map_or(generic, |kind| kind.extension | generic)
    }

    fn of(&self, cpu: CpuId) -> Option<&CoreKind> {
        self.0.iter().find(|kind| kind.cpus.contains(cpu))
    }
}

/// The unit of an event that counts something else than what is wanted.
///
/// # Errors
/// Always where the units differ.
pub fn expect_unit(pmu: &Pmu, event: &str, found: &PmuEvent, expected: &str) -> Result<(), CollectError> {
    if found.unit == expected {
        return Ok(());
    }
    let message = format!(
        "PMU {} counts {event} in {:?}; expected {expected}",
        pmu.name, found.unit
    );
    Err(CollectError::new(NoData::Garbled, message))
}

#[cfg(test)]
#[path = "pmu/tests.rs"]
pub(super) mod tests;
