//! The families of resctrl's sheet. Bytes by direction are the memory controllers' own (uncore PMUs): another family.

facts::families! {
    TRAFFIC Counter "busbar_llc_memory_bytes_total" ["socket", "cache", "scope"]
        "Bytes between a last-level cache and memory: all of them, or those of its own NUMA node (local)." from "resctrl mon_data";
    OCCUPANCY Gauge "busbar_llc_occupancy_bytes" ["socket", "cache"]
        "Bytes of a last-level cache that are filled." from "resctrl mon_data";
    WORKLOAD_TRAFFIC Counter "busbar_workload_llc_memory_bytes_total" ["workload", "socket", "cache", "scope"]
        "Bytes that a workload moved between a last-level cache and memory: all of them, or those of the cache's own NUMA node (local). It begins anew where another group comes to count it." from "resctrl mon_data";
    WORKLOAD_OCCUPANCY Gauge "busbar_workload_llc_occupancy_bytes" ["workload", "socket", "cache"]
        "Bytes of a last-level cache that a workload fills." from "resctrl mon_data";
}
