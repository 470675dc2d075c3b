//! Observe writes nothing: not to a kernel file, not to a cgroup, not to a BMC, however long it runs and whatever is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http::{self, Events};
use house_tests::raise::House;
use house_tests::wait;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the rack is put through; each round makes an enforcing controller write LEDs and limits.
const ROUNDS: u32 = 2;

#[test]
fn observe_writes_nothing() -> anyhow::Result<()> {
    let before = cgroups();
    let house = House::raise("observe", "observe")?;
    house.all_counted()?;
    let world = house.world.act(&["status", "--output", "json"])?;

    let run = house.busbar(&["run", "--cpus", "1", "--exclusive", "--", "true"])?;
    ensure!(run.code == 3, "an agent in observe refuses to place: {run:?}");
    ensure!(run.err.contains("observe"), "and says why: {run:?}");
    let drain = house.busbar(&["drain", "shelf/psu-3"])?;
    ensure!(
        drain.out.contains("LED not lit"),
        "a drain writes to the journal alone: {drain:?}"
    );
    house.busbar(&["undrain", "shelf/psu-3"])?;
    house.all_counted()?;

    for round in 0..ROUNDS {
        let name = format!("web-{round}");
        house.busbar_ok(&[
            "claim", "power", "--watts", "700", "--for", &name, "--node", "n02",
        ])?;
        let locate = house.busbar(&["locate", "shelf/psu-0", "--for", "1m"])?;
        ensure!(locate.code != 0, "no LED is lit in observe: {locate:?}");
        pull_and_put_back(&house)?;
    }

    let view = house.rack()?.view()?;
    ensure!(view["mode"] == "observe", "{}", view["mode"]);
    for bmc in view["bmcs"].as_array().context("bmcs is an array")? {
        ensure!(bmc["up"] == true && bmc["writes"] == 0, "{bmc}");
    }
    let metrics = http::get_text(house.rack()?.daemon.url(), "/metrics")?;
    ensure!(
        metrics.lines().any(|line| line.starts_with("busbar_rack_would_")),
        "what would be done is shown"
    );
    let after = house.world.act(&["status", "--output", "json"])?;
    ensure!(
        settings(&after) == settings(&world),
        "before {world}\nafter {after}"
    );
    ensure!(cgroups() == before, "no cgroup came or changed");
    let said = house.take_down()?;
    ensure!(said.contains("nothing left"), "{said}");
    ensure!(cgroups() == before, "and none went");
    Ok(())
}

/// A loss and a return, watched to their ends: what makes an enforcing controller act.
fn pull_and_put_back(house: &House) -> anyhow::Result<()> {
    let head = house.rack()?.view()?["journal_sequence"].as_u64().unwrap_or(0);
    let events = Events::open(house.rack()?.daemon.url(), &format!("/v1/events?after={head}"))?;
    house.world.act(&["pull", "shelf/psu-5"])?;
    events.next("the loss", PATIENCE, |event| event.data["kind"] == "supply_lost")?;
    house.world.act(&["insert", "shelf/psu-5"])?;
    events.next("the return", PATIENCE, |event| {
        event.data["kind"] == "supply_in_service"
    })?;
    wait::until("all six again", PATIENCE, || {
        let shelf = house.shelf()?;
        Ok((shelf["installed_watts"].as_f64() == Some(18_000.0)).then_some(()))
    })
}

/// What somebody could have set in the world: LEDs and limits. Meters are left out, because they move.
fn settings(status: &str) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(status).unwrap();
    let mut found = Vec::new();
    collect("", &value, &mut found);
    found.sort();
    found
}

fn collect(path: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                collect(&format!("{path}/{key}"), value, found);
            }
        }
        serde_json::Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                collect(&format!("{path}/{index}"), value, found);
            }
        }
        plain => {
            let name = path.rsplit('/').next().unwrap_or_default();
            if ["led", "limit", "locate", "cap"]
                .iter()
                .any(|word| name.contains(word))
            {
                found.push(format!("{path}={plain}"));
            }
        }
    }
}

/// Every cgroup of Busbar's on this machine, with what its settings say.
fn cgroups() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (_, point, kind) = (words.next(), words.next(), words.next());
        if let (Some(point), Some("cgroup" | "cgroup2")) = (point, kind) {
            walk(&Path::new(point).join("busbar"), &mut found);
        }
    }
    found
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.insert(path.clone(), String::new());
            walk(&path, found);
        } else if path.file_name().is_some_and(|name| name == "cpuset.cpus") {
            found.insert(path.clone(), fs::read_to_string(&path).unwrap_or_default());
        }
    }
}
