//! What a sensor's number counts: base unit, rate and modifier in one phrase.

/// Base units by their number (IPMI 2.0 table 43-15), in ipmitool's spelling where both agree.
const UNITS: [&str; 93] = [
    "unspecified",
    "degrees C",
    "degrees F",
    "degrees K",
    "Volts",
    "Amps",
    "Watts",
    "Joules",
    "Coulombs",
    "VA",
    "Nits",
    "lumen",
    "lux",
    "Candela",
    "kPa",
    "PSI",
    "Newton",
    "CFM",
    "RPM",
    "Hz",
    "microsecond",
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "week",
    "mil",
    "inches",
    "feet",
    "cu in",
    "cu feet",
    "mm",
    "cm",
    "m",
    "cu cm",
    "cu m",
    "liters",
    "fluid ounce",
    "radians",
    "steradians",
    "revolutions",
    "cycles",
    "gravities",
    "ounce",
    "pound",
    "ft-lb",
    "oz-in",
    "gauss",
    "gilberts",
    "henry",
    "millihenry",
    "farad",
    "microfarad",
    "ohms",
    "siemens",
    "mole",
    "becquerel",
    "PPM",
    "reserved",
    "Decibels",
    "DbA",
    "DbC",
    "gray",
    "sievert",
    "color temp deg K",
    "bit",
    "kilobit",
    "megabit",
    "gigabit",
    "byte",
    "kilobyte",
    "megabyte",
    "gigabyte",
    "word",
    "dword",
    "qword",
    "line",
    "hit",
    "miss",
    "retry",
    "reset",
    "overflow",
    "underrun",
    "collision",
    "packets",
    "messages",
    "characters",
    "error",
    "correctable error",
    "uncorrectable error",
    "fatal error",
    "grams",
];
/// Rates by their number (SDR byte "Sensor Units 1", bits 5:3).
const RATES: [&str; 8] = ["", "us", "ms", "s", "min", "hour", "day", "reserved"];

/// A sensor's unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Number of the base unit: 1 is degrees Celsius, 4 volts, 5 amperes, 6 watts, 18 turns a minute.
    pub number: u8,
    /// Number of the second unit.
    pub modifier: u8,
    /// "Sensor Units 1": rate, how the modifier is used, whether it is a percentage.
    pub flags: u8,
}

impl Unit {
    /// Degrees Celsius.
    pub const CELSIUS: u8 = 1;
    /// Volts.
    pub const VOLTS: u8 = 4;
    /// Amperes.
    pub const AMPERES: u8 = 5;
    /// Watts.
    pub const WATTS: u8 = 6;
    /// Turns a minute.
    pub const RPM: u8 = 18;

    /// Whether the number is exactly of this base unit, without percentage, rate or modifier.
    pub fn is_plain(self, number: u8) -> bool {
        self.number == number && self.flags & 0x3F == 0
    }

    /// The unit in words: `degrees C`, `percent Watts`, `byte * m per s`.
    pub fn words(self) -> String {
        let name = |number: u8| UNITS.get(usize::from(number)).copied().unwrap_or("unknown");
        let mut words = String::new();
        if self.flags & 1 == 1 {
            words.push_str("percent");
        }
        if self.number != 0 || words.is_empty() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(name(self.number));
        }
        match (self.flags >> 1) & 3 {
            1 => words.push_str(&format!(" / {}", name(self.modifier))),
            2 => words.push_str(&format!(" * {}", name(self.modifier))),
            _ => {}
        }
        let rate = RATES.get(usize::from((self.flags >> 3) & 7)).copied();
        if let Some(rate) = rate.filter(|rate| !rate.is_empty()) {
            words.push_str(&format!(" per {rate}"));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_like_phrases() {
        let unit = |number, modifier, flags| Unit {
            number,
            modifier,
            flags,
        };
        assert_eq!(unit(Unit::CELSIUS, 0, 0x80).words(), "degrees C");
        assert_eq!(unit(Unit::RPM, 0, 0).words(), "RPM");
        assert_eq!(unit(0, 0, 1).words(), "percent");
        assert_eq!(unit(Unit::WATTS, 0, 1).words(), "percent Watts");
        assert_eq!(unit(70, 34, 0b0001_1100).words(), "byte * m per s");
        assert_eq!(unit(92, 0, 0).words(), "grams");
        assert_eq!(unit(200, 0, 0).words(), "unknown");
        assert!(unit(Unit::WATTS, 0, 0xC0).is_plain(Unit::WATTS));
        assert!(!unit(Unit::WATTS, 0, 1).is_plain(Unit::WATTS));
    }
}
