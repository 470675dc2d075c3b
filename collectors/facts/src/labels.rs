//! Values of labels, in one piece of memory: a page has thousands of rows, and each scrape compares all of them.

use std::fmt;

/// Bytes of a length before its value.
const HEAD: usize = 2;

/// The values of one row's labels, in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Labels(Box<[u8]>);

impl Labels {
    /// Of these values. One that is longer than 65,535 bytes, which no part's name is, ends there.
    pub fn of(values: &[&str]) -> Labels {
        let mut bytes = Vec::with_capacity(values.iter().map(|value| HEAD + value.len()).sum());
        for value in values {
            let value = bounded(value);
            let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
            bytes.extend(length.to_le_bytes());
            bytes.extend(value.as_bytes());
        }
        Labels(bytes.into_boxed_slice())
    }

    /// The values.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (value, after) = split(rest)?;
            rest = after;
            // They were texts when they came.
            Some(std::str::from_utf8(value).unwrap_or_default())
        })
    }

    /// One of the values.
    pub fn get(&self, at: usize) -> Option<&str> {
        self.iter().nth(at)
    }

    /// Whether they are these.
    pub fn are(&self, values: &[&str]) -> bool {
        let mut rest = &*self.0;
        for value in values {
            match split(rest) {
                Some((mine, after)) if mine == bounded(value).as_bytes() => rest = after,
                _ => return false,
            }
        }
        rest.is_empty()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The first value, and what stands behind it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<HEAD>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

fn bounded(value: &str) -> &str {
    let most = usize::from(u16::MAX);
    if value.len() <= most {
        return value;
    }
    let end = (0..=most).rev().find(|end| value.is_char_boundary(*end));
    end.and_then(|end| value.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_come_back_and_differ_by_their_borders_too() {
        let labels = Labels::of(&["ab", "", "c"]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), ["ab", "", "c"]);
        assert_eq!((labels.get(2), labels.get(3)), (Some("c"), None));
        assert!(labels.are(&["ab", "", "c"]));
        for other in [
            &["a", "b", "c"][..],
            &["ab", ""],
            &["ab", "", "c", ""],
            &["ab", "c", ""],
            &[],
        ] {
            assert!(!labels.are(other), "{other:?}");
        }
        assert!(Labels::default().are(&[]) && Labels::of(&[]) == Labels::default());
        assert_eq!(format!("{labels:?}"), r#"["ab", "", "c"]"#);
    }

    #[test]
    fn a_value_without_end_ends_between_two_characters() {
        let long = "é".repeat(40_000);
        let labels = Labels::of(&[&long, "x"]);
        assert!(labels.are(&[&long, "x"]));
        assert_eq!(labels.get(0).map(str::len), Some(65_534));
        assert_eq!(labels.get(1), Some("x"));
    }

    proptest! {
        #[test]
        fn any_values_come_back(values in proptest::collection::vec(".{0,20}", 0..6)) {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let labels = Labels::of(&values);
            prop_assert!(labels.are(&values));
            prop_assert_eq!(labels.iter().collect::<Vec<_>>(), values);
        }
    }
}
