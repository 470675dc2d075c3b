//! The sentences of offers and refusals.

use agent_api::v1::Policy;
use facts::CpuSet;

use super::Taken;
use super::books::Pool;
use super::machine::Machine;
use super::near::{Wanted, far_from, is_known};
use super::rule::cell_name;

/// How many holders a sentence names. A list of 200 helps nobody; the rest is counted.
const MOST_HOLDERS: usize = 6;

/// `1 CPU`, `3 CPUs`.
pub(super) fn counted(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

/// `1 is`, `3 are`.
pub(super) fn is_are(number: usize) -> String {
    if number == 1 {
        "1 is".to_owned()
    } else {
        format!("{number} are")
    }
}

/// `CPU 3 is`, `CPUs 4-5 are`.
fn these(cpus: &CpuSet) -> String {
    if cpus.len() == 1 {
        format!("CPU {cpus} is")
    } else {
        format!("CPUs {cpus} are")
    }
}

/// Who holds something: `web 4 GiB, batch 1 GiB`; those that are shed first in front.
pub(super) fn holders(taken: &[Taken], has: impl Fn(&Taken) -> Option<String>) -> String {
    let mut holders: Vec<(&Taken, String)> = taken.iter().filter_map(|one| Some((one, has(one)?))).collect();
    holders.sort_by_key(|(one, _)| std::cmp::Reverse(one.priority));
    let more = holders.len().saturating_sub(MOST_HOLDERS);
    let shown = holders.iter().take(MOST_HOLDERS);
    let mut shown: Vec<String> = shown
        .map(|(one, what)| format!("{} has {what}", one.workload))
        .collect();
    if more > 0 {
        shown.push(format!("{} have the rest", counted(more, "more workload")));
    }
    if shown.is_empty() {
        shown.push("no workload has any".to_owned());
    }
    shown.join(", ")
}

/// `asked 2 exclusive CPUs; 1 is free: CPU 0 is reserved for the host`.
pub(super) fn shortfall(asked: &str, free: usize, machine: &Machine, taken: &[Taken], pool: &Pool) -> String {
    let why = kept(machine, taken, pool);
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {}", why.join(", "))
    };
    format!("asked {asked}; {} free{why}", is_are(free))
}

/// Who has the CPUs that are not free, one phrase each.
pub(super) fn kept(machine: &Machine, taken: &[Taken], pool: &Pool) -> Vec<String> {
    let mut said = CpuSet::new();
    let mut reasons = Vec::new();
    let mut say = |cpus: CpuSet, what: String| {
        if !cpus.is_empty() {
            reasons.push(format!("{} {what}", these(&cpus)));
            said.add(&cpus);
        }
    };
    let lent = pool.usable.difference(&pool.shared);
    say(
        pool.reserved.difference(&lent),
        "reserved for the host".to_owned(),
    );
    let holders: Vec<&Taken> = taken.iter().filter(|one| !one.cpus.is_empty()).collect();
    for one in holders.iter().take(MOST_HOLDERS) {
        say(one.cpus.clone(), format!("held by {}", one.workload));
    }
    let rest: Vec<&&Taken> = holders.iter().skip(MOST_HOLDERS).collect();
    let mut of_rest = CpuSet::new();
    rest.iter().for_each(|one| of_rest.add(&one.cpus));
    say(
        of_rest,
        format!("held by {}", counted(rest.len(), "more workload")),
    );
    let beside = |of: &CpuSet| {
        let mut siblings = CpuSet::new();
        machine
            .cores
            .iter()
            .filter(|core| !core.is_disjoint(of))
            .for_each(|core| siblings.add(core));
        siblings
            .intersection(&pool.usable)
            .difference(&lent)
            .difference(&pool.reserved)
    };
    if holders.len() <= MOST_HOLDERS {
        for one in &holders {
            say(
                beside(&one.cpus),
                format!("on a core that {} has a part of", one.workload),
            );
        }
    } else {
        say(beside(&lent), "on cores of which somebody has a part".to_owned());
    }
    say(machine.offline.clone(), "offline".to_owned());
    let away = machine.disallowed.union(&machine.listed.difference(&pool.usable));
    let away = away
        .difference(&machine.offline)
        .difference(&pool.usable)
        .difference(&lent);
    say(away, "kept from us by the host".to_owned());
    reasons
}

/// The smallest parts of the machine that hold all of the chosen CPUs: `CPUs 4-7 are on 4 cores under one L3 cache, all in …`.
pub(super) fn where_they_are(machine: &Machine, free: &CpuSet, cpus: &CpuSet) -> Vec<String> {
    let cores = machine
        .cores
        .iter()
        .filter(|core| !core.is_disjoint(cpus))
        .count();
    let mut line = format!("{} on {}", these(cpus), counted(cores, "core"));
    if machine.caches.iter().any(|cache| cpus.is_subset(cache)) {
        line.push_str(" under one L3 cache");
    }
    let cell = machine
        .cells
        .iter()
        .find(|cell| cell.numa.is_some() && cpus.is_subset(&cell.cpus));
    let package = machine
        .packages
        .iter()
        .find(|(_, package)| cpus.is_subset(package));
    if let Some((cell, numa)) = cell.and_then(|cell| Some((cell, cell.numa?))) {
        let had = cell.cpus.intersection_len(free);
        let id = machine.numa[numa].id;
        line.push_str(&format!(", all in NUMA node {id}, which had {had} free"));
    } else {
        let nodes = machine.cells.iter().filter(|cell| !cell.cpus.is_disjoint(cpus));
        let nodes: facts::NumaSet = nodes
            .filter_map(|cell| cell.numa)
            .map(|at| machine.numa[at].id)
            .collect();
        if !nodes.is_empty() {
            line.push_str(&format!(", in NUMA nodes {nodes}"));
        }
        match package {
            Some((id, _)) => line.push_str(&format!(", all in package {id}")),
            None => line.push_str("; no single package has enough free"),
        }
    }
    vec![line]
}

/// What the policy did, where it is not the default.
pub(super) fn policy(policy: Policy) -> Option<String> {
    match policy {
        Policy::Packed => None,
        Policy::Spread => Some("spread evenly over the parts of the machine, as asked".to_owned()),
        Policy::Balanced => Some("together where the most is left free, as asked".to_owned()),
    }
}

/// How near they are to each thing that they shall be near to.
pub(super) fn near(machine: &Machine, wanted: &[Wanted<'_>], cpus: &CpuSet) -> Vec<String> {
    let touched = |cell: &usize| !machine.cells[*cell].cpus.is_disjoint(cpus);
    let cells: Vec<usize> = (0..machine.cells.len()).filter(touched).collect();
    let line = |one: &Wanted<'_>| {
        if !is_known(one.locality) {
            return format!(
                "where {} is near is not known: it counts as near everything",
                one.name
            );
        }
        let away: Vec<usize> = cells
            .iter()
            .copied()
            .filter(|cell| far_from(machine, *cell, one.locality) > 0)
            .collect();
        if away.is_empty() {
            return format!("near {}", one.name);
        }
        let names: Vec<String> = away.iter().map(|cell| cell_name(machine, *cell)).collect();
        let at: Vec<String> = one.locality.numa_nodes.iter().map(ToString::to_string).collect();
        format!(
            "not near {} (it is at NUMA node {}): {}, because there is too little free nearer",
            one.name,
            at.join(","),
            names.join(", ")
        )
    };
    wanted.iter().map(line).collect()
}

/// CPUs that share a core with a chosen one and were not asked for.
pub(super) fn siblings(machine: &Machine, cpus: &CpuSet) -> Option<String> {
    let mut all = CpuSet::new();
    machine
        .cores
        .iter()
        .filter(|core| !core.is_disjoint(cpus))
        .for_each(|core| all.add(core));
    let beside = all.difference(cpus);
    let shares = if beside.len() == 1 { "shares" } else { "share" };
    let name = if beside.len() == 1 { "CPU" } else { "CPUs" };
    (!beside.is_empty()).then(|| {
        format!("{name} {beside} {shares} a core with them and stays with the host: nobody else gets it exclusively")
    })
}
