//! How much power a node may promise: the limits that are in force on its parts, or the cap of the whole host where that is less.

use facts::power::{LimitKind, PowerZone, SensorKind};
use facts::{Inventory, Power};

/// Zones of whole packages, as the kernel calls them; a part of one has a second colon, and the same zone is shown again by
/// drivers of other names.
const ZONE: &str = "intel-rapl:";
/// What a package's zone is called.
const PACKAGE: &str = "package-";
/// The limit that holds for longer than a moment.
const LONG_TERM: &str = "long_term";
/// The driver of ACPI's power meters, which see the whole host.
const POWER_METER: &str = "power_meter";

/// The power that may be promised in all, and where that number comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How much.
    pub watts: Power,
    /// Whose limits these are, as in `the power limits in force of 2 CPU packages and 4 GPUs`.
    pub from: String,
}

/// The budget of a node; `None` where nothing caps it. What has no limit that can be read adds nothing: what is promised is
/// never more than what is known to be capped.
pub fn budget(inventory: &Inventory) -> Option<Budget> {
    [parts(inventory), host(inventory)]
        .into_iter()
        .flatten()
        .min_by_key(|budget| budget.watts)
}

/// CPU packages and GPUs. One package without a limit may draw anything, so then there is no sum.
fn parts(inventory: &Inventory) -> Option<Budget> {
    let packages = inventory.power_zones.iter().filter(|zone| is_package(zone));
    let packages: Vec<Power> = packages.map(long_term).collect::<Option<_>>()?;
    if packages.is_empty() {
        return None;
    }
    let readings = inventory.gpus.iter().filter_map(|gpu| gpu.readings.as_ref());
    let gpus: Vec<Power> = readings
        .filter_map(|gpu| gpu.enforced_limit_watts.value().or(gpu.power_limit_watts.value()))
        .collect();
    let watts = packages
        .iter()
        .chain(&gpus)
        .fold(Power::default(), |sum, one| sum.saturating_add(*one));
    let of = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut from = format!(
        "the power limits in force of {}",
        of(packages.len(), "CPU package")
    );
    if !gpus.is_empty() {
        from.push_str(&format!(" and {}", of(gpus.len(), "GPU")));
    }
    Some(Budget { watts, from })
}

fn is_package(zone: &PowerZone) -> bool {
    let number = zone.device.strip_prefix(ZONE);
    zone.name.starts_with(PACKAGE) && number.is_some_and(|number| !number.contains(':'))
}

fn long_term(zone: &PowerZone) -> Option<Power> {
    let limit = zone.limits.iter().find(|limit| limit.name == LONG_TERM)?;
    limit.limit_watts.value().filter(|limit| !limit.is_zero())
}

/// The tightest cap of the whole host that a power meter tells.
fn host(inventory: &Inventory) -> Option<Budget> {
    let meters = inventory
        .sensors
        .iter()
        .filter(|sensor| sensor.chip == POWER_METER && sensor.kind == SensorKind::Watts);
    let caps = meters.flat_map(|meter| &meter.limits);
    let caps = caps.filter(|limit| limit.kind == LimitKind::Cap && limit.value > 0.0);
    let watts = caps
        .filter_map(|limit| Power::from_watts_f64(limit.value))
        .min()?;
    let from = "the cap of the whole host that its power meter tells".to_owned();
    Some(Budget { watts, from })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use facts::gpu::{Gpu, GpuReadings};
    use facts::power::{PowerLimit, Sensor, SensorLimit};
    use facts::{Identity, NoData, Reading};

    use super::*;

    fn watts(watts: u64) -> Power {
        Power::from_watts(watts).unwrap()
    }

    fn zone(device: &str, name: &str, limit: Reading<Power>) -> PowerZone {
        PowerZone {
            device: device.to_owned(),
            name: name.to_owned(),
            energy_microjoules: Reading::none(NoData::Refused),
            wraps_at_microjoules: None,
            limits: vec![PowerLimit {
                name: LONG_TERM.to_owned(),
                limit_watts: limit,
                max_watts: Reading::default(),
            }],
        }
    }

    fn packages(limits: &[Reading<Power>]) -> Inventory {
        let zones = limits.iter().enumerate();
        Inventory {
            power_zones: zones
                .map(|(at, limit)| zone(&format!("intel-rapl:{at}"), &format!("package-{at}"), *limit))
                .collect(),
            ..Inventory::default()
        }
    }

    #[test]
    fn what_is_capped_may_be_promised_and_what_is_not_known_adds_nothing() {
        let mut two = packages(&[Reading::Value(watts(205)), Reading::Value(watts(150))]);
        // The same packages through another driver, and a part of one, count once.
        two.power_zones
            .push(zone("intel-rapl-mmio:0", "package-0", Reading::Value(watts(15))));
        two.power_zones
            .push(zone("intel-rapl:0:1", "dram", Reading::Value(watts(40))));
        let found = budget(&two).unwrap();
        assert_eq!(found.watts, watts(355));
        assert_eq!(found.from, "the power limits in force of 2 CPU packages");
        let readings = GpuReadings {
            power_limit_watts: Reading::Value(watts(700)),
            enforced_limit_watts: Reading::Value(watts(400)),
            ..GpuReadings::default()
        };
        let gpu = |readings| Gpu {
            identity: Identity::default(),
            uuid: None,
            pci: None,
            pci_id: None,
            numa_node: None,
            device: None,
            memory_bytes: None,
            readings,
        };
        two.gpus = vec![gpu(Some(Box::new(readings))), gpu(None)];
        let found = budget(&two).unwrap();
        assert_eq!(found.watts, watts(755));
        assert_eq!(
            found.from,
            "the power limits in force of 2 CPU packages and 1 GPU"
        );
    }

    #[test]
    fn without_a_limit_of_each_package_there_is_no_budget_and_the_hosts_own_cap_wins_where_it_is_less() {
        assert_eq!(budget(&Inventory::default()), None);
        for limit in [Reading::none(NoData::Refused), Reading::Value(Power::default())] {
            assert_eq!(budget(&packages(&[Reading::Value(watts(205)), limit])), None);
        }
        let mut host = packages(&[Reading::Value(watts(205))]);
        let meter = |cap: f64| Sensor {
            chip: POWER_METER.to_owned(),
            device: "hwmon1/power1".to_owned(),
            label: None,
            kind: SensorKind::Watts,
            value: Reading::default(),
            limits: vec![SensorLimit {
                kind: LimitKind::Cap,
                value: cap,
            }],
            state: None,
        };
        host.sensors = vec![meter(180.0)];
        assert_eq!(budget(&host).unwrap().watts, watts(180));
        host.sensors = vec![meter(900.0)];
        assert_eq!(budget(&host).unwrap().watts, watts(205));
        for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            host.sensors = vec![meter(nonsense)];
            assert_eq!(budget(&host).unwrap().watts, watts(205), "{nonsense}");
        }
    }
}
