//! Tests of the page's writing: formats, escapes, duplicates, and the lint of the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use super::family as f;
use super::*;

/// Labels that stand on samples; the machine's own identity comes from the scraper's target labels (docs/metrics.md).
const KNOWN_LABELS: &str = "version revision target actuator mode use vendor product serial bios_version kernel architecture \
     cpu core die socket numa_node smt core_type peer state resource scope zone domain constraint chip sensor location \
     gpu gpu_uuid pci_bus_id pci_id model vbios engine limit severity xid direction mig mig_uuid \
     device firmware transport address driver operstate source reason \
     workload cpus numa_nodes exclusivity";

#[test]
fn the_table_keeps_the_rules_of_names() {
    let known: BTreeSet<&str> = KNOWN_LABELS.split_whitespace().collect();
    let mut names = BTreeSet::new();
    for family in TABLE {
        let name = family.name;
        assert!(names.insert(name), "{name} stands twice");
        assert!(name.starts_with("busbar_"), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_info"), family.kind == Kind::Info, "{name}");
        assert!(
            family.help.ends_with('.') && !family.help.contains('\n'),
            "{name}: help is one sentence"
        );
        for word in name.split('_') {
            let is_base = ![
                "milliseconds",
                "ms",
                "megahertz",
                "mhz",
                "kilobytes",
                "megabytes",
                "percent",
            ]
            .contains(&word);
            assert!(is_base, "{name}: {word} is no base unit");
        }
        for label in family.labels {
            assert!(
                known.contains(label),
                "{name}: label {label} is not among the known ones"
            );
        }
    }
}

#[test]
fn what_is_absent_or_no_number_is_not_written() {
    let mut page = Page::new(Format::Text);
    page.family(&f::TEMPERATURE)
        .add(&["k10temp", "hwmon0/temp1", ""], None::<f64>);
    page.family(&f::FAN).add(&["x", "y", ""], Some(f64::NAN));
    page.family(&f::VOLTAGE).add(&["x", "y", ""], Some(f64::INFINITY));
    assert_eq!(page.series(), 0);
    assert_eq!(page.finish(), "");
}

#[test]
fn a_duplicate_is_dropped_and_names_are_escaped() {
    let mut page = Page::new(Format::Text);
    let mut samples = page.family(&f::DISK_CAPACITY);
    samples.add(&["a\\b\"c\nd\u{7}"], Some(1_u64));
    samples.add(&["a\\b\"c\nd\u{7}"], Some(2_u64));
    let text = page.finish();
    assert!(
        text.ends_with("busbar_disk_capacity_bytes{device=\"a\\\\b\\\"c\\nd\"} 1\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 3, "{text}");
}

#[test]
fn open_metrics_names_families_without_their_suffix() {
    let mut page = Page::new(Format::OpenMetrics);
    page.one(&f::PROCESS_CPU, Some(1.5));
    page.family(&f::BUILD_INFO).add(&["1", "", "x"], Some(1_u64));
    let text = page.finish();
    assert!(
        text.contains("# TYPE busbar_process_cpu_seconds counter\nbusbar_process_cpu_seconds_total 1.5\n"),
        "{text}"
    );
    assert!(
        text.contains("# TYPE busbar_build info\nbusbar_build_info{version=\"1\",target=\"x\"} 1\n"),
        "{text}"
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_accept_header_decides() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                      text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    assert_eq!(Format::wanted(Some(prometheus)), Format::OpenMetrics);
    for text in [
        None,
        Some("*/*"),
        Some(""),
        Some("text/html"),
        Some("application/openmetrics-text;version=2.0.0"),
    ] {
        assert_eq!(Format::wanted(text), Format::Text, "{text:?}");
    }
    assert_eq!(
        Format::wanted(Some("application/openmetrics-text;q=0.1,text/plain;q=0.9")),
        Format::Text
    );
}
