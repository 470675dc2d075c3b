//! What placement must know of a machine, made once an inventory: sets, the tree, distances, where each device is near.

use agent_api::v1::Near;
use facts::drive::Drive;
use facts::gpu::{Gpu, MigDevice};
use facts::inventory::HugepagePool;
use facts::{CpuSet, Inventory, NumaNodeId, PackageId, PciAddress, Power};
use intent::{DeviceKind, DeviceWish};

use super::budget::Budget;
use super::tree::Tree;

/// The cache level that divides a machine for placement.
pub(super) const LAST_LEVEL: u32 = 3;
/// The distance that is taken where the firmware names none: ACPI's word for unreachable.
const UNKNOWN_DISTANCE: u32 = 255;
/// ACPI's distance of a NUMA node to itself.
const LOCAL_DISTANCE: u32 = 10;

/// The CPUs of one NUMA node, each CPU in one cell only; the last cell may hold those that no NUMA node names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Which NUMA node, as a place in `Machine::numa`.
    pub numa: Option<usize>,
    pub cpus: CpuSet,
    /// Which package, as a place in the inventory.
    pub package: Option<usize>,
}

/// One NUMA node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numa {
    pub id: NumaNodeId,
    /// What can be promised of its memory: all but the pools of huge pages. `None` where nobody knows.
    pub bytes: Option<u64>,
    distances: Vec<u32>,
}

/// One kind of core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub name: String,
    pub cpus: CpuSet,
}

/// One GPU or MIG device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GpuPlace {
    /// Number of the GPU in the inventory.
    pub index: u32,
    pub device: DeviceWish,
    pub numa_node: Option<NumaNodeId>,
    /// Whether the GPU is cut into MIG devices: then it cannot be held whole.
    pub is_cut: bool,
}

/// One drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DrivePlace {
    pub device: DeviceWish,
    /// What it can be asked for by.
    pub names: Vec<String>,
    pub numa_node: Option<NumaNodeId>,
}

/// Where a device is near.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Locality {
    pub cpus: CpuSet,
    pub numa_nodes: Vec<NumaNodeId>,
}

/// What placement must know of a machine. Made when the inventory changes; a decision only reads it.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Known and switched on.
    pub(super) listed: CpuSet,
    /// Those that we may use.
    pub(super) allowed: CpuSet,
    pub(super) offline: CpuSet,
    pub(super) disallowed: CpuSet,
    pub(super) configured: Option<CpuSet>,
    pub(super) lately: CpuSet,
    pub(super) cores: Vec<CpuSet>,
    pub(super) caches: Vec<CpuSet>,
    pub(super) packages: Vec<(PackageId, CpuSet)>,
    pub(super) kinds: Vec<Kind>,
    pub(super) numa: Vec<Numa>,
    pub(super) cells: Vec<Cell>,
    /// For each cell all others, the nearest first.
    pub(super) nearest: Vec<Vec<usize>>,
    pub(super) pools: Vec<HugepagePool>,
    pub(super) gpus: Vec<GpuPlace>,
    pub(super) drives: Vec<DrivePlace>,
    pub(super) devices: Vec<(Near, Locality)>,
    pub(super) watts: Option<Power>,
    /// Whose limits the watts are, for people; empty where nobody said.
    pub(super) watts_from: String,
    pub(super) tree: Tree,
}

impl Machine {
    /// Of this inventory. `reserved` are the CPUs that the configuration keeps for the host; `None` is the first core.
    pub fn of(inventory: &Inventory, reserved: Option<&CpuSet>) -> Machine {
        let listed: CpuSet = inventory.cpus.iter().map(|cpu| cpu.id).collect();
        let listed = listed.difference(&inventory.offline_cpus);
        let usable = inventory.cpus.iter().filter(|cpu| cpu.usable).map(|cpu| cpu.id);
        let allowed = usable.collect::<CpuSet>().intersection(&listed);
        let caches = inventory.caches.iter().filter(|cache| cache.level == LAST_LEVEL);
        let packages = inventory
            .packages
            .iter()
            .map(|package| (package.id, package.cpus.clone()));
        let numa = numa_nodes(inventory);
        let cells = cells(inventory, &listed);
        let kinds = inventory.core_kinds.iter().map(|kind| Kind {
            name: kind.name.clone().unwrap_or_else(|| format!("kind {}", kind.id)),
            cpus: kind.cpus.clone(),
        });
        let mut machine = Machine {
            allowed: allowed.difference(&inventory.disallowed_cpus),
            offline: inventory.offline_cpus.clone(),
            disallowed: inventory.disallowed_cpus.clone(),
            configured: reserved.cloned(),
            cores: inventory.cores.iter().map(|core| core.cpus.clone()).collect(),
            caches: caches.map(|cache| cache.cpus.clone()).collect(),
            packages: packages.collect(),
            kinds: kinds.collect(),
            pools: inventory.hugepages.clone(),
            gpus: gpus(inventory),
            drives: drives(inventory),
            devices: devices(inventory),
            tree: Tree::of(inventory, &listed),
            nearest: Vec::new(),
            lately: CpuSet::new(),
            watts: None,
            watts_from: String::new(),
            listed,
            numa,
            cells,
        };
        machine.nearest = (0..machine.cells.len())
            .map(|cell| machine.others(cell))
            .collect();
        machine
    }

    /// With the power that may be promised in all; without it none is.
    #[must_use]
    pub fn with_watts(mut self, watts: Option<Power>) -> Machine {
        self.watts = watts;
        self
    }

    /// The same, with where that number comes from.
    #[must_use]
    pub fn with_budget(mut self, budget: Option<Budget>) -> Machine {
        self.watts = budget.as_ref().map(|budget| budget.watts);
        self.watts_from = budget.map(|budget| budget.from).unwrap_or_default();
        self
    }

    /// Takes note of CPUs that the inventory still shows as kept away from us, and that are ours to lend.
    pub fn lend_again(&mut self, cpus: &CpuSet) {
        self.lately.clone_from(cpus);
    }

    /// The CPUs of a package, by its own number.
    pub fn cpus_of_package(&self, number: u32) -> Option<CpuSet> {
        let package = self.packages.iter().find(|(id, _)| id.0 == number);
        package.map(|(_, cpus)| cpus.clone())
    }

    /// Whether it knows no CPU at all.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// How far two NUMA nodes are from each other.
    pub(super) fn distance(&self, from: usize, to: usize) -> u32 {
        if from == to {
            return LOCAL_DISTANCE;
        }
        let known = self.numa.get(from).and_then(|numa| numa.distances.get(to));
        known.copied().unwrap_or(UNKNOWN_DISTANCE)
    }

    /// The same of two cells.
    pub(super) fn cell_distance(&self, from: usize, to: usize) -> u32 {
        match (self.cells[from].numa, self.cells[to].numa) {
            (Some(from), Some(to)) => self.distance(from, to),
            (_, None) | (None, _) => UNKNOWN_DISTANCE,
        }
    }

    fn others(&self, cell: usize) -> Vec<usize> {
        let mut others: Vec<usize> = (0..self.cells.len()).filter(|other| *other != cell).collect();
        let package = |other: usize| self.cells[other].package;
        others.sort_by_key(|other| {
            let away = package(*other) != package(cell);
            (away, self.cell_distance(cell, *other), *other)
        });
        others
    }

    /// The place of a NUMA node in the list.
    pub(super) fn numa_at(&self, id: NumaNodeId) -> Option<usize> {
        self.numa.iter().position(|numa| numa.id == id)
    }
}

fn numa_nodes(inventory: &Inventory) -> Vec<Numa> {
    let nodes = inventory.numa_nodes.iter().map(|node| {
        let pools = inventory
            .hugepages
            .iter()
            .filter(|pool| pool.numa_node == node.id);
        let set_aside = pools.fold(0_u64, |sum, pool| sum.saturating_add(pool.total_bytes.get()));
        Numa {
            id: node.id,
            bytes: node
                .memory_bytes
                .map(|bytes| bytes.get().saturating_sub(set_aside)),
            distances: node.distances.clone(),
        }
    });
    nodes.collect()
}

/// Each CPU belongs to the smallest NUMA node that names it: others that name the same CPUs (HBM beside DRAM, memory behind
/// CXL) are memory without CPUs.
fn cells(inventory: &Inventory, listed: &CpuSet) -> Vec<Cell> {
    let mut order: Vec<usize> = (0..inventory.numa_nodes.len()).collect();
    order.sort_by_key(|at| (inventory.numa_nodes[*at].cpus.len(), inventory.numa_nodes[*at].id));
    let mut left = listed.clone();
    let mut cells = Vec::new();
    let package = |cpus: &CpuSet| {
        let first = cpus.first()?;
        inventory
            .packages
            .iter()
            .position(|package| package.cpus.contains(first))
    };
    for at in order {
        let cpus = inventory.numa_nodes[at].cpus.intersection(&left);
        if !cpus.is_empty() {
            left.remove(&cpus);
            cells.push(Cell {
                numa: Some(at),
                package: package(&cpus),
                cpus,
            });
        }
    }
    cells.sort_by_key(|cell| cell.numa);
    if !left.is_empty() {
        cells.push(Cell {
            numa: None,
            package: package(&left),
            cpus: left,
        });
    }
    cells
}

fn gpus(inventory: &Inventory) -> Vec<GpuPlace> {
    let mut places = Vec::new();
    for (index, gpu) in (0_u32..).zip(&inventory.gpus) {
        let cut = mig(gpu);
        let device = |kind, uuid: &Option<String>, device: &Option<String>| DeviceWish {
            kind,
            device: device.clone(),
            uuid: uuid.clone(),
            pci: gpu.pci,
        };
        let place = |device, is_cut| GpuPlace {
            index,
            device,
            numa_node: gpu.numa_node,
            is_cut,
        };
        places.push(place(
            device(DeviceKind::Gpu, &gpu.uuid, &gpu.device),
            !cut.is_empty(),
        ));
        places.extend(
            cut.iter()
                .map(|(uuid, name)| place(device(DeviceKind::Mig, uuid, name), false)),
        );
    }
    places
}

/// A GPU's MIG devices: their unique ids, and what the driver's list of capabilities calls them, as in `gpu0/mig/gi3/ci0`.
fn mig(gpu: &Gpu) -> Vec<(Option<String>, Option<String>)> {
    let readings = gpu.readings.iter().flat_map(|readings| &readings.mig_devices);
    readings
        .map(|device| (device.uuid.clone(), capability(gpu, device)))
        .filter(|(uuid, _)| uuid.is_some())
        .collect()
}

fn drives(inventory: &Inventory) -> Vec<DrivePlace> {
    let place = |drive: &Drive| DrivePlace {
        device: DeviceWish {
            kind: DeviceKind::Block,
            device: Some(drive.device.clone()),
            uuid: drive.wwid.clone(),
            pci: drive.pci,
        },
        names: [
            Some(drive.device.clone()),
            drive.identity.serial.clone(),
            drive.wwid.clone(),
        ]
        .into_iter()
        .flatten()
        .collect(),
        numa_node: drive.numa_node,
    };
    inventory.drives.iter().map(place).collect()
}

fn capability(gpu: &Gpu, part: &MigDevice) -> Option<String> {
    let number = gpu.device.as_deref()?.strip_prefix("nvidia")?;
    let (instance, compute) = (part.gpu_instance?, part.compute_instance?);
    Some(format!("gpu{number}/mig/gi{instance}/ci{compute}"))
}

fn devices(inventory: &Inventory) -> Vec<(Near, Locality)> {
    let place = |numa_node: Option<NumaNodeId>, pci: Option<PciAddress>| {
        let known = inventory.pci.iter().find(|place| Some(place.address) == pci);
        let numa_nodes: Vec<NumaNodeId> = match (numa_node, known) {
            (Some(numa_node), _) => vec![numa_node],
            (None, Some(known)) => known.numa_nodes.iter().collect(),
            (None, None) => Vec::new(),
        };
        let cpus = known.map(|known| known.cpus.clone()).unwrap_or_default();
        Locality { cpus, numa_nodes }
    };
    // Of a PCI function hwloc knows the place; of one that it does not show, the driver may.
    let mut found: Vec<(Near, Locality)> = Vec::new();
    let known = inventory.pci.iter().map(|known| known.address);
    found.extend(known.map(|address| (Near::Pci(address), place(None, Some(address)))));
    let mut add = |near: Near, numa_node, pci: Option<PciAddress>| {
        let locality = place(numa_node, pci);
        found.extend(pci.map(|pci| (Near::Pci(pci), locality.clone())));
        found.push((near, locality));
    };
    for (index, gpu) in inventory.gpus.iter().enumerate() {
        let ids = gpu
            .uuid
            .clone()
            .into_iter()
            .chain(mig(gpu).into_iter().filter_map(|(uuid, _)| uuid));
        let names = std::iter::once(index.to_string()).chain(ids);
        names.for_each(|name| add(Near::Gpu(name), gpu.numa_node, gpu.pci));
    }
    for nic in &inventory.nics {
        add(Near::Nic(nic.device.clone()), nic.numa_node, nic.pci);
    }
    for drive in &inventory.drives {
        add(Near::Drive(drive.device.clone()), drive.numa_node, drive.pci);
    }
    found
}
