//! What the switching of nodes changes.

use std::time::Duration;

use facts::Moment;

use crate::rack::action::{Action, Outcome, SwitchTo};
use crate::rack::sight::Attempt;
use crate::rack::state::Rack;
use crate::rack::switch::{Switch, SwitchChange, SwitchTurn, Wanted};

/// An operating system that was asked to end is not asked again within this time: it is on until it has ended.
const ASKED_ONCE: Duration = Duration::from_secs(3_600);

/// One node's switching went on. What is no longer configured changes nothing.
pub(super) fn changed(rack: &mut Rack, change: &SwitchChange, at: Moment) {
    if rack.config.node(&change.node).is_none() {
        return;
    }
    let wanted = match &change.turn {
        SwitchTurn::Shed { .. } => Some(Wanted::Off),
        SwitchTurn::Asked => Some(Wanted::Waits),
        SwitchTurn::GoesOn { .. } => Some(Wanted::On),
        // It comes back by itself, even if it was spared while its BMC was at it.
        SwitchTurn::IsOff => {
            let switch = Switch {
                wanted: Wanted::Off,
                since: at,
            };
            rack.kept.switches.entry(change.node.clone()).or_insert(switch);
            return;
        }
        SwitchTurn::Spared | SwitchTurn::IsUp { .. } | SwitchTurn::GivenUp { .. } => None,
    };
    match wanted {
        Some(wanted) => {
            let switch = Switch { wanted, since: at };
            rack.kept.switches.insert(change.node.clone(), switch);
        }
        None => {
            rack.kept.switches.remove(&change.node);
        }
    }
    if wanted == Some(Wanted::On)
        && let Some(seen) = rack.sight.nodes.get_mut(&change.node)
    {
        // Its agent said that of another boot.
        seen.lease = None;
    }
    // What was tried for another end is no reason to wait now.
    rack.sight
        .attempts
        .retain(|action, _| action.switches() != Some(change.node.as_str()));
}

/// A node was switched, and read back: that is how it is seen from now on. One that was only asked to end is not asked again.
pub(super) fn tried(rack: &mut Rack, action: &Action, at: Moment) {
    let Action::SwitchNode { node, to } = action else {
        return;
    };
    if *to == SwitchTo::ShutDown {
        let attempt = Attempt {
            tries: 1,
            retry_at: at.after(ASKED_ONCE),
            outcome: Outcome::Done,
        };
        rack.sight.attempts.insert(action.clone(), attempt);
    } else if let Some(facts) = rack.sight.nodes.get_mut(node).and_then(|node| node.bmc.as_mut()) {
        facts.powered_on = Some(*to == SwitchTo::On);
    }
}
