//! Metrics of the machine: what the collectors saw.

use facts::power::{PowerZone, Sensor, SensorKind};
use facts::topology::Cpu;
use facts::{Inventory, NumaNodeId, PciAddress};

use super::draft::Draft;
use super::family as f;
use super::gpu;
use crate::view::Seen;

/// Bytes a second of one megabit a second.
const BYTES_OF_MEGABIT: u64 = 125_000;

pub(super) fn write(draft: &mut Draft<'_>, seen: &Seen) {
    let inventory = &seen.inventory;
    write_machine(draft, inventory);
    write_cpus(draft, inventory);
    write_numa(draft, inventory);
    write_power(draft, seen);
    write_sensors(draft, &inventory.sensors);
    gpu::write(draft, &inventory.gpus);
    write_drives(draft, inventory);
    write_nics(draft, inventory);
}

/// A label's value of something that may not be known.
fn text<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn word(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn near(numa_node: Option<NumaNodeId>) -> String {
    text(numa_node)
}

fn at(pci: Option<PciAddress>) -> String {
    text(pci)
}

fn write_machine(draft: &mut Draft<'_>, inventory: &Inventory) {
    let machine = &inventory.machine;
    let words = [
        &machine.vendor,
        &machine.product,
        &machine.serial,
        &machine.bios_version,
        &machine.kernel,
        &machine.architecture,
    ]
    .map(word);
    let is_known = words.iter().any(|word| !word.is_empty());
    draft
        .family(&f::MACHINE_INFO)
        .add(&words, is_known.then_some(1_u64));
}

fn write_cpus(draft: &mut Draft<'_>, inventory: &Inventory) {
    let mut samples = draft.family(&f::CPU_TOPOLOGY_INFO);
    for cpu in &inventory.cpus {
        let Cpu {
            id,
            core,
            package,
            numa_node,
            ..
        } = cpu;
        let of = inventory.cores.iter().find(|one| Some(one.id) == *core);
        let die = text(of.and_then(|core| core.die));
        let smt = text(of.and_then(|core| core.cpus.iter().position(|sibling| sibling == *id)));
        let kind = of.and_then(|core| core.kind);
        let kind_name = inventory
            .core_kinds
            .iter()
            .find(|one| Some(one.id) == kind)
            .map(|one| one.name.clone().unwrap_or_else(|| one.id.to_string()))
            .unwrap_or_default();
        let (id, core, socket) = (id.to_string(), text(*core), text(*package));
        samples.add(
            &[&id, &core, &die, &socket, &near(*numa_node), &smt, &kind_name],
            Some(1_u64),
        );
    }
}

fn write_numa(draft: &mut Draft<'_>, inventory: &Inventory) {
    let mut samples = draft.family(&f::NUMA_DISTANCE);
    for numa_node in &inventory.numa_nodes {
        for (peer, distance) in inventory.numa_nodes.iter().zip(&numa_node.distances) {
            samples.add(
                &[&numa_node.id.to_string(), &peer.id.to_string()],
                Some(*distance),
            );
        }
    }
}

fn write_power(draft: &mut Draft<'_>, seen: &Seen) {
    let zones = &seen.inventory.power_zones;
    let mut samples = draft.family(&f::ENERGY);
    for zone in zones {
        let (socket, domain) = place(zone, zones);
        let energy = seen.energy.get(&zone.device).map(|energy| energy.as_joules_f64());
        samples.add(&[&zone.device, socket, domain], energy);
    }
    let mut samples = draft.family(&f::POWER_LIMIT);
    for zone in zones {
        let (socket, domain) = place(zone, zones);
        for limit in &zone.limits {
            let constraint = limit
                .name
                .strip_suffix("_term")
                .or(limit.name.strip_suffix("_power"));
            let watts = limit.limit_watts.value().map(|watts| watts.as_watts_f64());
            samples.add(
                &[&zone.device, socket, domain, constraint.unwrap_or(&limit.name)],
                watts,
            );
        }
    }
}

/// Socket and domain of a zone: `package-0` is domain package of socket 0, and what lies below it is of the same socket.
fn place<'a>(zone: &'a PowerZone, zones: &'a [PowerZone]) -> (&'a str, &'a str) {
    if let Some(socket) = zone.name.strip_prefix("package-") {
        return (socket, "package");
    }
    let parent = zone.device.rsplit_once(':').map(|(parent, _)| parent);
    let above = zones.iter().find(|one| Some(one.device.as_str()) == parent);
    let socket = above.and_then(|above| above.name.strip_prefix("package-"));
    (socket.unwrap_or_default(), &zone.name)
}

fn write_sensors(draft: &mut Draft<'_>, sensors: &[Sensor]) {
    for (family, kind) in [
        (&f::TEMPERATURE, SensorKind::TemperatureCelsius),
        (&f::FAN, SensorKind::FanRpm),
        (&f::VOLTAGE, SensorKind::Volts),
        (&f::CURRENT, SensorKind::Amperes),
        (&f::SENSOR_POWER, SensorKind::Watts),
    ] {
        let mut samples = draft.family(family);
        for sensor in sensors.iter().filter(|sensor| sensor.kind == kind) {
            samples.add(
                &[&sensor.chip, &sensor.device, word(&sensor.label)],
                sensor.value.value(),
            );
        }
    }
}

fn write_drives(draft: &mut Draft<'_>, inventory: &Inventory) {
    let mut samples = draft.family(&f::DISK_INFO);
    for drive in &inventory.drives {
        let (model, serial) = (word(&drive.identity.model), word(&drive.identity.serial));
        let numa_node = near(drive.numa_node);
        let labels = [
            &drive.device,
            model,
            serial,
            word(&drive.firmware),
            word(&drive.transport),
            &numa_node,
        ];
        samples.add(&labels, Some(1_u64));
    }
    let mut samples = draft.family(&f::DISK_CAPACITY);
    for drive in &inventory.drives {
        samples.add(&[&drive.device], Some(drive.size_bytes.get()));
    }
}

fn write_nics(draft: &mut Draft<'_>, inventory: &Inventory) {
    let mut samples = draft.family(&f::NETWORK_INFO);
    for nic in &inventory.nics {
        let (pci, numa_node) = (at(nic.pci), near(nic.numa_node));
        let labels = [
            &nic.device,
            word(&nic.mac),
            word(&nic.driver),
            &nic.state,
            &pci,
            &numa_node,
        ];
        samples.add(&labels, Some(1_u64));
    }
    let mut samples = draft.family(&f::NETWORK_UP);
    for nic in &inventory.nics {
        samples.add(&[&nic.device], Some(nic.state == "up"));
    }
    let mut samples = draft.family(&f::NETWORK_SPEED);
    for nic in &inventory.nics {
        let speed = nic
            .speed_megabits
            .and_then(|megabits| megabits.checked_mul(BYTES_OF_MEGABIT));
        samples.add(&[&nic.device], speed);
    }
    let mut samples = draft.family(&f::NETWORK_VFS);
    for nic in &inventory.nics {
        samples.add(
            &[&nic.device, "used"],
            nic.virtual_functions.map(|(used, _)| used),
        );
        samples.add(
            &[&nic.device, "total"],
            nic.virtual_functions.map(|(_, total)| total),
        );
    }
}
