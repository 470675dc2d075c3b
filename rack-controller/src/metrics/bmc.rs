//! BMCs: whether they answer, and what we asked of them.

use super::family::{Family, Kind, Source};
use super::sheet::{Series, count, number, seconds};
use crate::eyes::ipmi::Standing;

/// What a BMC is spoken to over, by its address.
fn protocol(url: &str) -> &'static str {
    if url.starts_with(crate::config::IPMI) {
        "ipmi"
    } else {
        "redfish"
    }
}

fn packets(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&Standing) -> u64) {
    for (bmc, standing) in source.ipmi {
        series.put(&[bmc, "ipmi"], number(pick(standing)));
    }
}

fn of_ipmi(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&Standing) -> Option<f64>) {
    for (bmc, standing) in source.ipmi {
        series.put_some(&[bmc], pick(standing));
    }
}

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_bmc_up",
        kind: Kind::Gauge,
        labels: &["bmc", "protocol"],
        help: "1 where the BMC's last read was answered in full, 0 where it was not",
        fill: |source, series| {
            for bmc in &source.view.bmcs {
                series.put(&[&bmc.name, protocol(&bmc.url)], if bmc.up { 1.0 } else { 0.0 });
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
                series.put_some(&[&bmc.name, protocol(&bmc.url)], bmc.last_success.map(seconds));
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
                series.put(&[&bmc.name, protocol(&bmc.url)], number(bmc.writes));
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
        name: "busbar_rack_bmc_hints_folded_total",
        kind: Kind::Counter,
        labels: &["bmc"],
        help: "Of those: events that had come before, word for word; nothing is read for them",
        fill: |source, series| series.put_gathered(source.gathered),
    },
    Family {
        name: "busbar_rack_bmc_resubscriptions_total",
        kind: Kind::Counter,
        labels: &["bmc", "reason"],
        help: "How often all was read again because events may be missing: the stream ended, the BMC dropped our subscription, or numbers are missing in it (ended, dropped, gap)",
        fill: |source, series| series.put_gathered(source.gathered),
    },
    Family {
        name: "busbar_rack_bmc_read_seconds",
        kind: Kind::Histogram,
        labels: &["operation"],
        help: "How long whole reads took (supplies, node, drives, ipmi)",
        fill: |source, series| series.put_gathered(source.gathered),
    },
    Family {
        name: "busbar_rack_bmc_requests_total",
        kind: Kind::Counter,
        labels: &["bmc", "protocol"],
        help: "Packets sent to the BMC over IPMI, handshakes and repetitions included",
        fill: |source, series| packets(source, series, |standing| standing.packets.sent),
    },
    Family {
        name: "busbar_rack_bmc_retries_total",
        kind: Kind::Counter,
        labels: &["bmc", "protocol"],
        help: "Of those packets: repetitions of one whose answer did not come in time",
        fill: |source, series| packets(source, series, |standing| standing.packets.resent),
    },
    Family {
        name: "busbar_rack_bmc_sessions_total",
        kind: Kind::Counter,
        labels: &["bmc", "protocol"],
        help: "Sessions opened at the BMC over IPMI; one that grows is a BMC that forgets us",
        fill: |source, series| packets(source, series, |standing| standing.packets.sessions),
    },
    Family {
        name: "busbar_rack_bmc_discarded_total",
        kind: Kind::Counter,
        labels: &["bmc", "protocol"],
        help: "Packets received over IPMI and thrown away: late, not of the session, not whole",
        fill: |source, series| {
            packets(source, series, |standing| {
                standing.packets.late.saturating_add(standing.packets.stray)
            });
        },
    },
    Family {
        name: "busbar_rack_bmc_refresh_packets",
        kind: Kind::Gauge,
        labels: &["bmc"],
        help: "Packets of the last whole refresh over IPMI: sensors + 4 where nothing was lost and no sensor changed",
        fill: |source, series| {
            of_ipmi(source, series, |standing| {
                standing.refresh.map(|(sent, _)| number(sent))
            });
        },
    },
    Family {
        name: "busbar_rack_bmc_sensors",
        kind: Kind::Gauge,
        labels: &["bmc"],
        help: "Sensors that were read in the last whole refresh over IPMI",
        fill: |source, series| {
            of_ipmi(source, series, |standing| {
                standing.refresh.map(|(_, sensors)| count(sensors))
            });
        },
    },
    Family {
        name: "busbar_rack_sel_entries",
        kind: Kind::Gauge,
        labels: &["bmc"],
        help: "Entries in the BMC's event log, read over IPMI",
        fill: |source, series| {
            of_ipmi(source, series, |standing| {
                standing.log.map(|(entries, _)| entries.into())
            });
        },
    },
    Family {
        name: "busbar_rack_sel_free_bytes",
        kind: Kind::Gauge,
        labels: &["bmc"],
        help: "Free bytes in the BMC's event log, read over IPMI",
        fill: |source, series| {
            of_ipmi(source, series, |standing| {
                standing.log.map(|(_, free)| free.into())
            });
        },
    },
];
