//! What is told of drives held against what the journal says: of which of them something may follow.

use crate::decide::settle::Course;
use crate::pools::drives::plan::{self, Told};
use crate::pools::drives::{AccessSeen, DriveId, Seat, Stage, Tenancy};
use crate::rack::state::Rack;

/// What is told of one drive, apart from the rack that told it.
pub(super) struct Finding {
    pub seat: Seat,
    pub told: agent_api::v1::PooledDrive,
    /// The boot of its enclosure's node, where that says it.
    pub boot: Option<String>,
    pub access: AccessSeen,
}

/// Every drive that is known or told of, with the bays that it is told to be in now.
pub(super) fn findings(next: &Course<'_>) -> Vec<(DriveId, Vec<Finding>)> {
    let rack = &next.rack;
    let known = &rack.kept.drives.drives;
    let new = rack
        .sight
        .drives
        .spots
        .keys()
        .filter(|id| !known.contains_key(*id));
    known
        .keys()
        .chain(new)
        .filter_map(|id| {
            let told = plan::told(rack, id);
            let is_news = is_news(next, id, told.all());
            is_news.then(|| {
                (
                    id.clone(),
                    told.all().iter().map(|one| finding(rack, one)).collect(),
                )
            })
        })
        .collect()
}

pub(super) fn finding(rack: &Rack, one: &Told<'_>) -> Finding {
    let boot = rack.sight.drives.now(&one.enclosure.agent);
    let boot = boot.map(|view| view.boot_id.clone());
    let mut told = one.drive.clone();
    told.predicts_failure = fails(rack, one);
    Finding {
        seat: one.seat(),
        told,
        boot: boot.filter(|boot| !boot.is_empty()),
        access: plan::access(rack, one.drive),
    }
}

/// Whether something may follow from what is told of a drive: most of a rack's drives stay as they are for months.
fn is_news(next: &Course<'_>, id: &DriveId, places: &[Told<'_>]) -> bool {
    let Some(known) = next.rack.kept.drives.get(id) else {
        return !places.is_empty();
    };
    let [one] = places else {
        return known.seat.is_some();
    };
    let is_moving = match &known.tenancy {
        Tenancy::Wiping { .. } | Tenancy::Releasing { .. } => true,
        Tenancy::Claimed(grant) => grant.stage != Stage::Attached,
        Tenancy::Foreign { .. } | Tenancy::Free { .. } | Tenancy::Held { .. } | Tenancy::Failed { .. } => {
            false
        }
    };
    let wear = (known.wear.percent_used, known.wear.predicts_failure);
    let boot = next.rack.sight.drives.now(&one.enclosure.agent);
    let boot = boot.map(|view| view.boot_id.as_str());
    let is_of_another_boot = known.boot.is_some() && known.boot.as_deref() != boot;
    is_moving
        || is_of_another_boot
        || known.seat.as_ref() != Some(&one.seat())
        || known.size != one.drive.size
        || wear != (one.drive.percent_used, fails(&next.rack, one))
}

fn fails(rack: &Rack, told: &Told<'_>) -> bool {
    let known = DriveId::of(&told.drive.identity).ok();
    let known = known.and_then(|id| rack.kept.drives.get(&id));
    plan::predicts_failure(rack, told, known.is_some_and(|known| known.wear.predicts_failure))
}
