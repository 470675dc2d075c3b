//! Placement on recorded machines: every promise holds on topologies that people really have.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use std::path::{Path, PathBuf};

use agent::place::{Pool, Taken, place};
use agent_api::v1::Ask;
use collectors::{Root, TopologySource, facts_now};
use facts::Inventory;
use intent::Generation;

fn fill(machine: &Path, inventory: &Inventory, asks: &[u32]) {
    let mut taken: Vec<Taken> = Vec::new();
    for (number, cpus) in asks.iter().enumerate() {
        let ask = Ask {
            cpus: *cpus,
            exclusive: true,
            ..Ask::default()
        };
        let offered = place(&ask, inventory, &taken, None, Generation(1));
        assert_eq!(offered, place(&ask, inventory, &taken, None, Generation(1)));
        let Ok(offer) = offered else {
            continue;
        };
        let pool = Pool::of(inventory, &taken, None);
        assert_eq!(offer.cpus.len(), *cpus as usize);
        assert!(
            offer.cpus.is_subset(&pool.shared.difference(&pool.reserved)),
            "{}",
            machine.display()
        );
        assert!(
            offer
                .cpus
                .is_disjoint(&inventory.offline_cpus.union(&inventory.disallowed_cpus))
        );
        for core in &inventory.cores {
            let mine = !core.cpus.is_disjoint(&offer.cpus);
            let split = mine && taken.iter().any(|holder| !core.cpus.is_disjoint(&holder.cpus));
            assert!(!split, "{}: core {} is split", machine.display(), core.id);
        }
        taken.push(Taken {
            workload: format!("w{number}").parse().unwrap(),
            cpus: offer.cpus,
        });
        assert!(!Pool::of(inventory, &taken, None).shared.is_empty());
    }
}

#[test]
fn recorded_machines_keep_every_promise() {
    let shared = std::env::var_os("BUSBAR_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let machines = shared.join("machines");
    let Ok(entries) = std::fs::read_dir(&machines) else {
        println!("skipped: no shared folder at {}", shared.display());
        return;
    };
    let mut seen = 0;
    for entry in entries {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|kind| kind != "xml") {
            continue;
        }
        let reader = PathBuf::from(env!("CARGO_BIN_EXE_busbar-agent"));
        let source = TopologySource::Xml {
            file: file.clone(),
            reader,
        };
        let inventory = facts_now(&Root::nothing(), source);
        if inventory.cpus.is_empty() {
            println!("{}: {:?}", file.display(), inventory.sources);
            continue;
        }
        seen += 1;
        fill(&file, &inventory, &[1, 2, 3, 4, 5, 6, 7, 8]);
        fill(&file, &inventory, &[8, 4, 16, 2, 1, 32, 3, 1]);
    }
    println!("{seen} recorded machines");
    assert!(
        seen > 0,
        "no recorded topology in {} could be read",
        machines.display()
    );
}
