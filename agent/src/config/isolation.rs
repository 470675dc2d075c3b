//! `[isolation]` of the configuration: what is done when somebody else changes what Busbar had set.

use super::reader::{Faults, Reader};
use crate::reconcile::Drift;

const KEYS: [&str; 1] = ["drift"];

/// Reads the section.
pub(super) fn read(section: &Reader<'_>, faults: &mut Faults<'_>) -> Drift {
    section.only(&KEYS, faults);
    let Some((word, place)) = section.text("drift", faults) else {
        return Drift::default();
    };
    let found = Drift::ALL.into_iter().find(|drift| drift.word() == word);
    if found.is_none() {
        let expected = Drift::ALL.map(Drift::word).join(" or ");
        faults.add(place, format!("drift = {word:?} is none; expected {expected}"));
    }
    found.unwrap_or_default()
}
