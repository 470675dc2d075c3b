//! Placement, pure: an ask, the machine and what is taken give an offer with its reasons, or a refusal that says what is missing.
//!
//! First the NUMA nodes: as few as hold CPUs, memory, huge pages and GPUs together, the nearest to what the ask wants to be
//! near and to each other (`sets`). In them the CPUs, in the order whole package, NUMA node, L3 cache, core (`tree`). A core is
//! never split between two exclusive holders, and one holder never mixes kinds of cores unless it asked for that. CPUs that
//! are reserved for the host are never lent exclusively and always stay in the shared pool, so the shared pool is never empty.

mod advice;
mod away;
mod batch;
mod books;
mod budget;
mod drives;
mod exclusive;
mod gpus;
mod machine;
mod memory;
mod moves;
mod near;
mod reason;
mod rule;
mod sets;
mod taken;
mod tree;
mod watts;

use agent_api::v1::{Ask, Offer};
use facts::{CpuSet, NumaSet};
use intent::{CacheShare, Generation};

pub use advice::advice;
pub use away::away;
pub use batch::{Batch, name, place_all};
pub use books::Pool;
pub use budget::{Budget, budget};
pub use machine::Machine;
pub use moves::{DEFAULT_RATE, Move, Proposal, Room, propose, roomiest, why_it_stays};
pub use taken::Taken;

use books::Books;
use exclusive::{Choosing, Chosen};

/// Why there is no offer.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// The ask makes no sense on any machine.
    #[error("{0}")]
    BadAsk(String),
    /// This machine has no such thing, whoever ends.
    #[error("{0}")]
    NotHere(String),
    /// There is not enough of it here now.
    #[error("{0}")]
    Shortfall(String),
    /// The machine is not known yet.
    #[error("the topology of this node is not known yet; try again in a moment")]
    Unknown,
}

/// The offer for an ask. The same arguments always give the same offer.
///
/// # Errors
/// With what is missing, and who has it.
pub fn place(
    ask: &Ask,
    machine: &Machine,
    taken: &[Taken],
    generation: Generation,
) -> Result<Offer, Refusal> {
    ask.check().map_err(|error| Refusal::BadAsk(error.to_string()))?;
    let books = Books::of(machine, taken);
    if books.pool.usable.is_empty() {
        return Err(Refusal::Unknown);
    }
    let near = near::wanted(ask, machine)?;
    let cpus = usize::try_from(ask.cpus).unwrap_or(usize::MAX);
    let named = gpus::named(ask, machine, &books, taken)?;
    let mut chosen = if ask.exclusive {
        let (ask, books, near) = (ask, &books, near.as_slice());
        Choosing {
            ask,
            machine,
            books,
            taken,
            near,
            cpus,
        }
        .choose()?
    } else {
        shared(cpus, &books)?
    };
    let memory = memory::near(ask, machine, &books, taken, &chosen.cpus)?;
    let drives = drives::offered(ask, machine, taken)?;
    let gpus = gpus::offered(ask, machine, &books, taken, &chosen.cpus, named)?;
    let mut others: NumaSet = memory.shares.iter().map(|share| share.numa_node).collect();
    others.add(&memory.hugepages.iter().map(|share| share.numa_node).collect());
    others.add(&gpus.iter().filter_map(|gpu| gpu.numa_node).collect());
    others.add(&drives.iter().filter_map(|drive| drive.numa_node).collect());
    let hint = ask
        .exclusive
        .then(|| rule::hint(machine, &chosen, &others, &near));
    let mut because = std::mem::take(&mut chosen.because);
    because.extend(memory.because);
    let watts = watts::promised(ask, machine, &books, taken)?;
    because.extend(watts.because);
    Ok(Offer {
        numa_nodes: memory.numa_nodes,
        memory: memory.shares,
        hugepages: memory.hugepages,
        gpus,
        drives,
        cache: caches(ask, machine, &chosen.cpus),
        watts: watts.promised,
        topology_hint: hint,
        cpus: chosen.cpus,
        because,
        generation,
    })
}

fn shared(wanted: usize, books: &Books) -> Result<Chosen, Refusal> {
    let Pool { usable, shared, .. } = &books.pool;
    if shared.len() < wanted {
        return Err(Refusal::Shortfall(format!(
            "asked {}; {} shared: {} of {} usable are lent exclusively",
            reason::counted(wanted, "CPU"),
            reason::is_are(shared.len()),
            usable.len() - shared.len(),
            usable.len()
        )));
    }
    let because = vec![
        format!(
            "CPUs {shared} are shared with the host and with every workload that asked for no exclusive ones"
        ),
        format!("CPU time of at most {}", reason::counted(wanted, "CPU")),
    ];
    Ok(Chosen {
        cpus: shared.clone(),
        because,
        narrowest: None,
        far: 0,
    })
}

fn caches(ask: &Ask, machine: &Machine, cpus: &CpuSet) -> Vec<CacheShare> {
    if ask.l3_share.is_none() && ask.memory_bandwidth_share.is_none() {
        return Vec::new();
    }
    let touched = (0_u32..)
        .zip(&machine.caches)
        .filter(|(_, cache)| !cache.is_disjoint(cpus));
    let share = |(cache, cpus): (u32, &CpuSet)| CacheShare {
        cache,
        cpus: cpus.clone(),
        l3_share: ask.l3_share,
        memory_bandwidth_share: ask.memory_bandwidth_share,
    };
    touched.map(share).collect()
}

#[cfg(test)]
mod tests;
