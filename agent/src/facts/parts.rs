//! What is said below the tree: power, sensors, pressure, and the sources that said nothing.

use std::path::Path;

use facts::power::{PowerZone, Sensor, SensorKind};
use facts::{Inventory, Power, Reading, SourceStatus};

use super::style::{Style, count};

/// How each kind of sensor is summed up: its name, its unit, and how many decimals matter.
const KINDS: [(SensorKind, &str, &str, usize); 5] = [
    (SensorKind::TemperatureCelsius, "temperature", "°C", 0),
    (SensorKind::FanRpm, "fan", "rpm", 0),
    (SensorKind::Watts, "power meter", "W", 0),
    (SensorKind::Volts, "voltage", "V", 2),
    (SensorKind::Amperes, "current", "A", 1),
];

/// How many doubts are drawn: more than a person reads are counted.
const MOST_DOUBTS: usize = 12;

/// The sections that have something to say, as names and lines.
pub fn sections(inventory: &Inventory, root: &Path, style: Style) -> Vec<(&'static str, Vec<String>)> {
    let all = [
        ("power", power(inventory, style)),
        ("sensors", sensors(&inventory.sensors, style)),
        ("pressure", pressure(inventory, style)),
        ("doubts", doubts(inventory, root, style)),
        ("silent", silent(inventory, root, style)),
    ];
    all.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}

/// A line a zone, or one for several that are alike but for their number (`package-0`, `package-1`).
fn power(inventory: &Inventory, style: Style) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for zone in &inventory.power_zones {
        let said = said_of_zone(zone, style);
        match lines.iter_mut().find(|(other, _)| *other == said) {
            Some((_, names)) => names.push(&zone.name),
            None => lines.push((said, vec![&zone.name])),
        }
    }
    let line = |(said, names): (String, Vec<&str>)| format!("{}  {said}", style.name(&names.join(", ")));
    lines.into_iter().map(line).collect()
}

fn said_of_zone(zone: &PowerZone, style: Style) -> String {
    let mut words = Vec::new();
    for limit in &zone.limits {
        let Reading::Value(watts) = limit.limit_watts else {
            continue;
        };
        // Firmware writes 0 where it sets no limit.
        if watts > Power::ZERO {
            words.push(format!(
                "{} {}",
                limit.name.replace('_', " "),
                style.quantity(&watts.to_string())
            ));
        }
    }
    if let Some(reason) = zone.energy_microjoules.reason() {
        words.push(style.notice(&format!("energy {reason}")));
    }
    if words.is_empty() {
        "energy only".to_owned()
    } else {
        words.join(", ")
    }
}

fn sensors(sensors: &[Sensor], style: Style) -> Vec<String> {
    let line = |(kind, name, unit, decimals): (SensorKind, &str, &str, usize)| {
        let of_kind: Vec<&Sensor> = sensors.iter().filter(|sensor| sensor.kind == kind).collect();
        if of_kind.is_empty() {
            return None;
        }
        let mut values: Vec<f64> = of_kind.iter().filter_map(|sensor| sensor.value.value()).collect();
        values.sort_by(f64::total_cmp);
        let said = match (values.first(), values.last()) {
            (Some(least), Some(most)) => {
                let (least, most) = (format!("{least:.decimals$}"), format!("{most:.decimals$}"));
                let range = if least == most {
                    least
                } else {
                    format!("{least} to {most}")
                };
                style.quantity(&format!("{range} {unit}"))
            }
            _ => String::new(),
        };
        let mute = of_kind.len() - values.len();
        let mute = if mute > 0 {
            style.notice(&format!("  {mute} without a reading"))
        } else {
            String::new()
        };
        Some(format!(
            "{}  {said}{mute}",
            style.name(&count(of_kind.len(), name))
        ))
    };
    KINDS.into_iter().filter_map(line).collect()
}

fn pressure(inventory: &Inventory, style: Style) -> Vec<String> {
    let word = |pressure: &facts::power::Pressure| {
        let stall = pressure.some.or(pressure.full)?;
        Some(format!(
            "{} {}",
            pressure.resource,
            style.quantity(&format!("{:.1} %", stall.avg10))
        ))
    };
    let words: Vec<String> = inventory.pressure.iter().filter_map(word).collect();
    if words.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{}  {}",
        words.join("  "),
        style.aside("of the last 10 s some task waited for it")
    )]
}

/// What cannot all be true, a line each; one sentence about several parts stands once.
fn doubts(inventory: &Inventory, root: &Path, style: Style) -> Vec<String> {
    let prefix = format!("{}/", root.display());
    let line = |doubt: &facts::Doubt| {
        let message = doubt.message.replace(&prefix, "/");
        format!("{}  {}: {message}", style.notice(&doubt.code), doubt.about)
    };
    let mut lines: Vec<String> = inventory.doubts.iter().map(line).collect();
    let more = lines.len().saturating_sub(MOST_DOUBTS);
    lines.truncate(MOST_DOUBTS);
    if more > 0 {
        lines.push(style.aside(&format!("and {more} more: --output json")));
    }
    lines
}

fn silent(inventory: &Inventory, root: &Path, style: Style) -> Vec<String> {
    // A recorded machine's own paths are shorter to read and mean the same.
    let prefix = format!("{}/", root.display());
    let down = |source: &facts::Source| match &source.status {
        SourceStatus::Down { reason, message } => {
            Some((source.name.clone(), reason.word(), message.replace(&prefix, "/")))
        }
        SourceStatus::Ok | SourceStatus::Pending => None,
    };
    // What the same sentence silences stands together: all but the topology, where only that was exported.
    let mut all: Vec<(String, &str, String)> = Vec::new();
    for (name, reason, message) in inventory.sources.iter().filter_map(down) {
        match all.last_mut() {
            Some((names, _, last)) if *last == message => *names = format!("{names}, {name}"),
            _ => all.push((name, reason, message)),
        }
    }
    let width = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let name_width = width(&mut all.iter().map(|(name, ..)| name.len()));
    let reason_width = width(&mut all.iter().map(|(_, reason, _)| reason.len()));
    let line = |(name, reason, message): (String, &str, String)| {
        let name = style.name(&format!("{name:name_width$}"));
        let reason = style.notice(&format!("{reason:reason_width$}"));
        format!("{name}  {reason}  {}", style.aside(&message))
    };
    all.into_iter().map(line).collect()
}
