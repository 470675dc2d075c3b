//! Whether an ask for drives makes sense, and whether whoever asks may have that much.

use facts::Bytes;
use rack_api::v1::DriveClaimAsk;

use crate::claim::{FIRST_PRIORITY, LAST_PRIORITY, LONGEST_KEY, LONGEST_TTL, SHORTEST_TTL, wrong_name};
use crate::decide::Refusal;
use crate::decide::ask::MOST_CLAIMS;
use crate::pools::drives::Drive;
use crate::rack::state::Rack;

/// Drives of one ask: more than any node has slots for queues.
const MOST_DRIVES: u32 = 64;
/// The longest hold, 30 days.
pub(super) const LONGEST_HOLD: u32 = 2_592_000;

pub(super) fn check(rack: &Rack, ask: &DriveClaimAsk) -> Result<(), Refusal> {
    let bad = |message: String| Err(Refusal::BadRequest(message));
    if let Some(wrong) = wrong_name(&ask.purpose) {
        return bad(wrong);
    }
    if !(1..=MOST_DRIVES).contains(&ask.count) {
        return bad(format!(
            "{} drives; expected 1 to {MOST_DRIVES} with one ask",
            ask.count
        ));
    }
    if rack.config.node(&ask.node).is_none() {
        let names: Vec<&str> = rack.config.nodes.iter().map(|node| node.name.as_str()).collect();
        return bad(format!(
            "there is no node {:?}; expected one of: {}",
            ask.node,
            names.join(", ")
        ));
    }
    if let Some(wrong) = ask
        .ttl_seconds
        .filter(|ttl| !(SHORTEST_TTL..=LONGEST_TTL).contains(ttl))
    {
        return bad(format!(
            "{wrong} s are no time for a claim's time to live; expected {SHORTEST_TTL} to {LONGEST_TTL} seconds"
        ));
    }
    check_hold(ask.erase_after_seconds)?;
    match ask.priority {
        Some(wrong) if !(FIRST_PRIORITY..=LAST_PRIORITY).contains(&wrong) => bad(format!(
            "{wrong} is no priority; expected {FIRST_PRIORITY} (kept longest) to {LAST_PRIORITY} (shed first)"
        )),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn check_hold(seconds: Option<u32>) -> Result<(), Refusal> {
    match seconds.filter(|seconds| *seconds > LONGEST_HOLD) {
        Some(wrong) => Err(Refusal::BadRequest(format!(
            "{wrong} s are no time for a hold; expected 0 to {LONGEST_HOLD} seconds"
        ))),
        None => Ok(()),
    }
}

pub(super) fn check_room(rack: &Rack, ask: &DriveClaimAsk) -> Result<(), Refusal> {
    if let Some(same) = rack.kept.drives.claim(&ask.purpose) {
        return Err(Refusal::Conflict(format!(
            "\"{}\" has drives already ({}, on {}); release it first, or use another name",
            same.ask.purpose, same.id, same.ask.node
        )));
    }
    if rack.kept.drives.claims.len() >= MOST_CLAIMS {
        return Err(Refusal::Busy(format!(
            "{MOST_CLAIMS} claims of drives are in force, and no rack holds more; release one"
        )));
    }
    Ok(())
}

/// Whether the ask's tenant may hold that much. What is held for it counts: it is its data that is on them.
pub(super) fn check_quota(rack: &Rack, ask: &DriveClaimAsk, taken: &[&Drive]) -> Result<(), Refusal> {
    let tenants = &rack.config.tenants;
    if tenants.is_empty() && ask.tenant.is_none() {
        return Ok(());
    }
    let names: Vec<&str> = tenants.iter().map(|tenant| tenant.name.as_str()).collect();
    let names = names.join(", ");
    let Some(name) = &ask.tenant else {
        return Err(Refusal::BadRequest(format!(
            "the rack has tenants, and the ask names none; expected one of: {names}"
        )));
    };
    let Some(tenant) = rack.config.tenant(name) else {
        return Err(Refusal::BadRequest(format!(
            "there is no tenant \"{name}\"; expected one of: {names}"
        )));
    };
    let (count, bytes) = rack.kept.drives.held_by(name);
    // What comes back to it counts already.
    let fresh = taken.iter().filter(|drive| drive.tenancy.holder().is_none());
    let more = u32::try_from(fresh.clone().count()).unwrap_or(u32::MAX);
    let more_bytes = fresh.fold(0_u64, |sum, drive| sum.saturating_add(drive.size.get()));
    if let Some(quota) = tenant.drives.filter(|quota| count.saturating_add(more) > *quota) {
        return Err(Refusal::Conflict(format!(
            "{name} may hold {quota} drives and holds {count}: {more} more do not fit; release one of its claims, and what is held for \
             it counts until it is erased"
        )));
    }
    let whole = bytes.get().saturating_add(more_bytes);
    if let Some(quota) = tenant.drive_bytes.filter(|quota| whole > quota.get()) {
        return Err(Refusal::Conflict(format!(
            "{name} may hold {quota} on drives and holds {bytes}: {} more do not fit; release one of its claims, and what is held for it \
             counts until it is erased",
            Bytes::new(more_bytes)
        )));
    }
    Ok(())
}

/// Whether this key was answered before, for the same ask.
pub(super) fn is_replayed(rack: &Rack, ask: &DriveClaimAsk, key: &str) -> Result<bool, Refusal> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Refusal::BadRequest(format!(
            "the idempotency key has {} bytes; expected 1 to {LONGEST_KEY}, as a UUID has 36",
            key.len()
        )));
    }
    let before = rack
        .kept
        .drives
        .answered
        .iter()
        .find(|answered| answered.key == key);
    match before {
        None => Ok(false),
        Some(before) if before.ask != *ask => Err(Refusal::Conflict(format!(
            "this idempotency key was used before for another ask (drives for \"{}\"); expected a new key for a new ask",
            before.ask.purpose
        ))),
        Some(before) if rack.kept.drives.claims.contains_key(&before.claim) => Ok(true),
        Some(before) => Err(Refusal::Conflict(format!(
            "the claim {} that this idempotency key made has ended since; expected a new key for a new ask",
            before.claim
        ))),
    }
}
