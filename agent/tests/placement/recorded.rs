//! Recorded machines: every promise holds on topologies that people really have.

use std::path::{Path, PathBuf};
use std::process::Command;

use collectors::{Root, TopologySource, facts_now};
use facts::Inventory;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::promises::{acts, play};

/// How many stories each machine bears.
const STORIES: usize = 60;

fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("BUSBAR_SHARED").map_or_else(beside, PathBuf::from);
    if shared.join("machines").is_dir() {
        return Some(shared);
    }
    println!("skipped: no shared folder at {}", shared.display());
    None
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.to_string_lossy().ends_with(ending));
    files.sort();
    files
}

fn read(source: TopologySource) -> Inventory {
    facts_now(&Root::nothing(), source)
}

/// All recorded machines of which the topology can be read, by name.
fn machines() -> Vec<(String, Inventory)> {
    let Some(shared) = shared() else { return Vec::new() };
    let reader = PathBuf::from(env!("CARGO_BIN_EXE_busbar-agent"));
    let machines = shared.join("machines");
    let mut found = Vec::new();
    let exported = files(&machines, ".xml")
        .into_iter()
        .chain(files(&machines.join("xml"), ".xml"));
    for file in exported {
        let source = TopologySource::Xml {
            file: file.clone(),
            reader: reader.clone(),
        };
        found.push((file.display().to_string(), read(source)));
    }
    for archive in files(&machines, ".tar.bz2") {
        let keep = tempfile::tempdir().unwrap();
        let unpacked = Command::new("tar")
            .arg("-xjf")
            .arg(&archive)
            .arg("-C")
            .arg(keep.path())
            .status();
        assert!(unpacked.unwrap().success(), "cannot unpack {}", archive.display());
        let top = std::fs::read_dir(keep.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let source = TopologySource::Root {
            directory: top.canonicalize().unwrap(),
            reader: reader.clone(),
        };
        found.push((archive.display().to_string(), read(source)));
    }
    found
}

#[test]
fn recorded_machines_keep_every_promise() {
    let machines = machines();
    if machines.is_empty() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let (mut read, mut offers) = (0, 0);
    for (name, inventory) in &machines {
        if inventory.cpus.is_empty() {
            println!("{name}: {:?}", inventory.sources);
            continue;
        }
        println!("{name}");
        read += 1;
        let most = u32::try_from(inventory.cpus.len()).unwrap().min(40) + 2;
        for _ in 0..STORIES {
            let story = acts(most).new_tree(&mut runner).unwrap().current();
            offers += play(inventory, &story, None);
        }
    }
    println!("{read} recorded machines, {offers} offers, every promise held");
    assert!(read >= 20 && offers > 1_000, "{read} machines, {offers} offers");
}
