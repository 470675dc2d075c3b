//! Caps that agents hold for their rack: real agents whose CPU packages are plain files, the real controller, the simulated shelf.
//!
//! What a node draws follows its package files here by a wire of the test's own: the simulated nodes know the limits of their BMCs only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;
mod store;

use anyhow::{Context, ensure};
use house_tests::raise::{Group, Rack};
use house_tests::wait;

use stand::{PATIENCE, Stand, may_unshare};

#[test]
fn watts_are_held_by_agents_through_a_loss_and_through_kills() -> anyhow::Result<()> {
    if !may_unshare() {
        println!("skipped: this needs root and a mount namespace of its own");
        return Ok(());
    }
    let mut stand = Stand::raise()?;
    for node in &stand.nodes {
        node.limit_becomes(300, "the floor, less what is no package's")?;
    }
    drilled(&stand)?;
    revocable_watts_come_and_go(&stand)?;
    kills_change_no_cap(&mut stand)?;
    stand.busbar(&["release", "web"])?;
    stand.nodes[0].limit_becomes(300, "the floor again")?;
    Ok(())
}

/// Nothing revocable is given to a cap of which nobody knows that it bites.
pub fn drilled(stand: &Stand) -> anyhow::Result<()> {
    let _wire = stand.wire();
    wait::until("the shelf to be counted", PATIENCE, || {
        let view = stand.rack.view()?;
        Ok((view["domains"][0]["installed_watts"] == 18_000).then_some(()))
    })?;
    let web = [
        "claim",
        "power",
        "--for",
        "web",
        "--node",
        "n01",
        "--watts",
        "420",
        "--revocable",
        "60",
        "--priority",
        "9",
    ];
    stand.busbar(&web)?;
    stand.nodes[0].limit_becomes(320, "firm watts alone")?;
    let why = stand.busbar(&["why", "web"])?;
    ensure!(why.contains("has none of its 60 W revocable"), "{why}");
    let said = stand.busbar(&["calibrate", "n01"])?;
    ensure!(said.contains("n01 keeps its cap"), "{said}");
    stand.nodes[0].limit_becomes(380, "firm and revocable watts")?;
    let why = stand.busbar(&["why", "web"])?;
    ensure!(why.contains("it has its 60 W revocable"), "{why}");
    Ok(())
}

/// A loss that uses up what the policy covers takes them; after the new supply's trial they come back.
fn revocable_watts_come_and_go(stand: &Stand) -> anyhow::Result<()> {
    stand.busbar(&["claim", "power", "--for", "stock", "--watts", "11500"])?;
    stand.world.act(&["pull", "shelf/psu-3"])?;
    stand.nodes[0].limit_becomes(320, "what was promised firm")?;
    let events = stand.busbar(&["events"])?;
    ensure!(events.contains("60 W revocable taken back"), "{events}");
    stand.world.act(&["insert", "shelf/psu-3"])?;
    stand.nodes[0].limit_becomes(380, "revocable watts again")?;
    Ok(())
}

fn kills_change_no_cap(stand: &mut Stand) -> anyhow::Result<()> {
    stand.rack.daemon.kill9();
    ensure!(stand.nodes[0].limit() == 380, "a dead controller lowers nobody");
    let log = stand.folder.join("rack.log");
    stand.rack = Rack::start_again(&stand.binaries, &stand.config, &log, Group::Starters)?;
    stand.lease_until("the lease to be renewed", |lease| lease["applied"] == true)?;
    stand.nodes[0].limit_becomes(380, "the same cap")?;

    let mut agent = stand.nodes[0].daemon.take().context("an agent")?;
    agent.kill9();
    let node = stand.lease_until("the silence to be seen", |lease| !lease["silent_since"].is_null())?;
    ensure!(
        node["lease"]["counted_watts"].as_u64() >= Some(480),
        "a silent node counts with what it may draw: {node}"
    );
    ensure!(
        stand.nodes[0].limit() == 380,
        "the hardware keeps a dead agent's cap"
    );
    stand.nodes[0].start(&stand.binaries)?;
    stand.lease_until("the agent to be heard again", |lease| {
        lease["applied"] == true && lease["silent_since"].is_null()
    })?;
    stand.nodes[0].limit_becomes(380, "the same cap")
}
