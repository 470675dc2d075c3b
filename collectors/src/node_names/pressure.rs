//! Names of node_exporter's `pressure`.

use facts::Family;

facts::families! {
    CPU_WAITING Counter "node_pressure_cpu_waiting_seconds_total" []
        "Time in which some task waited for a CPU." from "/proc/pressure";
    IO_WAITING Counter "node_pressure_io_waiting_seconds_total" []
        "Time in which some task waited for I/O." from "/proc/pressure";
    IO_STALLED Counter "node_pressure_io_stalled_seconds_total" []
        "Time in which all tasks waited for I/O." from "/proc/pressure";
    MEMORY_WAITING Counter "node_pressure_memory_waiting_seconds_total" []
        "Time in which some task waited for memory." from "/proc/pressure";
    MEMORY_STALLED Counter "node_pressure_memory_stalled_seconds_total" []
        "Time in which all tasks waited for memory." from "/proc/pressure";
}

/// Resource, scope, family.
pub(crate) const NAMES: [(&str, &str, &Family); 5] = [
    ("cpu", "some", &CPU_WAITING),
    ("io", "some", &IO_WAITING),
    ("io", "full", &IO_STALLED),
    ("memory", "some", &MEMORY_WAITING),
    ("memory", "full", &MEMORY_STALLED),
];
