//! A workload's name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest name of a workload: it becomes the name of a cgroup directory, and a label.
const LONGEST_ID: usize = 63;

/// A workload's name: lower-case letters, digits and inner dashes. It is also the name of its cgroup.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadId(String);

/// Why a text is no workload's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no name of a workload; expected 1 to 63 lower-case letters, digits or dashes, no dash at either end"
)]
pub struct NotAWorkloadId(String);

impl WorkloadId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WorkloadId {
    type Err = NotAWorkloadId;

    fn from_str(text: &str) -> Result<WorkloadId, NotAWorkloadId> {
        let right = (1..=LONGEST_ID).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if right {
            Ok(WorkloadId(text.to_owned()))
        } else {
            Err(NotAWorkloadId(shortened(text)))
        }
    }
}

/// Enough of a text to know it again: a hostile name may be as long as a request.
pub(crate) fn shortened(text: &str) -> String {
    if text.len() <= LONGEST_ID + 1 {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST_ID).collect();
    short.push('…');
    short
}

impl Serialize for WorkloadId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for WorkloadId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WorkloadId, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
