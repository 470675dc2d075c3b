//! Exact quantities, shaped like `Duration`: an integer inside, the unit in the constructor's name.

use std::fmt;
use std::iter::Sum;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const MILLI: u64 = 1_000;

/// Electrical power. Milliwatts inside; a JSON number of watts (at most three decimals) outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Power(u64);

impl Power {
    /// No power at all.
    pub const ZERO: Power = Power(0);
    /// The largest power that can be written down.
    pub const MAX: Power = Power(u64::MAX);

    /// From whole watts; `None` where the milliwatts do not fit in 64 bits.
    pub const fn from_watts(watts: u64) -> Option<Power> {
        match watts.checked_mul(MILLI) {
            Some(milliwatts) => Some(Power(milliwatts)),
            None => None,
        }
    }

    /// From milliwatts.
    pub const fn from_milliwatts(milliwatts: u64) -> Power {
        Power(milliwatts)
    }

    /// The milliwatts inside.
    pub const fn milliwatts(self) -> u64 {
        self.0
    }

    /// From a measured number of watts; `None` for NaN, infinities, negatives and what does not fit.
    pub fn from_watts_f64(watts: f64) -> Option<Power> {
        let milliwatts = (watts * 1_000.0).round();
        if !(0.0..18_000_000_000_000_000_000.0).contains(&milliwatts) {
            return None;
        }
        // Through text, because a float has no lossless conversion to an integer and `as` would hide the loss.
        format!("{milliwatts:.0}").parse().ok().map(Power)
    }

    /// Watts as a float, for metrics and pictures only.
    pub fn as_watts_f64(self) -> f64 {
        f64_of(self.0) / 1_000.0
    }

    /// Sum, or `None` on overflow.
    pub fn checked_add(self, other: Power) -> Option<Power> {
        self.0.checked_add(other.0).map(Power)
    }

    /// Difference, or `None` where it would be negative.
    pub fn checked_sub(self, other: Power) -> Option<Power> {
        self.0.checked_sub(other.0).map(Power)
    }

    /// Sum that stops at the largest value.
    #[must_use]
    pub fn saturating_add(self, other: Power) -> Power {
        Power(self.0.saturating_add(other.0))
    }

    /// Difference that stops at zero.
    #[must_use]
    pub fn saturating_sub(self, other: Power) -> Power {
        Power(self.0.saturating_sub(other.0))
    }

    /// The share of `parts_per_million`, rounded down: `share(970_000)` is 97 %.
    #[must_use]
    pub fn share(self, parts_per_million: u32) -> Power {
        let product = u128::from(self.0) * u128::from(parts_per_million) / 1_000_000;
        Power(u64::try_from(product).unwrap_or(u64::MAX))
    }

    /// Whether this is no power.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// In kilowatts with one decimal, as the pictures show it: `12.4 kW`. Rounded half up.
    pub fn to_kilowatt_text(self) -> String {
        let tenths = self.0.saturating_add(50_000) / 100_000;
        format!("{}.{} kW", tenths / 10, tenths % 10)
    }
}

impl Sum for Power {
    fn sum<I: Iterator<Item = Power>>(iter: I) -> Power {
        iter.fold(Power::ZERO, Power::saturating_add)
    }
}

impl fmt::Display for Power {
    /// In watts: `800 W`, `0.5 W`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (watts, rest) = (self.0 / MILLI, self.0 % MILLI);
        if rest == 0 {
            return write!(f, "{watts} W");
        }
        let decimals = format!("{rest:03}");
        write!(f, "{watts}.{} W", decimals.trim_end_matches('0'))
    }
}

impl Serialize for Power {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(MILLI) {
            serializer.serialize_u64(self.0 / MILLI)
        } else {
            serializer.serialize_f64(self.as_watts_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Power {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Power, D::Error> {
        struct Watts;
        impl de::Visitor<'_> for Watts {
            type Value = Power;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of watts, 0 or more")
            }
            fn visit_u64<E: de::Error>(self, watts: u64) -> Result<Power, E> {
                Power::from_watts(watts).ok_or_else(|| E::custom(format!("{watts} watts are more than fit")))
            }
            fn visit_i64<E: de::Error>(self, watts: i64) -> Result<Power, E> {
                let unsigned = u64::try_from(watts)
                    .map_err(|_| E::custom(format!("{watts} watts are negative; expected 0 or more")))?;
                self.visit_u64(unsigned)
            }
            fn visit_f64<E: de::Error>(self, watts: f64) -> Result<Power, E> {
                Power::from_watts_f64(watts).ok_or_else(|| {
                    E::custom(format!("{watts} is no number of watts between 0 and what fits"))
                })
            }
        }
        deserializer.deserialize_any(Watts)
    }
}

/// Energy. Microjoules inside, because the kernel's powercap counts in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Energy(u64);

impl Energy {
    /// From microjoules.
    pub const fn from_microjoules(microjoules: u64) -> Energy {
        Energy(microjoules)
    }

    /// The microjoules inside.
    pub const fn microjoules(self) -> u64 {
        self.0
    }

    /// Joules as a float, for metrics only.
    pub fn as_joules_f64(self) -> f64 {
        f64_of(self.0) / 1_000_000.0
    }
}

/// An amount of memory or storage. Bytes inside and outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(u64);

/// Why a text is no amount of bytes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no amount of bytes; expected a whole number with an optional unit, as in 512K, 256M, 4G or 2T"
)]
pub struct NotBytes(String);

impl Bytes {
    /// Nothing.
    pub const ZERO: Bytes = Bytes(0);

    /// From a number of bytes.
    pub const fn new(bytes: u64) -> Bytes {
        Bytes(bytes)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As a float, for metrics only.
    pub fn as_f64(self) -> f64 {
        f64_of(self.0)
    }

    /// Sum that stops at the largest value.
    #[must_use]
    pub fn saturating_add(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_add(other.0))
    }
}

impl Sum for Bytes {
    fn sum<I: Iterator<Item = Bytes>>(iter: I) -> Bytes {
        iter.fold(Bytes::ZERO, Bytes::saturating_add)
    }
}

impl FromStr for Bytes {
    type Err = NotBytes;

    /// A whole number and an optional binary unit: `K`, `M`, `G`, `T` or `KiB` … `TiB` (powers of 1024), `B` for bytes.
    fn from_str(text: &str) -> Result<Bytes, NotBytes> {
        let not = || NotBytes(text.to_owned());
        let text_trimmed = text.trim();
        let digits_end = text_trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text_trimmed.len());
        let (digits, unit) = text_trimmed.split_at(digits_end);
        let number: u64 = digits.parse().map_err(|_| not())?;
        let shift = match unit.trim() {
            "" | "B" => 0,
            "K" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            "T" | "TiB" => 40,
            _ => return Err(not()),
        };
        number.checked_mul(1 << shift).map(Bytes).ok_or_else(not)
    }
}

impl fmt::Display for Bytes {
    /// The largest binary unit of which there is at least one, with one decimal where it is not whole: `256 MiB`, `5.8 GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            let one = 1_u64 << shift;
            if self.0 >= one {
                let whole = self.0 / one;
                let tenths = u128::from(self.0 % one) * 10 / u128::from(one);
                return if tenths == 0 {
                    write!(f, "{whole} {unit}")
                } else {
                    write!(f, "{whole}.{tenths} {unit}")
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// A float of an integer; above 2^53 the nearest one, which is all that a metric can carry.
#[allow(clippy::as_conversions)]
fn f64_of(integer: u64) -> f64 {
    integer as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn watts_are_exact_in_json() {
        assert_eq!(
            serde_json::to_string(&Power::from_milliwatts(3_000_000)).unwrap(),
            "3000"
        );
        assert_eq!(
            serde_json::from_str::<Power>("0.5").unwrap(),
            Power::from_milliwatts(500)
        );
        assert_eq!(Power::from_milliwatts(1_500).to_string(), "1.5 W");
    }

    #[test]
    fn bad_watts_are_refused_with_what_was_expected() {
        for bad in [
            "-1",
            "-0.5",
            "\"800\"",
            "18446744073709551615",
            "1e300",
            "99999999999999999999999",
        ] {
            assert!(serde_json::from_str::<Power>(bad).is_err(), "{bad} was taken");
        }
        assert_eq!(Power::from_watts_f64(f64::NAN), None);
    }

    #[test]
    fn bytes_read_and_show_binary_units() {
        assert_eq!("256M".parse::<Bytes>().unwrap(), Bytes::new(256 << 20));
        assert_eq!(Bytes::new(256 << 20).to_string(), "256 MiB");
        assert!("1.5G".parse::<Bytes>().is_err());
        assert!("99999999999T".parse::<Bytes>().is_err());
        assert!("".parse::<Bytes>().is_err());
    }

    proptest! {
        #[test]
        fn power_survives_json(milliwatts in 0_u64..1_000_000_000_000) {
            let power = Power::from_milliwatts(milliwatts);
            let text = serde_json::to_string(&power).unwrap();
            prop_assert_eq!(serde_json::from_str::<Power>(&text).unwrap(), power);
        }

        #[test]
        fn any_text_is_bytes_or_an_error(text in ".*") {
            let _ = text.parse::<Bytes>();
        }
    }
}
