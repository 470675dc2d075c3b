//! What outlives the process: what a hand changed, keys, pins, credentials, ports.

use serde_json::{Value, json};

use crate::raised::{Raised, command};

fn pins(addresses: &Value) -> Vec<(String, String)> {
    let text = |bmc: &Value, key: &str| bmc[key].as_str().unwrap().to_owned();
    let bmcs = addresses["bmcs"].as_array().unwrap();
    bmcs.iter()
        .map(|bmc| (text(bmc, "name"), text(bmc, "fingerprint")))
        .collect()
}

#[tokio::test]
async fn a_pulled_supply_stays_pulled_after_kill_9() {
    let world = Raised::demo();
    world.act(&["pull", "shelf/psu-3"]);
    world.act(&["feed-loss", "A"]);
    let node = world.bmc("n04");
    let limit = json!({ "PowerLimitWatts": { "SetPoint": 900 } });
    assert_eq!(
        node.patch("/redfish/v1/Chassis/node/EnvironmentMetrics", "*", limit)
            .await
            .status(),
        200
    );
    let (before, password) = (pins(&world.addresses), node.password.clone());
    let dir = world.stop("-KILL");

    let world = Raised::serve(dir, &["racks/demo.toml"]);
    assert_eq!(pins(&world.addresses), before);
    assert_eq!(world.bmc("n04").password, password);
    let status = world.status();
    assert_eq!(status["supplies"][3]["state"], "absent");
    assert_eq!(status["supplies"][0]["state"], "no_input");
    assert_eq!(status["nodes"][3]["limit_watts"], 900);
    let supply = "/redfish/v1/Chassis/shelf/PowerSubsystem/PowerSupplies/psu-3";
    assert_eq!(world.bmc("shelf").read(supply).await["Status"]["State"], "Absent");
    let dir = world.stop("-TERM");

    let world = Raised::serve(dir, &["racks/demo.toml", "--fresh"]);
    assert_eq!(world.status()["supplies"][3]["state"], "running");
    assert_eq!(pins(&world.addresses), before, "--fresh forgets deeds, not keys");
}

#[test]
fn one_folder_serves_one_world_at_a_time() {
    let world = Raised::demo();
    let second = command()
        .args(["serve", "--state-dir"])
        .arg(world.dir.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("another hw-fixtures serves from"), "{said}");
}

#[test]
fn a_broken_memory_is_named_and_kept() {
    let dir = Raised::demo().stop("-TERM");
    let memory = dir.path().join("world.json");
    std::fs::write(&memory, "{\"version\":1,\"wor").unwrap();
    let refused = command()
        .args(["serve", "--state-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("world.json") && said.contains("--fresh"), "{said}");
    assert_eq!(std::fs::read_to_string(&memory).unwrap(), "{\"version\":1,\"wor");
    Raised::serve(dir, &["--fresh"]);
}

#[test]
fn secrets_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let world = Raised::demo();
    let mut seen = 0;
    for entry in std::fs::read_dir(world.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".cred") || name.ends_with(".key") {
            assert_eq!(
                entry.metadata().unwrap().permissions().mode() & 0o777,
                0o600,
                "{name}"
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 11, "five credentials, five keys and the authority's");
}
