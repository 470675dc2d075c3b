//! Caps that agents hold for their rack: real agents whose CPU packages are plain files, the real controller, the simulated shelf.
//!
//! The simulated nodes draw what their package files let them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::raise::{Fleet, FleetPlan, Shape, may_unshare};
use house_tests::wait;
use serde_json::Value;

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// Two nodes with two packages of 200 W each.
fn plan() -> FleetPlan {
    FleetPlan {
        nodes: 2,
        shape: Shape {
            packages: 2,
            package_watts: 200,
            rest_watts: 100,
            floor_watts: 400,
            idle_watts: 100,
        },
        policy: "n+1".to_owned(),
        fixed_load_watts: 0,
        node_bmcs: true,
        domain: "sell_revocable = true\ndetect_within = \"1s\"\n".to_owned(),
        poll_interval: "1s".to_owned(),
        // How long a loss takes here is the test machine's; what is asked is order.
        overload_for: "600s".to_owned(),
        agents_in_memory: false,
    }
}

fn limit_becomes(fleet: &Fleet, watts: u64, why: &str) -> anyhow::Result<()> {
    fleet.nodes[0].limit_becomes(watts, PATIENCE, why)
}

fn lease_until(fleet: &Fleet, what: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    wait::until(what, PATIENCE, || {
        let view = fleet.view()?;
        let nodes = view["nodes"].as_array().context("nodes")?;
        let node = nodes.iter().find(|node| node["name"] == "n01");
        let node = node.with_context(|| format!("no n01: {view}"))?;
        Ok(wanted(&node["lease"]).then(|| node.clone()))
    })
}

/// What n01 leaves unused of its firm watts is lent to n02 and taken back when n01's load wants it. What both may draw together is never
/// more than what is sold.
#[test]
fn unused_watts_are_lent_and_taken_back() -> anyhow::Result<()> {
    if !may_unshare() {
        println!("skipped: this needs root and a mount namespace of its own");
        return Ok(());
    }
    let mut plan = plan();
    plan.domain.push_str("lend_window = \"10s\"\n");
    // 15 kW survive a loss, and this leaves 905 W of them: enough for a drill, and for the firm watts of both.
    plan.fixed_load_watts = 15_000 - SOLD;
    let mut fleet = Fleet::raise("lend", &plan)?;
    fleet.start_rack()?;
    wait::until("the shelf to be counted", PATIENCE, || {
        let view = fleet.view()?;
        Ok((view["domains"][0]["installed_watts"] == 18_000).then_some(()))
    })?;
    for node in &fleet.nodes {
        node.limit_becomes(400, PATIENCE, "the floor")?;
    }
    for node in ["n01", "n02"] {
        fleet.world.act(&["demand", node, "490"])?;
        let said = fleet.busbar(&["calibrate", node])?;
        ensure!(said.contains("keeps its cap"), "{said}");
    }
    fleet.world.act(&["demand", "n01", "300"])?;
    let lend = "claim power --for web --node n01 --watts 490 --lendable";
    fleet.busbar(&lend.split(' ').collect::<Vec<_>>())?;
    limit_becomes(&fleet, 490, "firm watts")?;
    let borrow = "claim power --for batch --node n02 --revocable 60";
    fleet.busbar(&borrow.split(' ').collect::<Vec<_>>())?;
    watched(&fleet, "n02 to borrow", || fleet.nodes[1].limit() == 460)?;
    ensure!(fleet.nodes[0].limit() == 400, "the lender is lowered first");
    let why = fleet.busbar(&["why", "web"])?;
    ensure!(
        why.contains("it lends 90 W") && why.contains("taking back needs up to"),
        "{why}"
    );

    fleet.world.act(&["demand", "n01", "490"])?;
    watched(&fleet, "n01 to have its watts back", || {
        fleet.nodes[0].limit() == 490
    })?;
    ensure!(fleet.nodes[1].limit() == 400, "the borrower was lowered first");
    wait::until("the return to be told", PATIENCE, || {
        let events = fleet.busbar(&["events"])?;
        Ok(events.contains("n01 has back what it lent").then_some(()))
    })?;
    let why = fleet.busbar(&["why", "web"])?;
    ensure!(why.contains("it lends nothing now"), "{why}");
    Ok(())
}

/// What two nodes may draw together in the story of lent watts.
const SOLD: u64 = 905;

/// Waits, and looks all the while whether both nodes together may draw more than what there is for them.
fn watched(fleet: &Fleet, what: &str, mut done: impl FnMut() -> bool) -> anyhow::Result<()> {
    wait::until(what, PATIENCE, || {
        let (before, other, after) = (
            fleet.nodes[0].limit(),
            fleet.nodes[1].limit(),
            fleet.nodes[0].limit(),
        );
        ensure!(
            before != after || before + other <= SOLD,
            "{what}: {before} W and {other} W are in force on {SOLD} W"
        );
        Ok(done().then_some(()))
    })
}

#[test]
fn watts_are_held_by_agents_through_a_loss_and_through_kills() -> anyhow::Result<()> {
    if !may_unshare() {
        println!("skipped: this needs root and a mount namespace of its own");
        return Ok(());
    }
    let mut fleet = Fleet::raise("caps", &plan())?;
    fleet.start_rack()?;
    for node in &fleet.nodes {
        node.limit_becomes(400, PATIENCE, "the floor")?;
    }
    drilled(&fleet)?;
    revocable_watts_come_and_go(&fleet)?;
    kills_change_no_cap(&mut fleet)?;
    fleet.busbar(&["release", "web"])?;
    limit_becomes(&fleet, 400, "the floor again")
}

/// Nothing revocable is given to a cap of which nobody knows that it bites.
fn drilled(fleet: &Fleet) -> anyhow::Result<()> {
    fleet.world.act(&["demand", "n01", "490"])?;
    wait::until("the shelf to be counted", PATIENCE, || {
        let view = fleet.view()?;
        Ok((view["domains"][0]["installed_watts"] == 18_000).then_some(()))
    })?;
    let web = "claim power --for web --node n01 --watts 420 --revocable 60";
    fleet.busbar(&web.split(' ').collect::<Vec<_>>())?;
    limit_becomes(fleet, 420, "firm watts alone")?;
    let why = fleet.busbar(&["why", "web"])?;
    ensure!(why.contains("has none of its 60 W revocable"), "{why}");
    let said = fleet.busbar(&["calibrate", "n01"])?;
    ensure!(said.contains("n01 keeps its cap"), "{said}");
    limit_becomes(fleet, 480, "firm and revocable watts")?;
    let why = fleet.busbar(&["why", "web"])?;
    ensure!(why.contains("it has its 60 W revocable"), "{why}");
    Ok(())
}

/// A loss that uses up what the policy covers takes them; after the new supply's trial they come back.
fn revocable_watts_come_and_go(fleet: &Fleet) -> anyhow::Result<()> {
    fleet.busbar(&["claim", "power", "--for", "stock", "--watts", "11500"])?;
    fleet.world.act(&["pull", "shelf/psu-3"])?;
    limit_becomes(fleet, 420, "what was promised firm")?;
    let events = fleet.busbar(&["events"])?;
    ensure!(events.contains("60 W revocable taken back"), "{events}");
    fleet.world.act(&["insert", "shelf/psu-3"])?;
    limit_becomes(fleet, 480, "revocable watts again")
}

fn kills_change_no_cap(fleet: &mut Fleet) -> anyhow::Result<()> {
    fleet.kill_rack();
    ensure!(fleet.nodes[0].limit() == 480, "a dead controller lowers nobody");
    fleet.start_rack()?;
    lease_until(fleet, "the lease to be renewed", |lease| lease["applied"] == true)?;
    limit_becomes(fleet, 480, "the same cap")?;

    let mut agent = fleet.nodes[0].agent.take().context("an agent")?;
    agent.kill9();
    let node = lease_until(fleet, "the silence to be seen", |lease| {
        !lease["silent_since"].is_null()
    })?;
    ensure!(
        node["lease"]["counted_watts"].as_u64() >= Some(480),
        "a silent node counts with what it may draw: {node}"
    );
    ensure!(
        fleet.nodes[0].limit() == 480,
        "the hardware keeps a dead agent's cap"
    );
    fleet.nodes[0].start(&fleet.binaries)?;
    lease_until(fleet, "the agent to be heard again", |lease| {
        lease["applied"] == true && lease["silent_since"].is_null()
    })?;
    limit_becomes(fleet, 480, "the same cap")
}
