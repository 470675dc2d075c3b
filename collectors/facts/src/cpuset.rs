//! Sets of CPUs and of NUMA nodes, in the kernel's list format (`0-3,8`; see cpuset(7), "List format").

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::identity::{CpuId, NumaNodeId};

/// Largest number in a set: the kernel's own ceiling is 8192 CPUs (`NR_CPUS`); the rest is room, and a bound for hostile input.
const MAX_NUMBER: u32 = 65_535;

/// Why a text is no list of numbers.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no list in the kernel's format; expected numbers and ranges up to 65535, as in 0-3,8")]
pub struct NotAList(String);

macro_rules! set {
    ($(#[$doc:meta])* $name:ident of $id:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(BTreeSet<$id>);

        impl $name {
            /// The empty set.
            pub fn new() -> Self {
                Self::default()
            }
            /// How many are in it.
            pub fn len(&self) -> usize {
                self.0.len()
            }
            /// Whether none is in it.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
            /// Whether this one is in it.
            pub fn contains(&self, id: $id) -> bool {
                self.0.contains(&id)
            }
            /// Adds one; false where it was in it already.
            pub fn insert(&mut self, id: $id) -> bool {
                self.0.insert(id)
            }
            /// In ascending order.
            pub fn iter(&self) -> impl DoubleEndedIterator<Item = $id> + '_ {
                self.0.iter().copied()
            }
            /// The smallest, where there is one.
            pub fn first(&self) -> Option<$id> {
                self.0.first().copied()
            }
            /// What is in both.
            #[must_use]
            pub fn intersection(&self, other: &Self) -> Self {
                Self(self.0.intersection(&other.0).copied().collect())
            }
            /// What is in either.
            #[must_use]
            pub fn union(&self, other: &Self) -> Self {
                Self(self.0.union(&other.0).copied().collect())
            }
            /// What is in this one and not in the other.
            #[must_use]
            pub fn difference(&self, other: &Self) -> Self {
                Self(self.0.difference(&other.0).copied().collect())
            }
            /// Whether nothing is in both.
            pub fn is_disjoint(&self, other: &Self) -> bool {
                self.0.is_disjoint(&other.0)
            }
            /// Whether all of this one is in the other.
            pub fn is_subset(&self, other: &Self) -> bool {
                self.0.is_subset(&other.0)
            }
        }

        impl FromIterator<$id> for $name {
            fn from_iter<I: IntoIterator<Item = $id>>(iter: I) -> Self {
                Self(iter.into_iter().collect())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_list(f, self.0.iter().map(|id| id.0))
            }
        }

        impl FromStr for $name {
            type Err = NotAList;
            fn from_str(text: &str) -> Result<Self, NotAList> {
                Ok(Self(parse_list(text)?.into_iter().map($id).collect()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

set!(
    /// A set of CPUs (hardware threads). Text and JSON: the kernel's list format.
    CpuSet of CpuId
);
set!(
    /// A set of NUMA nodes. Text and JSON: the kernel's list format.
    NumaSet of NumaNodeId
);

fn write_list(f: &mut fmt::Formatter<'_>, numbers: impl Iterator<Item = u32>) -> fmt::Result {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    for (index, (first, last)) in runs.into_iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        if first == last {
            write!(f, "{first}")?
        } else {
            write!(f, "{first}-{last}")?
        }
    }
    Ok(())
}

fn parse_list(text: &str) -> Result<BTreeSet<u32>, NotAList> {
    let not = || NotAList(text.to_owned());
    let mut numbers = BTreeSet::new();
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(numbers);
    }
    for part in trimmed.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.trim().parse().map_err(|_| not())?;
        let last: u32 = last.trim().parse().map_err(|_| not())?;
        if first > last || last > MAX_NUMBER {
            return Err(not());
        }
        numbers.extend(first..=last);
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_the_kernels() {
        let set: CpuSet = "0-3,8,10-11\n".parse().unwrap();
        assert_eq!(set.len(), 7);
        assert_eq!(set.to_string(), "0-3,8,10-11");
        assert_eq!("".parse::<CpuSet>().unwrap(), CpuSet::new());
        for bad in ["3-1", "a", "1,,2", "0-4294967295", "-1"] {
            assert!(bad.parse::<CpuSet>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn sets_read_what_they_show(numbers in proptest::collection::btree_set(0_u32..5_000, 0..200)) {
            let set: CpuSet = numbers.into_iter().map(CpuId).collect();
            prop_assert_eq!(set.to_string().parse::<CpuSet>().unwrap(), set);
        }

        #[test]
        fn any_text_is_a_list_or_an_error(text in ".*") {
            let _ = text.parse::<NumaSet>();
        }
    }
}
