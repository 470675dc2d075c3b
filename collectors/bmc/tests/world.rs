//! The simulated rack of hw-fixtures, over its real sockets: read, pulled, lit, limited, and made to answer badly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod recorded;

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bmc::redundancy::Redundancy;
use bmc::{Bmc, BmcError, Credentials, Endpoint, Limits, Trust};
use facts::Power;
use facts::supply::{Supplies, SupplyState};
use futures_util::StreamExt;
use serde_json::Value;

/// A world of its own for each test; ended with it.
struct World {
    child: Child,
    binary: PathBuf,
    state: tempfile::TempDir,
    addresses: Value,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    /// Raises it; `None`, with the reason printed, where hw-fixtures has not been built.
    fn raise() -> Option<World> {
        World::raise_with(&[])
    }

    fn raise_with(trees: &[PathBuf]) -> Option<World> {
        let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug/hw-fixtures");
        if !binary.is_file() {
            println!(
                "skipped: no hw-fixtures at {} (cargo build -p hw-fixtures)",
                binary.display()
            );
            return None;
        }
        let state = tempfile::tempdir().unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hw-fixtures");
        let mut child = Command::new(&binary)
            .args(["serve", "racks/demo.toml", "--base-port", "0", "--state-dir"])
            .arg(state.path())
            .args(trees.iter().flat_map(|tree| [Path::new("--tree"), tree]))
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        if !line.starts_with("ready hw-fixtures ") {
            println!("skipped: {} is not ready to serve: {line:?}", binary.display());
            let _ = child.wait();
            return None;
        }
        let text = std::fs::read_to_string(state.path().join("addresses.json")).unwrap();
        Some(World {
            child,
            binary,
            addresses: serde_json::from_str(&text).unwrap(),
            state,
        })
    }

    fn act(&self, words: &str) {
        let done = Command::new(&self.binary)
            .arg("do")
            .args(words.split(' '))
            .arg("--state-dir")
            .arg(self.state.path())
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "do {words}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    fn endpoint(&self, name: &str) -> Endpoint {
        let all = self.addresses["bmcs"].as_array().unwrap();
        let bmc = all.iter().find(|bmc| bmc["name"] == name).unwrap();
        let text = |key: &str| bmc[key].as_str().unwrap();
        let credentials = Credentials::load(Path::new(text("credentials_file"))).unwrap();
        let pin = Trust::Fingerprint(text("fingerprint").parse().unwrap());
        Endpoint::new(text("url"), pin)
            .with_credentials(credentials)
            .with_limits(Limits {
                request: Duration::from_secs(3),
                ..Limits::default()
            })
    }
}

fn state(supplies: &Supplies, bay: &str) -> SupplyState {
    let all = supplies.domains.iter().flat_map(|domain| &domain.supplies);
    all.clone().find(|supply| supply.bay == bay).unwrap().state
}

#[tokio::test]
async fn a_pulled_supply_is_hinted_at_and_read_as_an_empty_bay() {
    let Some(world) = World::raise() else { return };
    let bmc = Bmc::connect(world.endpoint("shelf")).await.unwrap();
    let before = bmc::supplies(&bmc).await.unwrap();
    let computed = Redundancy::of(&before.domains[0]);
    assert_eq!((computed.bays, computed.usable), (6, 6));
    assert_eq!(computed.installed_watts.value(), Power::from_watts(18_000));
    assert_eq!(computed.surviving_watts[0], Power::from_watts(15_000).unwrap());
    let mut hints = bmc::events(&bmc).await.unwrap();
    world.act("pull shelf/psu-3");
    let hint = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let hint = hints.next().await.unwrap().unwrap();
            if hint
                .resource
                .as_deref()
                .is_some_and(|path| path.contains("psu-3"))
            {
                return hint;
            }
        }
    });
    assert!(hint.await.unwrap().id.is_some());
    let after = bmc::supplies(&bmc).await.unwrap();
    assert_eq!(state(&after, "psu-3"), SupplyState::Absent);
    assert_eq!(
        Redundancy::of(&after.domains[0]).installed_watts.value(),
        Power::from_watts(15_000)
    );
    world.act("insert shelf/psu-3");
    world.act("fail shelf/psu-0");
    let again = bmc::supplies(&bmc).await.unwrap();
    assert_ne!(state(&again, "psu-3"), SupplyState::Absent);
    assert_eq!(state(&again, "psu-0"), SupplyState::Faulted);
    world.act("feed-loss B");
    let lost = bmc::supplies(&bmc).await.unwrap();
    assert_eq!(state(&lost, "psu-4"), SupplyState::InputLost);
    drop(hints);
    assert_eq!(bmc.writes_made(), 0);
    bmc.close().await;
}

#[tokio::test]
async fn the_led_of_an_empty_bay_is_lit() {
    let Some(world) = World::raise() else { return };
    world.act("pull shelf/psu-3");
    let bmc = Bmc::connect(world.endpoint("shelf")).await.unwrap();
    let supplies = bmc::supplies(&bmc).await.unwrap();
    let bay = supplies.domains[0]
        .supplies
        .iter()
        .find(|supply| supply.bay == "psu-3")
        .unwrap();
    assert_eq!((bay.state, bay.led), (SupplyState::Absent, Some(false)));
    assert_eq!(bay.label.as_deref(), Some("PSU 4"));
    bmc::act::set_led(&bmc, &bay.resource, true).await.unwrap();
    let supplies = bmc::supplies(&bmc).await.unwrap();
    let bay = supplies.domains[0]
        .supplies
        .iter()
        .find(|supply| supply.bay == "psu-3")
        .unwrap();
    assert_eq!(bay.led, Some(true));
    assert_eq!(bmc.writes_made(), 1);
}

#[tokio::test]
async fn a_node_is_known_and_limited() {
    let Some(world) = World::raise() else { return };
    let bmc = Bmc::connect(world.endpoint("n01")).await.unwrap();
    let node = bmc::node(&bmc).await.unwrap();
    assert!(node.uuid.is_some() && node.serial.is_some(), "{node:?}");
    assert_eq!((node.packages, node.cores), (Some(2), Some(64)));
    assert_eq!(node.memory_bytes.unwrap().get(), 256 << 30);
    let limit = node.limit.unwrap();
    let watts = limit
        .min_watts
        .unwrap()
        .saturating_add(Power::from_watts(100).unwrap());
    let set = bmc::act::set_power_limit(&bmc, watts).await.unwrap();
    assert_eq!(set.set_point_watts, Some(watts));
    assert_eq!(
        bmc::node(&bmc).await.unwrap().limit.unwrap().set_point_watts,
        Some(watts)
    );
}

#[tokio::test]
async fn bad_answers_of_a_live_bmc_blind_and_pass() {
    let Some(world) = World::raise() else { return };
    let bmc = Bmc::connect(world.endpoint("shelf")).await.unwrap();
    for (answer, words) in [
        ("401", "answered 401"),
        ("404", "answered 404"),
        ("half", "cut off after"),
        ("never", "timeout after 3s"),
    ] {
        world.act(&format!("bmc shelf answer {answer}"));
        let error = bmc::supplies(&bmc).await.unwrap_err();
        assert!(error.whole().contains(words), "{answer}: {}", error.whole());
        let fresh: Result<Bmc, BmcError> = Bmc::connect(world.endpoint("shelf")).await;
        assert!(fresh.is_err(), "{answer}");
        world.act("bmc shelf answer ok");
        assert_eq!(
            bmc::supplies(&bmc).await.unwrap().domains[0].supplies.len(),
            6,
            "after {answer}"
        );
    }
}

#[tokio::test]
async fn a_recorded_bmc_over_the_wire_says_what_its_directory_says() {
    let Some(archives) = recorded::archives() else {
        return;
    };
    let names = [
        "supermicro",
        "dell",
        "lenovo",
        "nvidia_viking",
        "XL675d_A40",
        "CMM",
        "public-power-shelf",
    ];
    let trees: Vec<PathBuf> = names
        .iter()
        .map(|name| recorded::unpack(&archives, name))
        .collect();
    let Some(world) = World::raise_with(&trees) else {
        return;
    };
    for (name, tree) in names.iter().zip(&trees) {
        let mut endpoint = world.endpoint(name);
        endpoint.limits = Limits::default();
        let bmc = Bmc::connect(endpoint)
            .await
            .unwrap_or_else(|error| panic!("{name}: {}", error.whole()));
        let wire = bmc::supplies(&bmc)
            .await
            .unwrap_or_else(|error| panic!("{name}: {}", error.whole()));
        let read = bmc::supplies(&Bmc::open_tree(tree).unwrap()).await.unwrap();
        assert_eq!(wire.domains, read.domains, "{name}");
        // Dell's recording has no service root; hw-fixtures serves one, so that a client can begin.
        let kinds = |supplies: &Supplies| -> Vec<String> {
            let told = supplies
                .doubts
                .iter()
                .filter(|doubt| doubt.resource != "/redfish/v1");
            told.map(|doubt| doubt.kind.clone()).collect()
        };
        assert_eq!(kinds(&wire), kinds(&read), "{name}: {:#?}", wire.doubts);
        assert_eq!(bmc.writes_made(), 0);
        bmc.close().await;
    }
}
