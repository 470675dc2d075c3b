//! What nodes lend of unused firm watts: begun slowly, ended at once.

use std::collections::BTreeSet;

use rack_api::v1::PowerAsk;

use super::Refusal;
use super::settle::Course;
use crate::pools::power::plan::{self, Lenders};
use crate::rack::event::{LendingChange, LendingTurn, What};
use crate::rack::state::Rack;

/// Whether what an ask is for could ever be lent.
///
/// # Errors
/// It says lendable, and nobody could take it back or knows what is left of it.
pub(super) fn check(rack: &Rack, ask: &PowerAsk) -> Result<(), Refusal> {
    if !ask.lendable {
        return Ok(());
    }
    let Some(node) = ask.node.as_ref().and_then(|name| rack.config.node(name)) else {
        return Err(Refusal::BadRequest(
            "only what a node leaves unused can be lent; expected the node with the ask".to_owned(),
        ));
    };
    if ask.watts.is_zero() {
        return Err(Refusal::BadRequest(
            "only firm watts can be lent; expected some in the ask, or the ask without lendable".to_owned(),
        ));
    }
    if node.rest.is_none() || node.bmc.is_none() {
        return Err(Refusal::Conflict(format!(
            "what {} leaves unused cannot be lent: its agent must hold its caps, and its BMC must tell what it draws; expected rest_watts \
             and bmc in its [[node]], or the ask without lendable",
            node.name
        )));
    }
    Ok(())
}

/// Lends, takes back, and notices what is back.
pub(super) fn pass_time(next: &mut Course<'_>) {
    let kept = &next.rack.kept;
    let lendable = kept.claims.values().filter(|claim| claim.lendable);
    let mut nodes: BTreeSet<&str> = lendable.filter_map(|claim| claim.draws_on()).collect();
    nodes.extend(kept.lent.keys().map(String::as_str));
    nodes.extend(kept.recalled.keys().map(String::as_str));
    if nodes.is_empty() || !next.rack.config.enforces_caps() {
        return;
    }
    let lenders = Lenders::of(&next.rack, next.now);
    let mut changes = Vec::new();
    for node in nodes.into_iter().filter_map(|name| next.rack.config.node(name)) {
        let turn = lenders.turn(node).or_else(|| {
            let since = next.rack.kept.recalled.get(&node.name)?;
            let took = next.now.since(*since);
            plan::is_returned(&next.rack, node, next.now).then(|| LendingTurn::Returned {
                took_millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            })
        });
        let node = node.name.clone();
        changes.extend(turn.map(|turn| LendingChange { node, turn }));
    }
    for change in changes {
        next.happen(What::Lending(Box::new(change)));
    }
}
