//! A reading: a value, or the reason why there is none.

use serde::{Deserialize, Serialize};

/// Why there is no value. Zero, missing, unsupported and broken are four things.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
pub enum NoData {
    /// The part or the file is not there.
    #[error("absent")]
    Absent,
    /// The part is there and switched off.
    #[error("off")]
    Off,
    /// The part or the kernel does not offer this reading.
    #[error("unsupported")]
    Unsupported,
    /// We were not allowed to read it.
    #[error("refused")]
    Refused,
    /// No answer within the deadline.
    #[error("timeout")]
    Timeout,
    /// An answer that cannot be true or cannot be read.
    #[error("garbled")]
    Garbled,
}

impl NoData {
    /// The reason in one word, as metrics and JSON show it.
    pub const fn word(self) -> &'static str {
        match self {
            NoData::Absent => "absent",
            NoData::Off => "off",
            NoData::Unsupported => "unsupported",
            NoData::Refused => "refused",
            NoData::Timeout => "timeout",
            NoData::Garbled => "garbled",
        }
    }
}

/// A value or the reason why there is none. JSON: the value itself, or `{"no_data": "absent"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reading<T> {
    /// There is a value.
    Value(T),
    /// There is none, and this is why.
    None {
        /// The reason.
        no_data: NoData,
    },
}

impl<T> Reading<T> {
    /// A reading that has no value.
    pub const fn none(no_data: NoData) -> Reading<T> {
        Reading::None { no_data }
    }

    /// The value, where there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Reading::Value(value) => Some(value),
            Reading::None { .. } => None,
        }
    }

    /// The value by reference, where there is one.
    pub fn as_ref(&self) -> Option<&T> {
        match self {
            Reading::Value(value) => Some(value),
            Reading::None { .. } => None,
        }
    }

    /// The reason, where there is no value.
    pub fn reason(&self) -> Option<NoData> {
        match self {
            Reading::Value(_) => None,
            Reading::None { no_data } => Some(*no_data),
        }
    }

    /// The same reading with its value changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Reading::Value(value) => Reading::Value(change(value)),
            Reading::None { no_data } => Reading::None { no_data },
        }
    }
}

impl<T> Default for Reading<T> {
    /// Nothing was seen: absent.
    fn default() -> Reading<T> {
        Reading::none(NoData::Absent)
    }
}

impl<T> From<Result<T, NoData>> for Reading<T> {
    fn from(result: Result<T, NoData>) -> Reading<T> {
        match result {
            Ok(value) => Reading::Value(value),
            Err(no_data) => Reading::None { no_data },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_missing_value_is_no_zero_in_json() {
        let none: Reading<u64> = Reading::none(NoData::Timeout);
        assert_eq!(serde_json::to_string(&none).unwrap(), r#"{"no_data":"timeout"}"#);
        assert_eq!(
            serde_json::from_str::<Reading<u64>>("0").unwrap(),
            Reading::Value(0)
        );
        assert_eq!(
            serde_json::from_str::<Reading<u64>>(r#"{"no_data":"timeout"}"#).unwrap(),
            none
        );
    }
}
