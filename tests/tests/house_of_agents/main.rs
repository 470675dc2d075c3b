//! A rack full of real agents: what happens to all of them at once, and in which order. Eight of them here; `BUSBAR_AGENTS=64` for a whole rack.
//!
//! Nothing here asks how long a thing takes (that is `cargo prove power`). What is asked is asked of the files that limit the packages
//! and of the simulated rack, which reads the same files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contact;
mod covered;
mod dark;
mod dead;
mod house;
#[path = "../../proofs.rs"]
mod proofs;
mod stand;
mod uncovered;
mod wall;
mod watch;

use anyhow::{Context, ensure};
use house_tests::raise::may_unshare;
use house_tests::wait;
use nix::sys::signal::Signal;

use house::{House, Policy};
use stand::{FIRM, PATIENCE, Stand, WHOLE};
use wall::Wall;

/// All that eight supplies let be sold where one of them may fail.
const AT_N_PLUS_1: Policy = Policy {
    redundancy: "n+1",
    accept_silence: true,
    firm: 3_400,
    whole: 3_800,
};

fn may_run() -> bool {
    let may = may_unshare();
    if !may {
        println!("skipped: this needs root and a mount namespace of its own");
    }
    may
}

#[test]
fn what_a_loss_takes_is_lowered_everywhere_before_anything_is_raised() -> anyhow::Result<()> {
    if !may_run() {
        return Ok(());
    }
    let mut stand = Stand::raise("many", true)?;
    a_supply_is_pulled(&stand)?;
    the_controller_is_killed_in_the_middle(&mut stand)?;
    the_shelf_hangs_during_a_loss(&stand)?;
    a_renewal_waits_in_a_queue(&mut stand)?;
    everybody_is_silent_during_a_loss(&stand)?;
    a_weaker_supply_is_put_in(&stand)
}

/// Where the operator does not accept that silence and a loss at once outlast the ride, caps fit what survives at any moment.
#[test]
fn a_silent_rack_rides_a_loss_where_nobody_accepted_the_risk() -> anyhow::Result<()> {
    if !may_run() {
        return Ok(());
    }
    let stand = Stand::raise("silent", false)?;
    let before = stand.overloads()?;
    stand.signal_all(Signal::SIGSTOP)?;
    let lost = stand.pull();
    let seen = stand.installed_becomes(15_000);
    let overloads = stand.overloads();
    stand.signal_all(Signal::SIGCONT)?;
    lost?;
    seen?;
    ensure!(
        overloads? == before,
        "a rack of silent nodes drew more than what is left"
    );
    stand.all_become(FIRM, "what is firm")?;
    stand.watch.nothing_rose_above(stand.fixed, 15_000)
}

#[test]
fn contacts_bmcs_and_clocks() -> anyhow::Result<()> {
    if !may_run() {
        return Ok(());
    }
    let wall = Wall::build()?;
    let mut house = House::raise("clocks", AT_N_PLUS_1, wall.environment())?;
    contact::a_contact_bounces(&house).context("a contact bounces")?;
    contact::the_bmc_starts_anew(&house).context("the BMC starts anew")?;
    wall::the_clock_jumps(&mut house, &wall).context("the clock jumps")
}

/// A house of its own, so that it lives beside the other one.
#[test]
fn losses_beyond_n_plus_1() -> anyhow::Result<()> {
    if !may_run() {
        return Ok(());
    }
    let house = House::raise("losses", AT_N_PLUS_1, Vec::new())?;
    uncovered::a_second_supply_while_the_first_is_paid_for(&house).context("a second supply")?;
    uncovered::a_feed_within_eight_seconds(&house).context("a feed at n+1")
}

#[test]
fn two_supplies_at_once_are_covered_at_n_plus_2() -> anyhow::Result<()> {
    if !may_run() {
        return Ok(());
    }
    covered::two_supplies_at_once()
}

#[test]
fn a_feed_that_dies_within_eight_seconds_is_covered_at_n_plus_n() -> anyhow::Result<()> {
    if !may_run() {
        return Ok(());
    }
    covered::a_feed_within_eight_seconds()
}

#[test]
fn a_rack_that_lost_all_power_comes_back_node_by_node() -> anyhow::Result<()> {
    if !may_run() {
        return Ok(());
    }
    dark::a_rack_comes_back()
}

#[test]
fn dead_agents_keep_their_caps_and_count_with_them() -> anyhow::Result<()> {
    if !may_run() {
        return Ok(());
    }
    dead::a_loss_while_agents_are_dead()
}

/// The plain loss: everybody is lowered, and nobody is raised before that. After the new supply's trial everybody has all again.
fn a_supply_is_pulled(stand: &Stand) -> anyhow::Result<()> {
    let before = stand.overloads()?;
    stand.watch.begin();
    stand.pull()?;
    stand.all_become(FIRM, "what is firm")?;
    stand.watch.only_falls()?;
    ensure!(
        stand.overloads()? > before,
        "more was drawn than what was left: else this loss shows nothing"
    );
    stand.put_back(3_000)?;
    stand.installed_becomes(18_000)?;
    stand.all_become(WHOLE, "all again")?;
    stand.watch.nothing_rose_above(stand.fixed, 18_000)
}

/// Killed when the first node is lowered: the next controller lowers the rest, and raises nobody.
fn the_controller_is_killed_in_the_middle(stand: &mut Stand) -> anyhow::Result<()> {
    stand.watch.begin();
    stand.pull()?;
    wait::until("the first node to be lowered", PATIENCE, || {
        let lowered = stand.fleet.nodes.iter().any(|node| node.limit() == FIRM);
        Ok(lowered.then_some(()))
    })?;
    stand.fleet.kill_rack();
    let caps = stand.limits();
    stand.fleet.start_rack()?;
    stand.all_become(FIRM, "what is firm")?;
    stand
        .watch
        .only_falls()
        .with_context(|| format!("at the kill there were {caps:?}"))?;
    stand.put_back(3_000)?;
    stand.all_become(WHOLE, "all again")
}

/// The shelf's BMC takes connections and answers nothing: after the grace what is revocable is taken, and what is firm stands.
fn the_shelf_hangs_during_a_loss(stand: &Stand) -> anyhow::Result<()> {
    stand.watch.begin();
    stand.fleet.world.act(&["bmc", "shelf", "answer", "never"])?;
    stand.pull()?;
    stand.all_become(FIRM, "what is firm, after the grace")?;
    stand.watch.only_falls()?;
    stand.fleet.world.act(&["bmc", "shelf", "answer", "ok"])?;
    stand.installed_becomes(15_000)?;
    ensure!(
        stand.limits().iter().all(|limit| *limit == FIRM),
        "seen again, the loss leaves what is firm: {:?}",
        stand.limits()
    );
    stand.put_back(3_000)?;
    stand.all_become(WHOLE, "all again")
}

/// An agent that is stopped for longer than its lease finds renewals that waited for it, and the controller that sent them is gone. They
/// extend nothing: it falls to level 1, and stays there until somebody renews who has heard it.
fn a_renewal_waits_in_a_queue(stand: &mut Stand) -> anyhow::Result<()> {
    stand.watch.begin();
    let node = &stand.fleet.nodes[0];
    node.signal(Signal::SIGSTOP)?;
    // Longer than a lease of five seconds: the time itself is what is told of here.
    std::thread::sleep(std::time::Duration::from_secs(7));
    let held = node.limit();
    stand.fleet.kill_rack();
    let node = &stand.fleet.nodes[0];
    node.signal(Signal::SIGCONT)?;
    ensure!(
        held == WHOLE,
        "the hardware keeps the cap of a stopped agent: {held}"
    );
    wait::until("the end of the lease to be told", PATIENCE, || {
        let log = std::fs::read_to_string(stand.log_of(0))?;
        Ok(log.contains("lease_expired").then_some(()))
    })?;
    node.limit_becomes(FIRM, PATIENCE, "level 1")?;
    stand.watch.only_falls()?;
    stand.fleet.start_rack()?;
    stand.all_become(WHOLE, "all again, by a controller that has heard them")?;
    stand.watch.fell_and_rose(0, FIRM, WHOLE)
}

/// All agents are stopped when a supply is lost. Whoever wakes up falls, and the last in rank pay for those that sleep still; nobody rises
/// beyond what is left.
fn everybody_is_silent_during_a_loss(stand: &Stand) -> anyhow::Result<()> {
    stand.watch.begin();
    stand.signal_all(Signal::SIGSTOP)?;
    let lost = stand.pull();
    let seen = stand.installed_becomes(15_000);
    stand.signal_all(Signal::SIGCONT)?;
    lost?;
    seen?;
    stand.all_become(FIRM, "what is firm")?;
    stand.watch.nothing_rose_above(stand.fixed, 15_000)?;
    stand.put_back(3_000)?;
    stand.all_become(WHOLE, "all again")
}

/// What comes back is weaker than what was pulled: it counts with what it is, and what is firm stands.
fn a_weaker_supply_is_put_in(stand: &Stand) -> anyhow::Result<()> {
    stand.pull()?;
    stand.all_become(FIRM, "what is firm")?;
    stand.watch.begin();
    stand.put_back(2_000)?;
    stand.installed_becomes(17_000)?;
    let view = stand.fleet.view()?;
    ensure!(
        view["domains"][0]["state"] == "exposed",
        "held is more than 14 kW, which would survive: {}",
        view["domains"][0]
    );
    stand.watch.only_falls()?;
    ensure!(
        stand.limits().iter().all(|limit| *limit == FIRM),
        "firm stands and nothing else: {:?}",
        stand.limits()
    );
    Ok(())
}
