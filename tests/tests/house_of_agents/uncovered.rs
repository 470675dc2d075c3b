//! Losses beyond the policy, at `n+1`: they are told as such, and shed by rank. What is drawn here is what supplies bear for a while with
//! what is left, so that the physics has no part in it.

use anyhow::{Context, ensure};
use house_tests::wait;
use serde_json::Value;

use crate::house::{FLOOR, House, INSTALLED, MOST, NODES, SUPPLY, feed_dies, feed_returns};
use crate::stand::PATIENCE;

/// Two supplies go, the second while nodes are lowered for the first. Six supplies serve four of six claims.
pub fn a_second_supply_while_the_first_is_paid_for(house: &House) -> anyhow::Result<()> {
    house.fleet.demand(3_300)?;
    let firm = house.policy.firm;
    let from = house.mark()?;
    house.watch.begin();
    house.pull(2)?;
    wait::until("the first node to be lowered", PATIENCE, || {
        Ok(house.limits().iter().any(|limit| *limit <= firm).then_some(()))
    })?;
    house.pull(3)?;
    house.become_these(&[firm, firm, firm, firm, FLOOR, FLOOR], "what six supplies serve")?;
    house.watch.only_falls()?;
    (0..4).try_for_each(|node| house.watch.never_below(node, firm))?;
    house.is_borne()?;
    told_as_uncovered(house, from, INSTALLED - 2 * SUPPLY)?;
    house.put_in(2)?;
    house.put_in(3)?;
    house.whole_again()?;
    house.fleet.demand(MOST)
}

/// A feed dies supply by supply within eight seconds. Four supplies serve two of six claims, and on the way there nobody of a better claim
/// pays for a worse one.
pub fn a_feed_within_eight_seconds(house: &House) -> anyhow::Result<()> {
    house.fleet.demand(2_200)?;
    let firm = house.policy.firm;
    let from = house.mark()?;
    house.watch.begin();
    feed_dies(house)?;
    house.become_these(
        &[firm, firm, FLOOR, FLOOR, FLOOR, FLOOR],
        "what four supplies serve",
    )?;
    house.watch.only_falls()?;
    (0..2).try_for_each(|node| house.watch.never_below(node, firm))?;
    house.is_borne()?;
    told_as_uncovered(house, from, INSTALLED / 2)?;
    feed_returns(house)?;
    house.whole_again()?;
    house.fleet.demand(MOST)
}

/// The shelf is short by what is promised and not there; whoever was shed came last in rank, each time; every promise stands.
fn told_as_uncovered(house: &House, from: u64, installed: u64) -> anyhow::Result<()> {
    house.promises_stand()?;
    let shelf = house.shelf()?;
    let nodes = u64::try_from(NODES)?;
    let missing = house.policy.firm * nodes + crate::house::FIXED - installed;
    ensure!(
        shelf["state"] == "deficit" && shelf["deficit_watts"] == missing,
        "short by {missing} W: {shelf}"
    );
    let told = house.told(from, "domain_deficit", 1)?;
    ensure!(
        told[0]["message"]
            .as_str()
            .is_some_and(|text| text.contains("shelf is short by")),
        "{told:?}"
    );
    let why = house.fleet.busbar(&["why", "w-n06"])?;
    ensure!(why.contains("domain shelf is deficit"), "{why}");
    shed_by_rank(house, from)
}

fn shed_by_rank(house: &House, from: u64) -> anyhow::Result<()> {
    let view = house.fleet.view()?;
    let claims = view["claims"].as_array().context("claims")?;
    let number = |claim: &Value| claim["id"].as_str()?.strip_prefix('c')?.parse::<u64>().ok();
    let by_rank: Vec<u64> = (1..=NODES)
        .map(|rank| {
            let claim = claims.iter().find(|claim| claim["priority"] == rank);
            claim.and_then(number).context("a claim")
        })
        .collect::<anyhow::Result<_>>()?;
    let mut most = 0;
    for event in house.events(from)? {
        let Some(shed) = event["event"]["shed"].as_array() else {
            continue;
        };
        let last = &by_rank[NODES - shed.len()..];
        let shed: Vec<u64> = shed.iter().filter_map(Value::as_u64).collect();
        ensure!(
            shed.len() == last.len() && last.iter().all(|claim| shed.contains(claim)),
            "shed are {shed:?}, and the last in rank are {last:?}"
        );
        most = most.max(shed.len());
    }
    ensure!(most > 0, "nobody is told to have been shed");
    Ok(())
}
