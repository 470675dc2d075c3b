//! How a drive feels: what its own log says.

use serde::{Deserialize, Serialize};

use crate::reading::{NoData, Reading};
use crate::unit::Bytes;

/// The drive's own verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriveState {
    /// It warns of nothing.
    Ok,
    /// It warns, and still does what it should: spare is low, it is too warm.
    Warning,
    /// It fails or will: its reliability is degraded, it only reads, its threshold was passed.
    Critical,
}

impl DriveState {
    /// As the number of a metric: 0 ok, 1 warning, 2 critical.
    pub const fn number(self) -> u64 {
        match self {
            DriveState::Ok => 0,
            DriveState::Warning => 1,
            DriveState::Critical => 2,
        }
    }
}

/// What a drive warns of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriveWarning {
    /// The spare is below its threshold (NVMe, critical warning bit 0).
    Spare,
    /// A temperature is beyond its threshold (bit 1).
    Temperature,
    /// Reliability is degraded by media errors or an internal error (bit 2).
    Reliability,
    /// It takes no writes any more (bit 3).
    ReadOnly,
    /// The device that saves its volatile memory at a loss of power has failed (bit 4).
    MemoryBackup,
    /// Its persistent memory region is read-only or unreliable (bit 5).
    PersistentMemory,
    /// An attribute passed the maker's threshold (SATA: SMART RETURN STATUS; SCSI: informational exceptions).
    Threshold,
    /// A warning that is younger than this program.
    Unknown,
}

impl DriveWarning {
    /// As the label of a metric.
    pub const fn word(self) -> &'static str {
        match self {
            DriveWarning::Spare => "spare",
            DriveWarning::Temperature => "temperature",
            DriveWarning::Reliability => "reliability",
            DriveWarning::ReadOnly => "read_only",
            DriveWarning::MemoryBackup => "memory_backup",
            DriveWarning::PersistentMemory => "persistent_memory",
            DriveWarning::Threshold => "threshold",
            DriveWarning::Unknown => "unknown",
        }
    }

    /// How bad it is.
    pub const fn state(self) -> DriveState {
        match self {
            DriveWarning::Reliability | DriveWarning::ReadOnly | DriveWarning::Threshold => {
                DriveState::Critical
            }
            DriveWarning::Spare
            | DriveWarning::Temperature
            | DriveWarning::MemoryBackup
            | DriveWarning::PersistentMemory
            | DriveWarning::Unknown => DriveState::Warning,
        }
    }
}

/// What a drive's own log says. A value that the drive does not keep, or that cannot be true, is its reason; all are `off` of a
/// drive that sleeps, which is never woken for this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DriveHealth {
    /// Where it was read: an NVMe controller (`nvme0`) or a disk (`sda`).
    pub read_from: String,
    /// The drive's own verdict.
    pub state: Reading<DriveState>,
    /// What it warns of.
    pub warnings: Vec<DriveWarning>,
    /// Temperature of the drive as a whole.
    pub temperature_celsius: Reading<i32>,
    /// Temperature of each sensor, by the drive's number of it.
    pub sensors_celsius: Vec<(u32, i32)>,
    /// Temperature at which the drive warns, where it says.
    pub warning_celsius: Reading<i32>,
    /// Temperature at which it is damaged or stops, where it says.
    pub critical_celsius: Reading<i32>,
    /// Part of its rated life that is used, in percent; goes on beyond 100.
    pub used_percent: Reading<u32>,
    /// Spare blocks that are left, in percent of those that it came with.
    pub spare_percent: Reading<u32>,
    /// Spare below which it warns.
    pub spare_threshold_percent: Reading<u32>,
    /// Errors that it could not correct, in its life.
    pub media_errors: Reading<u64>,
    /// Sectors that it has replaced, in its life.
    pub reallocated_sectors: Reading<u64>,
    /// Sectors that it could not read and has not replaced yet.
    pub pending_sectors: Reading<u64>,
    /// Bytes that hosts have read from it, in its life.
    pub read_bytes: Reading<Bytes>,
    /// Bytes that hosts have written to it, in its life.
    pub written_bytes: Reading<Bytes>,
    /// Time under power, in its life, in whole seconds; most drives count hours.
    pub power_on_seconds: Reading<u64>,
    /// How often it was switched on.
    pub power_cycles: Reading<u64>,
    /// How often it lost power unprepared.
    pub unsafe_shutdowns: Reading<u64>,
}

impl DriveHealth {
    /// A drive that says nothing, for one reason.
    pub fn silent(read_from: &str, no_data: NoData) -> DriveHealth {
        DriveHealth {
            read_from: read_from.to_owned(),
            state: Reading::none(no_data),
            warnings: Vec::new(),
            temperature_celsius: Reading::none(no_data),
            sensors_celsius: Vec::new(),
            warning_celsius: Reading::none(no_data),
            critical_celsius: Reading::none(no_data),
            used_percent: Reading::none(no_data),
            spare_percent: Reading::none(no_data),
            spare_threshold_percent: Reading::none(no_data),
            media_errors: Reading::none(no_data),
            reallocated_sectors: Reading::none(no_data),
            pending_sectors: Reading::none(no_data),
            read_bytes: Reading::none(no_data),
            written_bytes: Reading::none(no_data),
            power_on_seconds: Reading::none(no_data),
            power_cycles: Reading::none(no_data),
            unsafe_shutdowns: Reading::none(no_data),
        }
    }

    /// Takes a warning and the verdict that it means.
    pub fn warn(&mut self, warning: DriveWarning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
        let so_far = self.state.value().unwrap_or(DriveState::Ok);
        self.state = Reading::Value(so_far.max(warning.state()));
    }

    /// How many values the drive told that cannot be true.
    pub fn garbled(&self) -> u64 {
        fn one<T>(reading: &Reading<T>) -> u64 {
            u64::from(reading.reason() == Some(NoData::Garbled))
        }
        [
            one(&self.state),
            one(&self.temperature_celsius),
            one(&self.warning_celsius),
            one(&self.critical_celsius),
            one(&self.used_percent),
            one(&self.spare_percent),
            one(&self.spare_threshold_percent),
            one(&self.media_errors),
            one(&self.reallocated_sectors),
            one(&self.pending_sectors),
            one(&self.read_bytes),
            one(&self.written_bytes),
            one(&self.power_on_seconds),
            one(&self.power_cycles),
            one(&self.unsafe_shutdowns),
        ]
        .iter()
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_warning_is_the_verdict() {
        let mut health = DriveHealth::silent("nvme0", NoData::Unsupported);
        health.warn(DriveWarning::Reliability);
        health.warn(DriveWarning::Temperature);
        health.warn(DriveWarning::Temperature);
        assert_eq!(health.state, Reading::Value(DriveState::Critical));
        assert_eq!(health.warnings.len(), 2);
        assert_eq!(health.garbled(), 0);
    }
}
