//! Quantities as a rack file writes them, `"3 kW"` or `"20 ms"`, and the exact integers they become.

use serde::{Deserialize, Deserializer, de};

/// Power as exact milliwatts. Written `"3 kW"`, `"400 W"`, `"12.5 W"` or `"500 mW"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Milliwatts(pub u64);

/// A span of time as whole milliseconds. Written `"20 ms"`, `"1 s"` or `"2.5 s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Millis(pub u64);

/// A share in thousandths. Written `"5 %"` or `"120 %"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Permille(pub u64);

/// A size of memory in whole gibibytes. Written `"256 GiB"` or `"2 TiB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Gibibytes(pub u64);

/// A kind of quantity: what it is called, an example, and its units with their size in the smallest one.
struct Kind {
    what: &'static str,
    example: &'static str,
    units: &'static [(&'static str, u64)],
}

const POWER: Kind = Kind {
    what: "a power",
    example: "3 kW",
    units: &[("mW", 1), ("W", 1_000), ("kW", 1_000_000)],
};
const TIME: Kind = Kind {
    what: "a time",
    example: "20 ms",
    units: &[("ms", 1), ("s", 1_000)],
};
const SHARE: Kind = Kind {
    what: "a share",
    example: "5 %",
    units: &[("%", 10)],
};
const MEMORY: Kind = Kind {
    what: "a size of memory",
    example: "256 GiB",
    units: &[("GiB", 1), ("TiB", 1_024)],
};

/// No quantity of a rack comes near this; it keeps every sum in the world far from overflow.
const LARGEST: u64 = 1_000_000_000_000;

impl Kind {
    fn expected(&self) -> String {
        let units: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        format!(
            "{} such as \"{}\" (units: {})",
            self.what,
            self.example,
            units.join(", ")
        )
    }

    fn parse(&self, text: &str) -> Result<u64, String> {
        let text = text.trim();
        let split = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = (&text[..split], text[split..].trim());
        let Some((_, size)) = self.units.iter().find(|(name, _)| *name == unit) else {
            let found = if unit.is_empty() {
                "has no unit".to_owned()
            } else {
                format!("has unit \"{unit}\"")
            };
            return Err(format!("\"{text}\" {found}; expected {}", self.expected()));
        };
        let wrong = || {
            format!(
                "\"{text}\" is not a number the world can hold; expected {}",
                self.expected()
            )
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let mut sum = whole
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(*size))
            .ok_or_else(wrong)?;
        let mut weight = *size;
        for digit in part.chars() {
            let digit = digit.to_digit(10).map(u64::from).ok_or_else(wrong)?;
            if weight % 10 != 0 {
                return Err(wrong());
            }
            weight /= 10;
            sum = sum.checked_add(digit.saturating_mul(weight)).ok_or_else(wrong)?;
        }
        if sum > LARGEST { Err(wrong()) } else { Ok(sum) }
    }
}

struct QuantityVisitor(&'static Kind);

impl de::Visitor<'_> for QuantityVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.expected())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        self.0.parse(text).map_err(E::custom)
    }
}

macro_rules! quantity {
    ($name:ident, $kind:ident) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_str(QuantityVisitor(&$kind)).map(Self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                $kind.parse(text).map(Self)
            }
        }
    };
}

quantity!(Milliwatts, POWER);
quantity!(Millis, TIME);
quantity!(Permille, SHARE);
quantity!(Gibibytes, MEMORY);

/// Reads watts as a person types them: `900`, `900 W` or `1.5 kW`.
///
/// # Errors
/// The sentence to show when the text is neither a plain number of watts nor a power with its unit.
pub fn typed_watts(text: &str) -> Result<Milliwatts, String> {
    if text.ends_with(|c: char| c.is_ascii_digit()) {
        return POWER.parse(&format!("{text} W")).map(Milliwatts);
    }
    text.parse()
}

/// Milliwatts as the JSON number of watts with at most three decimals, exactly.
#[must_use]
pub fn watts_json(milliwatts: u64) -> serde_json::Value {
    let text = watts_text(milliwatts);
    serde_json::from_str(&text).unwrap_or(serde_json::Value::Null)
}

/// Milliwatts as watts in text, without trailing zeros: `3000`, `12.5`.
#[must_use]
pub fn watts_text(milliwatts: u64) -> String {
    let (whole, part) = (milliwatts / 1_000, milliwatts % 1_000);
    if part == 0 {
        return whole.to_string();
    }
    format!("{whole}.{part:03}").trim_end_matches('0').to_owned()
}

/// A JSON number of watts as exact milliwatts; `None` when it is negative, not a number, or absurdly large.
#[must_use]
pub fn milliwatts_from_json(value: &serde_json::Value) -> Option<u64> {
    let serde_json::Value::Number(number) = value else {
        return None;
    };
    let text = number.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let sum = whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000)?
        .checked_add(part.parse().ok()?)?;
    (sum <= LARGEST).then_some(sum)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::as_conversions
    )]
    use super::*;

    #[test]
    fn powers_are_exact_and_wrong_units_say_what_was_expected() {
        assert_eq!("3 kW".parse(), Ok(Milliwatts(3_000_000)));
        assert_eq!("12.5 W".parse(), Ok(Milliwatts(12_500)));
        assert_eq!("0.001W".parse(), Ok(Milliwatts(1)));
        let wrong = "3 kV".parse::<Milliwatts>().unwrap_err();
        assert!(
            wrong.contains("kV") && wrong.contains("a power such as \"3 kW\""),
            "{wrong}"
        );
        assert!("3".parse::<Milliwatts>().unwrap_err().contains("no unit"));
        assert!("".parse::<Millis>().is_err());
        assert!("1.0001 W".parse::<Milliwatts>().is_err());
        assert!("99999999999999999999 W".parse::<Milliwatts>().is_err());
    }

    #[test]
    fn watts_go_to_json_and_back_exactly() {
        for milliwatts in [0, 1, 999, 1_000, 12_500, 3_000_000, 18_000_001] {
            assert_eq!(milliwatts_from_json(&watts_json(milliwatts)), Some(milliwatts));
        }
        assert_eq!(watts_text(12_500), "12.5");
        assert_eq!(milliwatts_from_json(&serde_json::json!(-1)), None);
        assert_eq!(milliwatts_from_json(&serde_json::json!("800")), None);
        assert_eq!(milliwatts_from_json(&serde_json::json!(1e300)), None);
    }

    #[test]
    fn a_person_may_leave_the_unit_out() {
        assert_eq!(typed_watts("900"), Ok(Milliwatts(900_000)));
        assert_eq!(typed_watts("1.5kW"), Ok(Milliwatts(1_500_000)));
        assert!(typed_watts("lots").is_err());
    }
}
