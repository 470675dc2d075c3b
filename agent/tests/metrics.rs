//! The scrape as a whole: golden page, promtool, and the documentation that is made from the table of families.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "metrics/leased.rs"]
mod leased;
#[path = "metrics/suffering.rs"]
mod suffering;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use agent::metrics::{BESIDE, Counts, Format, Kind, Own, Press, Selection, TABLE, families};
use agent::view::{About, Kept, Seen, View};
use agent_api::v1::{
    Exclusivity, Grade, Intruder, IntruderKind, MemoryPlaces, PlannedStep, Proof, Squeezed, Verdict, Witness,
    Workload,
};
use facts::{Bytes, Doubt, Energy, Inventory, Moment, NoData, Sheet};
use intent::{Actuators, Generation, Squeeze};

use suffering::{suffering, waits};

/// Set to write golden files and documentation anew.
const BLESS: &str = "BUSBAR_BLESS";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A machine that has one of everything.
fn machine() -> Inventory {
    let text = fs::read_to_string(here().join("tests/golden/inventory.json")).unwrap();
    let mut machine: Inventory = serde_json::from_str(&text).unwrap();
    for (code, about) in [
        ("identity", "the machine"),
        ("identity", "bmc"),
        ("numa_distances", "NUMA node 1"),
    ] {
        machine
            .doubts
            .push(Doubt::new(code, about, "two sources disagree"));
    }
    machine
}

/// A proof that found somebody of each sort.
fn proof() -> Proof {
    let intruder = |kind, name: &str| Intruder {
        kind,
        name: name.to_owned(),
        tid: Some(22),
        pid: Some(22),
        cgroup: "/".to_owned(),
        cpus: "2".parse().unwrap(),
        run_microseconds: Some(150),
        times: None,
        advice: String::new(),
    };
    Proof {
        id: "web-1".parse().unwrap(),
        at: Moment::from_millis(1_795_000_060_000),
        watched_milliseconds: 1_000,
        cpus: "2-3".parse().unwrap(),
        verdict: Verdict::NotProven,
        because: Vec::new(),
        is_enforced: false,
        witness: Witness::ContextSwitches,
        controls: Vec::new(),
        outstanding: Vec::new(),
        intruders: vec![intruder(IntruderKind::HostProcess, "cron")],
        unavoidable: vec![intruder(IntruderKind::KernelBound, "ksoftirqd/2")],
        left_out: 0,
        memory: Some(MemoryPlaces {
            source: "memory.numa_stat".to_owned(),
            numa_nodes: Vec::new(),
            foreign_bytes: Bytes::new(1 << 20),
            total_bytes: Bytes::new(8 << 20),
        }),
    }
}

fn view() -> View {
    let workload = Workload {
        id: "web-1".parse().unwrap(),
        command: "sleep".to_owned(),
        uid: 0,
        pid: 4711,
        frozen: false,
        priority: None,
        revocable: false,
        watts: None,
        squeezed: Some(Squeezed {
            to: Squeeze::CpuTime { millicpus: 800 },
            because: String::new(),
        }),
        uncounted: Some("no number is left".to_owned()),
        held_to_millicpus: Some(100),
        vm: None,
        adopted: false,
        cdi: None,
        held: Some(Grade::CpuMax),
        awaits: false,
        container: None,
        cpus: "2-3".parse().unwrap(),
        numa_nodes: "0".parse().unwrap(),
        exclusive: true,
        memory_bytes: Some(Bytes::new(256 << 20)),
        since: Moment::from_millis(1_795_000_000_500),
        cgroups: vec!["/sys/fs/cgroup/cpuset/busbar/web-1".to_owned()],
        exclusivity: Exclusivity::AmongBusbar,
        steps: Vec::new(),
    };
    let kept = Kept {
        generation: Generation(7),
        workloads: vec![workload],
        reserved: "0".parse().unwrap(),
        shared: "0-1".parse().unwrap(),
        plan: Ok(vec![PlannedStep {
            phase: "shape".to_owned(),
            text: "make a directory".to_owned(),
        }]),
        power_cap: leased::cap(),
        ..Kept::default()
    };
    let proof = proof();
    View {
        about: Arc::new(About {
            node: "n01".to_owned(),
            agent_run_id: "run".to_owned(),
            boot_id: "boot".to_owned(),
            actuators: Actuators::default(),
            started_at: Moment::from_millis(1_795_000_000_000),
        }),
        seen: Arc::new(Seen {
            inventory: machine(),
            energy: BTreeMap::from([
                ("intel-rapl:0".to_owned(), Energy::from_microjoules(12_500_000)),
                ("intel-rapl:0:0".to_owned(), Energy::from_microjoules(2_000_001)),
            ]),
            errors: BTreeMap::from([(("nvml", NoData::Absent), 3)]),
            invalid: BTreeMap::from([("hwmon", 2)]),
            ..Seen::default()
        }),
        kept: Arc::new(kept),
        lease: Some(leased::leased()),
        pooled: leased::pooled(),
        proofs: Arc::new(BTreeMap::from([(proof.id.clone(), Arc::new(proof))])),
        interference: Arc::new(BTreeMap::from([(suffering().id.clone(), suffering())])),
        waits: Arc::new(BTreeMap::from([("web-1".parse().unwrap(), waits())])),
    }
}

/// One page of everything.
fn render(view: &View, own: &Own, format: Format) -> String {
    let counts = Counts::new().unwrap();
    for (route, status, milliseconds) in [
        ("/metrics", 200, 1),
        ("/metrics", 200, 30),
        ("/v1/facts", 503, 5_000),
    ] {
        counts.answered(route, status, Duration::from_millis(milliseconds));
    }
    let mut press = Press::new(Selection::all(), counts);
    let view = Arc::new(view.clone());
    let mut page = Vec::new();
    // How long the page took stands on the next one.
    press.print(&view, Vec::new(), own, format, &mut page);
    page.clear();
    press.print(&view, Vec::new(), own, format, &mut page);
    String::from_utf8(page).unwrap()
}

fn page(format: Format) -> String {
    let own = Own {
        cpu_time: Some(Duration::from_millis(1_500)),
        resident_bytes: Some(8 << 20),
        events: Some(12),
        listeners: Some(1),
    };
    let text = render(&view(), &own, format);
    // What differs from run to run and from machine to machine.
    let mut steady = String::new();
    for line in text.lines() {
        if line.starts_with("busbar_scrape_encode_seconds ") {
            steady.push_str("busbar_scrape_encode_seconds 0\n");
        } else if line.starts_with("busbar_build_info{") {
            steady.push_str("busbar_build_info{version=\"V\",target=\"T\"} 1\n");
        } else {
            let _ = writeln!(steady, "{line}");
        }
    }
    steady
}

/// Compares with a file of the repository, or writes it when told to.
fn is_as(path: &Path, text: &str) {
    if std::env::var_os(BLESS).is_some() {
        fs::write(path, text).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == text,
        "{} is stale; run {BLESS}=1 cargo test -p agent --test metrics and look at the difference",
        path.display()
    );
}

#[test]
fn the_scrape_is_as_the_golden_one() {
    is_as(&here().join("tests/golden/scrape.txt"), &page(Format::Text));
    is_as(
        &here().join("tests/golden/scrape.openmetrics.txt"),
        &page(Format::OpenMetrics),
    );
}

#[test]
fn every_family_of_the_table_stands_in_the_golden_scrape_with_help_and_type() {
    let text = page(Format::Text);
    for family in TABLE {
        let name = family.name;
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge | Kind::Info => "gauge",
            Kind::Histogram => "histogram",
            Kind::Untyped => "untyped",
        };
        assert!(
            text.contains(&format!(
                "# HELP {name} {}\n# TYPE {name} {kind}\n{name}",
                family.help
            )),
            "{name}"
        );
    }
}

#[test]
fn a_part_that_is_gone_is_absent_from_the_next_scrape() {
    let mut view = view();
    assert!(render(&view, &Own::default(), Format::Text).contains("device=\"nvme0n1\""));
    let mut seen = Seen::clone(&view.seen);
    seen.inventory.drives.clear();
    view.seen = Arc::new(seen);
    let text = render(&view, &Own::default(), Format::Text);
    assert!(
        !text.contains("nvme0n1") && !text.contains("busbar_disk"),
        "{text}"
    );
}

#[test]
fn the_first_page_of_all_has_sources_that_are_pending() {
    let mut view = view();
    let source = facts::Source::pending("topology", Duration::from_secs(60));
    let inventory = Inventory {
        sources: vec![source],
        ..Inventory::default()
    };
    view.seen = Arc::new(Seen {
        inventory,
        ..Seen::default()
    });
    let text = render(&view, &Own::default(), Format::Text);
    assert!(
        text.contains("busbar_source_up{source=\"topology\"} 0\n"),
        "{text}"
    );
    assert!(
        text.contains("busbar_source_status_info{source=\"topology\",reason=\"pending\"} 1\n"),
        "{text}"
    );
    assert!(!text.contains("busbar_cpu_topology_info"), "{text}");
}

/// The tools that `cargo verify` unpacks, and those of the system.
fn tool(name: &str) -> Option<PathBuf> {
    let workspace = here().parent().unwrap();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let unpacked = fs::read_dir(target.join("tools")).into_iter().flatten().flatten();
    let mut places: Vec<PathBuf> = unpacked.map(|entry| entry.path().join("usr/bin")).collect();
    places.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    places
        .into_iter()
        .map(|place| place.join(name))
        .find(|path| path.is_file())
}

#[test]
fn promtool_finds_nothing() {
    let Some(promtool) = tool("promtool") else {
        println!("skipped: promtool is neither in PATH nor below target/tools (Debian package prometheus)");
        return;
    };
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(page(Format::Text).as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

/// The table of all families, and what the default profile leaves out.
#[test]
fn the_documentation_is_made_from_the_table() {
    let mut text = String::from(
        "# Metrics of the agent\n\n\
         Made from the tables of families in `agent/src/metrics/family.rs` and in the collectors; do not edit by hand\n\
         (`BUSBAR_BLESS=1 cargo test -p agent --test metrics` writes it anew).\n\
         Rules that hold for all of them: [metrics.md](metrics.md).\n\n\
         | family | type | labels | meaning | source |\n|---|---|---|---|---|\n",
    );
    for family in families() {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
            Kind::Histogram => "histogram",
            Kind::Untyped => "untyped",
        };
        let labels = family.labels.join(", ");
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {labels} | {} | {} |",
            family.name, family.help, family.source
        );
    }
    text.push_str(
        "\n## Left out beside node_exporter\n\n\
         The default profile leaves out what node_exporter gives in the same detail; `profile = \"alone\"` or `include` shows it.\n\n\
         | family | node_exporter has it as |\n|---|---|\n",
    );
    for (ours, theirs) in BESIDE {
        let _ = writeln!(text, "| `{ours}` | {theirs} |");
    }
    is_as(&here().parent().unwrap().join("docs/metrics-agent.md"), &text);
}

#[test]
fn what_the_profile_leaves_out_is_a_family_that_we_have() {
    for (ours, _) in BESIDE {
        assert!(families().any(|family| family.name == *ours), "{ours}");
    }
}

#[test]
fn the_sheets_of_sources_stand_beside_the_view_and_an_untouched_view_is_not_written_again() {
    let mut pad = facts::sheet::Pad::default();
    let mut turn = |number: f64| {
        let mut sheet = pad.begin();
        sheet.add(agent::metrics::TABLE[0], &["9", "r", "t"], Some(number));
        Arc::new(sheet.finish())
    };
    let mut first = view();
    first.seen = Arc::new(Seen {
        sheets: vec![turn(1.0)],
        ..Seen::clone(&first.seen)
    });
    let view = Arc::new(first);
    let mut press = Press::new(Selection::all(), Counts::new().unwrap());
    let mut print = |fresh: Vec<Arc<Sheet>>| {
        let mut page = Vec::new();
        press.print(&view, fresh, &Own::default(), Format::Text, &mut page);
        String::from_utf8(page).unwrap()
    };
    let line = "busbar_build_info{version=\"9\",revision=\"r\",target=\"t\"} ";
    assert!(print(Vec::new()).contains(&format!("{line}1\n")));
    // The same row of a fresh sheet is a duplicate: the first one stands, and it is told.
    let page = print(vec![turn(2.0)]);
    assert!(
        page.contains(&format!("{line}1\n")) && !page.contains(&format!("{line}2\n")),
        "{page}"
    );
    assert!(page.contains("busbar_duplicate_series 1\n"), "{page}");
    assert_eq!(page.matches("# TYPE busbar_build_info ").count(), 1);
    let series = page.lines().filter(|line| !line.starts_with('#')).count();
    assert!(page.contains(&format!("busbar_series {series}\n")), "{page}");
}
