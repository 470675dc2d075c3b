//! `record` and `doctor`, the program itself: pictures of recorded machines replay to the same facts, with nothing left that
//! names the machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use facts::Inventory;
use serde_json::Value;

/// Machines with drives, NICs, sparse numbers, other architectures, core kinds.
const MACHINES: [&str; 5] = [
    "32em64t-2n8c+dax+nvme+mic+dimms",
    "48amd64-4pa2n6c-sparse",
    "nvidia-dgx-gb10",
    "20s390-2g6s4c",
    "256ppc-8n8s4t",
];

fn agent(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_busbar-agent");
    Command::new(program).args(arguments).output().unwrap()
}

fn succeeded(arguments: &[&str]) -> String {
    let output = agent(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
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

fn unpack(archive: &Path, keep: &Path) {
    let ran = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(keep)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn picture(of: Option<&Path>, keep: &Path, more: &[&str]) -> (PathBuf, String) {
    let file = keep.join("picture.tar");
    let mut arguments = vec!["record", "--output", file.to_str().unwrap()];
    arguments.extend(more);
    if let Some(of) = of {
        arguments.extend(["--root", of.to_str().unwrap()]);
    }
    let said = succeeded(&arguments);
    unpack(&file, keep);
    (keep.join("busbar-record"), said)
}

fn facts(root: &Path) -> Inventory {
    serde_json::from_str(&succeeded(&[
        "facts",
        "--output",
        "json",
        "--root",
        root.to_str().unwrap(),
    ]))
    .unwrap()
}

/// What a replay must give back: everything that computes, and parts without their identities.
fn essence(seen: &Inventory) -> Value {
    let json = serde_json::to_value(seen).unwrap();
    let mut kept = serde_json::Map::new();
    for list in [
        "packages",
        "numa_nodes",
        "caches",
        "cores",
        "cpus",
        "core_kinds",
        "offline_cpus",
        "memory",
        "pci",
    ] {
        kept.insert(list.to_owned(), json[list].clone());
    }
    for (list, key) in [
        ("drives", "device"),
        ("nics", "device"),
        ("gpus", "pci"),
        ("power_zones", "name"),
    ] {
        let members = json[list].as_array().unwrap();
        let names: Vec<Value> = members.iter().map(|member| member[key].clone()).collect();
        kept.insert(list.to_owned(), Value::Array(names));
    }
    Value::Object(kept)
}

#[test]
fn a_picture_of_a_recorded_machine_replays_to_the_same_facts() {
    let Some(shared) = shared() else { return };
    for name in MACHINES {
        let keep = tempfile::tempdir().unwrap();
        unpack(&shared.join(format!("machines/{name}.tar.bz2")), keep.path());
        let original = std::fs::read_dir(keep.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let (copy, said) = picture(Some(&original), keep.path(), &[]);
        assert!(said.contains("in all") && said.contains("replaced:"), "{said}");
        let (before, after) = (facts(&original), facts(&copy));
        assert_eq!(essence(&before), essence(&after), "{name}");
        let left = text_of(&copy);
        let secrets = [
            &before.machine.hostname,
            &before.machine.serial,
            &before.machine.uuid,
        ];
        let macs = before.nics.iter().filter_map(|nic| nic.mac.clone());
        let serials = before
            .drives
            .iter()
            .filter_map(|drive| drive.identity.serial.clone());
        let secrets = secrets.into_iter().flatten().cloned().chain(macs).chain(serials);
        for secret in secrets.filter(|secret| secret.len() > 5 && !secret.starts_with("00:00:00:00")) {
            assert!(!left.contains(&secret.to_lowercase()), "{name}: {secret} is left");
        }
    }
}

/// Every name and every byte below a folder, in lower case.
fn text_of(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        text.push_str(&entry.file_name().to_string_lossy());
        text.push('\n');
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            text.push_str(&text_of(&entry.path()));
        } else if kind.is_symlink() {
            text.push_str(&std::fs::read_link(entry.path()).unwrap().to_string_lossy());
        } else {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
        }
    }
    text.to_lowercase()
}

#[test]
fn a_picture_of_this_machine_names_nobody() {
    let keep = tempfile::tempdir().unwrap();
    let (copy, said) = picture(None, keep.path(), &["--list"]);
    assert!(
        said.contains("proc/meminfo") && said.contains("not in it: command lines"),
        "{said}"
    );
    let mode = std::fs::metadata(keep.path().join("picture.tar"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let seen: Inventory = serde_json::from_str(&succeeded(&["facts", "--output", "json"])).unwrap();
    let left = text_of(&copy);
    for nic in seen.nics.iter().filter_map(|nic| nic.mac.clone()) {
        assert!(!left.contains(&nic.to_lowercase()), "{nic} is left");
    }
    assert_eq!(facts(&copy).cpus.len(), seen.cpus.len());
    for never in ["environ", "cmdline", "uevent"] {
        assert!(
            !said.lines().any(|line| line.ends_with(&format!("/{never}"))),
            "{never}"
        );
    }
    // What is there already is not written over.
    let file = keep.path().join("picture.tar");
    let again = agent(&["record", "--output", file.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
}

#[test]
fn the_doctor_sees_this_machine_and_recorded_ones() {
    let json: Value = serde_json::from_str(&succeeded(&["doctor", "--output", "json"])).unwrap();
    for list in ["missing", "expected", "others", "unproven", "doubts"] {
        assert!(json[list].is_array(), "{list} is missing: {json}");
    }
    let sources: Vec<&str> = json["expected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| source["source"].as_str().unwrap())
        .collect();
    assert!(
        sources.contains(&"topology") && sources.contains(&"nvml"),
        "{sources:?}"
    );
    let text = succeeded(&["doctor"]);
    assert!(text.contains("missing here") && !text.contains('\x1b'), "{text}");
    let strict = agent(&["doctor", "--strict"]);
    let is_whole = json["missing"].as_array().unwrap().is_empty();
    assert_eq!(strict.status.success(), is_whole);
    let nowhere = agent(&["doctor", "--root", "/nonexistent/machine"]);
    assert_eq!(nowhere.status.code(), Some(1));
    let Some(shared) = shared() else { return };
    let keep = tempfile::tempdir().unwrap();
    unpack(&shared.join("machines/nvidia-dgx-gb10.tar.bz2"), keep.path());
    let machine = std::fs::read_dir(keep.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = succeeded(&["doctor", "--root", machine.to_str().unwrap()]);
    assert!(text.contains("cpu-arm"), "{text}");
}
