//! All recorded BMCs, read from their directories: supplies, fillers, domains, watts and doubts as their JSON has them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod recorded;

use std::path::{Path, PathBuf};

use bmc::redundancy::{Redundancy, claim_word};
use bmc::{Bmc, NodeFacts};
use facts::supply::{Supplies, SupplyState};
use facts::{Power, Reading};
use recorded::{archives, unpack};

/// One recorded BMC and what stands in it.
struct Expected {
    tree: &'static str,
    /// Per domain: name, bays, usable, fillers, absent, out, installed watts (0: none known), the word computed.
    domains: &'static [(&'static str, [u32; 5], u64, &'static str)],
    /// Claims in words, over all domains.
    claims: &'static [&'static str],
    /// Kinds of doubts, sorted, each once.
    doubts: &'static str,
}

const EXPECTED: [Expected; 14] = [
    Expected {
        tree: "CMM",
        domains: &[("Enclosure", [4, 4, 0, 0, 0], 0, "unknown")],
        claims: &[],
        doubts: "health missing",
    },
    Expected {
        tree: "Gigabyte",
        domains: &[("Self", [2, 0, 0, 0, 2], 0, "unknown")],
        claims: &[],
        doubts: "capacity limit missing",
    },
    Expected {
        tree: "OpenBMC-stock",
        domains: &[],
        claims: &[],
        doubts: "missing",
    },
    Expected {
        tree: "XL675d_A40",
        domains: &[("1", [6, 4, 0, 2, 0], 12_000, "n+3")],
        claims: &[],
        doubts: "total",
    },
    Expected {
        tree: "dell",
        domains: &[("System.Embedded.1", [2, 2, 0, 0, 0], 4_800, "n+1")],
        claims: &[],
        doubts: "capacity garbled limit missing",
    },
    Expected {
        tree: "lenovo",
        domains: &[("1", [4, 4, 0, 0, 0], 9_600, "n+3")],
        claims: &["n+2"],
        doubts: "capacity total",
    },
    Expected {
        tree: "nvidia_gb200",
        domains: &[],
        claims: &[],
        doubts: "missing",
    },
    Expected {
        tree: "nvidia_viking",
        domains: &[("DGX", [6, 0, 0, 0, 6], 0, "unknown")],
        claims: &["n+5"],
        doubts: "garbled limit missing redundancy",
    },
    Expected {
        tree: "public-composability",
        domains: &[("ComposableEnclosure", [2, 2, 0, 0, 0], 2_900, "n+1")],
        claims: &["n+1"],
        doubts: "",
    },
    Expected {
        tree: "public-nvmeof-jbof",
        domains: &[("1", [2, 2, 0, 0, 0], 4_000, "n+1")],
        claims: &[],
        doubts: "capacity",
    },
    Expected {
        tree: "public-pdu",
        domains: &[],
        claims: &[],
        doubts: "",
    },
    Expected {
        tree: "public-power-shelf",
        domains: &[("PowerShelf", [6, 1, 0, 5, 0], 2_000, "n")],
        claims: &["n+4"],
        doubts: "capacity duplicate link missing redundancy",
    },
    Expected {
        tree: "public-sasfabric",
        // Both switches show one serial number: the second one is listed and not counted.
        domains: &[
            ("Switch1", [1, 1, 0, 0, 0], 800, "n"),
            ("Switch2", [1, 0, 0, 0, 1], 0, "unknown"),
        ],
        claims: &[],
        doubts: "duplicate",
    },
    Expected {
        tree: "supermicro",
        domains: &[("1", [8, 6, 2, 0, 0], 18_000, "n+5")],
        claims: &["n+7"],
        doubts: "filler redundancy",
    },
];

fn watts(number: u64) -> Power {
    Power::from_watts(number).unwrap()
}

async fn read(archives: &Path, tree: &str) -> (Supplies, Option<NodeFacts>, PathBuf) {
    let dir = unpack(archives, tree);
    let bmc = Bmc::open_tree(&dir).unwrap();
    let supplies = bmc::supplies(&bmc)
        .await
        .unwrap_or_else(|error| panic!("{tree}: {}", error.whole()));
    assert_eq!(bmc.writes_made(), 0);
    (supplies, bmc::node(&bmc).await.ok(), dir)
}

#[tokio::test]
async fn every_recorded_bmc_gives_the_supplies_that_its_json_has() {
    let Some(archives) = archives() else { return };
    for expected in EXPECTED {
        let (supplies, _, _) = read(&archives, expected.tree).await;
        let tree = expected.tree;
        let names: Vec<&str> = supplies
            .domains
            .iter()
            .map(|domain| domain.name.as_str())
            .collect();
        let wanted: Vec<&str> = expected.domains.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, wanted, "{tree}");
        for (domain, (_, counts, installed, word)) in supplies.domains.iter().zip(expected.domains) {
            let computed = Redundancy::of(domain);
            let found = [
                computed.bays,
                computed.usable,
                computed.fillers,
                computed.absent,
                computed.out,
            ];
            assert_eq!(found, *counts, "{tree}: bays, usable, fillers, absent, out");
            let sum = computed.installed_watts.value().unwrap_or(Power::ZERO);
            assert_eq!(sum, watts(*installed), "{tree}: installed");
            assert_eq!(computed.word(), *word, "{tree}");
            assert!(!domain.mixed, "{tree}");
        }
        let claims: Vec<String> = supplies
            .domains
            .iter()
            .flat_map(|domain| &domain.claimed)
            .map(claim_word)
            .collect();
        assert_eq!(claims, expected.claims, "{tree}");
        let mut kinds: Vec<&str> = supplies.doubts.iter().map(|doubt| doubt.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.join(" "), expected.doubts, "{tree}: {:#?}", supplies.doubts);
    }
}

#[tokio::test]
async fn supermicro_lists_two_fillers_and_its_claim_counts_them() {
    let Some(archives) = archives() else { return };
    let (supplies, node, _) = read(&archives, "supermicro").await;
    let fillers: Vec<&str> = supplies.domains[0]
        .supplies
        .iter()
        .filter(|s| s.is_filler)
        .map(|s| s.bay.as_str())
        .collect();
    assert_eq!(fillers, ["5", "6"]);
    let text: Vec<&str> = supplies
        .doubts
        .iter()
        .map(|doubt| doubt.message.as_str())
        .collect();
    assert!(
        text.iter()
            .any(|text| text.contains("counts 8 members; 6 are usable")),
        "{text:#?}"
    );
    assert!(
        text.iter()
            .any(|text| text.contains("claims n+7") && text.contains("computed n+5")),
        "{text:#?}"
    );
    let node = node.unwrap();
    assert_eq!(node.model.as_deref(), Some("SYS-821GE-TNHR"));
    assert_eq!((node.packages, node.drives), (Some(2), Some(8)));
    assert_eq!(node.memory_bytes.unwrap().get(), 2048 << 30);
    assert_eq!(node.drawn_watts, Reading::Value(watts(2161)));
}

#[tokio::test]
async fn dell_capacity_is_not_believed_and_its_missing_root_is_told() {
    let Some(archives) = archives() else { return };
    let (supplies, node, dir) = read(&archives, "dell").await;
    let domain = &supplies.domains[0];
    assert_eq!(domain.capacity_claimed_watts, Some(watts(6720)));
    assert_eq!(domain.drawn_watts, Reading::Value(watts(614)));
    assert_eq!(domain.supplies[0].output_watts, Reading::Value(watts(273)));
    assert_eq!(domain.supplies[1].input_watts, Reading::Value(watts(308)));
    let root = supplies
        .doubts
        .iter()
        .find(|doubt| doubt.kind == "missing")
        .unwrap();
    let file = dir.join("redfish/v1/index.json");
    assert!(
        root.message.contains(&file.display().to_string()),
        "{}",
        root.message
    );
    assert!(node.is_none(), "the recording has no system");
}

#[tokio::test]
async fn chassis_totals_are_not_taken_for_a_supply() {
    let Some(archives) = archives() else { return };
    let (hpe, node, _) = read(&archives, "XL675d_A40").await;
    let supply = &hpe.domains[0].supplies[1];
    assert_eq!(supply.output_watts.value(), None);
    assert_eq!(
        (supply.label.as_deref(), supply.hot_pluggable),
        (Some("Bay 2"), Some(true))
    );
    assert_eq!(hpe.domains[0].supplies[0].state, SupplyState::Absent);
    assert_eq!(
        node.unwrap().uuid.as_deref(),
        Some("38334c44-4735-534a-3035-4e5031303732")
    );
    let (lenovo, _, _) = read(&archives, "lenovo").await;
    let delivered: Vec<Option<Power>> = lenovo.domains[0]
        .supplies
        .iter()
        .map(|supply| supply.output_watts.value())
        .collect();
    assert_eq!(delivered, [180, 150, 150, 150].map(|number| Some(watts(number))));
}

#[tokio::test]
async fn dgx_sensors_are_followed_and_the_cpu_side_is_the_node() {
    let Some(archives) = archives() else { return };
    let (supplies, node, _) = read(&archives, "nvidia_viking").await;
    let sum: Power = supplies.domains[0]
        .supplies
        .iter()
        .filter_map(|s| s.output_watts.value())
        .sum();
    assert_eq!(sum, watts(351 * 3 + 312 * 3));
    assert!(
        supplies.domains[0]
            .supplies
            .iter()
            .all(|supply| supply.state == SupplyState::Unknown)
    );
    assert_eq!(node.unwrap().resource, "/redfish/v1/Systems/DGX");
}

#[tokio::test]
async fn the_shelf_of_dmtf_names_a_bay_twice_and_forgets_another() {
    let Some(archives) = archives() else { return };
    let (supplies, _, _) = read(&archives, "public-power-shelf").await;
    let bays: Vec<&str> = supplies.domains[0]
        .supplies
        .iter()
        .map(|supply| supply.bay.as_str())
        .collect();
    assert_eq!(bays, ["Bay1", "Bay3", "Bay4", "Bay5", "Bay6", "Bay2"]);
    assert_eq!(supplies.domains[0].supplies[0].led, Some(false));
}

#[test]
fn a_folder_that_is_no_tree_says_so() {
    let empty = tempfile::tempdir().unwrap();
    let message = Bmc::open_tree(empty.path()).unwrap_err().to_string();
    assert!(
        message.contains("no recorded Redfish tree") && message.contains("redfish/v1"),
        "{message}"
    );
    assert!(
        Bmc::open_tree(Path::new("/nonexistent"))
            .unwrap_err()
            .to_string()
            .contains("no such folder")
    );
}
