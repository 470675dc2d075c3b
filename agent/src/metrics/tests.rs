//! Tests of the page's writing: formats, escapes, duplicates, and the lint of the table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::sync::Arc;

use facts::sheet::{Pad, Sheet};

use super::*;

/// Labels that stand on samples; the machine's own identity comes from the scraper's target labels (docs/metrics.md).
const KNOWN_LABELS: &str = "version revision target actuator mode use vendor product serial bios_version kernel architecture \
     cpu core die socket numa_node smt core_type peer state resource scope zone domain constraint chip sensor location \
     gpu gpu_uuid pci_bus_id pci_id model vbios engine limit severity xid direction link mig mig_uuid \
     device firmware transport address driver operstate source reason \
     workload method kind cpus numa_nodes exclusivity route status code \
     stat page_bytes result channel dimm controller direction warning supply fault ipmi_version manufacturer firmware cache \
     signal antagonist grade level access";

#[test]
fn the_table_keeps_the_rules_of_names() {
    let known: BTreeSet<&str> = KNOWN_LABELS.split_whitespace().collect();
    let mut names = BTreeSet::new();
    for family in families() {
        let name = family.name;
        assert!(names.insert(name), "{name} stands twice");
        if name.starts_with("node_") {
            // Another exporter's names are what they are.
            continue;
        }
        assert!(name.starts_with("busbar_"), "{name}");
        assert_ne!(family.kind, Kind::Untyped, "{name}: we know what it is");
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

facts::families! {
    HEAT Gauge "busbar_test_heat_celsius" ["chip", "sensor"] "Heat \\ \"hot\"." from "a test";
    TURNS Counter "busbar_test_turns_total" [] "Turns." from "a test";
    ABOUT Info "busbar_test_info" ["version", "revision", "target"] "About." from "a test";
    FOREIGN Counter "node_test_calls" [] "A counter of somebody else." from "a test";
    LOOSE Untyped "node_test_loose" [] "Somebody else's." from "a test";
    WAIT Histogram "busbar_test_wait_seconds" ["route"] "Waiting." from "a test";
}

type Line<'a> = (&'static Family, &'a [&'a str], Option<f64>);

/// A page of these sheets, and how many series and dropped rows it has.
fn printed(sheets: &[&[Line<'_>]], format: Format) -> (String, usize, usize) {
    let sheets: Vec<Arc<Sheet>> = sheets
        .iter()
        .map(|lines| {
            let mut pad = Pad::default();
            let mut sheet = pad.begin();
            for (family, labels, number) in *lines {
                sheet.add(family, labels, *number);
            }
            Arc::new(sheet.finish())
        })
        .collect();
    let order = Order::new(TABLE.iter().copied(), Selection::all());
    let layout = Layout::of(&sheets, &order);
    assert!(layout.fits(&sheets));
    let mut page = Vec::new();
    let series = layout.encode(&sheets, format, &mut page);
    assert_eq!(layout.series(&sheets), series);
    (String::from_utf8(page).unwrap(), series, layout.dropped())
}

#[test]
fn what_is_absent_or_no_number_is_not_written() {
    let lines: &[Line<'_>] = &[
        (&HEAT, &["k10temp", "1"], None),
        (&HEAT, &["k10temp", "2"], Some(f64::NAN)),
        (&TURNS, &[], Some(f64::INFINITY)),
    ];
    assert_eq!(printed(&[lines], Format::Text), (String::new(), 0, 0));
    assert_eq!(printed(&[lines], Format::OpenMetrics).0, "# EOF\n");
}

#[test]
fn numbers_are_written_so_that_they_read_back_as_they_were() {
    for number in [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        1e15,
        1e16,
        1.5e300,
        5e-324,
        1e-7,
        123_456_789.123_456,
        9_007_199_254_740_993.0,
        f64::MAX,
    ] {
        let (page, ..) = printed(&[&[(&TURNS, &[], Some(number))]], Format::Text);
        let written = page.trim_end().rsplit(' ').next().unwrap().to_owned();
        assert_eq!(written.parse::<f64>().unwrap(), number, "{written}");
        assert!(!written.ends_with(".0"), "{written}");
    }
}

#[test]
fn a_duplicate_is_dropped_and_names_are_escaped() {
    let odd: &[&str] = &["a\\b\"c\nd\u{7}", ""];
    let one: &[Line<'_>] = &[(&HEAT, odd, Some(1.0)), (&HEAT, odd, Some(2.0))];
    let other: &[Line<'_>] = &[(&TURNS, &[], Some(7.0)), (&HEAT, odd, Some(3.0))];
    let (text, series, dropped) = printed(&[one, other], Format::Text);
    let expected = "# HELP busbar_test_heat_celsius Heat \\\\ \"hot\".\n# TYPE busbar_test_heat_celsius gauge\n\
         busbar_test_heat_celsius{chip=\"a\\\\b\\\"c\\nd\"} 1\n\
         # HELP busbar_test_turns_total Turns.\n# TYPE busbar_test_turns_total counter\nbusbar_test_turns_total 7\n";
    assert_eq!((text.as_str(), series, dropped), (expected, 2, 2));
    let (open, ..) = printed(&[one], Format::OpenMetrics);
    assert!(
        open.starts_with("# HELP busbar_test_heat_celsius Heat \\\\ \\\"hot\\\".\n"),
        "{open}"
    );
}

#[test]
fn rows_of_one_family_from_several_sheets_stand_together_in_the_order_of_the_table() {
    let one: &[Line<'_>] = &[(&TURNS, &[], Some(1.0)), (&HEAT, &["a", ""], Some(2.0))];
    let other: &[Line<'_>] = &[(&HEAT, &["b", "x"], Some(3.0))];
    let (text, ..) = printed(&[one, other], Format::Text);
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        samples,
        [
            "busbar_test_heat_celsius{chip=\"a\"} 2",
            "busbar_test_heat_celsius{chip=\"b\",sensor=\"x\"} 3",
            "busbar_test_turns_total 1",
        ]
    );
    assert_eq!(text.matches("# TYPE").count(), 2);
}

#[test]
fn open_metrics_names_families_without_their_suffix() {
    let lines: &[Line<'_>] = &[
        (&TURNS, &[], Some(1.5)),
        (&ABOUT, &["1", "", "x"], Some(1.0)),
        (&FOREIGN, &[], Some(2.0)),
        (&LOOSE, &[], Some(3.0)),
    ];
    let (text, ..) = printed(&[lines], Format::OpenMetrics);
    for expected in [
        "# TYPE busbar_test_turns counter\nbusbar_test_turns_total 1.5\n",
        "# TYPE busbar_test info\nbusbar_test_info{version=\"1\",target=\"x\"} 1\n",
        "# TYPE node_test_calls unknown\nnode_test_calls 2\n",
        "# TYPE node_test_loose unknown\nnode_test_loose 3\n",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(
        printed(&[lines], Format::Text)
            .0
            .contains("# TYPE node_test_loose untyped\n")
    );
}

#[test]
fn a_histogram_has_buckets_a_sum_and_a_count() {
    let lines: &[Line<'_>] = &[
        (&WAIT, &["/a", "0.5"], Some(1.0)),
        (&WAIT, &["/a", "+Inf"], Some(3.0)),
        (&WAIT, &["/a", SUM], Some(4.5)),
        (&WAIT, &["/a", COUNT], Some(3.0)),
    ];
    for format in [Format::Text, Format::OpenMetrics] {
        let (text, ..) = printed(&[lines], format);
        let expected = "# TYPE busbar_test_wait_seconds histogram\n\
             busbar_test_wait_seconds_bucket{route=\"/a\",le=\"0.5\"} 1\n\
             busbar_test_wait_seconds_bucket{route=\"/a\",le=\"+Inf\"} 3\n\
             busbar_test_wait_seconds_sum{route=\"/a\"} 4.5\n\
             busbar_test_wait_seconds_count{route=\"/a\"} 3\n";
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn gzip_is_given_to_those_who_like_it() {
    for (header, expected) in [
        (None, false),
        (Some("gzip"), true),
        (Some("deflate, GZIP;q=0.5"), true),
        (Some("gzip;q=0"), false),
        (Some("identity, gzip;q=0.5"), false),
        (Some("*"), true),
        (Some("*;q=0"), false),
        (Some("br"), false),
        (Some("gzip;q=x"), false),
    ] {
        assert_eq!(takes_gzip(header), expected, "{header:?}");
    }
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
