//! Values that no part of a server can have: what chips say who have nothing to say.

use facts::power::SensorKind;
use facts::{NoData, Reading};

/// What open diodes, absent modules and unset registers give for a temperature, in degrees: the ends of a signed and of an
/// unsigned byte, with the fractions that follow them.
const TEMPERATURE_SENTINELS: [f64; 6] = [-128.0, -127.0, 127.0, 127.5, 127.875, 255.0];
/// Colder than any data centre, hotter than any solder: 65261 (an NVMe drive's 0 K less one) and 3276.7 lie beyond.
const TEMPERATURES: (f64, f64) = (-60.0, 200.0);
/// The fastest fans of servers turn 40,000 times a minute; an unset register gives 65535, or a clock divided by one.
const FANS: (f64, f64) = (0.0, 60_000.0);
/// A busway has 480 V, a battery string less.
const VOLTS: (f64, f64) = (-1_000.0, 1_000.0);
/// A rack's busbar carries some 3,000 A.
const AMPERES: (f64, f64) = (-10_000.0, 10_000.0);
/// The largest server draws some 15 kW; a meter's 0xFFFF lies beyond, and power flows back from no server.
const WATTS: (f64, f64) = (0.0, 65_534.0);

/// The reading, or `garbled` where no such part can have it.
pub(crate) fn judged(kind: SensorKind, value: Reading<f64>) -> Reading<f64> {
    let Reading::Value(number) = value else {
        return value;
    };
    let (least, most) = match kind {
        SensorKind::TemperatureCelsius => TEMPERATURES,
        SensorKind::FanRpm => FANS,
        SensorKind::Volts => VOLTS,
        SensorKind::Amperes => AMPERES,
        SensorKind::Watts => WATTS,
    };
    let is_sentinel = kind == SensorKind::TemperatureCelsius
        && TEMPERATURE_SENTINELS
            .iter()
            .any(|sentinel| (number - sentinel).abs() < f64::EPSILON);
    if is_sentinel || !(least..=most).contains(&number) {
        return Reading::none(NoData::Garbled);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_are_no_values() {
        let heat = SensorKind::TemperatureCelsius;
        for (kind, number) in [
            (heat, -128.0),
            (heat, 127.0),
            (heat, 255.0),
            (heat, 300.0),
            (heat, 65_261.0),
            (heat, f64::NAN),
            (SensorKind::FanRpm, 65_535.0),
            (SensorKind::FanRpm, -1.0),
            (SensorKind::Watts, 65_535.0),
            (SensorKind::Watts, -3.0),
            (SensorKind::Volts, 2_147_483.0),
            (SensorKind::Amperes, f64::INFINITY),
        ] {
            let judged = judged(kind, Reading::Value(number));
            assert_eq!(judged.reason(), Some(NoData::Garbled), "{kind:?} {number}");
        }
        for (kind, number) in [
            (heat, -12.5),
            (heat, 126.0),
            (heat, 0.0),
            (SensorKind::FanRpm, 0.0),
            (SensorKind::Volts, -12.1),
            (SensorKind::Watts, 0.0),
        ] {
            assert_eq!(judged(kind, Reading::Value(number)), Reading::Value(number));
        }
        let none = Reading::none(NoData::Off);
        assert_eq!(judged(heat, none), none);
    }
}
