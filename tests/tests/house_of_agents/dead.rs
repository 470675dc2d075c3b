//! Agents that are dead when a supply is lost, at `n+1`: the hardware keeps their caps, and so do the books.

use anyhow::{Context, ensure};
use house_tests::wait;
use serde_json::Value;

use crate::house::{House, INSTALLED, NODES, Policy, SUPPLY};
use crate::stand::PATIENCE;

/// Silence is not accepted: all that is in force is what survives, so that a dead rack rides a loss.
const CAUTIOUS: Policy = Policy {
    redundancy: "n+1",
    accept_silence: false,
    firm: 3_000,
    whole: 3_400,
};

const LAST: usize = NODES - 1;

/// Agents are killed (-9), and then a supply is lost.
pub fn a_loss_while_agents_are_dead() -> anyhow::Result<()> {
    let mut house = House::raise("dead", CAUTIOUS, Vec::new())?;
    one_agent_is_dead(&mut house)?;
    all_agents_are_dead(&mut house)
}

/// One of them: everybody else falls, it keeps what it had. When it may have booted uncapped it counts with all that it can draw, and
/// whoever comes last in rank has nothing revocable for that.
fn one_agent_is_dead(house: &mut House) -> anyhow::Result<()> {
    let Policy { firm, whole, .. } = CAUTIOUS;
    let before = house.overloads()?;
    house.watch.begin();
    kill(house, LAST)?;
    house.pull(0)?;
    house.become_these(
        &[firm, firm, firm, firm, firm, whole],
        "what is firm, and a dead agent's cap",
    )?;
    house.watch.only_falls()?;
    let node = node_until(house, "the silence to be seen", |lease| {
        !lease["silent_since"].is_null()
    })?;
    ensure!(
        node["lease"]["counted_watts"].as_u64() >= Some(whole),
        "a silent node counts with what is in force there: {node}"
    );
    house.installed_becomes(INSTALLED - SUPPLY)?;
    ensure!(house.overloads()? == before, "more was drawn than what is left");
    house.put_in(0)?;
    house.become_these(
        &[whole, whole, whole, firm, firm, whole],
        "what is left beside all that it can draw",
    )?;
    house
        .watch
        .nothing_rose_above(crate::house::FIXED, INSTALLED - SUPPLY)?;
    house.watch.begin();
    start(house, LAST)?;
    house.whole_again()?;
    house.watch.fell_and_rose(LAST, firm, whole)
}

/// All of them: nobody falls, and what is left bears that. Whoever starts again finds its lease at its end, and falls.
fn all_agents_are_dead(house: &mut House) -> anyhow::Result<()> {
    let before = house.overloads()?;
    house.watch.begin();
    (0..NODES).try_for_each(|node| kill(house, node))?;
    house.pull(1)?;
    house.installed_becomes(INSTALLED - SUPPLY)?;
    house.watch.nothing_moved()?;
    ensure!(
        house.overloads()? == before,
        "a rack of dead agents drew more than what is left"
    );
    (0..NODES).try_for_each(|node| start(house, node))?;
    house.all_become(CAUTIOUS.firm, "what is firm")?;
    house.watch.only_falls()?;
    house.put_in(1)?;
    house.whole_again()
}

pub fn kill(house: &mut House, node: usize) -> anyhow::Result<()> {
    let mut agent = house.fleet.nodes[node].agent.take().context("it is up")?;
    agent.kill9();
    Ok(())
}

pub fn start(house: &mut House, node: usize) -> anyhow::Result<()> {
    let fleet = &mut house.fleet;
    fleet.nodes[node].start(&fleet.binaries)
}

/// The last node as it is shown, once its lease is as wanted.
fn node_until(house: &House, what: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    wait::until(what, PATIENCE, || {
        let node = house.fleet.view()?["nodes"][LAST].clone();
        Ok(wanted(&node["lease"]).then_some(node))
    })
}
