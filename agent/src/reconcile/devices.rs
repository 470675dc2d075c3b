//! Devices that cannot be lent: those that the kernel, the host or another machine uses, and those that nobody can be kept from here.

use agent_api::v1::{Ask, Offer};
use isolators::cgroup::{Controller, Layout, Version};
use isolators::{Host, block};

use super::hand::told;
use crate::drives::Lent;

/// Why devices of an offer cannot be lent, where they cannot.
pub(super) fn not_lendable(
    host: &Host,
    layout: &Layout,
    pooled: &Lent,
    ask: &Ask,
    offer: &Offer,
) -> Option<String> {
    no_devices_alone(layout, ask).or_else(|| drives_in_use(host, pooled, offer))
}

/// What keeps others off stands on the others' cgroups.
fn no_devices_alone(layout: &Layout, ask: &Ask) -> Option<String> {
    let asked = match (ask.gpus.is_some(), ask.drives.is_empty()) {
        (false, true) => return None,
        (true, true) => "gpus",
        (false, false) => "drives",
        (true, false) => "gpus and drives",
    };
    let place = layout.place(Controller::Devices);
    if place.is_ok_and(|place| place.version == Version::V2) {
        return None;
    }
    Some(format!(
        "{asked} cannot be kept from other workloads here: that is done by programs on cgroups of v2; boot with \
         systemd.unified_cgroup_hierarchy=1, or ask near gpu:N or drive:NAME, which places CPUs and memory beside it"
    ))
}

fn drives_in_use(host: &Host, pooled: &Lent, offer: &Offer) -> Option<String> {
    offer.drives.iter().find_map(|drive| {
        let name = drive.device.device.as_deref().unwrap_or_default();
        if pooled.has(name) {
            return Some(format!(
                "drive {name} is the rack's to lend (lend in [pooled_drives]); claim one of its pool, or take it out of there"
            ));
        }
        match block::holder(host, name) {
            Ok(None) => None,
            Ok(Some(holder)) => Some(format!("drive {name} is not free: {holder}")),
            Err(error) => Some(told(&error)),
        }
    })
}
