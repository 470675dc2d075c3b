//! The families that the agent writes from its view and of itself; those of the sources' sheets stand with their collectors.

pub use facts::metric::{Family, Kind};

facts::families! {
    BUILD_INFO Info "busbar_build_info" ["version", "revision", "target"]
        "The agent's build." from "the agent itself";
    AGENT_START Gauge "busbar_agent_start_timestamp_seconds" []
        "When this run of the agent began." from "the agent itself";
    AGENT_GENERATION Gauge "busbar_agent_generation" []
        "Generation of the intent in force; it grows with each change." from "the ledger";
    AGENT_CONVERGED Gauge "busbar_agent_converged" []
        "Whether the host is as the intent says: 1, or 0 while steps are outstanding." from "the keeper";
    ACTUATOR_MODE_INFO Info "busbar_actuator_mode_info" ["actuator", "mode"]
        "The mode of each actuator: observe, advise or enforce." from "the configuration";
    WOULD_STEPS Gauge "busbar_would_steps" ["actuator"]
        "Steps that an actuator would take and may not take in its mode." from "the keeper";
    OUTSTANDING_STEPS Gauge "busbar_outstanding_steps" []
        "Steps between the host and the intent in force; none left means converged." from "the keeper";
    POWER_CAP Gauge "busbar_power_cap_watts" []
        "The cap in force of all CPU packages and GPUs together; absent where none is." from "the keeper";
    LEASE_CAP Gauge "busbar_power_lease_cap_watts" ["level"]
        "What the rack leases to this node at each level of loss; level 1 holds when nobody renews. Absent without a lease, as all of its family." from "the keeper";
    LEASE_IN_FORCE Gauge "busbar_power_lease_in_force_watts" []
        "All limits together, as read back from the hardware in the last second; absent where they cannot be read." from "powercap, NVML";
    LEASE_EXPIRED Gauge "busbar_power_lease_expired" []
        "Whether the lease ended because nobody renewed it." from "the keeper";
    LEASE_APPLIED Gauge "busbar_power_lease_applied" []
        "Whether the limits read back are those of the lease." from "the keeper";
    LEASE_REMAINING Gauge "busbar_power_lease_remaining_seconds" []
        "How long the lease was still valid when the keeper looked last; 0 where it has ended." from "the keeper";
    LEASE_UNWRITTEN Gauge "busbar_power_lease_unwritten" []
        "Whether the ledger on disk is older than the lease in force: 1 for longer than a second is a disk that takes nothing." from "the keeper";
    LEASE_REFUSED Counter "busbar_power_lease_refused_total" ["reason"]
        "Leases that were refused, by reason, in this run of the agent." from "the keeper";
    POOLED_DRIVES Gauge "busbar_pooled_drives" ["access"]
        "Drives that this node may lend: lent to a host, or shut. Absent where it lends none." from "the agent's record of pooled drives";
    POOLED_HUNG Gauge "busbar_pooled_drives_hung" []
        "Drives that this node may lend and that do not answer; absent where it lends none." from "the agent's record of pooled drives";
    ATTACHED_DRIVES Gauge "busbar_attached_drives" ["state"]
        "Drives of other nodes that this node shall use: those that answer, and those that do not. Absent where it uses none." from "the agent's record of pooled drives";
    CPUS Gauge "busbar_agent_cpus" ["use"]
        "CPUs by use: reserved for the host, shared, or lent exclusively." from "the keeper";
    MACHINE_INFO Info "busbar_machine_info" ["vendor", "product", "serial", "bios_version", "kernel", "architecture"]
        "The machine as its maker and its kernel name it." from "DMI, /proc/sys/kernel";
    CPU_TOPOLOGY_INFO Info "busbar_cpu_topology_info" ["cpu", "core", "die", "socket", "numa_node", "smt", "core_type"]
        "Where each CPU lies." from "hwloc";
    NUMA_DISTANCE Gauge "busbar_numa_distance" ["numa_node", "peer"]
        "Relative distance between NUMA nodes as in ACPI SLIT; 10 is local." from "hwloc";
    ENERGY Counter "busbar_cpu_energy_joules_total" ["zone", "socket", "domain"]
        "Energy that a power zone has used, without the kernel counter's wraps." from "powercap";
    POWER_LIMIT Gauge "busbar_cpu_power_limit_watts" ["zone", "socket", "domain", "constraint"]
        "Power limit in force of a power zone." from "powercap";
    TEMPERATURE Gauge "busbar_temperature_celsius" ["chip", "sensor", "location"]
        "Temperature of a sensor." from "hwmon, thermal zones";
    FAN Gauge "busbar_fan_speed_rpm" ["chip", "sensor", "location"]
        "Turns of a fan a minute." from "hwmon";
    VOLTAGE Gauge "busbar_voltage_volts" ["chip", "sensor", "location"]
        "Voltage of a sensor." from "hwmon";
    CURRENT Gauge "busbar_current_amperes" ["chip", "sensor", "location"]
        "Current of a sensor." from "hwmon";
    SENSOR_POWER Gauge "busbar_sensor_power_watts" ["chip", "sensor", "location"]
        "Power that a sensor of the board measures." from "hwmon";
    GPU_INFO Info "busbar_gpu_info" ["gpu", "gpu_uuid", "pci_bus_id", "pci_id", "model", "numa_node", "vbios", "driver"]
        "Each GPU and where it sits." from "sysfs pci, NVML";
    GPU_MEMORY Gauge "busbar_gpu_memory_bytes" ["gpu", "gpu_uuid", "pci_bus_id", "state"]
        "Memory of a GPU, where its driver tells." from "NVML";
    GPU_UTILIZATION Gauge "busbar_gpu_utilization_ratio" ["gpu", "gpu_uuid", "engine"]
        "Share of the driver's last sampling period in which an engine of a GPU worked." from "NVML";
    GPU_CLOCK Gauge "busbar_gpu_clock_hertz" ["gpu", "gpu_uuid", "domain"]
        "Clock of a GPU's domain." from "NVML";
    GPU_POWER Gauge "busbar_gpu_power_watts" ["gpu", "gpu_uuid"]
        "Power that a GPU's board draws." from "NVML";
    GPU_POWER_LIMIT Gauge "busbar_gpu_power_limit_watts" ["gpu", "gpu_uuid", "constraint"]
        "Power limit of a GPU: set by somebody, enforced (in force), and the least and most that can be set." from "NVML";
    GPU_ENERGY Counter "busbar_gpu_energy_joules_total" ["gpu", "gpu_uuid"]
        "Energy that a GPU has used since its driver was loaded." from "NVML";
    GPU_TEMPERATURE Gauge "busbar_gpu_temperature_celsius" ["gpu", "gpu_uuid", "sensor"]
        "Temperature of a GPU." from "NVML";
    GPU_TEMPERATURE_LIMIT Gauge "busbar_gpu_temperature_limit_celsius" ["gpu", "gpu_uuid", "limit"]
        "Temperature at which a GPU slows down or switches itself off." from "NVML";
    GPU_ECC Counter "busbar_gpu_ecc_errors_total" ["gpu", "gpu_uuid", "severity"]
        "Memory errors in the life of a GPU's board; absent where ECC is off." from "NVML";
    GPU_REMAPPED Counter "busbar_gpu_remapped_rows_total" ["gpu", "gpu_uuid", "severity"]
        "Rows of a GPU's memory that were replaced, by the errors that made it so." from "NVML";
    GPU_REMAP Gauge "busbar_gpu_row_remap" ["gpu", "gpu_uuid", "state"]
        "1 where a row of a GPU's memory waits for a reset to be replaced (pending) or could not be (failed), else 0." from "NVML";
    GPU_XID Counter "busbar_gpu_xid_errors_total" ["gpu", "gpu_uuid", "xid"]
        "Critical errors that the driver reported, in this run of the agent." from "NVML events";
    GPU_XID_LAST Gauge "busbar_gpu_xid_last_timestamp_seconds" ["gpu", "gpu_uuid", "xid"]
        "When the driver last reported a critical error." from "NVML events";
    GPU_THROTTLED Gauge "busbar_gpu_throttled" ["gpu", "gpu_uuid", "reason"]
        "1 for each reason that holds a GPU's clocks back now; absent where it does not." from "NVML";
    GPU_THROTTLE Counter "busbar_gpu_throttle_seconds_total" ["gpu", "gpu_uuid", "reason"]
        "Time in which a reason held a GPU's clocks back." from "NVML";
    GPU_PCIE Gauge "busbar_gpu_pcie_bytes_per_second" ["gpu", "gpu_uuid", "direction"]
        "Traffic of a GPU over PCIe in a sample of 20 ms." from "NVML";
    GPU_REPLAYS Counter "busbar_gpu_pcie_replays_total" ["gpu", "gpu_uuid"]
        "PCIe packets that a GPU had to send again." from "NVML";
    GPU_NVLINKS Gauge "busbar_gpu_nvlinks" ["gpu", "gpu_uuid", "state"]
        "Links of a GPU to other GPUs and to switches: active ones carry data." from "NVML";
    GPU_NVLINK_BYTES Counter "busbar_gpu_nvlink_bytes_total" ["gpu", "gpu_uuid", "link", "direction"]
        "Data that a GPU sent and received over each NVLink, without what the protocol adds." from "NVML fields";
    GPU_NVLINK_ERRORS Counter "busbar_gpu_nvlink_errors_total" ["gpu", "gpu_uuid", "kind"]
        "Errors of a GPU's NVLinks: wrong check sums of flow control and of data, packets sent again, links trained anew." from "NVML";
    GPU_MIG_INFO Info "busbar_gpu_mig_info" ["gpu", "gpu_uuid", "mig", "mig_uuid", "model"]
        "Each MIG device of a GPU that is cut." from "NVML";
    GPU_MIG_MEMORY Gauge "busbar_gpu_mig_memory_bytes" ["gpu", "gpu_uuid", "mig", "mig_uuid", "state"]
        "Memory of a MIG device." from "NVML";
    DISK_INFO Info "busbar_disk_info" ["device", "model", "serial", "firmware", "transport", "numa_node"]
        "Each drive: who it is and where it sits." from "sysfs block";
    DISK_CAPACITY Gauge "busbar_disk_capacity_bytes" ["device"]
        "Size of a drive." from "sysfs block";
    NETWORK_INFO Info "busbar_network_info" ["device", "address", "driver", "operstate", "pci_bus_id", "numa_node"]
        "Each network interface with hardware behind it." from "sysfs net";
    NETWORK_UP Gauge "busbar_network_up" ["device"]
        "Whether the interface's operstate is up: 1 or 0." from "sysfs net";
    NETWORK_SPEED Gauge "busbar_network_speed_bytes_per_second" ["device"]
        "Speed of the link; absent where it is down or the driver does not know it." from "sysfs net";
    NETWORK_VFS Gauge "busbar_network_virtual_functions" ["device", "state"]
        "SR-IOV virtual functions in use and the most there can be." from "sysfs net";
    SOURCE_UP Gauge "busbar_source_up" ["source"]
        "Whether a source speaks: 1 or 0; the reason is in busbar_source_status_info." from "the collectors";
    SOURCE_STATUS_INFO Info "busbar_source_status_info" ["source", "reason"]
        "How a source is: ok, pending, absent, off, unsupported, refused, timeout or garbled." from "the collectors";
    SOURCE_LAST_SUCCESS Gauge "busbar_source_last_success_timestamp_seconds" ["source"]
        "When a source last spoke." from "the collectors";
    SOURCE_INTERVAL Gauge "busbar_source_interval_seconds" ["source"]
        "How often a source is asked." from "the collectors";
    SOURCE_DURATION Gauge "busbar_source_duration_seconds" ["source"]
        "How long the last turn of a source took." from "the collectors";
    SOURCE_ERRORS Counter "busbar_source_errors_total" ["source", "reason"]
        "Turns in which a source said nothing, in this run of the agent." from "the collectors";
    SOURCE_INVALID Counter "busbar_source_invalid_values_total" ["source"]
        "Values of a source that were none, in this run of the agent: blanks, sentinels, what cannot be true." from "the collectors";
    DOUBTS Gauge "busbar_doubts" ["code"]
        "Things that sources say and that cannot all be true, by kind; busbar-agent facts tells each." from "the collectors";
    WORKLOAD_INFO Info "busbar_workload_info" ["workload", "cpus", "numa_nodes", "exclusivity"]
        "Each workload that Busbar placed: where, and how exclusive that is on this kernel." from "the keeper";
    WORKLOAD_CPUS Gauge "busbar_workload_cpus" ["workload"]
        "CPUs of a workload." from "the keeper";
    WORKLOAD_MEMORY_LIMIT Gauge "busbar_workload_memory_limit_bytes" ["workload"]
        "The most memory that a workload may use; absent without a limit." from "the keeper";
    WORKLOAD_START Gauge "busbar_workload_start_timestamp_seconds" ["workload"]
        "When a workload was placed." from "the keeper";
    WORKLOAD_UNCOUNTED Gauge "busbar_workload_traffic_uncounted" ["workload"]
        "1 for each workload whose memory traffic is wished and not counted, because the processor has no number for it left (RMID); absent elsewhere." from "the keeper";
    WORKLOAD_SQUEEZED Gauge "busbar_workload_squeezed" ["workload", "state"]
        "1 for each workload that gives up CPU time (cpu_time) or stands still (still) for the cap in force; absent where it does not." from "the keeper";
    WORKLOAD_PROVEN Gauge "busbar_workload_exclusive_proven" ["workload"]
        "Whether the last proof found a workload's exclusive CPUs to be its alone: 1 or 0; absent where it was never proven." from "the prover";
    WORKLOAD_INTRUDERS Gauge "busbar_workload_intruders" ["workload", "kind"]
        "Who else ran on a workload's exclusive CPUs in its last proof, by kind; kernel_bound and interrupt_bound cannot be kept away." from "the prover";
    WORKLOAD_FOREIGN_MEMORY Gauge "busbar_workload_foreign_memory_ratio" ["workload"]
        "Share of a workload's memory that lies on other NUMA nodes than its own, in its last proof." from "the prover";
    WORKLOAD_PROOF_TIME Gauge "busbar_workload_proof_timestamp_seconds" ["workload"]
        "When a workload was last proven." from "the prover";
    WORKLOAD_INTERFERENCE Gauge "busbar_workload_interference" ["workload", "signal"]
        "Whether a protected workload suffers more than its own history says: 1 or 0; absent where the loop is off." from "the interference loop";
    WORKLOAD_DEVIATIONS Gauge "busbar_workload_signal_deviations" ["workload", "signal"]
        "By how many standard deviations a signal was above its own history's mean in the last window." from "the interference loop";
    WORKLOAD_INCIDENTS Counter "busbar_workload_interference_incidents_total" ["workload"]
        "How many times an antagonist was named for a workload, in this run of the agent." from "the interference loop";
    WORKLOAD_ANTAGONIST Gauge "busbar_workload_antagonist_score" ["workload", "antagonist"]
        "How well a neighbour's use went with a workload's suffering when it was named, -1 to 1; while it lasts, three neighbours at most." from "the interference loop";
    WORKLOAD_HELD_BACK Gauge "busbar_workload_held_back_cpus" ["workload"]
        "To how many CPUs' time the interference loop holds a workload back; absent where it does not." from "the keeper";
    WORKLOAD_HELD Gauge "busbar_workload_held" ["workload", "grade"]
        "1 for a workload that the interference loop holds back, by the grade of the act: cache, cpu_max, move or freeze; absent where it does not." from "the keeper";
    WORKLOAD_WAITS Counter "busbar_workload_waits_total" ["workload", "resource"]
        "How many windows of 2 s in which tasks of a workload waited longer than 300 ms for cpu, memory or io (PSI triggers); absent where the kernel tells none." from "the kernel's pressure triggers";
    PROCESS_CPU Counter "busbar_process_cpu_seconds_total" []
        "CPU time that the agent has used." from "the agent itself";
    PROCESS_MEMORY Gauge "busbar_process_resident_memory_bytes" []
        "Memory that the agent holds." from "the agent itself";
    REQUEST_SECONDS Histogram "busbar_agent_request_seconds" ["route"]
        "How long it took to answer a request, until its body began; the stream of events is not among them." from "the agent itself";
    REQUESTS Counter "busbar_agent_requests_total" ["route", "status"]
        "Requests that were answered, by the class of their status: 2xx, 4xx or 5xx." from "the agent itself";
    EVENTS Counter "busbar_agent_events_total" []
        "Events that were told." from "the agent itself";
    LISTENERS Gauge "busbar_agent_listeners" []
        "Who follows the stream of events now." from "the agent itself";
    ENCODE Gauge "busbar_scrape_encode_seconds" []
        "How long it took to write the page before this one, without asking the sources." from "the agent itself";
    DUPLICATES Gauge "busbar_duplicate_series" []
        "Series that sources gave twice and that stand once on this page." from "the agent itself";
    SERIES Gauge "busbar_series" []
        "Series on this page, this one included." from "the agent itself";
}
