//! The sentences of offers and refusals.

use facts::{CpuSet, Inventory};

use super::Taken;
use super::pool::Pool;

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

/// `asked 2 exclusive CPUs; 1 is free: CPU 0 is reserved for the host`.
pub(super) fn shortfall(
    wanted: usize,
    free: &CpuSet,
    inventory: &Inventory,
    taken: &[Taken],
    pool: &Pool,
) -> String {
    let why = kept(inventory, taken, pool);
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {}", why.join(", "))
    };
    format!(
        "asked {}; {} free{why}",
        counted(wanted, "exclusive CPU"),
        is_are(free.len())
    )
}

/// Who has the CPUs that are not free, one phrase each.
pub(super) fn kept(inventory: &Inventory, taken: &[Taken], pool: &Pool) -> Vec<String> {
    let mut said = CpuSet::new();
    let mut reasons = Vec::new();
    let mut say = |cpus: CpuSet, what: String| {
        if !cpus.is_empty() {
            reasons.push(format!("{} {what}", these(&cpus)));
            said = said.union(&cpus);
        }
    };
    let lent = taken
        .iter()
        .fold(CpuSet::new(), |all, taken| all.union(&taken.cpus));
    say(
        pool.reserved.difference(&lent),
        "reserved for the host".to_owned(),
    );
    for taken in taken {
        say(taken.cpus.clone(), format!("held by {}", taken.workload));
    }
    for taken in taken {
        let cores = inventory
            .cores
            .iter()
            .filter(|core| !core.cpus.is_disjoint(&taken.cpus));
        let siblings = cores.fold(CpuSet::new(), |all, core| all.union(&core.cpus));
        let siblings = siblings
            .intersection(&pool.usable)
            .difference(&lent)
            .difference(&pool.reserved);
        say(
            siblings,
            format!("on a core that {} has a part of", taken.workload),
        );
    }
    let offline = inventory.offline_cpus.clone();
    say(offline.clone(), "offline".to_owned());
    let listed: CpuSet = inventory.cpus.iter().map(|cpu| cpu.id).collect();
    let away = inventory
        .disallowed_cpus
        .union(&listed.difference(&pool.usable))
        .difference(&offline);
    say(away.difference(&lent), "kept from us by the host".to_owned());
    reasons
}

/// The smallest parts of the machine that hold all of the chosen CPUs: `CPUs 4-7 in L3 cache 1 of NUMA node 1`.
pub(super) fn where_they_are(inventory: &Inventory, free: &CpuSet, cpus: &CpuSet) -> Vec<String> {
    let cores = inventory
        .cores
        .iter()
        .filter(|core| !core.cpus.is_disjoint(cpus))
        .count();
    let mut line = format!("{} on {}", these(cpus), counted(cores, "core"));
    let holds = |set: &CpuSet| cpus.is_subset(set);
    let numa_node = inventory
        .numa_nodes
        .iter()
        .find(|numa_node| holds(&numa_node.cpus));
    let package = inventory.packages.iter().find(|package| holds(&package.cpus));
    let one_cache = inventory
        .caches
        .iter()
        .any(|cache| cache.level == 3 && holds(&cache.cpus));
    if one_cache {
        line.push_str(" under one L3 cache");
    }
    if let Some(numa_node) = numa_node {
        let had = numa_node.cpus.intersection(free).len();
        line.push_str(&format!(
            ", all in NUMA node {}, which had {had} free",
            numa_node.id
        ));
    } else if let Some(package) = package {
        line.push_str(&format!(", all in package {}", package.id));
    } else {
        line.push_str("; no single package has enough free");
    }
    vec![line]
}

/// CPUs that share a core with a chosen one and were not asked for.
pub(super) fn siblings(inventory: &Inventory, cpus: &CpuSet) -> Option<String> {
    let cores = inventory.cores.iter().filter(|core| !core.cpus.is_disjoint(cpus));
    let all = cores.fold(CpuSet::new(), |all, core| all.union(&core.cpus));
    let beside = all.difference(cpus);
    let shares = if beside.len() == 1 { "shares" } else { "share" };
    let name = if beside.len() == 1 { "CPU" } else { "CPUs" };
    (!beside.is_empty()).then(|| {
        format!("{name} {beside} {shares} a core with them and stays with the host: nobody else gets it exclusively")
    })
}
