//! What becomes of claims, in sentences.

use facts::Power;

use crate::claim::Claim;
use crate::rack::event::Preemption;

pub(super) fn admitted(claim: &Claim, headroom: Power) -> String {
    let place = claim.node.as_ref().map_or_else(
        || "reserved without a node".to_owned(),
        |node| format!("for {node}"),
    );
    let took: Vec<String> = claim
        .took
        .iter()
        .map(|taken| format!("\"{}\"", taken.purpose))
        .collect();
    let took = if took.is_empty() {
        String::new()
    } else {
        format!(", with the watts of {}", took.join(" and "))
    };
    format!(
        "{} claimed in {} for \"{}\" ({}, {place}{}){took}; {} free",
        claim_watts(claim),
        claim.domain,
        claim.purpose,
        claim.id,
        until_words(claim),
        headroom.to_kilowatt_text()
    )
}

pub(super) fn preempted(preemption: &Preemption) -> String {
    let Preemption {
        claim,
        by,
        by_for,
        by_priority,
        headroom,
        drives,
    } = preemption;
    let with = if drives.is_empty() {
        String::new()
    } else {
        format!(
            "; its drives ({}) are fenced and held, and not erased",
            drives.join(", ")
        )
    };
    format!(
        "\"{}\" ({}, priority {}) ended: \"{by_for}\" ({by}, priority {by_priority}) took its {} in {}; {} free meanwhile{with}",
        claim.purpose,
        claim.id,
        claim.priority,
        claim_watts(claim),
        claim.domain,
        headroom.to_kilowatt_text()
    )
}

pub(super) fn restored(claim: &Claim, headroom: Power) -> String {
    format!(
        "\"{}\" ({}) stands again with its {} in {}, because the claim that took them was withdrawn; {} free",
        claim.purpose,
        claim.id,
        claim_watts(claim),
        claim.domain,
        headroom.to_kilowatt_text()
    )
}

pub(super) fn applied(claim: &Claim) -> String {
    format!(
        "\"{}\" ({}) is applied: {}{}",
        claim.purpose,
        claim.id,
        claim_watts(claim),
        until_words(claim)
    )
}

pub(super) fn renewed(claim: &Claim) -> String {
    let until = until_words(claim);
    format!("\"{}\" ({}) is renewed{until}", claim.purpose, claim.id)
}

pub(super) fn expired(claim: &Claim, headroom: Power) -> String {
    format!(
        "\"{}\" ({}) was not {} in time: {} back to {}; {} free",
        claim.purpose,
        claim.id,
        if claim.reserved { "applied" } else { "renewed" },
        claim.watts,
        claim.domain,
        headroom.to_kilowatt_text()
    )
}

pub(super) fn released(claim: &Claim, headroom: Power) -> String {
    format!(
        "\"{}\" ({}) released: {} back to {}; {} free",
        claim.purpose,
        claim.id,
        claim.watts,
        claim.domain,
        headroom.to_kilowatt_text()
    )
}

pub(super) fn withdrawn(claim: &Claim, headroom: Power) -> String {
    format!(
        "\"{}\" ({}) withdrawn, because the journal's disk did not take it in time and its asker was told so: {} back to {}; {} free",
        claim.purpose,
        claim.id,
        claim.watts,
        claim.domain,
        headroom.to_kilowatt_text()
    )
}

/// `800 W firm`, `800 W firm and 200 W revocable`, `200 W revocable`.
fn claim_watts(claim: &Claim) -> String {
    match (claim.watts.is_zero(), claim.revocable.is_zero()) {
        (_, true) => format!("{} firm", claim.watts),
        (true, false) => format!("{} revocable", claim.revocable),
        (false, false) => format!("{} firm and {} revocable", claim.watts, claim.revocable),
    }
}

fn until_words(claim: &Claim) -> String {
    match (claim.until, claim.reserved) {
        (None, _) => String::new(),
        (Some(until), true) => format!(", reserved until {until}"),
        (Some(until), false) => format!(", until {until}"),
    }
}
