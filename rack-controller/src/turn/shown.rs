//! What the turn shows after each input: the view, what would be done, and doubts that need two sources.

use std::sync::Arc;

use facts::Moment;
use facts::supply::Doubt;
use rack_api::v1::{DrivesView, RackView};

use crate::eyes::Lines;
use crate::pools::power::act::Would;
use crate::rack::identity::same_machine;
use crate::rack::{Rack, Sight};
use crate::view::{doubt, drive_doubts, feed_doubts, node_doubts, view};

/// The latest view.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The rack as one machine.
    pub rack: RackView,
    /// What would be done if the modes let us.
    pub would: Vec<Would>,
    /// Pooled drives.
    pub drives: Arc<DrivesView>,
}

impl Shown {
    pub(super) fn of(
        rack: &Rack,
        now: Moment,
        lines: &Lines,
        would: Vec<Would>,
        drives: Arc<DrivesView>,
    ) -> Shown {
        let mut shown = view(rack, now);
        for bmc in &mut shown.bmcs {
            // The client's own count: what was sent, not what we believe to have sent.
            bmc.writes = lines.get(&bmc.name).map_or(0, |line| line.writes());
        }
        // A simulated BMC belongs to no machine, and the agent beside it is real: that they differ is no news.
        if !shown.simulated {
            shown
                .doubts
                .extend(strangers(&rack.sight).map(|said| doubt(rack, said, now)));
        }
        shown
            .doubts
            .extend(node_doubts(rack).into_iter().map(|said| doubt(rack, said, now)));
        shown
            .doubts
            .extend(feed_doubts(rack).into_iter().map(|said| doubt(rack, said, now)));
        shown
            .doubts
            .extend(drive_doubts(rack).into_iter().map(|said| doubt(rack, said, now)));
        Shown {
            rack: shown,
            would,
            drives,
        }
    }
}

/// Nodes whose agent and whose BMC name two machines: whoever switches that BMC switches another machine.
fn strangers(sight: &Sight) -> impl Iterator<Item = Doubt> {
    sight.nodes.iter().filter_map(|(node, seen)| {
        let agent = seen.agent.as_ref()?.uuid.as_deref()?;
        let bmc = seen.bmc.as_ref()?.uuid.as_deref()?;
        (!same_machine(agent, bmc)).then(|| Doubt {
            kind: "identity".to_owned(),
            message: format!(
                "{node}: its agent runs on the machine {agent}, its BMC belongs to the machine {bmc} (SMBIOS UUIDs); they are \
                 taken as two machines, and the agent's facts are shown"
            ),
            resource: node.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rack::{AgentFacts, BmcFacts};

    #[test]
    fn an_agent_and_a_bmc_of_two_machines_are_a_doubt() {
        let with = |agent: Option<&str>, bmc: Option<&str>| {
            let mut sight = Sight::default();
            let node = sight.nodes.entry("n01".to_owned()).or_default();
            node.agent = Some(AgentFacts {
                uuid: agent.map(str::to_owned),
                ..AgentFacts::default()
            });
            node.bmc = Some(BmcFacts {
                uuid: bmc.map(str::to_owned),
                ..BmcFacts::default()
            });
            strangers(&sight).count()
        };
        let here = "4c4c4544-0042-3510-8052-b4c04f564d32";
        assert_eq!(with(Some(here), Some("4C4C4544-0042-3510-8052-B4C04F564D32")), 0);
        assert_eq!(with(Some(here), Some("44454c4c-4200-1035-8052-b4c04f564d32")), 0);
        assert_eq!(with(Some(here), Some("4c4c4544-0042-3510-8052-b4c04f564d33")), 1);
        assert_eq!(with(None, Some(here)), 0);
        assert_eq!(with(Some(here), None), 0);
    }
}
