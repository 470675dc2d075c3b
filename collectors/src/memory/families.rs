//! The families of the memory's sheet.

facts::families! {
    MEMORY Gauge "busbar_memory_bytes" ["state"]
        "Memory of the whole machine by state." from "/proc/meminfo";
    NUMA_MEMORY Gauge "busbar_numa_memory_bytes" ["numa_node", "state"]
        "Memory of each NUMA node; hugepages is what pages of all sizes set aside, used or not." from "sysfs node";
    NUMA_ALLOCATIONS Counter "busbar_numa_allocations_total" ["numa_node", "result"]
        "Pages given out by a NUMA node: as asked (hit), for want of another (miss), elsewhere for want of its own (foreign), spread (interleave), to its own CPUs (local) or to others (other)." from "numastat";
    HUGEPAGES Gauge "busbar_hugepages" ["numa_node", "page_bytes", "state"]
        "Huge pages of each size, of each NUMA node where the kernel tells; what is promised and not yet used (reserved) is told of the whole machine alone." from "sysfs hugepages";
}
