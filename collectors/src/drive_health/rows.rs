//! The sheet of `drive_health`: one block of rows a drive.

use std::collections::BTreeSet;

use facts::drive::DriveHealth;
use facts::sheet::Writing;
use facts::{Pad, Reading, Sheet};

use super::families as f;
use super::target::Target;
use super::told::Told;

const WHOLE_PERCENT: f64 = 100.0;

/// Writes it. `broken` logs as a whole could not be true.
pub(super) fn sheet(pad: &mut Pad, told: &[(Target, Told)], broken: u64) -> Sheet {
    let mut sheet = pad.begin();
    let mut written = BTreeSet::new();
    for (target, said) in told {
        // A drive with two controllers tells the same twice.
        if written.insert(target.device.as_str()) {
            write(&mut sheet, &target.device, &said.health);
        }
    }
    for _ in 0..broken.saturating_add(told.iter().map(|(_, said)| said.health.garbled()).sum()) {
        sheet.invalid();
    }
    sheet.finish()
}

fn write(sheet: &mut Writing<'_>, device: &str, health: &DriveHealth) {
    let ratio = |percent: Reading<u32>| percent.value().map(|percent| f64::from(percent) / WHOLE_PERCENT);
    let celsius = |reading: Reading<i32>| reading.value().map(f64::from);
    sheet.add(
        &f::HEALTH,
        &[device],
        health.state.value().map(|state| state.number()),
    );
    for warning in &health.warnings {
        sheet.add(&f::WARNING, &[device, warning.word()], Some(1_u64));
    }
    sheet.add(&f::TEMPERATURE, &[device], celsius(health.temperature_celsius));
    for (sensor, degrees) in &health.sensors_celsius {
        sheet.add(
            &f::SENSOR,
            &[device, &sensor.to_string()],
            Some(f64::from(*degrees)),
        );
    }
    for (limit, degrees) in [
        ("warning", health.warning_celsius),
        ("critical", health.critical_celsius),
    ] {
        sheet.add(&f::LIMIT, &[device, limit], celsius(degrees));
    }
    sheet.add(&f::WEAR, &[device], ratio(health.used_percent));
    sheet.add(&f::SPARE, &[device], ratio(health.spare_percent));
    sheet.add(
        &f::SPARE_THRESHOLD,
        &[device],
        ratio(health.spare_threshold_percent),
    );
    for (family, reading) in [
        (&f::MEDIA_ERRORS, health.media_errors),
        (&f::REALLOCATED, health.reallocated_sectors),
        (&f::PENDING, health.pending_sectors),
        (&f::READ, health.read_bytes.map(|bytes| bytes.get())),
        (&f::WRITTEN, health.written_bytes.map(|bytes| bytes.get())),
        (&f::POWER_ON, health.power_on_seconds),
        (&f::POWER_CYCLES, health.power_cycles),
        (&f::UNSAFE_SHUTDOWNS, health.unsafe_shutdowns),
    ] {
        sheet.add(family, &[device], reading.value());
    }
}
