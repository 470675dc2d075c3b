//! Sets of CPUs and of NUMA nodes, in the kernel's list format (`0-3,8`; see cpuset(7), "List format").

use std::cmp::Ordering;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::identity::{CpuId, NumaNodeId};

/// Largest number in a set: the kernel's own ceiling is 8192 CPUs (`NR_CPUS`); the rest is room, and a bound for hostile input.
const MAX_NUMBER: u32 = 65_535;

/// Why a text is no list of numbers.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no list in the kernel's format; expected numbers and ranges up to 65535, as in 0-3,8")]
pub struct NotAList(String);

/// Bits of one word.
const WORD: u32 = 64;

/// The place of a number: its word, and its bit there.
fn place(number: u32) -> (usize, u64) {
    let word = usize::try_from(number / WORD).unwrap_or(usize::MAX);
    (word, 1 << (number % WORD))
}

/// The numbers of one word, ascending.
#[derive(Clone, Debug)]
struct Bits {
    first: u32,
    left: u64,
}

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        let bit = self.left.trailing_zeros();
        self.left &= self.left - 1;
        Some(self.first + bit)
    }
}

impl DoubleEndedIterator for Bits {
    fn next_back(&mut self) -> Option<u32> {
        if self.left == 0 {
            return None;
        }
        let bit = WORD - 1 - self.left.leading_zeros();
        self.left &= !(1 << bit);
        Some(self.first + bit)
    }
}

/// The numbers of all words, ascending.
fn numbers(words: &[u64]) -> impl DoubleEndedIterator<Item = u32> + '_ {
    words.iter().enumerate().flat_map(|(at, word)| Bits {
        // No set is longer than MAX_NUMBER.
        first: u32::try_from(at).unwrap_or(0) * WORD,
        left: *word,
    })
}

macro_rules! set {
    ($(#[$doc:meta])* $name:ident of $id:ident) => {
        $(#[$doc])*
        ///
        /// A bit a number, so that a decision over many sets costs a few words each. The last word is never empty: equal
        /// sets are equal words.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(Vec<u64>);

        impl $name {
            /// The empty set.
            pub fn new() -> Self {
                Self::default()
            }
            /// How many are in it.
            pub fn len(&self) -> usize {
                self.0.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(0)).sum()
            }
            /// Whether none is in it.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
            /// Whether this one is in it.
            pub fn contains(&self, id: $id) -> bool {
                let (word, bit) = place(id.0);
                self.0.get(word).is_some_and(|found| found & bit != 0)
            }
            /// Adds one; false where it was in it already, or where it is beyond 65535 and no kernel can mean it.
            pub fn insert(&mut self, id: $id) -> bool {
                if id.0 > MAX_NUMBER || self.contains(id) {
                    return false;
                }
                let (word, bit) = place(id.0);
                if self.0.len() <= word {
                    self.0.resize(word + 1, 0);
                }
                self.0[word] |= bit;
                true
            }
            /// In ascending order.
            pub fn iter(&self) -> impl DoubleEndedIterator<Item = $id> + '_ {
                numbers(&self.0).map($id)
            }
            /// The smallest, where there is one.
            pub fn first(&self) -> Option<$id> {
                self.iter().next()
            }
            /// What is in both.
            #[must_use]
            pub fn intersection(&self, other: &Self) -> Self {
                let both = self.0.iter().zip(&other.0).map(|(one, other)| one & other);
                Self(both.collect()).trimmed()
            }
            /// How many are in both.
            pub fn intersection_len(&self, other: &Self) -> usize {
                let both = self.0.iter().zip(&other.0).map(|(one, other)| (one & other).count_ones());
                usize::try_from(both.sum::<u32>()).unwrap_or(0)
            }
            /// What is in either.
            #[must_use]
            pub fn union(&self, other: &Self) -> Self {
                let mut all = self.clone();
                all.add(other);
                all
            }
            /// What is in this one and not in the other.
            #[must_use]
            pub fn difference(&self, other: &Self) -> Self {
                let mut rest = self.clone();
                rest.remove(other);
                rest
            }
            /// Adds all of the other.
            pub fn add(&mut self, other: &Self) {
                if self.0.len() < other.0.len() {
                    self.0.resize(other.0.len(), 0);
                }
                self.0.iter_mut().zip(&other.0).for_each(|(one, other)| *one |= other);
            }
            /// Takes all of the other away.
            pub fn remove(&mut self, other: &Self) {
                self.0.iter_mut().zip(&other.0).for_each(|(one, other)| *one &= !other);
                self.trim();
            }
            /// Whether nothing is in both.
            pub fn is_disjoint(&self, other: &Self) -> bool {
                self.0.iter().zip(&other.0).all(|(one, other)| one & other == 0)
            }
            /// Whether all of this one is in the other.
            pub fn is_subset(&self, other: &Self) -> bool {
                self.0.len() <= other.0.len()
                    && self.0.iter().zip(&other.0).all(|(one, other)| one & !other == 0)
            }
            fn trim(&mut self) {
                while self.0.last() == Some(&0) {
                    self.0.pop();
                }
            }
            fn trimmed(mut self) -> Self {
                self.trim();
                self
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            /// As lists of numbers are ordered.
            fn cmp(&self, other: &Self) -> Ordering {
                numbers(&self.0).cmp(numbers(&other.0))
            }
        }

        impl FromIterator<$id> for $name {
            fn from_iter<I: IntoIterator<Item = $id>>(iter: I) -> Self {
                let mut set = Self::new();
                for id in iter {
                    set.insert(id);
                }
                set
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_list(f, numbers(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = NotAList;
            fn from_str(text: &str) -> Result<Self, NotAList> {
                let mut set = Self::new();
                for range in parse_list(text)? {
                    set.extend(range);
                }
                Ok(set)
            }
        }

        impl $name {
            fn extend(&mut self, numbers: RangeInclusive<u32>) {
                numbers.for_each(|number| {
                    self.insert($id(number));
                });
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

fn parse_list(text: &str) -> Result<Vec<RangeInclusive<u32>>, NotAList> {
    let not = || NotAList(shortened(text));
    let mut ranges = Vec::new();
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(ranges);
    }
    for part in trimmed.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: u32 = first.trim().parse().map_err(|_| not())?;
        let last: u32 = last.trim().parse().map_err(|_| not())?;
        if first > last || last > MAX_NUMBER {
            return Err(not());
        }
        ranges.push(first..=last);
    }
    Ok(ranges)
}

/// Enough of a text to know it again.
fn shortened(text: &str) -> String {
    const MOST_SHOWN: usize = 80;
    if text.len() <= MOST_SHOWN {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MOST_SHOWN).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

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
        fn bits_are_sets(
            one in proptest::collection::btree_set(0_u32..300, 0..40),
            other in proptest::collection::btree_set(0_u32..300, 0..40),
        ) {
            let set = |numbers: &BTreeSet<u32>| numbers.iter().copied().map(CpuId).collect::<CpuSet>();
            let (a, b) = (set(&one), set(&other));
            prop_assert_eq!(a.union(&b), set(&(&one | &other)));
            prop_assert_eq!(a.intersection(&b), set(&(&one & &other)));
            prop_assert_eq!(a.difference(&b), set(&(&one - &other)));
            prop_assert_eq!(a.intersection_len(&b), (&one & &other).len());
            prop_assert_eq!(a.is_subset(&b), one.is_subset(&other));
            prop_assert_eq!(a.is_disjoint(&b), one.is_disjoint(&other));
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
            prop_assert_eq!(a.len(), one.len());
            prop_assert!(a.iter().rev().map(|cpu| cpu.0).eq(one.iter().rev().copied()));
        }

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
