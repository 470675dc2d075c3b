//! The queues of network interfaces that workloads want to be near to: their interrupts, and which CPUs send and receive by which.
//!
//! Interrupts go to CPUs of the interface's NUMA node that nobody has exclusively, one a queue, so that the workload's own CPUs
//! stay its own; what the workload's CPUs send is spread over the queues (XPS), what is received is processed elsewhere (RPS).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use facts::{CpuId, CpuSet, PciAddress};
use intent::Intent;

use crate::host::Host;
use crate::record::{Listing, Record, Shall, of_numa_node};
use crate::step::Reads;

/// A directory an interface.
pub(super) const CLASS_NET: &str = "/sys/class/net";
/// The device behind it. A virtio device stands below the PCI function whose interrupts it uses.
const DEVICE: &str = "device";
const PCI_DEVICES: &str = "/sys/bus/pci/devices";
const NUMA_NODE: &str = "numa_node";
/// A file an interrupt of the device, named by its number.
const MSI_IRQS: &str = "msi_irqs";
/// `tx-0`, `rx-0`, and their masks (Documentation/networking/scaling.rst).
const QUEUES: &str = "queues";
const XPS_CPUS: &str = "xps_cpus";
const RPS_CPUS: &str = "rps_cpus";

/// What the interfaces that are wanted need: their interrupts' CPUs, and the masks of their queues.
#[derive(Debug, Default)]
pub(super) struct Near {
    /// The CPU of each interrupt.
    pub irqs: BTreeMap<u32, CpuSet>,
    /// The masks.
    pub masks: Vec<Listing>,
}

/// Looks at the interfaces that these workloads want to be near to, and at those whose masks were changed before.
pub(super) fn near(host: &Host, intent: &Intent, record: &Record, free: &CpuSet) -> Near {
    let mut own: BTreeMap<&str, CpuSet> = BTreeMap::new();
    for isolation in &intent.isolations {
        for nic in isolation.nics.iter().flatten().filter(|name| is_name(name)) {
            own.entry(nic).or_default().add(&isolation.cpus);
        }
    }
    let mut near = Near::default();
    for (nic, cpus) in &own {
        near.add(host, &Path::new(CLASS_NET).join(nic), cpus, free);
    }
    // What nobody wants any more says again what it said.
    let known: Vec<&PathBuf> = near.masks.iter().map(|listing| &listing.file).collect();
    let changed = record
        .originals
        .keys()
        .filter(|file| file.starts_with(CLASS_NET) && !known.contains(file));
    let back: Vec<Listing> = changed
        .map(|file| listing(file.clone(), Shall::AsFound, free))
        .collect();
    near.masks.extend(back);
    near
}

/// No path: names of interfaces are at most 15 bytes (`IFNAMSIZ`).
fn is_name(name: &str) -> bool {
    (1..=15).contains(&name.len()) && !name.starts_with('.') && !name.contains('/')
}

impl Near {
    fn add(&mut self, host: &Host, dir: &Path, own: &CpuSet, free: &CpuSet) {
        let devices = devices(host, dir);
        let read = |file: &str| {
            let mut texts = devices.iter().map(|device| host.read(&device.join(file)));
            texts.find_map(|text| text.ok().flatten())
        };
        let node = read(NUMA_NODE).and_then(|node| of_numa_node(host, &node));
        let beside = node
            .map(|cpus| cpus.intersection(free))
            .filter(|cpus| !cpus.is_empty());
        let beside: Vec<CpuId> = beside.as_ref().unwrap_or(free).iter().collect();
        for (irq, cpu) in irqs(host, &devices).into_iter().zip(beside.iter().cycle()) {
            self.irqs.insert(irq, [*cpu].into_iter().collect());
        }
        let queues = host.directories(&dir.join(QUEUES)).unwrap_or_default();
        let file = |queue: &String, name: &str| dir.join(QUEUES).join(queue).join(name);
        let senders: Vec<&String> = queues.iter().filter(|queue| queue.starts_with("tx-")).collect();
        for (at, queue) in senders.iter().enumerate() {
            let cpus = share(own, at, senders.len());
            self.masks
                .push(listing(file(queue, XPS_CPUS), Shall::Be(cpus), free));
        }
        let receivers = queues.iter().filter(|queue| queue.starts_with("rx-"));
        self.masks
            .extend(receivers.map(|queue| listing(file(queue, RPS_CPUS), Shall::LeaveOrEmpty, free)));
    }
}

/// Where what the device says may stand: its own directory, and that of the PCI function that it is or stands below.
fn devices(host: &Host, dir: &Path) -> Vec<PathBuf> {
    let device = dir.join(DEVICE);
    let whole = host.real(&device).canonicalize().unwrap_or_default();
    let mut names = whole.ancestors().filter_map(|place| place.file_name()?.to_str());
    let function = names.find_map(|name| name.parse::<PciAddress>().ok());
    let function = function.map(|address| Path::new(PCI_DEVICES).join(address.to_string()));
    [device].into_iter().chain(function).collect()
}

fn irqs(host: &Host, devices: &[PathBuf]) -> Vec<u32> {
    let mut lists = devices.iter().map(|device| host.entries(&device.join(MSI_IRQS)));
    let names = lists.find_map(|names| names.ok().filter(|names| !names.is_empty()));
    let names = names.unwrap_or_default();
    let mut irqs: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    irqs.sort_unstable();
    irqs
}

/// The CPUs whose sending one of so many queues takes: every n-th, and at least one.
fn share(own: &CpuSet, at: usize, queues: usize) -> CpuSet {
    let of_it = own.iter().skip(at).step_by(queues.max(1)).collect::<CpuSet>();
    if !of_it.is_empty() || own.is_empty() {
        return of_it;
    }
    own.iter().nth(at % own.len()).into_iter().collect()
}

fn listing(file: PathBuf, shall: Shall, free: &CpuSet) -> Listing {
    Listing {
        file,
        reads: Reads::Mask,
        instead: free.clone(),
        near: None,
        shall,
    }
}
