//! One frame of `busbar top`: what a node's facts and its metrics page say, put side by side. Absent is not zero: a cell
//! without a value says why.

use std::collections::{BTreeMap, BTreeSet};

use facts::topology::NumaNode;
use facts::{Inventory, Moment, NoData, Source, SourceStatus};
use serde::Serialize;

use super::page::{Page, Sample};

/// Modes of CPU time in which nothing runs.
const IDLE: [&str; 2] = ["idle", "iowait"];
/// Modes that other modes count too (proc(5): guest time is part of user time).
const TWICE: [&str; 2] = ["guest", "guest_nice"];

const CPU_TIME: &str = "busbar_cpu_time_seconds_total";
const CPU_ENERGY: &str = "busbar_cpu_energy_joules_total";
const CPU_LIMIT: &str = "busbar_cpu_power_limit_watts";
const HOST_POWER: &str = "busbar_host_power_watts";

/// A number, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// The number.
    pub value: Option<f64>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Cell {
    fn of(value: Option<f64>, why: impl FnOnce() -> String) -> Cell {
        let value = value.filter(|value| value.is_finite());
        Cell {
            value,
            why: value.is_none().then(why),
        }
    }
}

/// A row of a table: who, what else is said of it, and its cells under the table's columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Who, as in `GPU 0`.
    pub name: String,
    /// What else is said, as in its model.
    pub about: String,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// What a column's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Zero to one.
    Share,
    /// Bytes.
    Bytes,
    /// Watts.
    Watts,
    /// Degrees Celsius.
    Celsius,
    /// Nothing but a number.
    Number,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns: heading and unit.
    pub columns: Vec<(&'static str, Unit)>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// Why it has no rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceRow {
    /// Its name.
    pub name: String,
    /// `ok`, `pending`, or the reason why it is silent.
    pub state: String,
    /// Seconds since it spoke last.
    pub age_seconds: Option<f64>,
    /// The reason in a sentence.
    pub message: String,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Frame {
    /// The node's name.
    pub node: String,
    /// What it is.
    pub machine: String,
    /// Share of all CPUs' time that was not idle since the frame before.
    pub busy: Cell,
    /// NUMA nodes, power, GPUs where there are some or nobody can say, drives.
    pub tables: Vec<Table>,
    /// The sources.
    pub sources: Vec<SourceRow>,
    /// How many doubts there are, and the first of them.
    pub doubts: Vec<String>,
    /// Lines of the page that were none.
    pub broken_lines: usize,
}

/// What was read in one turn.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// The facts.
    pub facts: Inventory,
    /// The page.
    pub page: Page,
    /// The reader's clock in seconds, from any beginning.
    pub seconds: f64,
}

/// Puts a frame together; rates need the turn before.
pub fn frame(now: &Read, before: Option<&Read>, at: Moment) -> Frame {
    let facts = &now.facts;
    let machine = &facts.machine;
    let product = [machine.vendor.as_deref(), machine.product.as_deref()];
    let mut words: Vec<String> = product.into_iter().flatten().map(str::to_owned).collect();
    words.push(format!("{} CPUs", facts.cpus.len()));
    let of_numa = busy(now, before);
    let total = of_numa
        .values()
        .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    Frame {
        node: machine
            .hostname
            .clone()
            .unwrap_or_else(|| "a node without a name".to_owned()),
        machine: words.join(" · "),
        busy: share(total, before, facts),
        tables: [
            Some(numa_nodes(now, before, &of_numa)),
            Some(power(now, before)),
            gpus(now),
            Some(drives(now)),
        ]
        .into_iter()
        .flatten()
        .collect(),
        sources: facts
            .sources
            .iter()
            .map(|source| source_row(source, at))
            .collect(),
        doubts: facts
            .doubts
            .iter()
            .map(|doubt| format!("{}: {}: {}", doubt.code, doubt.about, doubt.message))
            .collect(),
        broken_lines: now.page.broken,
    }
}

/// Busy and whole seconds of CPU time since the frame before, by NUMA node.
fn busy(now: &Read, before: Option<&Read>) -> BTreeMap<String, (f64, f64)> {
    let mut all: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let Some(before) = before else { return all };
    for sample in now.page.of(CPU_TIME) {
        let mode = sample.label("mode");
        let Some(passed) = grown(sample, &before.page).filter(|_| !TWICE.contains(&mode)) else {
            continue;
        };
        let sums = all.entry(sample.label("numa_node").to_owned()).or_default();
        sums.1 += passed;
        if !IDLE.contains(&mode) {
            sums.0 += passed;
        }
    }
    all
}

/// By how much a counter grew; `None` where it is new or began anew.
fn grown(sample: &Sample, before: &Page) -> Option<f64> {
    let same = |other: &&Sample| other.labels == sample.labels;
    let old = before.of(&sample.name).find(same)?.value;
    Some(sample.value - old).filter(|grown| *grown >= 0.0)
}

fn share((busy, whole): (f64, f64), before: Option<&Read>, facts: &Inventory) -> Cell {
    Cell::of((whole > 0.0).then(|| busy / whole), || match before {
        None => "needs two readings".to_owned(),
        Some(_) => why(facts, "cpu"),
    })
}

/// Why a source gives nothing, in few words.
fn why(facts: &Inventory, name: &str) -> String {
    let source = facts.sources.iter().find(|source| source.name == name);
    match source.map(|source| &source.status) {
        None => format!("the agent has no source {name}"),
        Some(SourceStatus::Ok) => "not told".to_owned(),
        Some(SourceStatus::Pending) => format!("{name} has not answered yet"),
        Some(SourceStatus::Down { reason, .. }) => format!("{name}: {}", reason.word()),
    }
}

fn numa_nodes(now: &Read, before: Option<&Read>, busy: &BTreeMap<String, (f64, f64)>) -> Table {
    let facts = &now.facts;
    let row = |node: &NumaNode| {
        let id = node.id.to_string();
        let memory = facts
            .numa_memory
            .iter()
            .find(|memory| memory.numa_node == node.id);
        let used = memory.map(|memory| memory.total_bytes.as_f64() - memory.free_bytes.as_f64());
        Row {
            name: format!("NUMA node {id}"),
            about: format!("CPUs {}", node.cpus),
            cells: vec![
                share(busy.get(&id).copied().unwrap_or_default(), before, facts),
                Cell::of(used, || why(facts, "cpu")),
                Cell::of(node.memory_bytes.map(facts::Bytes::as_f64), || "none".to_owned()),
            ],
        }
    };
    let rows: Vec<Row> = facts.numa_nodes.iter().map(row).collect();
    Table {
        name: "NUMA nodes",
        columns: vec![
            ("busy", Unit::Share),
            ("used", Unit::Bytes),
            ("memory", Unit::Bytes),
        ],
        why: rows.is_empty().then(|| why(facts, "topology")),
        rows,
    }
}

fn power(now: &Read, before: Option<&Read>) -> Table {
    let facts = &now.facts;
    let mut rows = Vec::new();
    for sample in now.page.of(HOST_POWER) {
        rows.push(Row {
            name: "host".to_owned(),
            about: sample.label("source").to_owned(),
            cells: vec![
                Cell::of(Some(sample.value), String::new),
                Cell::of(None, || "not told".to_owned()),
            ],
        });
    }
    for sample in now.page.of(CPU_ENERGY) {
        let watts = before.and_then(|before| {
            let seconds = now.seconds - before.seconds;
            let joules = grown(sample, &before.page)?;
            (seconds > 0.0).then(|| joules / seconds)
        });
        let zone = sample.label("zone");
        let limit = now
            .page
            .value(CPU_LIMIT, &[("zone", zone), ("constraint", "long_term")]);
        let limit = limit.or_else(|| now.page.value(CPU_LIMIT, &[("zone", zone)]));
        rows.push(Row {
            name: format!("{} {}", sample.label("domain"), sample.label("socket"))
                .trim()
                .to_owned(),
            about: zone.to_owned(),
            cells: vec![
                Cell::of(watts, || "needs two readings".to_owned()),
                Cell::of(limit, || "no limit".to_owned()),
            ],
        });
    }
    Table {
        name: "power",
        columns: vec![("draws", Unit::Watts), ("limit", Unit::Watts)],
        why: rows.is_empty().then(|| why(facts, "powercap")),
        rows,
    }
}

/// Why no GPU is shown although there may be some: a source that is broken, or a driver that says nothing of those on the PCI
/// bus. `None` on a node that has none.
fn why_no_gpus(facts: &Inventory) -> Option<String> {
    if !facts.gpus.is_empty() {
        return Some(why(facts, "nvml"));
    }
    let is_broken = |name: &&str| {
        let source = facts.sources.iter().find(|source| source.name == *name);
        match source.map(|source| &source.status) {
            Some(SourceStatus::Down { reason, .. }) => *reason != NoData::Absent,
            Some(SourceStatus::Ok | SourceStatus::Pending) | None => false,
        }
    };
    let broken = ["nvml", "gpu"].into_iter().find(is_broken);
    broken.map(|name| why(facts, name))
}

fn gpus(now: &Read) -> Option<Table> {
    let (facts, page) = (&now.facts, &now.page);
    let missing = || why(facts, "nvml");
    let mut rows = Vec::new();
    for gpu in page.of("busbar_gpu_info") {
        let id = [("gpu", gpu.label("gpu")), ("gpu_uuid", gpu.label("gpu_uuid"))];
        let value = |name: &str, more: &[(&str, &str)]| {
            let labels: Vec<(&str, &str)> = id.iter().chain(more).copied().collect();
            Cell::of(page.value(name, &labels), missing)
        };
        rows.push(Row {
            name: format!("GPU {}", gpu.label("gpu")),
            about: gpu.label("model").to_owned(),
            cells: vec![
                value("busbar_gpu_utilization_ratio", &[("engine", "sm")]),
                value("busbar_gpu_memory_bytes", &[("state", "used")]),
                value("busbar_gpu_power_watts", &[]),
                value("busbar_gpu_power_limit_watts", &[("constraint", "enforced")]),
                value("busbar_gpu_temperature_celsius", &[]),
            ],
        });
    }
    let why = match rows.as_slice() {
        [] => Some(why_no_gpus(facts)?),
        [..] => None,
    };
    Some(Table {
        name: "GPUs",
        columns: vec![
            ("busy", Unit::Share),
            ("memory", Unit::Bytes),
            ("draws", Unit::Watts),
            ("limit", Unit::Watts),
            ("heat", Unit::Celsius),
        ],
        why,
        rows,
    })
}

fn drives(now: &Read) -> Table {
    let (facts, page) = (&now.facts, &now.page);
    let known: BTreeSet<&str> = facts.sources.iter().map(|source| source.name.as_str()).collect();
    let health = known
        .into_iter()
        .find(|name| name.contains("health"))
        .unwrap_or("block");
    let row = |drive: &facts::drive::Drive| {
        let labels = [("device", drive.device.as_str())];
        let value = |name: &str| Cell::of(page.value(name, &labels), || why(facts, health));
        Row {
            name: drive.device.clone(),
            about: drive.identity.model.clone().unwrap_or_default(),
            cells: vec![
                Cell::of(Some(drive.size_bytes.as_f64()), String::new),
                value("busbar_disk_temperature_celsius"),
                value("busbar_disk_wear_ratio"),
                value("busbar_disk_media_errors_total"),
            ],
        }
    };
    let rows: Vec<Row> = facts.drives.iter().map(row).collect();
    Table {
        name: "drives",
        columns: vec![
            ("size", Unit::Bytes),
            ("heat", Unit::Celsius),
            ("worn", Unit::Share),
            ("errors", Unit::Number),
        ],
        why: rows.is_empty().then(|| why(facts, "block")),
        rows,
    }
}

fn source_row(source: &Source, at: Moment) -> SourceRow {
    let (state, message) = match &source.status {
        SourceStatus::Ok => ("ok", String::new()),
        SourceStatus::Pending => ("pending", "it has not answered yet".to_owned()),
        SourceStatus::Down { reason, message } => (reason.word(), message.clone()),
    };
    SourceRow {
        name: source.name.clone(),
        state: state.to_owned(),
        age_seconds: source.last_success.map(|last| age(last, at)),
        message,
    }
}

/// Seconds between two moments; clocks of two machines may differ, so never below zero.
fn age(last: Moment, at: Moment) -> f64 {
    let millis = at.millis().saturating_sub(last.millis());
    std::time::Duration::from_millis(millis).as_secs_f64()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
