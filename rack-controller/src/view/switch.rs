//! What is shown of nodes that are switched, or that would be in the way of switching them one after the other.

use facts::Power;
use facts::supply::Doubt;

use crate::config::NodeConfig;
use crate::pools::power::plan;
use crate::rack::sight::RestorePolicy;
use crate::rack::state::Rack;
use crate::rack::switch::Wanted;

/// Nodes that are another machine than rack.toml says, and nodes that come on by themselves where that would overload the rack.
pub fn node_doubts(rack: &Rack) -> Vec<Doubt> {
    let nodes = || rack.config.nodes.iter();
    let of = |node: &NodeConfig, kind: &str, message: String| Doubt {
        kind: kind.to_owned(),
        message: format!("{}: {message}", node.name),
        resource: node.name.clone(),
    };
    let others = nodes()
        .filter(|node| node.uuid.is_some())
        .filter(|node| {
            rack.sight
                .nodes
                .get(&node.name)
                .is_some_and(|seen| seen.bmc.is_some())
        })
        .filter_map(|node| Some(of(node, "identity", plan::stranger(rack, node)?)));
    let restores = nodes().filter_map(|node| Some(of(node, "restore", restores(rack, node)?)));
    let strangers = nodes().filter_map(|node| {
        let lease = rack.sight.nodes.get(&node.name)?.lease.as_ref()?;
        let why = lease.reason.as_ref().filter(|_| lease.stranger)?;
        let message = format!(
            "{why}; nothing is leased to it, and {} counts as silent",
            node.name
        );
        Some(of(node, "identity", message))
    });
    others.chain(restores).chain(strangers).collect()
}

/// Why a node's restore policy defeats a staged power-on: it comes on by itself when power returns, and not all of its domain's nodes
/// may do that at once.
fn restores(rack: &Rack, node: &NodeConfig) -> Option<String> {
    let seen = rack.sight.nodes.get(&node.name)?.bmc.as_ref()?;
    let policy = match seen.restore? {
        RestorePolicy::AlwaysOn => "AlwaysOn",
        RestorePolicy::LastState => "LastState",
        RestorePolicy::AlwaysOff => return None,
    };
    let domain = rack.config.domain(&node.domain)?;
    let within = plan::below(&rack.config, &node.domain);
    let nodes = rack.config.nodes.iter();
    let whole: Power = nodes
        .filter(|node| within.contains(node.domain.as_str()))
        .map(|node| node.max_draw)
        .sum();
    let installed = plan::standing(rack, &node.domain)?.installed;
    let needs = whole.saturating_add(domain.fixed_load);
    (needs > installed && !installed.is_zero()).then(|| {
        format!(
            "its BMC restores power as {policy}: after a blackout it comes on by itself, with all others of {} up to {needs}, and \
             {installed} are installed; expected AlwaysOff, and busbar power on",
            domain.name
        )
    })
}

/// What is wanted of a node's power, for whoever asks why it is off.
pub(super) fn reason(rack: &Rack, node: &NodeConfig) -> Option<String> {
    Some(match rack.kept.switches.get(&node.name)?.wanted {
        Wanted::Off => format!(
            "switched off in a deficit; it comes back when all that it can draw ({}) fits",
            node.max_draw
        ),
        Wanted::Waits => format!(
            "asked to come on; it waits until those before it are up and all that it can draw ({}) fits",
            node.max_draw
        ),
        Wanted::On => "being switched on".to_owned(),
    })
}
