//! The words of an ask: kinds of core, topology rules, policies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::near::shortened;

/// Why a word is none of those that are known here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{given:?} is no {what}; expected {expected}")]
pub struct NotAWord {
    pub(super) what: &'static str,
    pub(super) given: String,
    pub(super) expected: &'static str,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:expr, $expected:expr, { $($(#[$each:meta])* $case:ident = $word:expr),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $case),+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[$($name::$case),+];
            /// The word, as in JSON and on the command line.
            pub const fn word(self) -> &'static str {
                match self { $($name::$case => $word),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
        impl FromStr for $name {
            type Err = NotAWord;
            fn from_str(text: &str) -> Result<$name, NotAWord> {
                let found = $name::ALL.iter().copied().find(|one| one.word() == text);
                found.ok_or_else(|| NotAWord { what: $what, given: shortened(text), expected: $expected })
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

words!(
    /// Which kind of core, on machines that have several. One exclusive holder has cores of one kind, unless it asked for `any`.
    CoreWish, "kind of core", "performance, efficient or any", {
        /// The fastest kind.
        Performance = "performance",
        /// The most efficient kind.
        Efficient = "efficient",
        /// Whichever are free, mixed.
        Any = "any",
    }
);
words!(
    /// What happens where an ask does not fit on as few NUMA nodes as it could, as the kubelet's topology manager has it.
    #[derive(Default)]
    TopologyRule, "topology rule", "best-effort, restricted or single-numa-node", {
        /// It is spread over as few as there are; the offer says so.
        #[default]
        BestEffort = "best-effort",
        /// It is refused where the empty machine would have fewer NUMA nodes for it.
        Restricted = "restricted",
        /// It is refused where one NUMA node does not hold all of it.
        SingleNumaNode = "single-numa-node",
    }
);
words!(
    /// Which of several places is taken.
    #[derive(Default)]
    Policy, "policy", "packed, spread or balanced", {
        /// All together, where the least is left free: large free parts of the machine stay whole for others.
        #[default]
        Packed = "packed",
        /// Apart from each other, evenly over NUMA nodes, caches and cores: the most cache and bandwidth for this workload.
        Spread = "spread",
        /// All together, where the most is left free: the parts of the machine are evenly loaded.
        Balanced = "balanced",
    }
);
words!(
    /// What becomes of the other hardware threads of the cores of an exclusive holder. In no case has another exclusive holder them.
    #[derive(Default)]
    Siblings, "rule for siblings", "blocked or whole", {
        /// Those that were not asked for stay with the host.
        #[default]
        Blocked = "blocked",
        /// There are none: it gets whole cores, and an ask that is no number of whole cores is refused.
        Whole = "whole",
    }
);
