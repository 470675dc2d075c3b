//! Drives, NICs and GPUs as lines, each with the CPUs that are near it; many alike become one line.

use facts::drive::Drive;
use facts::gpu::Gpu;
use facts::nic::Nic;
use facts::{Bytes, CpuSet, Identity, Inventory, NumaNodeId, PciAddress};

use super::style::{Style, count};

/// More parts than this that are alike and at one place are one line.
const MOST_ALIKE: usize = 3;
const MEGABITS_A_GIGABIT: u64 = 1_000;

/// One part: where it is near, how it is named, and what there is to say of it beside its name and address.
pub struct Part {
    /// The CPUs near it; `None` where nothing tells.
    near: Option<CpuSet>,
    kind: &'static str,
    name: String,
    said: String,
    address: Option<PciAddress>,
}

/// All parts of a machine that hang from something.
pub fn parts(inventory: &Inventory, style: Style) -> Vec<Part> {
    let part = |kind, name: String, node, address, said: Vec<String>| Part {
        near: near(inventory, node, address),
        kind,
        name,
        said: said
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("  "),
        address,
    };
    let gpus = inventory.gpus.iter().map(|gpu| {
        let name = gpu.device.clone().unwrap_or_default();
        part("GPU", name, gpu.numa_node, gpu.pci, said_of_gpu(gpu, style))
    });
    let drives = inventory.drives.iter().map(|drive| {
        part(
            "drive",
            drive.device.clone(),
            drive.numa_node,
            drive.pci,
            said_of_drive(drive, style),
        )
    });
    let nics = inventory.nics.iter().map(|nic| {
        part(
            "NIC",
            nic.device.clone(),
            nic.numa_node,
            nic.pci,
            said_of_nic(nic, style),
        )
    });
    gpus.chain(drives).chain(nics).collect()
}

impl Part {
    /// Whether it is near these CPUs and no others.
    pub fn is_within(&self, cpus: &CpuSet) -> bool {
        self.near
            .as_ref()
            .is_some_and(|near| !near.is_empty() && near.is_subset(cpus))
    }
}

/// The lines of parts at one place.
pub fn lines(parts: &[&Part], style: Style) -> Vec<String> {
    let mut groups: Vec<Vec<&Part>> = Vec::new();
    for part in parts {
        let alike = groups.iter_mut().find(|group| {
            group
                .iter()
                .any(|one| one.kind == part.kind && one.said == part.said)
        });
        match alike {
            Some(group) => group.push(part),
            None => groups.push(vec![part]),
        }
    }
    let mut lines = Vec::new();
    for group in groups {
        match group.as_slice() {
            [first, .., last] if group.len() > MOST_ALIKE => {
                lines.push(many(group.len(), first, last, style))
            }
            few => lines.extend(few.iter().map(|part| one(part, style))),
        }
    }
    lines
}

fn one(part: &Part, style: Style) -> String {
    let address = part.address.map(|address| style.aside(&address.to_string()));
    join([
        Some(style.name(&word(part.kind, &part.name))),
        Some(part.said.clone()),
        address,
    ])
}

fn many(number: usize, first: &Part, last: &Part, style: Style) -> String {
    let range = |first: &str, last: &str| format!("{first} … {last}");
    let names = (!first.name.is_empty()).then(|| range(&first.name, &last.name));
    let addresses = first.address.zip(last.address);
    let addresses = addresses.map(|(first, last)| style.aside(&range(&first.to_string(), &last.to_string())));
    let kind = style.name(&count(number, first.kind));
    let said = (!first.said.is_empty()).then(|| format!("{} each", first.said));
    join([Some(kind), names, said, addresses])
}

fn word(kind: &str, name: &str) -> String {
    if name.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind} {name}")
    }
}

fn join<const N: usize>(words: [Option<String>; N]) -> String {
    let words: Vec<String> = words
        .into_iter()
        .flatten()
        .filter(|word| !word.is_empty())
        .collect();
    words.join("  ")
}

fn near(inventory: &Inventory, node: Option<NumaNodeId>, address: Option<PciAddress>) -> Option<CpuSet> {
    let of_node = inventory.numa_nodes.iter().find(|one| Some(one.id) == node);
    let of_place = || inventory.pci.iter().find(|place| Some(place.address) == address);
    of_node
        .map(|node| node.cpus.clone())
        .filter(|cpus| !cpus.is_empty())
        .or_else(|| of_place().map(|place| place.cpus.clone()))
}

/// Maker and model; makers who write their name into the model are named once.
fn who(identity: &Identity) -> String {
    let model = identity.model.as_deref();
    let maker = identity.maker.as_deref();
    let words = [
        maker.filter(|maker| !model.is_some_and(|model| model.starts_with(maker))),
        model,
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn said_of_gpu(gpu: &Gpu, style: Style) -> Vec<String> {
    let memory = gpu.memory_bytes.map(|bytes| style.quantity(&bytes.to_string()));
    let id = gpu.pci_id.as_deref().map(|id| style.aside(id));
    vec![
        who(&gpu.identity),
        memory.unwrap_or_default(),
        id.unwrap_or_default(),
    ]
}

fn said_of_drive(drive: &Drive, style: Style) -> Vec<String> {
    // A virtual drive says that it turns because nobody told it otherwise.
    let turns = if drive.rotational == Some(true) && drive.transport.as_deref() != Some("virtio") {
        "turning"
    } else {
        ""
    };
    // An exported topology of an old hwloc names drives without their size.
    let size = if drive.size_bytes == Bytes::ZERO {
        String::new()
    } else {
        drive.size_bytes.to_string()
    };
    vec![
        who(&drive.identity),
        style.quantity(&size),
        drive.transport.clone().unwrap_or_default(),
        turns.to_owned(),
    ]
}

fn said_of_nic(nic: &Nic, style: Style) -> Vec<String> {
    let speed = nic.speed_megabits.map(|megabits| {
        let text = if megabits.is_multiple_of(MEGABITS_A_GIGABIT) {
            format!("{} Gb/s", megabits / MEGABITS_A_GIGABIT)
        } else {
            format!("{megabits} Mb/s")
        };
        style.quantity(&text)
    });
    let state = if nic.state == "unknown" {
        String::new()
    } else {
        nic.state.clone()
    };
    let functions = nic
        .virtual_functions
        .map(|(used, most)| format!("{used} of {most} virtual functions"));
    vec![
        state,
        speed.unwrap_or_default(),
        nic.driver.clone().unwrap_or_default(),
        functions.unwrap_or_default(),
    ]
}
