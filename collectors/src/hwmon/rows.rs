//! Limits and states of sensors as rows of a sheet, alike for every source that has some.

use facts::NoData;
use facts::power::{LimitKind, Sensor, SensorKind, SensorState};
use facts::sheet::Writing;

use super::families as f;

/// Writes limits and states, one family after another, each in the sensors' own order, and counts values that are none.
pub(crate) fn write(sheet: &mut Writing<'_>, sensors: &[Sensor]) {
    let garbled = sensors
        .iter()
        .filter(|sensor| sensor.value.reason() == Some(NoData::Garbled));
    garbled.for_each(|_| sheet.invalid());
    let is_hot = |sensor: &&Sensor| sensor.kind == SensorKind::TemperatureCelsius;
    for sensor in sensors.iter().filter(is_hot) {
        for limit in sensor.limits.iter().filter(|limit| is_upper(limit.kind)) {
            let labels = [sensor.chip.as_str(), &sensor.device, limit.kind.word()];
            sheet.add(&f::TEMPERATURE_LIMIT, &labels, Some(limit.value));
        }
    }
    for sensor in sensors {
        if let Some(state) = sensor.state {
            sheet.add(
                &f::SENSOR_STATE,
                &[&sensor.chip, &sensor.device],
                Some(number(state)),
            );
        }
    }
}

fn is_upper(kind: LimitKind) -> bool {
    matches!(
        kind,
        LimitKind::Warning | LimitKind::Critical | LimitKind::Emergency
    )
}

/// As in ipmi_exporter: 0, 1, 2.
fn number(state: SensorState) -> u32 {
    match state {
        SensorState::Ok => 0,
        SensorState::Warning => 1,
        SensorState::Critical => 2,
    }
}
