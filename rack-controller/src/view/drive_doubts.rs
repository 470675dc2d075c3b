//! What agents tell of drives and cannot be believed as it stands.

use std::collections::BTreeMap;

use facts::supply::Doubt;

use crate::pools::drives::DriveId;
use crate::pools::drives::plan;
use crate::rack::state::Rack;

fn doubt(resource: &str, message: String) -> Doubt {
    Doubt {
        kind: "drive".to_owned(),
        message,
        resource: resource.to_owned(),
    }
}

/// Drives that stand in two bays at once, that say nobody's name, that sit where no bay is configured; nodes that ask under one name.
pub fn drive_doubts(rack: &Rack) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = plan::doubled(rack)
        .map(|(id, places)| {
            let places: Vec<&str> = places.iter().map(|place| place.bay.place.as_str()).collect();
            let message = format!(
                "{id} says that it is in {} at once: it is neither lent nor erased; pull the one that does not belong there",
                places.join(" and ")
            );
            doubt(id.serial(), message)
        })
        .collect();
    for enclosure in &rack.config.enclosures {
        let Some(view) = rack.sight.drives.now(&enclosure.agent) else {
            continue;
        };
        for drive in &view.drives {
            let bay = enclosure.bays.iter().find(|bay| bay.slot == drive.slot);
            match (bay, DriveId::of(&drive.identity)) {
                (None, _) => doubts.push(doubt(
                    &enclosure.name,
                    format!(
                        "{} tells of a drive in slot {:?}, and no bay of {} is that: it is not lent",
                        enclosure.agent, drive.slot, enclosure.name
                    ),
                )),
                (Some(bay), Err(error)) => {
                    doubts.push(doubt(
                        &bay.place,
                        format!("the drive in {} is not lent: {error}", bay.place),
                    ));
                }
                (Some(_), Ok(_)) => {}
            }
        }
    }
    doubts.extend(twins(rack));
    doubts
}

/// Nodes that ask to be let in under the name of another one.
fn twins(rack: &Rack) -> Vec<Doubt> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, seen) in rack.sight.drives.nodes.iter() {
        if let Some(host) = seen.now().and_then(|view| view.host.as_ref()) {
            names.entry(&host.nqn).or_default().push(node);
        }
    }
    let twins = names.into_iter().filter(|(_, nodes)| nodes.len() > 1);
    let told = twins.map(|(nqn, nodes)| {
        let message = format!(
            "{} ask to be let in to drives under one name ({nqn}): nothing is lent to them; expected /etc/nvme/hostnqn of its own on each",
            nodes.join(" and ")
        );
        doubt(nodes.first().copied().unwrap_or_default(), message)
    });
    told.collect()
}
