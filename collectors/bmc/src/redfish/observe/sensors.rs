//! Sensors of every chassis: `Thermal` and the voltages of `Power` where there are such, one request each; else `Sensors`.

use facts::power::{LimitKind, Sensor, SensorKind, SensorLimit, SensorState};
use facts::supply::Doubt;
use facts::{NoData, Reading};
use serde_json::Value;

use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::schema::status::Status;
use crate::redfish::schema::{Doubts, Fields};
use crate::redfish::walk::{members, or_doubt, read_all};

/// Sensors of one chassis that are read one by one: the largest recorded collection has 113 members.
const MAX_MEMBERS: usize = 256;
/// Limits in `Thermal` and `Power`.
const LEGACY_LIMITS: [(&str, LimitKind); 6] = [
    ("LowerThresholdFatal", LimitKind::LowerEmergency),
    ("LowerThresholdCritical", LimitKind::LowerCritical),
    ("LowerThresholdNonCritical", LimitKind::LowerWarning),
    ("UpperThresholdNonCritical", LimitKind::Warning),
    ("UpperThresholdCritical", LimitKind::Critical),
    ("UpperThresholdFatal", LimitKind::Emergency),
];
/// Limits in `Thresholds` of a `Sensor`.
const LIMITS: [(&str, LimitKind); 6] = [
    ("LowerFatal", LimitKind::LowerEmergency),
    ("LowerCritical", LimitKind::LowerCritical),
    ("LowerCaution", LimitKind::LowerWarning),
    ("UpperCaution", LimitKind::Warning),
    ("UpperCritical", LimitKind::Critical),
    ("UpperFatal", LimitKind::Emergency),
];
/// `ReadingUnits` of a `Sensor`; percent, hertz and the like are no units of ours.
const UNITS: [(&str, SensorKind); 5] = [
    ("Cel", SensorKind::TemperatureCelsius),
    ("RPM", SensorKind::FanRpm),
    ("V", SensorKind::Volts),
    ("A", SensorKind::Amperes),
    ("W", SensorKind::Watts),
];

/// What the sensors say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sensors {
    /// In the BMC's order. `device` is the name as the BMC gives it, and two may have one; `chip` is empty.
    pub sensors: Vec<Sensor>,
    /// What cannot be believed as it stands.
    pub doubts: Vec<Doubt>,
}

/// Reads all sensors of a BMC. A place that is empty has no sensor.
///
/// # Errors
/// Where the BMC as a whole cannot be read. One resource that cannot be read is a doubt.
pub async fn sensors(bmc: &Bmc) -> Result<Sensors, BmcError> {
    let doubts = Doubts::default();
    let mut found = Vec::new();
    let chassis = members(bmc, bmc.root().chassis(), &doubts).await;
    let chassis = or_doubt(bmc, bmc.root().chassis(), &doubts, chassis)?.unwrap_or_default();
    for (path, got) in read_all(bmc, chassis, false).await? {
        let Some(value) = or_doubt(bmc, &path, &doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        let fields = Fields::of(&value, &name, &doubts);
        let before = found.len();
        let legacy: [(&str, Legacy); 2] = [("Thermal", thermal), ("Power", voltages)];
        for (key, read) in legacy {
            if let Some(path) = fields.link(key) {
                let got = bmc.get_fresh(&path).await;
                if let Some(value) = or_doubt(bmc, &path, &doubts, got)? {
                    let name = bmc.name_of(&path);
                    found.extend(read(&Fields::of(&value, &name, &doubts)));
                }
            }
        }
        if let Some(collection) = fields.link("Sensors").filter(|_| found.len() == before) {
            found.extend(of_collection(bmc, &collection, &doubts).await?);
        }
    }
    Ok(Sensors {
        sensors: found,
        doubts: doubts.take(),
    })
}

/// Reads one resource with many sensors.
type Legacy = fn(&Fields<'_>) -> Vec<Sensor>;

fn thermal(fields: &Fields<'_>) -> Vec<Sensor> {
    let temperatures = fields.objects("Temperatures");
    let fans = fields.objects("Fans");
    let fans = fans.iter().filter(|fan| {
        let unit = fan.text("ReadingUnits");
        unit.is_none_or(|unit| unit.eq_ignore_ascii_case("RPM"))
    });
    let temperatures = temperatures
        .iter()
        .filter_map(|one| legacy(one, SensorKind::TemperatureCelsius, "ReadingCelsius"));
    temperatures
        .chain(fans.filter_map(|one| legacy(one, SensorKind::FanRpm, "Reading")))
        .collect()
}

fn voltages(fields: &Fields<'_>) -> Vec<Sensor> {
    let all = fields.objects("Voltages");
    all.iter()
        .filter_map(|one| legacy(one, SensorKind::Volts, "ReadingVolts"))
        .collect()
}

fn legacy(fields: &Fields<'_>, kind: SensorKind, reading: &str) -> Option<Sensor> {
    let limits = LEGACY_LIMITS
        .iter()
        .filter_map(|(key, kind)| limit(fields.number(key), *kind));
    let name = fields.text("Name").or_else(|| fields.text("FanName"));
    one(fields, name, kind, reading, limits.collect())
}

async fn of_collection(bmc: &Bmc, collection: &str, doubts: &Doubts) -> Result<Vec<Sensor>, BmcError> {
    let links = members(bmc, collection, doubts).await;
    let mut links = or_doubt(bmc, collection, doubts, links)?.unwrap_or_default();
    if links.len() > MAX_MEMBERS {
        let message = format!("lists {} sensors; only {MAX_MEMBERS} are read", links.len());
        doubts.add("garbled", &bmc.name_of(collection), message);
        links.truncate(MAX_MEMBERS);
    }
    let mut found = Vec::new();
    for (path, got) in read_all(bmc, links, true).await? {
        if let Some(value) = or_doubt(bmc, &path, doubts, got)? {
            found.extend(sensor(&value, &bmc.name_of(&path), doubts));
        }
    }
    Ok(found)
}

/// A resource of type `Sensor`.
pub(super) fn sensor(value: &Value, name: &str, doubts: &Doubts) -> Option<Sensor> {
    let fields = Fields::of(value, name, doubts);
    let unit = fields.text("ReadingUnits")?;
    let (_, kind) = UNITS.iter().find(|(word, _)| *word == unit)?;
    let thresholds = fields.object("Thresholds");
    let at = |key| thresholds.as_ref()?.object(key)?.number("Reading");
    let limits = LIMITS.iter().filter_map(|(key, kind)| limit(at(key), *kind));
    one(
        &fields,
        fields.text("Name").or_else(|| fields.text("Id")),
        *kind,
        "Reading",
        limits.collect(),
    )
}

fn limit(value: Option<f64>, kind: LimitKind) -> Option<SensorLimit> {
    Some(SensorLimit { kind, value: value? })
}

fn one(
    fields: &Fields<'_>,
    name: Option<String>,
    kind: SensorKind,
    reading: &str,
    limits: Vec<SensorLimit>,
) -> Option<Sensor> {
    let status = Status::read(fields);
    if status.is("Absent") {
        return None;
    }
    let value = match fields.number(reading) {
        Some(value) => Reading::Value(value),
        None if status.is("Disabled") || status.is("StandbyOffline") => Reading::none(NoData::Off),
        None => Reading::none(NoData::Unsupported),
    };
    let state = match status.health.as_deref() {
        Some("OK") => Some(SensorState::Ok),
        Some("Warning") => Some(SensorState::Warning),
        Some("Critical") => Some(SensorState::Critical),
        _ => None,
    };
    Some(Sensor {
        chip: String::new(),
        device: name.unwrap_or_else(|| "sensor".to_owned()),
        label: fields.text("PhysicalContext"),
        kind,
        value,
        limits,
        state,
    })
}

/// Any resource, for the fuzzer.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn any(value: &Value) {
    let doubts = Doubts::default();
    let fields = Fields::of(value, "any", &doubts);
    drop((thermal(&fields), voltages(&fields), sensor(value, "any", &doubts)));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    #[test]
    fn temperatures_fans_and_voltages_are_read_with_their_limits() {
        let doubts = Doubts::default();
        let value = json!({
            "Temperatures": [
                {"Name": "CPU1 Temp", "ReadingCelsius": 37, "UpperThresholdCritical": 99, "PhysicalContext": "CPU",
                 "LowerThresholdFatal": null, "Status": {"State": "Enabled", "Health": "OK"}},
                {"Name": "GPU7 Temp", "ReadingCelsius": null, "Status": {"State": "Absent"}},
                {"Name": "M2 Temp", "ReadingCelsius": null, "Status": {"State": "Disabled"}},
                {"Name": "Inlet", "ReadingCelsius": "24.5"},
                "garbage"
            ],
            "Fans": [
                {"FanName": "Fan1", "Reading": 8520, "ReadingUnits": "RPM", "Status": {"Health": "Critical"}},
                {"Name": "Duty", "Reading": 40, "ReadingUnits": "Percent"}
            ]
        });
        let all = thermal(&Fields::of(&value, "Thermal", &doubts));
        let seen: Vec<_> = all.iter().map(|one| (one.device.as_str(), one.value)).collect();
        let expected = [
            ("CPU1 Temp", Reading::Value(37.0)),
            ("M2 Temp", Reading::none(NoData::Off)),
            ("Inlet", Reading::Value(24.5)),
            ("Fan1", Reading::Value(8520.0)),
        ];
        assert_eq!(seen, expected);
        let limit = SensorLimit {
            kind: LimitKind::Critical,
            value: 99.0,
        };
        assert_eq!(
            (all[0].limits.as_slice(), all[0].state),
            (&[limit][..], Some(SensorState::Ok))
        );
        assert_eq!(
            (all[0].label.as_deref(), all[3].state),
            (Some("CPU"), Some(SensorState::Critical))
        );
        assert!(!doubts.take().is_empty(), "the garbage is a doubt");
        let value = json!({"Name": "P12V", "Reading": 12.1, "ReadingUnits": "V",
            "Thresholds": {"LowerCaution": {"Reading": 11.4}, "UpperFatal": {"Reading": null}}});
        let one = sensor(&value, "Sensor", &doubts).unwrap();
        assert_eq!((one.kind, one.value), (SensorKind::Volts, Reading::Value(12.1)));
        assert_eq!(one.limits[0].kind, LimitKind::LowerWarning);
        assert_eq!(
            sensor(&json!({"Name": "x", "ReadingUnits": "%"}), "Sensor", &doubts),
            None
        );
    }
}
