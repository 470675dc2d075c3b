//! Power zones: energy counters and limits of the powercap framework (Documentation/power/powercap/powercap.rst).

use std::time::Duration;

use facts::observation::Observation;
use facts::power::{PowerLimit, PowerZone};
use facts::{Energy, NoData, Power, Reading};

use crate::attribute;
use crate::collector::{CollectError, Collector};
use crate::root::Root;

const POWERCAP: &str = "sys/class/powercap";
const NAME: &str = "name";
const ENERGY_UJ: &str = "energy_uj";
const MAX_ENERGY_RANGE_UJ: &str = "max_energy_range_uj";
/// A zone has long_term, short_term and peak_power; a bound for a tree that never ends.
const MOST_CONSTRAINTS: u32 = 16;

/// Reads `/sys/class/powercap`.
pub struct PowercapCollector {
    root: Root,
}

impl PowercapCollector {
    /// Of this root.
    pub fn new(root: Root) -> PowercapCollector {
        PowercapCollector { root }
    }

    fn zone(&self, device: &str) -> Option<PowerZone> {
        let zone = format!("{POWERCAP}/{device}");
        // The control type itself (`intel-rapl`) stands beside its zones and has no name.
        let name = attribute::name_if_any(&self.root, &format!("{zone}/{NAME}"))?;
        let wraps_at = attribute::number::<u64>(&self.root, &format!("{zone}/{MAX_ENERGY_RANGE_UJ}")).ok();
        let energy: Reading<u64> = attribute::reading(&self.root, &format!("{zone}/{ENERGY_UJ}"));
        Some(PowerZone {
            device: device.to_owned(),
            name,
            energy_microjoules: within(energy, wraps_at).map(Energy::from_microjoules),
            wraps_at_microjoules: wraps_at.map(Energy::from_microjoules),
            limits: self.limits(&zone),
        })
    }

    fn limits(&self, zone: &str) -> Vec<PowerLimit> {
        let limit = |number: u32| {
            let attribute = |suffix: &str| format!("{zone}/constraint_{number}_{suffix}");
            let watts = |suffix| {
                let microwatts: Reading<u64> = attribute::reading(&self.root, &attribute(suffix));
                microwatts.map(|microwatts| Power::from_milliwatts(microwatts / 1_000))
            };
            let name = attribute::name_if_any(&self.root, &attribute("name"))?;
            Some(PowerLimit {
                name,
                limit_watts: watts("power_limit_uw"),
                max_watts: watts("max_power_uw"),
            })
        };
        (0..MOST_CONSTRAINTS).map_while(limit).collect()
    }
}

impl Collector for PowercapCollector {
    fn name(&self) -> &'static str {
        "powercap"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["powercap"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let devices = self.root.list(POWERCAP)?;
        let zones: Vec<PowerZone> = devices.iter().filter_map(|device| self.zone(device)).collect();
        if zones.is_empty() {
            let message = format!("{} holds no power zone", self.root.shown(POWERCAP).display());
            return Err(CollectError::new(NoData::Absent, message));
        }
        Ok(Observation {
            power_zones: Some(zones),
            ..Observation::default()
        })
    }
}

/// A counter that stands beyond the point where it wraps cannot be true.
fn within(energy: Reading<u64>, wraps_at: Option<u64>) -> Reading<u64> {
    match (&energy, wraps_at) {
        (Reading::Value(energy), Some(most)) if *energy > most => Reading::none(NoData::Garbled),
        _ => energy,
    }
}
