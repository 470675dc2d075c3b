//! The table of families: its names and units, a scrape of a made-up view in both formats, and the page of documentation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use facts::{Identity, Moment, Power};
use intent::Actuator;
use rack_api::v1::{BayLife, BayView, BmcView, ClaimView, DomainState, DomainView, NodeView, RackView};

use super::*;
use crate::pools::power::act::Would;
use crate::rack::Action;

mod drives;

fn watts(watts: u64) -> Power {
    Power::from_watts(watts).unwrap()
}

fn bay(place: &str, life: BayLife, seen: bool) -> BayView {
    let there = life != BayLife::Empty;
    BayView {
        place: place.to_owned(),
        label: "PSU \"4\"\n".to_owned(),
        feed: Some("A".to_owned()),
        life,
        since: Moment::EPOCH,
        until: None,
        reason: None,
        part: there.then(Identity::default),
        rated_watts: Some(watts(3_000)),
        input: None,
        output_watts: Some(Power::from_milliwatts(250_500)),
        led: Some(true),
        seen,
        lost: !there,
    }
}

fn domain(name: &str, state: DomainState) -> DomainView {
    DomainView {
        name: name.to_owned(),
        source: "shelf".to_owned(),
        redundancy: "n+1".to_owned(),
        bmc: Some(name.to_owned()),
        claimed: Vec::new(),
        installed_watts: watts(18_000),
        surviving_watts: watts(15_000),
        margin_ppm: 30_000,
        fixed_load_watts: Power::ZERO,
        firm_watts: watts(14_550),
        held_watts: watts(6_000),
        headroom_watts: watts(8_550),
        total_watts: None,
        revocable_asked_watts: Power::ZERO,
        revocable_watts: Power::ZERO,
        revocable_reason: None,
        lent_watts: None,
        deficit_watts: Power::ZERO,
        drawn_watts: None,
        state,
        since: Moment::EPOCH,
        bays: vec![
            bay("shelf/psu-0", BayLife::InService, state != DomainState::Blind),
            bay("shelf/psu-1", BayLife::Empty, true),
        ],
    }
}

fn node() -> NodeView {
    NodeView {
        name: "n01".to_owned(),
        unit: Some(17),
        domain: "shelf".to_owned(),
        state: "ready".to_owned(),
        facts_from: "bmc".to_owned(),
        agent: None,
        last_seen: None,
        reason: None,
        packages: None,
        numa_nodes: None,
        cores: Some(64),
        cpus: None,
        memory_bytes: None,
        drives: None,
        drive_bytes: None,
        gpus: None,
        max_draw_watts: watts(4_000),
        drawn_watts: None,
        held_watts: watts(6_000),
        lease: None,
        cap_watts: None,
        exclusive_cpus: 0,
        workloads: Vec::new(),
    }
}

fn view() -> RackView {
    RackView {
        rack: "r1".to_owned(),
        mode: "observe".to_owned(),
        simulated: false,
        at: Moment::EPOCH,
        journal_sequence: 17,
        domains: vec![
            domain("shelf", DomainState::Redundant),
            domain("dark", DomainState::Blind),
        ],
        nodes: vec![node()],
        claims: vec![ClaimView {
            id: "c1".to_owned(),
            purpose: "web".to_owned(),
            watts: watts(6_000),
            revocable_watts: Power::ZERO,
            granted_watts: Power::ZERO,
            domain: "shelf".to_owned(),
            node: None,
            priority: 5,
            tenant: None,
            reserved: false,
            since: Moment::EPOCH,
            until: None,
            shed: false,
            took: Vec::new(),
            lendable: false,
            lending: None,
        }],
        preempted: Vec::new(),
        preemptions: 0,
        doubts: Vec::new(),
        swaps: Vec::new(),
        pauses: Vec::new(),
        bmcs: vec![BmcView {
            name: "shelf".to_owned(),
            url: "https://192.0.2.5".to_owned(),
            up: true,
            reason: None,
            last_success: None,
            writes: 0,
        }],
    }
}

fn scrape(format: Format) -> String {
    let own = Own::new().unwrap();
    own.read("shelf", "supplies", "ok", std::time::Duration::from_millis(80));
    own.discovery("agent", Some(4));
    let action = Action::SetLed {
        place: "shelf/psu-0".to_owned(),
        on: true,
    };
    let would = [Would {
        actuator: Actuator::Led,
        action,
    }];
    let ipmi = [(
        "n01".to_owned(),
        Standing {
            packets: ::bmc::ipmi::Packets {
                sent: 40,
                ..::bmc::ipmi::Packets::default()
            },
            refresh: Some((16, 12)),
            log: Some((3, 8_000)),
        },
    )];
    render(&view(), &drives::view(), &would, &own, &ipmi, format)
}

#[test]
fn every_name_keeps_to_the_conventions() {
    let mut names = HashSet::new();
    for family in families() {
        let name = family.name;
        assert!(names.insert(name), "{name} is there twice");
        assert!(name.starts_with("busbar_"), "{name}");
        assert_eq!(name.ends_with("_total"), family.kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_info"), family.kind == Kind::Info, "{name}");
        for unit in ["milli", "micro", "kilo", "percent", "mhz", "_ms"] {
            assert!(!name.contains(unit), "{name} has no base unit");
        }
        assert!(!family.help.is_empty() && !family.help.ends_with('.'), "{name}");
    }
}

#[test]
fn a_blind_domain_keeps_its_promises_and_has_no_sums() {
    let text = scrape(Format::Text);
    assert!(
        text.contains("busbar_rack_domain_installed_watts{domain=\"shelf\"} 18000\n"),
        "{text}"
    );
    assert!(
        !text.contains("busbar_rack_domain_installed_watts{domain=\"dark\"}"),
        "{text}"
    );
    assert!(text.contains("busbar_rack_domain_held_watts{domain=\"dark\"} 6000\n"));
    assert!(text.contains("busbar_rack_domain_state{domain=\"dark\",state=\"blind\"} 1\n"));
    assert!(!text.contains("busbar_rack_psu_output_watts{domain=\"dark\",psu=\"shelf/psu-0\"}"));
}

#[test]
fn what_is_not_known_is_absent_and_not_zero() {
    let text = scrape(Format::Text);
    for absent in [
        "busbar_rack_domain_drawn_watts",
        "busbar_rack_node_power_watts",
        "busbar_rack_node_cpus",
        "busbar_rack_power_watts",
    ] {
        assert!(!text.contains(absent), "{absent}");
    }
    assert!(
        !text.contains("busbar_rack_psu_capacity_watts{domain=\"shelf\",psu=\"shelf/psu-1\"}"),
        "an empty bay delivers nothing"
    );
    assert!(
        text.contains("busbar_rack_claim_watts{domain=\"shelf\",claim=\"web\"} 6000\n"),
        "a reservation has no node"
    );
    assert!(text.contains("busbar_rack_would_led{bay=\"shelf/psu-0\"} 1\n"));
    assert!(text.contains("busbar_rack_would_actions{actuator=\"power_cap\"} 0\n"));
    assert!(text.contains("label=\"PSU \\\"4\\\"\\n\""));
}

#[test]
fn what_a_bmc_over_ipmi_costs_is_shown() {
    let text = scrape(Format::Text);
    for line in [
        "busbar_rack_bmc_requests_total{bmc=\"n01\",protocol=\"ipmi\"} 40\n",
        "busbar_rack_bmc_refresh_packets{bmc=\"n01\"} 16\n",
        "busbar_rack_bmc_sensors{bmc=\"n01\"} 12\n",
        "busbar_rack_sel_entries{bmc=\"n01\"} 3\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn openmetrics_ends_and_names_its_counters_without_total() {
    let text = scrape(Format::OpenMetrics);
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE busbar_rack_bmc_reads counter\n"));
    assert!(text.contains("busbar_rack_bmc_reads_total{bmc=\"shelf\",outcome=\"ok\"} 1\n"));
    assert!(text.contains("# TYPE busbar_build info\n"));
    assert!(text.contains("busbar_rack_bmc_read_seconds_bucket{operation=\"supplies\",le=\"0.1\"} 1\n"));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_page_of_metrics_is_not_stale() {
    let path = root().join("docs/metrics-rack.md");
    let expected = document();
    if std::env::var_os("BUSBAR_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/metrics-rack.md is stale; write it again with BUSBAR_WRITE_DOCS=1 cargo test -p rack-controller --lib metrics"
    );
}

fn promtool() -> Option<PathBuf> {
    let from_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&from_path).collect();
    let tools = std::fs::read_dir(root().join("target/tools"));
    folders.extend(
        tools
            .into_iter()
            .flatten()
            .flatten()
            .map(|tool| tool.path().join("usr/bin")),
    );
    folders
        .into_iter()
        .map(|folder| folder.join("promtool"))
        .find(|path| path.is_file())
}

#[test]
fn promtool_finds_nothing() {
    let Some(promtool) = promtool() else {
        println!("skipped: no promtool in PATH or below target/tools");
        return;
    };
    let mut child = std::process::Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), scrape(Format::Text).as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && text.trim().is_empty(), "{text}");
}
