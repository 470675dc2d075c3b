//! `busbar-agent facts`, the program itself: this machine, recorded machines, exported topologies, and wrong names for them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use facts::Inventory;

const LISTS: [&str; 11] = [
    "packages",
    "numa_nodes",
    "caches",
    "cores",
    "cpus",
    "gpus",
    "drives",
    "nics",
    "power_zones",
    "sensors",
    "sources",
];

fn facts(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_busbar-agent");
    Command::new(program)
        .arg("facts")
        .args(arguments)
        .output()
        .unwrap()
}

fn shown(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("BUSBAR_SHARED").map_or_else(beside, PathBuf::from);
    if folder.join("machines").is_dir() {
        return Some(folder);
    }
    println!("skipped: no shared folder at {}", folder.display());
    None
}

/// Every key of the JSON, once.
fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn this_machine_is_json_as_documented() {
    let text = shown(&facts(&["--output", "json"]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for list in LISTS {
        assert!(json[list].is_array(), "{list} is missing");
    }
    assert!(!json["cpus"].as_array().unwrap().is_empty());
    assert!(serde_json::from_str::<Inventory>(&text).is_ok());
    let documented =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/facts.md")).unwrap();
    let mut found = std::collections::BTreeSet::new();
    keys(&json, &mut found);
    for key in found {
        assert!(documented.contains(&key), "{key} is not in docs/facts.md");
    }
}

#[test]
fn this_machine_is_drawn_without_colours_into_a_pipe() {
    let text = shown(&facts(&[]));
    assert!(text.contains("CPU") && !text.contains('\x1b'), "{text}");
}

#[test]
fn wrong_names_fail_with_what_was_expected() {
    let keep = tempfile::tempdir().unwrap();
    let file = keep.path().join("no.xml");
    std::fs::write(&file, "<topology version=\"2.0\"><object type=\"Machine\">").unwrap();
    std::fs::create_dir(keep.path().join("proc")).unwrap();
    let (directory, file) = (keep.path().to_str().unwrap(), file.to_str().unwrap());
    for (arguments, expected) in [
        (["--root", "/nonexistent/machine"], "/nonexistent/machine"),
        (["--root", env!("CARGO_MANIFEST_DIR")], "neither sys/ nor proc/"),
        (["--root", file], "no.xml"),
        (["--root", directory], directory),
        (
            ["--hwloc-xml", "/nonexistent/machine.xml"],
            "/nonexistent/machine.xml",
        ),
        (["--hwloc-xml", file], "no.xml"),
    ] {
        let output = facts(&arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(
            error.contains(expected) && !error.contains("panicked"),
            "{arguments:?}: {error}"
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_exported_topology_comes_alone() {
    let Some(shared) = shared() else { return };
    let file = shared.join("machines/xml/192em64t-12gr2n8c2t.xml");
    let text = shown(&facts(&[
        "--output",
        "json",
        "--hwloc-xml",
        file.to_str().unwrap(),
    ]));
    let seen: Inventory = serde_json::from_str(&text).unwrap();
    assert_eq!((seen.packages.len(), seen.cpus.len()), (24, 384));
    assert_eq!(seen.memory, None, "this machine's memory is not that machine's");
    let drawn = shown(&facts(&["--hwloc-xml", file.to_str().unwrap()]));
    assert!(drawn.lines().count() < 60, "{drawn}");
}

#[test]
fn a_recorded_machine_is_read_by_a_child_of_the_program_itself() {
    let Some(shared) = shared() else { return };
    let keep = tempfile::tempdir().unwrap();
    let archive = shared.join("machines/20em64t-hybrid-1p6c2t+2ca4co1t.tar.bz2");
    let unpacked = Command::new("tar")
        .arg("-xjf")
        .arg(&archive)
        .arg("-C")
        .arg(keep.path())
        .status()
        .unwrap();
    assert!(unpacked.success());
    let machine = keep.path().join("20em64t-hybrid-1p6c2t+2ca4co1t");
    let drawn = shown(&facts(&["--root", machine.to_str().unwrap()]));
    assert!(
        drawn.contains("6 fast cores 0-5, 2 CPUs each = CPUs 0-11"),
        "{drawn}"
    );
    assert!(drawn.contains("8 efficient cores 6-13 = CPUs 12-19"), "{drawn}");
    // The folder around it is the usual mistake: the error names the right one.
    let around = facts(&["--root", keep.path().to_str().unwrap()]);
    assert!(
        String::from_utf8_lossy(&around.stderr).contains("co1t does"),
        "{around:?}"
    );
}

#[test]
fn metrics_for_the_textfile_collector_are_those_of_the_machine_alone() {
    let page = shown(&facts(&["--output", "prom"]));
    for expected in [
        "# TYPE busbar_cpu_topology_info gauge\nbusbar_cpu_topology_info{cpu=\"",
        "busbar_source_up{source=\"topology\"} 1\n",
        "busbar_source_status_info{source=\"cpu\",reason=\"ok\"} 1\n",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    for absent in [
        "busbar_process_",
        "busbar_scrape_",
        "busbar_agent_",
        "busbar_series",
        "busbar_memory_bytes",
        "node_",
        "# EOF",
    ] {
        assert!(!page.contains(&format!("\n{absent}")), "{absent}: {page}");
    }
    let families = agent::metrics::families_now(&page);
    let (name, cpus) = families
        .iter()
        .find(|(name, _)| *name == "busbar_cpu_topology_info")
        .unwrap();
    assert_eq!(
        (*name, *cpus),
        (
            "busbar_cpu_topology_info",
            page.matches("busbar_cpu_topology_info{").count()
        )
    );
    assert!(
        families.iter().all(|(_, series)| *series > 0),
        "no head without a series"
    );
}
