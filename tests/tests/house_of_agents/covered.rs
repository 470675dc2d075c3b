//! Losses within the policy: whatever comes at once, or one by one, nobody's firm watts are touched and nothing goes dark.

use anyhow::ensure;

use crate::house::{FIXED, House, INSTALLED, NODES, Policy, SUPPLY, feed_dies, feed_returns};

/// Six supplies survive of eight at `n+2`.
const AT_N_PLUS_2: Policy = Policy {
    redundancy: "n+2",
    accept_silence: true,
    firm: 2_900,
    whole: 3_480,
};

/// Four supplies survive of eight at `n+n`.
const AT_N_PLUS_N: Policy = Policy {
    redundancy: "n+n",
    accept_silence: true,
    firm: 1_900,
    whole: 2_280,
};

/// `n+2`: two supplies are pulled at once.
pub fn two_supplies_at_once() -> anyhow::Result<()> {
    let house = House::raise("double", AT_N_PLUS_2, Vec::new())?;
    let (from, before) = (house.mark()?, house.overloads()?);
    house.watch.begin();
    house.pull(1)?;
    house.pull(6)?;
    house.installed_becomes(INSTALLED - 2 * SUPPLY)?;
    house.all_become(AT_N_PLUS_2.firm, "what is firm")?;
    house.watch.only_falls()?;
    house.is_borne()?;
    ensure!(
        house.overloads()? > before,
        "more was drawn than what was left: else this loss shows nothing"
    );
    nobody_was_shed(&house, from)?;
    house.put_in(1)?;
    house.put_in(6)?;
    house.whole_again()
}

/// `n+n`: a feed dies supply by supply, four of them within eight seconds. The first of them takes all that is revocable, so that none of
/// those that follow is felt.
pub fn a_feed_within_eight_seconds() -> anyhow::Result<()> {
    let house = House::raise("feed", AT_N_PLUS_N, Vec::new())?;
    let (from, before) = (house.mark()?, house.overloads()?);
    house.watch.begin();
    feed_dies(&house)?;
    house.installed_becomes(INSTALLED / 2)?;
    house.all_become(AT_N_PLUS_N.firm, "what is firm")?;
    house.watch.only_falls()?;
    ensure!(
        house.overloads()? == before,
        "what is left of a feed bears what is drawn, at every moment"
    );
    nobody_was_shed(&house, from)?;
    feed_returns(&house)?;
    house.whole_again()
}

/// Firm watts stand, on the files and in the books; the shelf is exposed, which is what a covered loss leaves, and never short.
fn nobody_was_shed(house: &House, from: u64) -> anyhow::Result<()> {
    (0..NODES).try_for_each(|node| house.watch.never_below(node, house.policy.firm))?;
    house.promises_stand()?;
    let shelf = house.shelf()?;
    ensure!(shelf["state"] == "exposed", "{shelf}");
    ensure!(
        shelf["installed_watts"].as_u64() >= shelf["held_watts"].as_u64().map(|held| held + FIXED),
        "{shelf}"
    );
    for event in house.events(from)? {
        let shed = event["event"]["shed"].as_array();
        ensure!(shed.is_none_or(Vec::is_empty), "shed within the policy: {event}");
        ensure!(
            event["kind"] != "domain_deficit",
            "short within the policy: {event}"
        );
    }
    Ok(())
}
