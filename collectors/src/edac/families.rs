//! The families of EDAC's sheet.

facts::families! {
    ERRORS Counter "busbar_memory_errors_total" ["controller", "channel", "dimm", "location", "severity"]
        "Errors of memory since the driver was loaded: of each DIMM, and without a DIMM those that were seen and could not be placed; location is the board's own label." from "EDAC";
}
