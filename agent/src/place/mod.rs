//! Placement, pure: an ask, the machine and what is taken give an offer with its reasons, or a refusal that says what is missing.
//!
//! Exclusive CPUs are chosen in the order whole package, NUMA node, L3 cache, core: the smallest part of the machine that
//! has enough free holds all of them, and of several the one that is left fullest. A core is never split between two
//! exclusive holders. CPUs that are reserved for the host are never lent exclusively and always stay in the shared pool,
//! so the shared pool is never empty.

mod domain;
mod memory;
mod pool;
mod reason;

use agent_api::v1::{Ask, Offer};
use facts::{CpuSet, Inventory};
use intent::{Generation, WorkloadId};

pub use pool::Pool;

/// What an exclusive holder has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Who.
    pub workload: WorkloadId,
    /// Which CPUs.
    pub cpus: CpuSet,
}

/// Why there is no offer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    /// The ask makes no sense on any machine.
    #[error("{0}")]
    BadAsk(String),
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
    inventory: &Inventory,
    taken: &[Taken],
    reserved: Option<&CpuSet>,
    generation: Generation,
) -> Result<Offer, Refusal> {
    if ask.cpus == 0 {
        return Err(Refusal::BadAsk("asked 0 CPUs; expected 1 or more".to_owned()));
    }
    let pool = Pool::of(inventory, taken, reserved);
    if pool.usable.is_empty() {
        return Err(Refusal::Unknown);
    }
    let (cpus, mut because) = if ask.exclusive {
        exclusive(ask, inventory, taken, &pool)?
    } else {
        shared(ask, &pool)?
    };
    let (numa_nodes, why) = memory::near(ask, inventory, &cpus)?;
    because.extend(why);
    Ok(Offer {
        cpus,
        numa_nodes,
        because,
        generation,
        memory: Vec::new(),
        hugepages: Vec::new(),
        gpus: Vec::new(),
        cache: Vec::new(),
        watts: None,
        topology_hint: None,
    })
}

type Chosen = (CpuSet, Vec<String>);

fn exclusive(ask: &Ask, inventory: &Inventory, taken: &[Taken], pool: &Pool) -> Result<Chosen, Refusal> {
    let wanted = usize::try_from(ask.cpus).unwrap_or(usize::MAX);
    let free = pool.free(inventory, taken);
    if free.len() < wanted {
        return Err(Refusal::Shortfall(reason::shortfall(
            wanted, &free, inventory, taken, pool,
        )));
    }
    let machine = domain::Domain::machine(inventory, &free);
    let cpus = machine.take(wanted);
    let mut because = reason::where_they_are(inventory, &free, &cpus);
    because.extend(reason::siblings(inventory, &cpus));
    because.extend(reason::kept(inventory, taken, pool));
    Ok((cpus, because))
}

fn shared(ask: &Ask, pool: &Pool) -> Result<Chosen, Refusal> {
    let wanted = usize::try_from(ask.cpus).unwrap_or(usize::MAX);
    if pool.shared.len() < wanted {
        return Err(Refusal::Shortfall(format!(
            "asked {}; {} shared: {} of {} usable are lent exclusively",
            reason::counted(wanted, "CPU"),
            reason::is_are(pool.shared.len()),
            pool.usable.len() - pool.shared.len(),
            pool.usable.len()
        )));
    }
    let because = vec![
        format!(
            "CPUs {} are shared with the host and with every workload that asked for no exclusive ones",
            pool.shared
        ),
        format!("CPU time of at most {}", reason::counted(wanted, "CPU")),
    ];
    Ok((pool.shared.clone(), because))
}

#[cfg(test)]
mod tests;
