//! `[isolation]` of the configuration: what is done when somebody else changes what Busbar had set, and where specifications for
//! containers are placed.

use std::path::PathBuf;

use super::reader::{Faults, Reader};
use crate::reconcile::{DEFAULT_CDI_DIR, Drift};

const KEYS: [&str; 3] = ["drift", "cdi_dir", "delegated"];
/// No specification is placed anywhere.
const NOWHERE: &str = "none";

/// What the section says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// What is done when somebody else changes what Busbar had set.
    pub drift: Drift,
    /// Where specifications of devices for containers are placed (CDI); `None` for nowhere.
    pub cdi_dir: Option<PathBuf>,
    /// Whether the agent works only below the cgroup that systemd gave to its unit.
    pub delegated: bool,
}

impl Default for Isolation {
    fn default() -> Isolation {
        Isolation {
            drift: Drift::default(),
            cdi_dir: Some(PathBuf::from(DEFAULT_CDI_DIR)),
            delegated: false,
        }
    }
}

/// Reads the section.
pub(super) fn read(section: &Reader<'_>, faults: &mut Faults<'_>) -> Isolation {
    section.only(&KEYS, faults);
    let mut read = Isolation::default();
    if let Some((word, place)) = section.text("drift", faults) {
        let found = Drift::ALL.into_iter().find(|drift| drift.word() == word);
        if found.is_none() {
            let expected = Drift::ALL.map(Drift::word).join(" or ");
            faults.add(place, format!("drift = {word:?} is none; expected {expected}"));
        }
        read.drift = found.unwrap_or_default();
    }
    if let Some((word, place)) = section.text("cdi_dir", faults) {
        let directory = PathBuf::from(word);
        if word != NOWHERE && !directory.is_absolute() {
            let said = format!(
                "cdi_dir = {word:?} is no directory; expected one from the root on, as in {DEFAULT_CDI_DIR:?}, or {NOWHERE:?}"
            );
            faults.add(place, said);
        }
        read.cdi_dir = Some(directory).filter(|_| word != NOWHERE);
    }
    read.delegated = section.switch("delegated", faults).unwrap_or(false);
    read
}
