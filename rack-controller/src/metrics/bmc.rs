//! BMCs: whether they answer, and what we asked of them.

use super::family::{Family, Kind};
use super::sheet::{number, seconds};

/// The one protocol so far.
const REDFISH: &str = "redfish";

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_bmc_up",
        kind: Kind::Gauge,
        labels: &["bmc", "protocol"],
        help: "1 where the BMC's last read was answered in full, 0 where it was not",
        fill: |source, series| {
            for bmc in &source.view.bmcs {
                series.put(&[&bmc.name, REDFISH], if bmc.up { 1.0 } else { 0.0 });
            }
        },
    },
    Family {
        name: "busbar_rack_bmc_last_success_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["bmc", "protocol"],
        help: "When the BMC was last read in full; absent where it never was",
        fill: |source, series| {
            for bmc in &source.view.bmcs {
                series.put_some(&[&bmc.name, REDFISH], bmc.last_success.map(seconds));
            }
        },
    },
    Family {
        name: "busbar_rack_bmc_writes_total",
        kind: Kind::Counter,
        labels: &["bmc", "protocol"],
        help: "Requests that wrote something at the BMC, log-in and log-out apart",
        fill: |source, series| {
            for bmc in &source.view.bmcs {
                series.put(&[&bmc.name, REDFISH], number(bmc.writes));
            }
        },
    },
    Family {
        name: "busbar_rack_bmc_reads_total",
        kind: Kind::Counter,
        labels: &["bmc", "outcome"],
        help: "Whole reads of the BMC by what came of them (ok, refused, absent, unsupported, timeout, garbled)",
        fill: |source, series| series.put_gathered(source.gathered),
    },
    Family {
        name: "busbar_rack_bmc_hints_total",
        kind: Kind::Counter,
        labels: &["bmc"],
        help: "Events that the BMC sent: hints to read it again, never facts",
        fill: |source, series| series.put_gathered(source.gathered),
    },
    Family {
        name: "busbar_rack_bmc_read_seconds",
        kind: Kind::Histogram,
        labels: &["operation"],
        help: "How long whole reads took (supplies, node)",
        fill: |source, series| series.put_gathered(source.gathered),
    },
];
