//! The families of the pressure's sheet.

facts::families! {
    PRESSURE Counter "busbar_pressure_stall_seconds_total" ["resource", "scope"]
        "Time in which some or all tasks waited for a resource." from "/proc/pressure";
}
