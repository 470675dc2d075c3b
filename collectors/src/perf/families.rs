//! What perf counts: families of the `perf` source's sheet.

facts::families! {
    CYCLES Counter "busbar_cpu_cycles_total" ["socket", "numa_node", "core_type"]
        "Core cycles while not halted, scaled for the time in which the counter did not run." from "perf, PERF_COUNT_HW_CPU_CYCLES";
    INSTRUCTIONS Counter "busbar_cpu_instructions_total" ["socket", "numa_node", "core_type"]
        "Retired instructions, scaled for the time in which the counter did not run." from "perf, PERF_COUNT_HW_INSTRUCTIONS";
    REF_CYCLES Counter "busbar_cpu_ref_cycles_total" ["socket", "numa_node", "core_type"]
        "Cycles at the reference frequency while not halted, scaled for the time in which the counter did not run."
        from "perf, PERF_COUNT_HW_REF_CPU_CYCLES";
    LLC_REFERENCES Counter "busbar_cpu_llc_references_total" ["socket", "numa_node", "core_type"]
        "References to the last level cache, scaled for the time in which the counter did not run."
        from "perf, PERF_COUNT_HW_CACHE_REFERENCES";
    LLC_MISSES Counter "busbar_cpu_llc_misses_total" ["socket", "numa_node", "core_type"]
        "Misses of the last level cache, scaled for the time in which the counter did not run."
        from "perf, PERF_COUNT_HW_CACHE_MISSES";
    BRANCH_MISSES Counter "busbar_cpu_branch_misses_total" ["socket", "numa_node", "core_type"]
        "Mispredicted branches, scaled for the time in which the counter did not run." from "perf, PERF_COUNT_HW_BRANCH_MISSES";
    TIME_RATIO Gauge "busbar_cpu_perf_time_ratio" ["socket"]
        "Share of the last turn in which the hardware counters of a socket ran: below 1 they took turns with others and the rest is estimated."
        from "perf, time_running by time_enabled";
    CONTEXT_SWITCHES Counter "busbar_cpu_context_switches_total" ["socket", "numa_node"]
        "Context switches; counted where there is no hardware PMU." from "perf, PERF_COUNT_SW_CONTEXT_SWITCHES";
    MIGRATIONS Counter "busbar_cpu_migrations_total" ["socket", "numa_node"]
        "Tasks that came from another CPU; counted where there is no hardware PMU." from "perf, PERF_COUNT_SW_CPU_MIGRATIONS";
    PAGE_FAULTS Counter "busbar_cpu_page_faults_total" ["socket", "numa_node"]
        "Page faults; counted where there is no hardware PMU." from "perf, PERF_COUNT_SW_PAGE_FAULTS";
    MEMORY_BANDWIDTH Counter "busbar_memory_bandwidth_bytes_total" ["socket", "direction"]
        "Bytes that the memory controllers of a socket moved." from "perf, PMU uncore_imc*";
    PMU_ENERGY Counter "busbar_cpu_perf_energy_joules_total" ["socket", "domain"]
        "Energy as the PMU named power counts it: the same meters as busbar_cpu_energy_joules_total, never to be added to it."
        from "perf, PMU power";
}
