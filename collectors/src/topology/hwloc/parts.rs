//! What computes: packages, NUMA nodes, caches, cores, CPUs, and kinds of cores.

use std::collections::{BTreeMap, BTreeSet};

use facts::topology::{Cache, CacheKind, Core, CoreKind, Cpu, NumaNode, Package};
use facts::{Bytes, CoreId, CpuId, CpuSet, Identity, NumaNodeId, NumaSet, PackageId};
use hwlocality::Topology as Tree;
use hwlocality::bitmap::BitmapIndex;
use hwlocality::object::attributes::ObjectAttributes;
use hwlocality::object::distance::DistancesKind;
use hwlocality::object::types::{CacheType, ObjectType};
use hwlocality::object::{TopologyObject, TopologyObjectID};

use crate::attribute;

/// hwloc's names of what it knows of a CPU.
const CPU_VENDOR: &str = "CPUVendor";
const CPU_MODEL: &str = "CPUModel";
const CORE_TYPE: &str = "CoreType";
const FREQUENCY_MAX: &str = "FrequencyMaxMHz";

/// All kinds of caches, with their level.
const CACHES: [ObjectType; 8] = [
    ObjectType::L1Cache,
    ObjectType::L1ICache,
    ObjectType::L2Cache,
    ObjectType::L2ICache,
    ObjectType::L3Cache,
    ObjectType::L3ICache,
    ObjectType::L4Cache,
    ObjectType::L5Cache,
];

/// The kernel's ceiling of CPUs and NUMA nodes is far below; a bound because hwloc's sets may be infinite.
const MOST_MEMBERS: usize = 65_536;

/// The number of each package: the kernel's where they are unique, hwloc's otherwise.
pub(super) struct Numbers(BTreeMap<TopologyObjectID, PackageId>);

impl Numbers {
    pub(super) fn of(tree: &Tree) -> Numbers {
        let packages: Vec<&TopologyObject> = tree.objects_with_type(ObjectType::Package).collect();
        let of_kernel: BTreeSet<u32> = packages.iter().filter_map(|package| os_number(package)).collect();
        let unique = of_kernel.len() == packages.len();
        let number = |package: &TopologyObject| {
            let own = if unique { os_number(package) } else { None };
            PackageId(own.unwrap_or_else(|| logical_number(package)))
        };
        Numbers(
            packages
                .into_iter()
                .map(|package| (package.global_persistent_index(), number(package)))
                .collect(),
        )
    }

    fn get(&self, package: &TopologyObject) -> Option<PackageId> {
        self.0.get(&package.global_persistent_index()).copied()
    }
}

pub(super) fn packages(tree: &Tree, numbers: &Numbers) -> Vec<Package> {
    let mut dies: BTreeMap<TopologyObjectID, u32> = BTreeMap::new();
    for die in tree.objects_with_type(ObjectType::Die) {
        if let Some(package) = die.first_ancestor_with_type(ObjectType::Package) {
            *dies.entry(package.global_persistent_index()).or_default() += 1;
        }
    }
    let package = |object: &TopologyObject| {
        Some(Package {
            id: numbers.get(object)?,
            identity: Identity {
                maker: info_near(object, CPU_VENDOR),
                model: info_near(object, CPU_MODEL),
                serial: None,
            },
            cpus: cpus_of(object),
            numa_nodes: numa_nodes_of(object),
            dies: dies.get(&object.global_persistent_index()).copied().unwrap_or(1),
        })
    };
    tree.objects_with_type(ObjectType::Package)
        .filter_map(package)
        .collect()
}

pub(super) fn numa_nodes(tree: &Tree) -> Vec<NumaNode> {
    let distances = numa_distances(tree);
    let objects: Vec<&TopologyObject> = tree.objects_with_type(ObjectType::NUMANode).collect();
    let ids: Vec<TopologyObjectID> = objects
        .iter()
        .map(|object| object.global_persistent_index())
        .collect();
    let node = |object: &&TopologyObject| {
        let from = object.global_persistent_index();
        let row: Option<Vec<u32>> = ids
            .iter()
            .map(|to| distances.get(&(from, *to)).copied())
            .collect();
        NumaNode {
            id: NumaNodeId(os_number(object).unwrap_or_else(|| logical_number(object))),
            cpus: cpus_of(object),
            memory_bytes: memory_of(object),
            distances: row.unwrap_or_default(),
            memory_kind: object
                .subtype()
                .and_then(|kind| attribute::cleaned(kind.to_bytes()))
                .unwrap_or_default(),
        }
    };
    objects.iter().map(node).collect()
}

fn memory_of(object: &TopologyObject) -> Option<Bytes> {
    match object.attributes() {
        Some(ObjectAttributes::NUMANode(attributes)) => {
            attributes.local_memory().map(|bytes| Bytes::new(bytes.get()))
        }
        _ => None,
    }
}

/// The matrix that firmware gives (ACPI SLIT), by pairs of objects; empty where there is none.
fn numa_distances(tree: &Tree) -> BTreeMap<(TopologyObjectID, TopologyObjectID), u32> {
    let wanted = DistancesKind::FROM_OS | DistancesKind::MEANS_LATENCY;
    let mut pairs = BTreeMap::new();
    for matrix in tree.distances(None).unwrap_or_default() {
        let is_numa = matrix
            .objects()
            .all(|object| object.is_some_and(|object| object.object_type() == ObjectType::NUMANode));
        if !is_numa || !matrix.kind().contains(wanted) || !pairs.is_empty() {
            continue;
        }
        let ids: Vec<TopologyObjectID> = matrix
            .objects()
            .flatten()
            .map(TopologyObject::global_persistent_index)
            .collect();
        for ((from, to), value) in matrix.enumerate_distances() {
            if let (Some(from), Some(to), Ok(value)) = (ids.get(from), ids.get(to), u32::try_from(value)) {
                pairs.insert((*from, *to), value);
            }
        }
    }
    pairs
}

pub(super) fn caches(tree: &Tree) -> Vec<Cache> {
    let objects = CACHES.iter().flat_map(|kind| tree.objects_with_type(*kind));
    let cache = |object: &TopologyObject| match object.attributes() {
        Some(ObjectAttributes::Cache(attributes)) => Some(Cache {
            level: u32::try_from(attributes.depth()).ok()?,
            kind: match attributes.cache_type() {
                CacheType::Data => CacheKind::Data,
                CacheType::Instruction => CacheKind::Instruction,
                CacheType::Unified | CacheType::Unknown(_) => CacheKind::Unified,
            },
            size_bytes: attributes.size().map(|bytes| Bytes::new(bytes.get())),
            cpus: cpus_of(object),
        }),
        _ => None,
    };
    objects.filter_map(cache).collect()
}

pub(super) fn cores(tree: &Tree, numbers: &Numbers, kinds: &[CoreKind]) -> Vec<Core> {
    let core = |object: &TopologyObject| {
        let cpus = cpus_of(object);
        let kind = kinds.iter().find(|kind| cpus.is_subset(&kind.cpus));
        let above = |kind| object.first_ancestor_with_type(kind);
        Core {
            id: CoreId(logical_number(object)),
            os_id: os_number(object),
            package: above(ObjectType::Package).and_then(|package| numbers.get(package)),
            die: above(ObjectType::Die).and_then(os_number),
            numa_nodes: numa_nodes_of(object),
            kind: kind.map(|kind| kind.id),
            cpus,
        }
    };
    tree.objects_with_type(ObjectType::Core).map(core).collect()
}

pub(super) fn cpus(tree: &Tree, numbers: &Numbers, cores: &[Core]) -> Vec<Cpu> {
    let mut core_of: BTreeMap<CpuId, &Core> = BTreeMap::new();
    for core in cores {
        core_of.extend(core.cpus.iter().map(|cpu| (cpu, core)));
    }
    let allowed = set_of(tree.allowed_cpuset().iter_set());
    let cpu = |object: &TopologyObject| {
        let id = CpuId(os_number(object)?);
        let core = core_of.get(&id);
        let package = || {
            object
                .first_ancestor_with_type(ObjectType::Package)
                .and_then(|above| numbers.get(above))
        };
        Some(Cpu {
            id,
            core: core.map(|core| core.id),
            package: package(),
            numa_node: numa_nodes_of(object).first(),
            usable: allowed.contains(&id.0),
        })
    };
    tree.objects_with_type(ObjectType::PU).filter_map(cpu).collect()
}

/// Kinds of cores in hwloc's order, the most efficient first; none where there is only one kind or their order is unknown.
pub(super) fn core_kinds(tree: &Tree) -> Vec<CoreKind> {
    let Ok(kinds) = tree.cpu_kinds() else {
        return Vec::new();
    };
    let kinds: Vec<_> = kinds.collect();
    if kinds.len() < 2 || kinds.iter().any(|kind| kind.efficiency.is_none()) {
        return Vec::new();
    }
    let kind = |(rank, kind): (u32, &hwlocality::cpu::kind::CpuKind<'_>)| {
        let info = |name: &str| {
            let info = kind
                .infos
                .iter()
                .find(|info| info.name().to_bytes() == name.as_bytes())?;
            attribute::cleaned(info.value().to_bytes())
        };
        CoreKind {
            id: rank,
            name: info(CORE_TYPE),
            max_megahertz: info(FREQUENCY_MAX).and_then(|text| text.parse().ok()),
            cpus: set_of(kind.cpuset.iter_set()).into_iter().map(CpuId).collect(),
        }
    };
    (0..).zip(&kinds).map(kind).collect()
}

/// CPUs that the kernel knows and hwloc left out: offline, or kept away by a cpuset.
pub(super) fn missing_cpus(tree: &Tree) -> CpuSet {
    let all: CpuSet = set_of(tree.complete_cpuset().iter_set())
        .into_iter()
        .map(CpuId)
        .collect();
    let present = set_of(tree.cpuset().iter_set()).into_iter().map(CpuId).collect();
    all.difference(&present)
}

pub(super) fn cpus_of(object: &TopologyObject) -> CpuSet {
    let members = object.cpuset().map(|set| set_of(set.iter_set()));
    members.unwrap_or_default().into_iter().map(CpuId).collect()
}

pub(super) fn numa_nodes_of(object: &TopologyObject) -> NumaSet {
    let members = object.nodeset().map(|set| set_of(set.iter_set()));
    members.unwrap_or_default().into_iter().map(NumaNodeId).collect()
}

fn set_of(members: impl Iterator<Item = BitmapIndex>) -> BTreeSet<u32> {
    members
        .take(MOST_MEMBERS)
        .filter_map(|index| u32::try_from(usize::from(index)).ok())
        .collect()
}

fn os_number(object: &TopologyObject) -> Option<u32> {
    object.os_index().and_then(|number| u32::try_from(number).ok())
}

fn logical_number(object: &TopologyObject) -> u32 {
    u32::try_from(object.logical_index()).unwrap_or(u32::MAX)
}

/// What hwloc wrote beside an object.
pub(super) fn info(object: &TopologyObject, name: &str) -> Option<String> {
    attribute::cleaned(object.info(name)?.to_bytes())
}

/// The same, or what it wrote beside what is around it: without packages the machine itself has the CPU's model.
fn info_near(object: &TopologyObject, name: &str) -> Option<String> {
    info(object, name).or_else(|| object.ancestors().find_map(|above| info(above, name)))
}
