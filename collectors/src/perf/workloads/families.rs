//! What is said of each workload: families of the `workloads` source's sheet.

facts::families! {
    CPU_TIME Counter "busbar_workload_cpu_seconds_total" ["workload"]
        "CPU time that a workload has used." from "cgroup cpu.stat, cpuacct.usage, perf";
    THROTTLED Counter "busbar_workload_throttled_seconds_total" ["workload"]
        "Time in which a workload wanted to run and its share of CPU time was used up." from "cgroup cpu.stat";
    MEMORY Gauge "busbar_workload_memory_bytes" ["workload"]
        "Memory that is charged to a workload, page cache included." from "cgroup memory.current, memory.usage_in_bytes";
    CYCLES Counter "busbar_workload_cycles_total" ["workload"]
        "Core cycles of a workload since it was first watched, scaled for the time in which the counter did not run."
        from "perf, PERF_COUNT_HW_CPU_CYCLES";
    INSTRUCTIONS Counter "busbar_workload_instructions_total" ["workload"]
        "Retired instructions of a workload since it was first watched, scaled likewise." from "perf, PERF_COUNT_HW_INSTRUCTIONS";
    LLC_REFERENCES Counter "busbar_workload_llc_references_total" ["workload"]
        "References of a workload to the last level cache since it was first watched, scaled likewise."
        from "perf, PERF_COUNT_HW_CACHE_REFERENCES";
    LLC_MISSES Counter "busbar_workload_llc_misses_total" ["workload"]
        "Misses of a workload in the last level cache since it was first watched, scaled likewise."
        from "perf, PERF_COUNT_HW_CACHE_MISSES";
    CPI Gauge "busbar_workload_cycles_per_instruction" ["workload"]
        "CPI: cycles of the last turn by its instructions; absent where there is no PMU or nothing ran." from "perf";
    TIME_RATIO Gauge "busbar_workload_perf_time_ratio" ["workload"]
        "Share of the last turn in which the hardware counters of a workload ran: below 1 the rest is estimated."
        from "perf, time_running by time_enabled";
    CONTEXT_SWITCHES Counter "busbar_workload_context_switches_total" ["workload"]
        "Context switches of a workload since it was first watched." from "perf, PERF_COUNT_SW_CONTEXT_SWITCHES";
    MIGRATIONS Counter "busbar_workload_migrations_total" ["workload"]
        "Tasks of a workload that came from another CPU, since it was first watched." from "perf, PERF_COUNT_SW_CPU_MIGRATIONS";
    PAGE_FAULTS Counter "busbar_workload_page_faults_total" ["workload"]
        "Page faults of a workload since it was first watched." from "perf, PERF_COUNT_SW_PAGE_FAULTS";
    ENERGY Counter "busbar_workload_energy_joules_total" ["workload", "method"]
        "Estimate of a workload's part of the packages' energy; the method is cpu_time or cycles." from "powercap, cgroup, perf";
    POWER Gauge "busbar_workload_power_watts" ["workload", "method"]
        "Estimate of a workload's part of the packages' power in the last turn." from "powercap, cgroup, perf";
    RESIDUAL Counter "busbar_workload_energy_residual_joules_total" ["kind"]
        "Energy of the packages that no workload has: idle time, unattributed (the host's own, and roundings), and workloads that have ended."
        from "powercap, cgroup, perf";
    MEASURED Counter "busbar_workload_energy_measured_joules_total" []
        "Energy of the packages in the turns that were split: exactly the sum of the workloads' parts and the residual."
        from "powercap";
}
