//! Upward preemption: an ask of higher priority takes the watts of claims of lower priority, where the configuration lets it.

use std::borrow::Cow;
use std::sync::Arc;

use rack_api::v1::PowerAsk;

use super::Refusal;
use super::ask::headroom_without;
use super::settle::Course;
use crate::claim::{Claim, ClaimId, USUAL_PRIORITY};
use crate::pools::power::plan;
use crate::rack::event::{Preemption, What};
use crate::rack::state::{Preempted, Rack};

/// The rack without the claims that an ask takes the watts of, and those claims; the rack itself where it takes none.
///
/// # Errors
/// The ask wants to take, and the configuration does not let it.
pub(super) fn without_weaker<'a>(
    rack: &'a Rack,
    ask: &PowerAsk,
    domain: &str,
) -> Result<(Cow<'a, Rack>, Vec<Claim>), Refusal> {
    if !ask.preempt {
        return Ok((Cow::Borrowed(rack), Vec::new()));
    }
    if rack.config.domain(domain).is_some_and(|domain| !domain.preempt) {
        return Err(Refusal::Conflict(format!(
            "nobody may take the watts of others in {domain}; expected preempt = true in its [[domain]], or the ask without preempt"
        )));
    }
    let tenant = ask.tenant.as_ref().and_then(|name| rack.config.tenant(name));
    if let Some(tenant) = tenant.filter(|tenant| !tenant.preempt) {
        return Err(Refusal::Conflict(format!(
            "{} may not take the watts of others; expected preempt = true in its [[tenant]], or the ask without preempt",
            tenant.name
        )));
    }
    let taken = plan::preempted(rack, ask, domain);
    if taken.is_empty() {
        return Ok((Cow::Borrowed(rack), Vec::new()));
    }
    let taken: Vec<Claim> = taken.into_iter().cloned().collect();
    let mut without = rack.clone();
    Arc::make_mut(&mut without.kept.claims).retain(|id, _| taken.iter().all(|claim| claim.id != *id));
    Ok((Cow::Owned(without), taken))
}

/// What an ask that does not fit could say to take: the words for whoever is refused. `None` where that would not help, or is not allowed.
pub(super) fn way(rack: &Rack, ask: &PowerAsk, domain: &str) -> Option<String> {
    let with = PowerAsk {
        preempt: true,
        ..ask.clone()
    };
    let (_, taken) = without_weaker(rack, &with, domain)
        .ok()
        .filter(|_| !ask.preempt)?;
    let names: Vec<String> = taken
        .iter()
        .map(|claim| format!("\"{}\" ({})", claim.purpose, claim.watts.to_kilowatt_text()))
        .collect();
    (!names.is_empty()).then(|| format!("say preempt, which ends {}", names.join(" and ")))
}

/// The claims that an admitted one takes the watts of end.
pub(super) fn take(next: &mut Course<'_>, taken: &[Claim], by: ClaimId, ask: &PowerAsk) {
    for claim in taken {
        let headroom = headroom_without(&next.rack, claim);
        let drives = super::drives::of_watts(&next.rack, claim.id);
        next.happen(What::ClaimPreempted(Box::new(Preemption {
            claim: claim.clone(),
            by,
            by_for: ask.purpose.clone(),
            by_priority: ask.priority.unwrap_or(USUAL_PRIORITY),
            headroom,
            drives,
        })));
    }
}

/// A claim that took watts was withdrawn: whoever lost theirs to it has them again, the best in rank first, as far as they are still free.
pub(super) fn give_back(next: &mut Course<'_>, by: ClaimId) {
    let mut lost: Vec<Claim> = next
        .rack
        .kept
        .preempted
        .iter()
        .filter(|preempted| preempted.by == by)
        // Drives that were claimed with them are fenced already, and watts without them would be half a claim.
        .filter(|preempted| !preempted.had_drives)
        .map(|preempted| preempted.claim.clone())
        .collect();
    lost.sort_by_key(Claim::rank);
    for claim in lost {
        let ask = PowerAsk {
            watts: claim.watts,
            revocable_watts: claim.revocable,
            node: claim.node.clone(),
            ..PowerAsk::default()
        };
        let is_free = next.rack.claim_named(&claim.purpose).is_none()
            && plan::offer(&next.rack, &ask, &claim.domain, next.now).is_ok();
        if is_free {
            let mut with = next.rack.clone().into_owned();
            Arc::make_mut(&mut with.kept.claims).insert(claim.id, claim.clone());
            let headroom = plan::tightest(&with, &claim.domain).map(|(_, headroom)| headroom);
            next.happen(What::ClaimRestored {
                claim,
                headroom: headroom.unwrap_or_default(),
            });
        }
    }
}

/// Who took the watts of a claim that is not in force any more, by its id or its name.
pub(super) fn lost<'a>(rack: &'a Rack, id_or_name: &str) -> Option<&'a Preempted> {
    let is_it = |claim: &Claim| claim.purpose == id_or_name || ClaimId::read(id_or_name) == Some(claim.id);
    rack.kept.preempted.iter().rev().find(|lost| is_it(&lost.claim))
}

/// The sentence for whoever asks for such a claim.
pub(super) fn lost_words(lost: &Preempted) -> String {
    format!(
        "; \"{}\" ({}) ended at {}, because \"{}\" ({}, priority {}) took its watts",
        lost.claim.purpose, lost.claim.id, lost.at, lost.by_for, lost.by, lost.by_priority
    )
}

/// A claim that nobody was told of, also where another one has taken its watts already.
pub(super) fn withdrawn(rack: &Rack, id: ClaimId) -> Option<Claim> {
    let lost = || rack.kept.preempted.iter().find(|lost| lost.claim.id == id);
    let claim = rack.kept.claims.get(&id);
    claim.or_else(|| lost().map(|lost| &lost.claim)).cloned()
}

/// Whether a claim's watts are there now, for one that shall grant a cap.
///
/// # Errors
/// Its domain is short of them.
pub(super) fn is_there(rack: &Rack, claim: &Claim) -> Result<(), Refusal> {
    if !rack.kept.shed.contains(&claim.id) {
        return Ok(());
    }
    Err(Refusal::Conflict(format!(
        "the {} of \"{}\" are not there now: {} is short, and claims that draw come first; they stay reserved",
        claim.watts, claim.purpose, claim.domain
    )))
}
