//! The sentences of the topology rules, and the hint that an offer carries.

use agent_api::v1::TopologyHint;
use facts::{Bytes, NumaSet};

use super::exclusive::Chosen;
use super::machine::Machine;
use super::near::{Wanted, is_known};
use super::sets::Question;

/// How many NUMA nodes a refusal shows; the nearest miss is among the first.
const MOST_SHOWN: usize = 4;

/// Why no NUMA node holds all of it: each with what it lacks, those that lack least first.
pub(super) fn single(machine: &Machine, near: &[Wanted<'_>], question: &Question<'_>) -> String {
    let mut lacking: Vec<(usize, String)> = Vec::new();
    for (cell, has) in question.has.iter().enumerate() {
        let wanted = &question.wanted;
        let mut lacks = Vec::new();
        if has.cpus < wanted.cpus {
            lacks.push(format!("{} of {} CPUs free", has.cpus, wanted.cpus));
        }
        if has.memory < wanted.memory {
            let (has, wanted) = (Bytes::new(has.memory), Bytes::new(wanted.memory));
            lacks.push(format!("{has} of {wanted} memory free"));
        }
        if has.gpus < wanted.gpus {
            lacks.push(format!("{} of {} GPUs free", has.gpus, wanted.gpus));
        }
        if has
            .pages
            .iter()
            .zip(&wanted.pages)
            .any(|(has, wanted)| has < wanted)
        {
            lacks.push("too few huge pages free".to_owned());
        }
        if question.far[cell] > 0 {
            let names: Vec<&str> = near.iter().map(|one| one.name.as_str()).collect();
            lacks.push(format!("not near {}", names.join(" and ")));
        }
        lacking.push((
            lacks.len(),
            format!("{} ({})", cell_name(machine, cell), lacks.join(", ")),
        ));
    }
    lacking.sort_by_key(|(count, _)| *count);
    let more = lacking.len().saturating_sub(MOST_SHOWN);
    let mut shown: Vec<String> = lacking
        .into_iter()
        .take(MOST_SHOWN)
        .map(|(_, text)| text)
        .collect();
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    format!(
        "no NUMA node holds all of it (topology single-numa-node): {}; ask for less, or for topology best-effort",
        shown.join(", ")
    )
}

/// Why it is refused although it would fit somewhere.
pub(super) fn restricted(
    machine: &Machine,
    narrowest: (usize, u32),
    now: Option<(usize, u32)>,
    question: &Question<'_>,
) -> String {
    let nodes = |count: usize| format!("{count} NUMA node{}", if count == 1 { "" } else { "s" });
    let best = nodes(narrowest.0);
    let now = match now {
        Some((width, _)) if width > narrowest.0 => format!("what is free now needs {}", nodes(width)),
        Some((_, far)) => format!(
            "what is free now is farther from what it shall be near (distance {far} instead of {})",
            narrowest.1
        ),
        None => "what is free now holds it only with memory or GPUs of other NUMA nodes".to_owned(),
    };
    let free: Vec<String> = question
        .has
        .iter()
        .enumerate()
        .take(MOST_SHOWN)
        .map(|(cell, has)| format!("{} has {} free CPUs", cell_name(machine, cell), has.cpus))
        .collect();
    format!(
        "this machine can have it on {best} and {now} (topology restricted): {}; wait, ask for less, or for topology best-effort",
        free.join(", ")
    )
}

/// `NUMA node 1`.
pub(super) fn cell_name(machine: &Machine, cell: usize) -> String {
    match machine.cells[cell].numa {
        Some(at) => format!("NUMA node {}", machine.numa[at].id),
        None => format!("CPUs {}, which no NUMA node names,", machine.cells[cell].cpus),
    }
}

/// How near everything in an offer is to each other.
pub(super) fn hint(
    machine: &Machine,
    chosen: &Chosen,
    others: &NumaSet,
    near: &[Wanted<'_>],
) -> TopologyHint {
    let of_cpus = machine
        .cells
        .iter()
        .filter(|cell| !cell.cpus.is_disjoint(&chosen.cpus));
    let of_cpus = of_cpus.filter_map(|cell| cell.numa).map(|at| machine.numa[at].id);
    let numa_nodes = of_cpus.collect::<NumaSet>().union(others);
    let width = numa_nodes.len();
    let unknown: Vec<&str> = near
        .iter()
        .filter(|one| !is_known(one.locality))
        .map(|one| one.name.as_str())
        .collect();
    let (aligned, mut why) = match chosen.narrowest {
        Some(_) | None if width <= 1 && chosen.far == 0 => (true, "all of it is on one NUMA node".to_owned()),
        Some((narrowest, far)) if width <= narrowest && chosen.far <= far => (
            true,
            format!("the empty machine would need {narrowest} NUMA nodes for it too"),
        ),
        Some((narrowest, far)) if width <= narrowest => (
            false,
            format!(
                "it is farther from what it shall be near: distance {} instead of {far}",
                chosen.far
            ),
        ),
        Some((narrowest, _)) => (
            false,
            format!("it is on {width} NUMA nodes; the empty machine would have it on {narrowest}"),
        ),
        None => (
            false,
            format!("it is on {width} NUMA nodes; no NUMA nodes with CPUs hold all of it here"),
        ),
    };
    if !unknown.is_empty() {
        why.push_str(&format!("; where {} is near is not known", unknown.join(" and ")));
    }
    TopologyHint {
        numa_nodes,
        aligned,
        why,
    }
}
