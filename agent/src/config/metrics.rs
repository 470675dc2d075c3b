//! `[metrics]` of the configuration: what stands on the page, and what is counted for it.

use std::fmt;

use collectors::roster::Wishes;

use super::reader::{Faults, Reader};
use crate::metrics::{Glob, Profile, Selection, families};

const KEYS: [&str; 6] = [
    "profile",
    "names",
    "per_cpu",
    "per_workload",
    "include",
    "exclude",
];

/// The names of another exporter that the page can have beside our own.
const NODE: &str = "node";

/// The most patterns of one list: the table of families is shorter.
const MOST_GLOBS: usize = 256;

/// What stands on the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Which families.
    pub selection: Selection,
    /// Whether each workload has estimates of its own.
    pub per_workload: bool,
}

impl Metrics {
    /// Reads the section; what is wished of the collectors goes into `wishes`.
    pub(super) fn read(section: &Reader<'_>, wishes: &mut Wishes, faults: &mut Faults<'_>) -> Metrics {
        section.only(&KEYS, faults);
        let mut metrics = Metrics::default();
        if let Some((word, place)) = section.text("profile", faults) {
            match Profile::ALL.into_iter().find(|profile| profile.word() == word) {
                Some(profile) => metrics.selection.profile = profile,
                None => {
                    let expected = Profile::ALL.map(Profile::word).join(" or ");
                    faults.add(place, format!("profile = {word:?} is none; expected {expected}"));
                }
            }
        }
        for (name, place) in section.texts("names", faults) {
            if name == NODE {
                wishes.node_names = true;
            } else {
                let expected = "expected \"node\" for those of node_exporter, or an empty list";
                faults.add(place, format!("names: there are no names {name:?}; {expected}"));
            }
        }
        wishes.per_cpu = section.switch("per_cpu", faults).unwrap_or_default();
        metrics.per_workload = section.switch("per_workload", faults).unwrap_or_default();
        metrics.selection.include = globs(section, "include", faults);
        metrics.selection.exclude = globs(section, "exclude", faults);
        metrics
    }
}

fn globs(section: &Reader<'_>, key: &str, faults: &mut Faults<'_>) -> Vec<Glob> {
    let mut globs = Vec::new();
    for (text, place) in section.texts(key, faults) {
        if globs.len() >= MOST_GLOBS {
            faults.add(
                place,
                format!("{key} has more than {MOST_GLOBS} patterns; expected fewer"),
            );
            break;
        }
        match Glob::new(&text) {
            Ok(glob) => globs.push(glob),
            Err(error) => faults.add(place, format!("{key}: {error}")),
        }
    }
    globs
}

impl fmt::Display for Metrics {
    /// One line, and one more for each pattern that stands for no family that this version knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Selection {
            profile,
            include,
            exclude,
        } = &self.selection;
        let shown = families()
            .filter(|family| self.selection.shows(family.name))
            .count();
        let known = families().count();
        write!(
            f,
            "profile {}; {shown} of {known} families are shown",
            profile.word()
        )?;
        for (key, globs) in [("include", include), ("exclude", exclude)] {
            for glob in globs {
                if !families().any(|family| glob.matches(family.name)) {
                    write!(
                        f,
                        "\n            {key} {glob} stands for no family of this version"
                    )?;
                }
            }
        }
        Ok(())
    }
}
