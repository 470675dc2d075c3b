//! Whose agent answers: one that is asked for another node is leased nothing, and that node counts as silent. And what a pause holds back
//! of the orders that agents get.
//!
//! Real agents over TLS whose CPU packages are plain files, the real controller, the simulated shelf.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use house_tests::raise::{Fleet, FleetPlan, Shape, may_unshare};
use house_tests::wait;
use serde_json::{Value, json};

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
const PATIENCE: Duration = Duration::from_secs(90);
/// Several renewals of a lease: what had to come would have come.
const SEVERAL_RENEWALS: Duration = Duration::from_secs(4);
/// What a node can draw uncapped.
const MOST: u64 = 500;
const FLOOR: u64 = 400;

fn raise(name: &str) -> anyhow::Result<Option<Fleet>> {
    if !may_unshare() {
        println!("skipped: this needs root and a mount namespace of its own");
        return Ok(None);
    }
    let plan = FleetPlan {
        nodes: 2,
        shape: Shape {
            packages: 2,
            package_watts: 200,
            rest_watts: 100,
            floor_watts: FLOOR,
            idle_watts: 100,
        },
        policy: "n+1".to_owned(),
        fixed_load_watts: 0,
        node_bmcs: false,
        domain: String::new(),
        poll_interval: "1s".to_owned(),
        overload_for: "600s".to_owned(),
        agents_in_memory: false,
    };
    Fleet::raise(name, &plan).map(Some)
}

/// Until the controller counts all supplies: before that nothing is promised.
fn counted(fleet: &Fleet) -> anyhow::Result<()> {
    wait::until("the shelf to be counted", PATIENCE, || {
        let view = fleet.view()?;
        Ok((view["domains"][0]["installed_watts"] == 18_000).then_some(()))
    })
}

fn node(fleet: &Fleet, name: &str) -> anyhow::Result<Value> {
    let view = fleet.view()?;
    let nodes = view["nodes"].as_array().context("nodes")?;
    let found = nodes.iter().find(|node| node["name"] == name);
    found.cloned().with_context(|| format!("no {name}: {view}"))
}

/// The doubt that an agent is another node's, if there is one.
fn doubt(fleet: &Fleet) -> anyhow::Result<Option<String>> {
    let view = fleet.view()?;
    let doubts = view["doubts"].as_array().context("doubts")?;
    let found = doubts.iter().find(|doubt| doubt["kind"] == "identity");
    Ok(found
        .and_then(|doubt| doubt["message"].as_str())
        .map(str::to_owned))
}

/// A node's files say this all the time.
fn stays(fleet: &Fleet, index: usize, watts: u64, why: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while began.elapsed() < SEVERAL_RENEWALS {
        let limit = fleet.nodes[index].limit();
        ensure!(limit == watts, "{why}: {limit} W instead of {watts} W");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn claim(fleet: &Fleet, name: &str, node: &str, watts: u64) -> anyhow::Result<String> {
    fleet.claim(&json!({"for": name, "node": node, "watts": watts}))
}

#[test]
fn an_agent_that_answers_for_another_node_is_leased_nothing() -> anyhow::Result<()> {
    let Some(mut fleet) = raise("whose")? else {
        return Ok(());
    };
    // A slip in rack.toml, or in the network's names: the agent of n02 is asked for n01 too.
    let right = std::fs::read_to_string(fleet.config())?;
    let (first, second) = (fleet.nodes[0].section(), fleet.nodes[1].section());
    ensure!(first != second && right.contains(&first), "{right}");
    std::fs::write(fleet.config(), right.replace(&first, &second))?;
    fleet.start_rack()?;
    let said = wait::until("the doubt", PATIENCE, || doubt(&fleet))?;
    for words in [
        "n01",
        "answers for the node n02, expected n01",
        "nothing is leased to it",
    ] {
        ensure!(said.contains(words), "{said}");
    }
    counted(&fleet)?;
    claim(&fleet, "a", "n01", 450)?;
    claim(&fleet, "b", "n02", 420)?;
    fleet.nodes[1].limit_becomes(420, PATIENCE, "the right node's own cap")?;
    stays(&fleet, 1, 420, "n02 was leased what is n01's")?;
    ensure!(
        fleet.nodes[0].limit() == MOST,
        "nobody has asked the agent of n01"
    );
    let silent = node(&fleet, "n01")?;
    let lease = &silent["lease"];
    ensure!(
        lease["counted_watts"] == MOST && lease["applied"] == false && !lease["silent_since"].is_null(),
        "it counts with all that it can draw: {silent}"
    );
    ensure!(
        silent["state"] == "unreachable" && silent["reason"].as_str().is_some_and(|why| why.contains("n02")),
        "another node's facts are not its: {silent}"
    );
    ensure!(
        node(&fleet, "n02")?["lease"]["applied"] == true,
        "n02 is as it shall be"
    );

    fleet.kill_rack();
    std::fs::write(fleet.config(), &right)?;
    fleet.start_rack()?;
    fleet.nodes[0].limit_becomes(450, PATIENCE, "its own agent is asked")?;
    ensure!(doubt(&fleet)?.is_none(), "{:?}", doubt(&fleet)?);
    Ok(())
}

#[test]
fn a_pause_holds_back_orders_that_rise_and_no_other() -> anyhow::Result<()> {
    let Some(mut fleet) = raise("paused")? else {
        return Ok(());
    };
    fleet.start_rack()?;
    counted(&fleet)?;
    let first = claim(&fleet, "a", "n01", 420)?;
    fleet.nodes[0].limit_becomes(420, PATIENCE, "a cap")?;
    fleet.nodes[1].limit_becomes(FLOOR, PATIENCE, "the floor")?;
    fleet.busbar(&["pause", "--node", "n01", "--for", "1h", "--reason", "work on it"])?;
    claim(&fleet, "b", "n01", 50)?;
    claim(&fleet, "c", "n02", 430)?;
    fleet.nodes[1].limit_becomes(430, PATIENCE, "another node's rise")?;
    stays(&fleet, 0, 420, "its order rose")?;
    let lease = &node(&fleet, "n01")?["lease"];
    ensure!(
        lease["applied"] == true && lease["silent_since"].is_null(),
        "it is renewed all the same: {lease}"
    );
    fleet.busbar(&["release", &first])?;
    fleet.nodes[0].limit_becomes(FLOOR, PATIENCE, "what lowers goes on")?;
    claim(&fleet, "d", "n01", 400)?;
    stays(&fleet, 0, FLOOR, "its order rose")?;
    fleet.busbar(&["resume", "--node", "n01"])?;
    fleet.nodes[0].limit_becomes(450, PATIENCE, "the rise that waited")?;

    fleet.busbar(&["pause", "--for", "1h", "--reason", "switch upgrade"])?;
    let last = claim(&fleet, "e", "n02", 40)?;
    stays(&fleet, 1, 430, "an order rose while the rack is paused")?;
    // The journal keeps it: a controller that starts raises nothing either.
    fleet.kill_rack();
    fleet.start_rack()?;
    stays(&fleet, 1, 430, "an order rose after a restart")?;
    fleet.busbar(&["resume"])?;
    fleet.nodes[1].limit_becomes(470, PATIENCE, "the rise that waited")?;
    fleet.busbar(&["release", &last])?;
    fleet.nodes[1].limit_becomes(430, PATIENCE, "as before")
}
