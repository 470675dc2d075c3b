//! The families of the agent's metrics: one table, from which the page, the lint and docs/metrics-agent.md come.

/// The kind of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the agent or the machine starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1; what it tells is in its labels.
    Info,
}

/// One family.
#[derive(Debug)]
pub struct Family {
    /// Its name, with its base unit.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels; one that has no value is left out of a sample.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

macro_rules! families {
    ($($id:ident $kind:ident $name:literal [$($label:literal),*] $help:literal from $source:literal;)*) => {
        $(pub(super) static $id: Family = Family {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
            source: $source,
        };)*

        /// All of them, in the order of the page.
        pub static TABLE: &[&Family] = &[$(&$id),*];
    };
}

families! {
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
    CPUS Gauge "busbar_agent_cpus" ["use"]
        "CPUs by use: reserved for the host, shared, or lent exclusively." from "the keeper";
    MACHINE_INFO Info "busbar_machine_info" ["vendor", "product", "serial", "bios_version", "kernel", "architecture"]
        "The machine as its maker and its kernel name it." from "DMI, /proc/sys/kernel";
    CPU_TOPOLOGY_INFO Info "busbar_cpu_topology_info" ["cpu", "core", "die", "socket", "numa_node", "smt", "core_type"]
        "Where each CPU lies." from "hwloc";
    NUMA_DISTANCE Gauge "busbar_numa_distance" ["numa_node", "peer"]
        "Relative distance between NUMA nodes as in ACPI SLIT; 10 is local." from "hwloc";
    NUMA_MEMORY Gauge "busbar_numa_memory_bytes" ["numa_node", "state"]
        "Memory of each NUMA node." from "sysfs node";
    MEMORY Gauge "busbar_memory_bytes" ["state"]
        "Memory of the whole machine by state." from "/proc/meminfo";
    CPU_TIME Counter "busbar_cpu_time_seconds_total" ["numa_node", "mode"]
        "Time that CPUs spent in each mode, summed over a NUMA node." from "/proc/stat";
    PRESSURE Counter "busbar_pressure_stall_seconds_total" ["resource", "scope"]
        "Time in which some or all tasks waited for a resource." from "/proc/pressure";
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
    GPU_INFO Info "busbar_gpu_info" ["gpu", "gpu_uuid", "pci_bus_id", "pci_id", "model", "numa_node"]
        "Each GPU and where it sits." from "sysfs pci, NVML";
    GPU_MEMORY Gauge "busbar_gpu_memory_bytes" ["gpu", "gpu_uuid", "pci_bus_id", "state"]
        "Memory of a GPU, where its driver tells." from "NVML";
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
    WORKLOAD_INFO Info "busbar_workload_info" ["workload", "cpus", "numa_nodes", "exclusivity"]
        "Each workload that Busbar placed: where, and how exclusive that is on this kernel." from "the keeper";
    WORKLOAD_CPUS Gauge "busbar_workload_cpus" ["workload"]
        "CPUs of a workload." from "the keeper";
    WORKLOAD_MEMORY_LIMIT Gauge "busbar_workload_memory_limit_bytes" ["workload"]
        "The most memory that a workload may use; absent without a limit." from "the keeper";
    WORKLOAD_START Gauge "busbar_workload_start_timestamp_seconds" ["workload"]
        "When a workload was placed." from "the keeper";
    PROCESS_CPU Counter "busbar_process_cpu_seconds_total" []
        "CPU time that the agent has used." from "the agent itself";
    PROCESS_MEMORY Gauge "busbar_process_resident_memory_bytes" []
        "Memory that the agent holds." from "the agent itself";
    ENCODE Gauge "busbar_scrape_encode_seconds" []
        "How long it took to write this page up to here." from "the agent itself";
    SERIES Gauge "busbar_series" []
        "Series on this page, this one included." from "the agent itself";
}
