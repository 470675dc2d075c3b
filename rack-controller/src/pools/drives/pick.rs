//! Which drives an ask gets: its own from before where it had some, else the least worn that suffice, spread as it asks.

use std::collections::{BTreeMap, BTreeSet};

use facts::Bytes;

use super::{Drive, Tenancy};

/// An ask for drives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveAsk {
    /// How many.
    pub count: usize,
    /// The least that each must hold.
    pub at_least: Bytes,
    /// Only of this model.
    pub model: Option<String>,
    /// Only as worn as this, in percent of the rated endurance.
    pub most_worn: Option<u8>,
    /// No two of them in one enclosure.
    pub spread: bool,
    /// What they are for: who asks again for the same gets the same drives.
    pub purpose: String,
    /// Whose they are.
    pub tenant: Option<String>,
}

/// Why an ask does not fit, and what is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked} drives are asked for and {fit} fit{}", .why.iter().map(|line| format!("; {line}")).collect::<String>())]
pub struct DriveShortfall {
    /// How many are asked for.
    pub asked: usize,
    /// How many there are for this ask.
    pub fit: usize,
    /// What the others lack.
    pub why: Vec<String>,
}

/// The enclosure of a place: `jbof` of `jbof/bay-7`.
fn enclosure(place: &str) -> &str {
    place.split_once('/').map_or(place, |(enclosure, _)| enclosure)
}

/// Whether a drive keeps what this ask wrote before.
fn is_its_own(drive: &Drive, ask: &DriveAsk) -> bool {
    match &drive.tenancy {
        Tenancy::Held { holder, .. } => holder.purpose == ask.purpose && holder.tenant == ask.tenant,
        Tenancy::Foreign { .. }
        | Tenancy::Free { .. }
        | Tenancy::Claimed(_)
        | Tenancy::Releasing { .. }
        | Tenancy::Wiping { .. }
        | Tenancy::Failed { .. } => false,
    }
}

/// What a drive lacks for an ask; `None` where it would do.
fn lacks(drive: &Drive, ask: &DriveAsk) -> Option<&'static str> {
    let is_own = is_its_own(drive, ask);
    let is_there = drive.seat.is_some() && !drive.wear.predicts_failure;
    if !(drive.may_be_lent() || is_own && drive.has_a_future()) {
        return Some(match (&drive.tenancy, is_there) {
            (Tenancy::Claimed(_) | Tenancy::Releasing { .. }, _) => "lent",
            (Tenancy::Held { .. }, _) if is_own && drive.unsealed.is_some() => {
                "kept for this, and nobody has vouched for what is on them"
            }
            (Tenancy::Held { .. }, true) => "held for who had them",
            (Tenancy::Held { .. }, false) => "held, and pulled or about to fail",
            (Tenancy::Wiping { .. }, _) => "being erased",
            (Tenancy::Failed { .. }, _) => "could not be erased",
            (Tenancy::Foreign { .. }, _) => "not of the pool",
            (Tenancy::Free { .. }, true) if drive.unsealed.is_some() => "doubted",
            (Tenancy::Free { .. }, true) => "of no size",
            (Tenancy::Free { .. }, false) => "pulled, or about to fail",
        });
    }
    if drive.size < ask.at_least {
        return Some("too small");
    }
    if ask.model.is_some() && ask.model.as_deref() != drive.id.model() {
        return Some("of another model");
    }
    // A drive that does not tell how worn it is is not known to be as good as asked.
    let is_fresh = |most: u8| drive.wear.percent_used.is_some_and(|used| used <= most);
    (!ask.most_worn.is_none_or(is_fresh)).then_some("too worn")
}

/// The drives that an ask gets, all of them or none. Nothing is held by asking.
///
/// # Errors
/// There are too few: how many there are, and what the others lack.
pub fn pick<'a>(
    stock: impl Iterator<Item = &'a Drive>,
    ask: &DriveAsk,
) -> Result<Vec<&'a Drive>, DriveShortfall> {
    let mut lacking: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut fit: Vec<&Drive> = Vec::new();
    for drive in stock {
        match lacks(drive, ask) {
            Some(what) => *lacking.entry(what).or_default() += 1,
            None => fit.push(drive),
        }
    }
    // Its own first; then those that suffice most narrowly, so that large ones stay for whoever needs them; then the least worn.
    fit.sort_by_key(|drive| {
        let worn = drive.wear.percent_used.unwrap_or(u8::MAX);
        (!is_its_own(drive, ask), drive.size, worn, &drive.id)
    });
    let mut taken: Vec<&Drive> = Vec::new();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let mut doubled = 0_usize;
    for drive in fit {
        let place = drive.seat.as_ref().map_or("", |seat| seat.place.as_str());
        if ask.spread && !used.insert(enclosure(place)) {
            doubled = doubled.saturating_add(1);
        } else if taken.len() < ask.count {
            taken.push(drive);
        }
    }
    if taken.len() == ask.count && ask.count > 0 {
        return Ok(taken);
    }
    let mut why: Vec<String> = lacking
        .into_iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if doubled > 0 {
        why.push(format!("{doubled} in an enclosure that is used already"));
    }
    Err(DriveShortfall {
        asked: ask.count,
        fit: taken.len(),
        why,
    })
}
