//! Whether floors fit: a node cannot be limited below its floor, so floors that do not fit cannot be made safe.

use facts::Power;
use intent::{Actuator, Mode};

use super::{DomainConfig, RackConfig};
use crate::pools::power::plan;
use crate::rack::state::Rack;

/// Whether caps would be set.
pub(super) fn would_enforce(config: &RackConfig) -> bool {
    config.actuators.of(Actuator::PowerCap) == Mode::Enforce
}

/// The domain's sums with every bay filled as rated in the configuration; `None` where a rating is not known yet.
pub(super) fn filled(config: &RackConfig, domain: &DomainConfig) -> Option<plan::Sums> {
    plan::filled(&Rack::new(config), &domain.name)
}

/// The sum because of which this domain cannot be enforced; `None` where it can, or where ratings are not known yet.
pub(super) fn refusal_to_enforce(config: &RackConfig, domain: &DomainConfig) -> Option<String> {
    let sums = filled(config, domain)?;
    if sums.deficit.is_zero() && sums.held <= sums.firm && sums.covered == domain.redundancy.covers() {
        return None;
    }
    let (held, full) = plan::pair_text(sums.held, sums.firm_full);
    let whole = whole_draws(config, domain);
    let (with, advice) = if whole.is_zero() {
        (String::new(), "")
    } else {
        let with = format!(" ({whole} of it all that nodes can draw whose caps no agent holds)");
        (with, "agents that hold the caps (rest_watts), ")
    };
    Some(format!(
        "domain \"{}\" cannot be enforced: the floors of its nodes are {held} together{with} and {full} is firm; expected floors that fit, {advice}more supplies, or mode \"observe\"",
        domain.name
    ))
}

/// Σ max draw of the nodes in a domain and below it whose caps no agent holds: they count in full until a drill has shown otherwise.
pub(super) fn whole_draws(config: &RackConfig, domain: &DomainConfig) -> Power {
    let below = plan::below(config, &domain.name);
    let nodes = config.nodes.iter();
    nodes
        .filter(|node| node.rest.is_none() && below.contains(node.domain.as_str()))
        .map(|node| node.max_draw)
        .sum()
}

/// Σ max draw of the nodes in a domain and below it.
pub(super) fn uncapped(config: &RackConfig, domain: &DomainConfig) -> Power {
    let below = plan::below(config, &domain.name);
    config
        .nodes
        .iter()
        .filter(|node| below.contains(node.domain.as_str()))
        .map(|node| node.max_draw)
        .sum()
}
