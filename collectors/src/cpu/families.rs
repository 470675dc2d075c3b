//! The families of the CPUs' sheets.

facts::families! {
    CPU_TIME Counter "busbar_cpu_time_seconds_total" ["numa_node", "socket", "cpu", "mode"]
        "Time that CPUs spent in each mode: one sum for each NUMA node of a socket, or a row for each CPU where that is wished." from "/proc/stat";
    FREQUENCY Gauge "busbar_cpu_frequency_hertz" ["socket", "cpu", "stat"]
        "Clock of a socket's CPUs as their driver last knew it: least, mean and most, and each CPU's own where that is wished." from "sysfs cpufreq";
    THROTTLES Counter "busbar_cpu_throttles_total" ["socket", "scope"]
        "Times that heat slowed down a core, summed over a socket's cores, or the whole package." from "sysfs thermal_throttle";
}
