//! Names of node_exporter's `edac`.

use facts::Family;
use facts::sheet::Writing;

use crate::columns;
use crate::root::Root;

facts::families! {
    CORRECTABLE Counter "node_edac_correctable_errors_total" ["controller"]
        "Errors of a memory controller that were corrected." from "EDAC";
    UNCORRECTABLE Counter "node_edac_uncorrectable_errors_total" ["controller"]
        "Errors of a memory controller that could not be corrected." from "EDAC";
    ROW_CORRECTABLE Counter "node_edac_csrow_correctable_errors_total" ["controller", "csrow"]
        "Errors of a row that were corrected; row unknown holds those without a place." from "EDAC";
    ROW_UNCORRECTABLE Counter "node_edac_csrow_uncorrectable_errors_total" ["controller", "csrow"]
        "Errors of a row that could not be corrected; row unknown holds those without a place." from "EDAC";
}

/// One controller and its rows.
pub(crate) fn write(root: &Root, directory: &str, controller: &str, rows: &[&str], sheet: &mut Writing<'_>) {
    let mut put = |family: &'static Family, labels: &[&str], file: String| {
        let bytes = root.read_bytes(&format!("{directory}/{file}"));
        if let Some(count) = bytes.ok().and_then(|bytes| columns::whole(bytes.trim_ascii())) {
            sheet.add(family, labels, Some(count));
        }
    };
    put(&CORRECTABLE, &[controller], "ce_count".to_owned());
    put(&UNCORRECTABLE, &[controller], "ue_count".to_owned());
    put(
        &ROW_CORRECTABLE,
        &[controller, "unknown"],
        "ce_noinfo_count".to_owned(),
    );
    put(
        &ROW_UNCORRECTABLE,
        &[controller, "unknown"],
        "ue_noinfo_count".to_owned(),
    );
    for row in rows {
        put(
            &ROW_CORRECTABLE,
            &[controller, row],
            format!("csrow{row}/ce_count"),
        );
        put(
            &ROW_UNCORRECTABLE,
            &[controller, row],
            format!("csrow{row}/ue_count"),
        );
    }
}
