//! What a BMC says over IPMI, and one refresh of all of it in as few packets as there are questions.

mod dcmi;
mod device;
mod event_log;
mod formula;
mod fru;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod repository;
mod sdr;
#[cfg(test)]
mod sdr_tests;
mod sensor;
#[cfg(test)]
mod tests;
mod text;
mod unit;

use std::sync::Arc;

use facts::supply::SupplyState;
use facts::{NoData, Reading};

pub use dcmi::{ExceptionAction, PowerLimit, PowerReading, power, power_limit};
pub use device::{Chassis, Device, Restore, chassis, device, system_guid};
pub use event_log::{Entry, Event, LogInfo, When, last_entry, log_entries, log_info};
pub use formula::{Factors, Format, Formula, Linearisation};
pub use fru::{Inventory, Maker, inventory};
pub use repository::{Repository, Stamp, repository};
pub use sdr::{FruLocator, Mask, Record, Sensor, Thresholds, parse as parse_record};
pub use sensor::{Raw, SensorReading, reading, supply_state, thresholds};
pub use unit::Unit;

pub(super) use dcmi::GROUP as DCMI_GROUP;

use super::client::Ipmi;
use super::error::IpmiError;

/// How many sensors of one refresh may stay without an answer before the BMC counts as silent. Each costs all tries, twice.
const MAX_SILENT: u32 = 2;

/// Everything that changes, read once.
#[derive(Clone, Debug, PartialEq)]
pub struct Refresh {
    /// What the readings belong to.
    pub repository: Arc<Repository>,
    /// One reading a sensor, in the repository's order.
    pub readings: Vec<SensorReading>,
    /// The node's power by DCMI.
    pub power: Reading<PowerReading>,
    /// How the chassis is.
    pub chassis: Reading<Chassis>,
    /// How full the event log is; a change of it says that there are new entries.
    pub log: Reading<LogInfo>,
    /// How many packets we sent for it: sensors + 4 where the repository did not change and nothing was lost.
    pub sent: u64,
    /// What could not be read, and why.
    pub doubts: Vec<String>,
}

impl Refresh {
    /// Sensors with their readings.
    pub fn sensors(&self) -> impl Iterator<Item = (&Sensor, &SensorReading)> {
        self.repository.sensors.iter().zip(&self.readings)
    }

    /// The power supplies that have a sensor of their own: its record, and how the supply is.
    pub fn supplies(&self) -> impl Iterator<Item = (&Sensor, SupplyState)> {
        self.sensors()
            .filter_map(|(sensor, reading)| Some((sensor, supply_state(sensor, reading)?)))
    }
}

/// Reads every sensor, the node's power, the chassis and the log's info: one packet each, and one to see whether the
/// repository changed.
///
/// # Errors
/// Where no session comes about, the repository cannot be read, or the BMC falls silent. One sensor that cannot be read is
/// a reading without a value.
pub async fn refresh(ipmi: &Ipmi) -> Result<Refresh, IpmiError> {
    let before = ipmi.packets().sent;
    let repository = repository(ipmi).await?;
    let mut doubts = repository.doubts.clone();
    let mut readings = Vec::with_capacity(repository.sensors.len());
    let mut silent = 0;
    for sensor in &repository.sensors {
        match reading(ipmi, sensor).await {
            Ok(reading) => readings.push(reading),
            Err(error) => {
                readings.push(SensorReading::none(no_data(error, &mut silent, &mut doubts)?));
            }
        }
    }
    let power = read(power(ipmi).await, &mut silent, &mut doubts)?;
    let chassis = read(chassis(ipmi).await, &mut silent, &mut doubts)?;
    let log = read(log_info(ipmi).await, &mut silent, &mut doubts)?;
    Ok(Refresh {
        repository,
        readings,
        power,
        chassis,
        log,
        sent: ipmi.packets().sent - before,
        doubts,
    })
}

fn read<T>(
    result: Result<T, IpmiError>,
    silent: &mut u32,
    doubts: &mut Vec<String>,
) -> Result<Reading<T>, IpmiError> {
    match result {
        Ok(value) => Ok(Reading::Value(value)),
        Err(error) => no_data(error, silent, doubts).map(Reading::none),
    }
}

/// The reason for a missing reading; the error itself where the BMC does not answer any more.
fn no_data(error: IpmiError, silent: &mut u32, doubts: &mut Vec<String>) -> Result<NoData, IpmiError> {
    if error.is_unreachable() {
        *silent += 1;
        if *silent > MAX_SILENT {
            return Err(error);
        }
    }
    let no_data = error.no_data();
    // A part that is not there or not offered is nothing to doubt.
    if !matches!(no_data, NoData::Absent | NoData::Unsupported) {
        doubts.push(error.whole());
    }
    Ok(no_data)
}
