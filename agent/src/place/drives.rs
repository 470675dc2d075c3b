//! Which drives an offer holds: those that were named, by what the OS calls them today, by serial number or by their names for ever.

use agent_api::v1::{Ask, OfferedDrive};

use super::machine::{DrivePlace, Machine};
use super::{Refusal, Taken};

/// How many names a refusal shows.
const MOST_NAMED: usize = 16;

/// The drive of this name.
pub(super) fn named<'a>(name: &str, machine: &'a Machine) -> Option<&'a DrivePlace> {
    machine
        .drives
        .iter()
        .find(|drive| drive.names.iter().any(|known| known == name))
}

/// The drives of an offer, all of them here and held by nobody.
pub(super) fn offered(ask: &Ask, machine: &Machine, taken: &[Taken]) -> Result<Vec<OfferedDrive>, Refusal> {
    let mut chosen: Vec<OfferedDrive> = Vec::new();
    for name in &ask.drives {
        let drive = named(name, machine).ok_or_else(|| not_here(name, machine))?;
        let same = |held: &intent::DeviceWish| held.name() == drive.device.name();
        if let Some(holder) = taken.iter().find(|one| one.drives.iter().any(same)) {
            return Err(Refusal::Shortfall(format!(
                "drive {name} is held by {}; ask for another one, or end that workload",
                holder.workload
            )));
        }
        if chosen.iter().any(|other| other.device == drive.device) {
            return Err(Refusal::BadAsk(format!(
                "drive {name} is asked twice under two names; name it once"
            )));
        }
        chosen.push(OfferedDrive {
            device: drive.device.clone(),
            numa_node: drive.numa_node,
        });
    }
    Ok(chosen)
}

fn not_here(name: &str, machine: &Machine) -> Refusal {
    let known = machine
        .drives
        .iter()
        .filter_map(|drive| drive.device.device.as_deref());
    let known: Vec<&str> = known.take(MOST_NAMED).collect();
    let has = if known.is_empty() {
        "no drive at all".to_owned()
    } else {
        known.join(", ")
    };
    Refusal::NotHere(format!("there is no drive {name} on this node; it has {has}"))
}
