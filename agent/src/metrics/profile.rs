//! Which families stand on the page: a profile, and what the configuration adds and takes away.

use std::fmt;

/// The longest glob: no family has a name this long.
pub const LONGEST_GLOB: usize = 128;

/// What the node's page is beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// node_exporter runs here too: what it gives is left out. The default.
    #[default]
    BesideNodeExporter,
    /// The agent is alone: everything is shown.
    Alone,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 2] = [Profile::BesideNodeExporter, Profile::Alone];

    /// Its word in the configuration.
    pub const fn word(self) -> &'static str {
        match self {
            Profile::BesideNodeExporter => "beside-node-exporter",
            Profile::Alone => "alone",
        }
    }
}

/// What the profile `beside-node-exporter` leaves out: our families, and where node_exporter (its collectors that are on by
/// default) has the same numbers in the same detail. What it does not know stays: sums of NUMA nodes and sockets, where a part
/// sits, counters without wraps. Two stay although it has them: pressure, eight series that our alerts stand on, and sensors, as
/// one family holds those of every source.
pub const BESIDE: &[(&str, &str)] = &[
    ("busbar_memory_bytes", "node_memory_*_bytes (meminfo)"),
    (
        "busbar_network_bytes_total",
        "node_network_*_bytes_total (netdev)",
    ),
    (
        "busbar_network_packets_total",
        "node_network_*_packets_total (netdev)",
    ),
    (
        "busbar_network_errors_total",
        "node_network_*_errs_total (netdev)",
    ),
    ("busbar_network_drops_total", "node_network_*_drop_total (netdev)"),
    (
        "busbar_disk_io_bytes_total",
        "node_disk_*_bytes_total (diskstats)",
    ),
    (
        "busbar_disk_io_operations_total",
        "node_disk_*_completed_total (diskstats)",
    ),
    (
        "busbar_disk_io_wait_seconds_total",
        "node_disk_*_time_seconds_total (diskstats)",
    ),
    (
        "busbar_disk_io_busy_seconds_total",
        "node_disk_io_time_seconds_total (diskstats)",
    ),
];

/// A pattern of family names: `*` stands for any text, `?` for one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

/// A text that is no glob of family names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no pattern of family names; expected letters, digits, _ and :, with * for any text and ? for one character, as in busbar_gpu_*"
)]
pub struct NotAGlob(pub String);

impl Glob {
    /// Reads one.
    ///
    /// # Errors
    /// When it has a character that no family name has, or is too long.
    pub fn new(text: &str) -> Result<Glob, NotAGlob> {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"_:*?".contains(&byte);
        if (1..=LONGEST_GLOB).contains(&text.len()) && text.bytes().all(is_right) {
            Ok(Glob(text.to_owned()))
        } else {
            Err(NotAGlob(text.to_owned()))
        }
    }

    /// Whether it stands for this name.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut seen) = (0, 0);
        // Where the last star stands, and how much of the name it has eaten.
        let mut star: Option<(usize, usize)> = None;
        while seen < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, seen));
                    at += 1;
                }
                Some(one) if *one == b'?' || Some(one) == name.get(seen) => {
                    at += 1;
                    seen += 1;
                }
                _ => match star {
                    Some((back, eaten)) => {
                        star = Some((back, eaten + 1));
                        at = back + 1;
                        seen = eaten + 1;
                    }
                    None => return false,
                },
            }
        }
        pattern
            .get(at..)
            .unwrap_or_default()
            .iter()
            .all(|one| *one == b'*')
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which families are shown: those that `include` names; of the rest, those that neither `exclude` names nor the profile leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The profile.
    pub profile: Profile,
    /// What is shown whatever the rest says.
    pub include: Vec<Glob>,
    /// What is not shown.
    pub exclude: Vec<Glob>,
}

impl Selection {
    /// Everything is shown.
    pub fn all() -> Selection {
        Selection {
            profile: Profile::Alone,
            ..Selection::default()
        }
    }

    /// Whether a family is shown.
    pub fn shows(&self, family: &str) -> bool {
        self.hides(family).is_none()
    }

    /// Why a family is not shown, in a sentence; `None` where it is.
    pub fn hides(&self, family: &str) -> Option<String> {
        let named = |globs: &[Glob]| globs.iter().find(|glob| glob.matches(family)).cloned();
        if named(&self.include).is_some() {
            return None;
        }
        if let Some(glob) = named(&self.exclude) {
            return Some(format!("the configuration excludes {glob}"));
        }
        let (_, theirs) = match self.profile {
            Profile::Alone => None,
            Profile::BesideNodeExporter => BESIDE.iter().find(|(ours, _)| *ours == family),
        }?;
        Some(format!(
            "node_exporter gives it as {theirs}; profile = \"alone\" shows it"
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn globs(texts: &[&str]) -> Vec<Glob> {
        texts.iter().map(|text| Glob::new(text).unwrap()).collect()
    }

    #[test]
    fn a_glob_is_the_whole_name() {
        for (glob, name, expected) in [
            ("busbar_gpu_*", "busbar_gpu_info", true),
            ("busbar_gpu_*", "busbar_gpu", false),
            ("*_total", "busbar_gpu_energy_joules_total", true),
            ("*_total", "busbar_total_bytes", false),
            ("*gpu*t?tal", "busbar_gpu_xid_errors_total", true),
            ("busbar_up", "busbar_uptime", false),
            ("*", "x", true),
            ("**", "", true),
            ("?", "", false),
        ] {
            assert_eq!(Glob::new(glob).unwrap().matches(name), expected, "{glob} {name}");
        }
        for text in [
            "",
            "a-b",
            "a b",
            "busbar_[ab]",
            "ü",
            &"x".repeat(LONGEST_GLOB + 1),
        ] {
            assert!(Glob::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn include_stands_over_exclude_and_both_over_the_profile() {
        let mut selection = Selection::default();
        assert!(selection.shows("busbar_gpu_info") && !selection.shows("busbar_memory_bytes"));
        let why = selection.hides("busbar_memory_bytes").unwrap();
        assert!(why.contains("node_memory"), "{why}");
        selection.exclude = globs(&["*"]);
        selection.include = globs(&["busbar_memory_*", "busbar_source_up"]);
        assert!(selection.shows("busbar_memory_bytes") && selection.shows("busbar_source_up"));
        assert_eq!(
            selection.hides("busbar_gpu_info").unwrap(),
            "the configuration excludes *"
        );
        assert!(Selection::all().shows("busbar_memory_bytes"));
    }
}
