//! Spares: free drives that are kept back from asks, for claims that have theirs replaced.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::pools::drives::{Drive, DriveId};
use crate::rack::state::Rack;

/// What becomes of spares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spares {
    /// They stay where they are: somebody asks.
    KeptBack,
    /// One of them stands in for a drive that failed.
    Used,
}

/// The drives of a stock that are kept back: of each enclosure its largest free ones, which can stand in for any other, and of these the
/// least worn.
pub(super) fn kept_back(rack: &Rack, stock: &[&Drive]) -> BTreeSet<DriveId> {
    let mut back = BTreeSet::new();
    for enclosure in rack
        .config
        .enclosures
        .iter()
        .filter(|enclosure| enclosure.spares > 0)
    {
        let is_its = |drive: &&&Drive| {
            let seat = drive.seat.as_ref();
            let its = seat.and_then(|seat| seat.place.split_once('/'));
            drive.may_be_lent() && its.is_some_and(|(of, _)| of == enclosure.name)
        };
        let mut free: Vec<&Drive> = stock.iter().filter(is_its).copied().collect();
        free.sort_by_key(|drive| {
            let worn = drive.wear.percent_used.unwrap_or(u8::MAX);
            (Reverse(drive.size), worn, &drive.id)
        });
        let spares = usize::try_from(enclosure.spares).unwrap_or(usize::MAX);
        back.extend(free.into_iter().take(spares).map(|drive| drive.id.clone()));
    }
    back
}
