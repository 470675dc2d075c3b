//! The words of a PMU's `format` and `events` files (Documentation/ABI/testing/sysfs-bus-event_source-devices-*).
//!
//! perf-event2's own reader of them stands on fixed paths, takes decimal numbers for hexadecimal ones, and gives up the whole PMU
//! for one field of two ranges (`config:0-7,32-35`, as AMD has them) or one in `config3`.

use std::collections::BTreeMap;

/// `config`, `config1`, `config2`, `config3` of perf_event_attr.
pub const CONFIG_WORDS: usize = 4;
/// The name of the first of them; the others have their number behind it.
const CONFIG: &str = "config";
/// A term whose value the user must choose.
const ASKED: &str = "?";

/// The config words of one event.
pub type Config = [u64; CONFIG_WORDS];

/// Where a field's bits stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    word: usize,
    mask: u64,
}

impl Field {
    /// From a `format` file: `config:0-7,32-35`, `config1:63`. `None` for anything else.
    pub fn parse(text: &str) -> Option<Field> {
        let (word, bits) = text.trim().split_once(':')?;
        let mut mask = 0_u64;
        for part in bits.split(',') {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let (low, high): (u32, u32) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            if low > high || high > 63 {
                return None;
            }
            mask |= (u64::MAX << low) & (u64::MAX >> (63 - high));
        }
        Some(Field {
            word: word_of(word)?,
            mask,
        })
    }

    /// Puts a value into the field's bits, the lowest first; false where it does not fit.
    fn put(self, config: &mut Config, value: u64) -> bool {
        let Some(word) = config.get_mut(self.word) else {
            return false;
        };
        let mut rest = value;
        for bit in (0..64).filter(|bit| self.mask >> bit & 1 == 1) {
            *word = *word & !(1 << bit) | (rest & 1) << bit;
            rest >>= 1;
        }
        rest == 0
    }
}

fn word_of(name: &str) -> Option<usize> {
    match name.strip_prefix(CONFIG)? {
        "" => Some(0),
        number => number
            .parse()
            .ok()
            .filter(|word| (1..CONFIG_WORDS).contains(word)),
    }
}

/// From an `events` file, as in `event=0x04,umask=0x03`: the config words that it means.
///
/// # Errors
/// With what was wrong with which term.
pub fn config(text: &str, fields: &BTreeMap<String, Field>) -> Result<Config, String> {
    let mut config = Config::default();
    for term in text.trim().split(',').map(str::trim) {
        let (name, value) = term.split_once('=').unwrap_or((term, "1"));
        if value == ASKED {
            return Err(format!("{name} is to be chosen by the user"));
        }
        let value = number(value).ok_or_else(|| format!("{term:?} holds no number"))?;
        let whole = || {
            Some(Field {
                word: word_of(name)?,
                mask: u64::MAX,
            })
        };
        let field = fields.get(name).copied().or_else(whole);
        let field = field.ok_or_else(|| format!("{name:?} is no field of this PMU's format"))?;
        if !field.put(&mut config, value) {
            return Err(format!("{term:?} does not fit in the field"));
        }
    }
    Ok(config)
}

/// Numbers as in C: `0x1f` or `31`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok(),
        None => text.parse().ok(),
    }
}

/// From a `.scale` file: what one count is worth. `None` where it is no positive finite number.
pub fn scale(text: &str) -> Option<f64> {
    let scale: f64 = text.trim().parse().ok()?;
    (scale.is_finite() && scale > 0.0).then_some(scale)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn fields(formats: &[(&str, &str)]) -> BTreeMap<String, Field> {
        let field = |(name, text): &(&str, &str)| (str::to_owned(name), Field::parse(text).unwrap());
        formats.iter().map(field).collect()
    }

    #[test]
    fn terms_fill_their_bits() {
        let imc = fields(&[
            ("event", "config:0-7\n"),
            ("umask", "config:8-15"),
            ("edge", "config:18"),
        ]);
        assert_eq!(
            config("event=0x04,umask=0x03\n", &imc).unwrap(),
            [0x0304, 0, 0, 0]
        );
        assert_eq!(config("event=4,edge", &imc).unwrap(), [1 << 18 | 4, 0, 0, 0]);
        // AMD's event number stands in two ranges.
        let amd = fields(&[
            ("event", "config:0-7,32-35"),
            ("threadmask8", "config1:56-63"),
            ("x", "config3:0"),
        ]);
        assert_eq!(config("event=0x1c7", &amd).unwrap(), [0x1_0000_00c7, 0, 0, 0]);
        assert_eq!(
            config("threadmask8=0xff,x=1", &amd).unwrap(),
            [0, 0xff << 56, 0, 1]
        );
        assert_eq!(config("config=0x10,config2=7", &amd).unwrap(), [0x10, 0, 7, 0]);
    }

    #[test]
    fn what_is_no_term_is_named() {
        let imc = fields(&[("event", "config:0-7")]);
        for (text, said) in [
            ("event=?", "chosen by the user"),
            ("event=", "holds no number"),
            ("event=-1", "holds no number"),
            ("event=0x100", "does not fit"),
            ("umask=1", "no field"),
            ("config4=1", "no field"),
            ("", "no field"),
        ] {
            let error = config(text, &imc).unwrap_err();
            assert!(error.contains(said), "{text:?}: {error}");
        }
        for bad in [
            "",
            "config",
            "config:",
            "config:64",
            "config:7-3",
            "config:0-",
            "attr:0-7",
            "config9:0",
            "config0:1",
        ] {
            assert_eq!(Field::parse(bad), None, "{bad:?}");
        }
        for bad in ["", "-1", "0", "NaN", "inf", "1e400", "6.1MiB"] {
            assert_eq!(scale(bad), None, "{bad:?}");
        }
        assert_eq!(scale("6.103515625e-5\n"), Some(1.0 / 16_384.0));
    }

    proptest! {
        #[test]
        fn any_text_is_a_term_or_an_error(format in ".{0,40}", event in ".{0,60}") {
            let mut known = fields(&[("event", "config:0-7")]);
            if let Some(field) = Field::parse(&format) {
                known.insert("umask".to_owned(), field);
            }
            let _ = config(&event, &known);
            let _ = scale(&event);
        }

        #[test]
        fn a_value_is_read_back_from_its_bits(mask: u64, value: u64) {
            let field = Field { word: 2, mask };
            let mut words = Config::default();
            let fits = field.put(&mut words, value);
            prop_assert_eq!(words[2] & !mask, 0);
            let held = mask.count_ones();
            prop_assert_eq!(fits, held == 64 || value >> held == 0);
        }
    }
}
