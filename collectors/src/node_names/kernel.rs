//! Names of node_exporter's `cpu` and `stat`.

facts::families! {
    CPU Counter "node_cpu_seconds_total" ["cpu", "mode"]
        "Time that a CPU spent in each mode." from "/proc/stat";
    CPU_GUEST Counter "node_cpu_guest_seconds_total" ["cpu", "mode"]
        "Time that a CPU spent in guests; counted in user and nice already." from "/proc/stat";
    INTERRUPTS Counter "node_intr_total" []
        "Interrupts served." from "/proc/stat";
    CONTEXT_SWITCHES Counter "node_context_switches_total" []
        "Context switches." from "/proc/stat";
    FORKS Counter "node_forks_total" []
        "Forks." from "/proc/stat";
    BOOT_TIME Gauge "node_boot_time_seconds" []
        "When the kernel booted." from "/proc/stat";
    RUNNING Gauge "node_procs_running" []
        "Tasks that run or could run." from "/proc/stat";
    BLOCKED Gauge "node_procs_blocked" []
        "Tasks that wait for I/O." from "/proc/stat";
}
