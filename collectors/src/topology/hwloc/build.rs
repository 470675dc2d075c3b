//! How hwloc is asked: what it shall keep, and which of its plugins we have no use for.

use facts::NoData;
use hwlocality::Topology as Tree;
use hwlocality::object::types::ObjectType;
use hwlocality::topology::builder::{BuildFlags, TopologyBuilder, TypeFilter};

use crate::collector::CollectError;

/// Plugins of Debian's hwloc that open X displays, OpenCL or vendors' libraries to name OS devices which we find in sysfs.
/// Together they cost more than everything else.
const UNUSED_COMPONENTS: [&str; 6] = ["gl", "opencl", "cuda", "nvml", "rsmi", "levelzero"];

/// This machine, or the one below `HWLOC_FSROOT`. On this machine what a cpuset keeps away is kept too, and marked: our own
/// partitions keep CPUs away from us, and a CPU that is lent has not vanished.
pub(super) fn from_files(this_machine: bool) -> Result<Tree, CollectError> {
    let mut builder = TopologyBuilder::new();
    if this_machine {
        const KEPT: &str = "hwloc cannot keep what a cpuset keeps away";
        builder = builder
            .with_flags(BuildFlags::INCLUDE_DISALLOWED)
            .map_err(|cause| CollectError::new(NoData::Garbled, KEPT).because(cause))?;
    }
    for component in UNUSED_COMPONENTS {
        // hwloc refuses the name of a plugin that is not installed, and hwlocality then drops the builder: so a trial goes first.
        if TopologyBuilder::new().without_component(component).is_ok() {
            let message = || format!("hwloc cannot leave out its component {component}");
            builder = builder
                .without_component(component)
                .map_err(|cause| CollectError::new(NoData::Garbled, message()).because(cause))?;
        }
    }
    build(builder, TypeFilter::KeepNone, "hwloc cannot read the topology")
}

/// An exported topology.
pub(super) fn from_xml(text: &str) -> Result<Tree, CollectError> {
    const REFUSED: &str =
        "hwloc does not take this XML; expected a topology as lstopo exports it (lstopo --of xml)";
    let builder = TopologyBuilder::new()
        .from_xml(text)
        .map_err(|cause| CollectError::new(NoData::Garbled, REFUSED).because(cause))?;
    build(builder, TypeFilter::KeepAll, REFUSED)
}

/// Keeps everything that computes, and PCI functions that are devices; OS devices only where nothing else names them.
fn build(builder: TopologyBuilder, os_devices: TypeFilter, failure: &str) -> Result<Tree, CollectError> {
    let unfiltered = |kind| CollectError::new(NoData::Garbled, format!("hwloc cannot filter {kind}"));
    builder
        .with_cpu_icache_type_filter(TypeFilter::KeepAll)
        .map_err(|cause| unfiltered("caches").because(cause))?
        .with_type_filter(ObjectType::PCIDevice, TypeFilter::KeepImportant)
        .map_err(|cause| unfiltered("PCI devices").because(cause))?
        .with_type_filter(ObjectType::OSDevice, os_devices)
        .map_err(|cause| unfiltered("OS devices").because(cause))?
        .build()
        .map_err(|cause| CollectError::new(NoData::Garbled, failure).because(cause))
}
