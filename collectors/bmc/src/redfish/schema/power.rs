//! Supplies and what stands around them: PowerSupply, its metrics, PowerSubsystem, and the legacy Power, in one shape.

use facts::supply::RedundancyClaim;
use facts::{Identity, NoData, Power, Reading};

use super::Fields;
use super::last_part;
use super::status::Status;

/// One of `InputRanges`: what a supply can deliver at which input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputRange {
    /// `CapacityWatts`, or `OutputWattage` in the legacy form.
    pub watts: Option<Power>,
    /// `MinimumVoltage`, legacy.
    pub min_volts: Option<f64>,
    /// `MaximumVoltage`, legacy.
    pub max_volts: Option<f64>,
    /// `NominalVoltageType`.
    pub nominal: Option<String>,
}

/// A `PowerSupply`, or a member of the legacy `Power.PowerSupplies`, as it was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SupplySaid {
    /// `@odata.id`.
    pub resource: String,
    /// `Id` or `MemberId`, else the last part of the path.
    pub bay: String,
    /// `Name`.
    pub name: Option<String>,
    /// `Location.PartLocation.ServiceLabel`.
    pub label: Option<String>,
    /// `Manufacturer`, `Model`, `SerialNumber`.
    pub identity: Identity,
    /// `Status`.
    pub status: Status,
    /// `PowerCapacityWatts`.
    pub capacity: Reading<Power>,
    /// `InputRanges`.
    pub ranges: Vec<InputRange>,
    /// `InputNominalVoltageType`.
    pub nominal_input: Option<String>,
    /// `LineInputVoltage`, legacy.
    pub line_volts: Option<f64>,
    /// `LineInputStatus`.
    pub line_status: Option<String>,
    /// What it delivers now: `OutputPowerWatts` of its metrics or `PowerOutputWatts`.
    pub output: Reading<Power>,
    /// What it draws now: `InputPowerWatts` of its metrics or `PowerInputWatts`.
    pub input: Reading<Power>,
    /// `LastPowerOutputWatts`, legacy: some vendors write the chassis' total here.
    pub last_output: Reading<Power>,
    /// `HotPluggable`, or `Oem.Hpe.HotplugCapable`.
    pub hot_pluggable: Option<bool>,
    /// `LocationIndicatorActive`, or `IndicatorLED` that is not `Off`.
    pub led: Option<bool>,
    /// `Metrics`.
    pub metrics: Option<String>,
    /// Whether the resource itself could be read.
    pub was_read: bool,
}

impl SupplySaid {
    /// Reads one, new or legacy: the two forms share most names and contradict each other in none.
    pub fn read(fields: &Fields<'_>, resource: &str) -> SupplySaid {
        let hpe = fields.object("Oem").and_then(|oem| {
            let named = ["Hpe", "Hp"].into_iter().find(|name| oem.has(name))?;
            oem.object(named)
        });
        let bay = fields.text("Id").or_else(|| fields.text("MemberId"));
        SupplySaid {
            resource: resource.to_owned(),
            bay: bay.unwrap_or_else(|| last_part(resource).to_owned()),
            name: fields.text("Name"),
            label: label(fields).or_else(|| {
                let number = hpe.as_ref()?.count("BayNumber")?;
                Some(format!("Bay {number}"))
            }),
            identity: Identity {
                maker: fields.text("Manufacturer"),
                model: fields.text("Model"),
                serial: fields.text("SerialNumber"),
            },
            status: Status::read(fields),
            capacity: fields.watts("PowerCapacityWatts"),
            ranges: fields.objects("InputRanges").iter().map(range).collect(),
            nominal_input: fields.text("InputNominalVoltageType"),
            line_volts: fields.number("LineInputVoltage"),
            line_status: fields.text("LineInputStatus"),
            output: fields.watts("PowerOutputWatts"),
            input: fields.watts("PowerInputWatts"),
            last_output: fields.watts("LastPowerOutputWatts"),
            hot_pluggable: fields
                .flag("HotPluggable")
                .or_else(|| hpe.as_ref()?.flag("HotplugCapable")),
            led: led(fields),
            metrics: fields.link("Metrics"),
            was_read: true,
        }
    }

    /// A member whose resource could not be read: its bay is known, nothing else is.
    pub fn unread(resource: &str, why: NoData) -> SupplySaid {
        SupplySaid {
            resource: resource.to_owned(),
            bay: last_part(resource).to_owned(),
            capacity: Reading::none(why),
            output: Reading::none(why),
            input: Reading::none(why),
            last_output: Reading::none(why),
            ..SupplySaid::default()
        }
    }

    /// How much is known: decides which of two lists of the same supplies is the better one.
    pub fn facts_known(&self) -> usize {
        [
            self.status.state.is_some(),
            self.status.health.is_some(),
            self.identity.serial.is_some(),
            self.capacity.as_ref().is_some(),
            self.output.as_ref().is_some(),
            self.input.as_ref().is_some(),
            self.label.is_some(),
            self.hot_pluggable.is_some(),
            self.led.is_some(),
        ]
        .into_iter()
        .filter(|known| *known)
        .count()
    }

    /// Takes from another description of the same supply what this one does not know.
    pub fn fill_from(&mut self, other: &SupplySaid) {
        fn fill<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
        fn fill_reading(mine: &mut Reading<Power>, theirs: Reading<Power>) {
            if mine.as_ref().is_none() && theirs.as_ref().is_some() {
                *mine = theirs;
            }
        }
        fill(&mut self.name, &other.name);
        fill(&mut self.label, &other.label);
        fill(&mut self.identity.maker, &other.identity.maker);
        fill(&mut self.identity.model, &other.identity.model);
        fill(&mut self.identity.serial, &other.identity.serial);
        fill(&mut self.status.state, &other.status.state);
        fill(&mut self.status.health, &other.status.health);
        fill(&mut self.nominal_input, &other.nominal_input);
        fill(&mut self.line_volts, &other.line_volts);
        fill(&mut self.line_status, &other.line_status);
        fill(&mut self.hot_pluggable, &other.hot_pluggable);
        fill(&mut self.led, &other.led);
        fill_reading(&mut self.capacity, other.capacity);
        fill_reading(&mut self.output, other.output);
        fill_reading(&mut self.input, other.input);
        fill_reading(&mut self.last_output, other.last_output);
        if self.ranges.is_empty() {
            self.ranges.clone_from(&other.ranges);
        }
    }
}

fn label(fields: &Fields<'_>) -> Option<String> {
    fields
        .object("Location")?
        .object("PartLocation")?
        .text("ServiceLabel")
}

fn led(fields: &Fields<'_>) -> Option<bool> {
    if let Some(lit) = fields.flag("LocationIndicatorActive") {
        return Some(lit);
    }
    fields
        .text("IndicatorLED")
        .map(|word| !word.eq_ignore_ascii_case("Off"))
}

fn range(fields: &Fields<'_>) -> InputRange {
    let watts = fields.watts("CapacityWatts").value();
    InputRange {
        watts: watts.or_else(|| fields.watts("OutputWattage").value()),
        min_volts: fields.number("MinimumVoltage"),
        max_volts: fields.number("MaximumVoltage"),
        nominal: fields.text("NominalVoltageType"),
    }
}

/// One redundancy claim and the members it names by link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSaid {
    /// The claim.
    pub claim: RedundancyClaim,
    /// `@odata.id` of its members; shorter than `claim.members` where members are named without a link.
    pub members: Vec<String>,
}

impl GroupSaid {
    /// A `RedundantGroup` (new) or a `Redundancy` (legacy).
    pub fn read(fields: &Fields<'_>, number: usize) -> GroupSaid {
        let (list, kind, min, max) = if fields.has("RedundancySet") || fields.has("Mode") {
            ("RedundancySet", "Mode", "MinNumNeeded", "MaxNumSupported")
        } else {
            (
                "RedundancyGroup",
                "RedundancyType",
                "MinNeededInGroup",
                "MaxSupportedInGroup",
            )
        };
        let members = fields.objects(list);
        let status = Status::read(fields);
        let name = fields.text("GroupName").or_else(|| fields.text("Name"));
        GroupSaid {
            claim: RedundancyClaim {
                group: name.unwrap_or_else(|| format!("group {number}")),
                kind: fields.text(kind),
                min_needed: fields.count(min),
                max_supported: fields.count(max),
                members: u32::try_from(members.len()).unwrap_or(u32::MAX),
                state: status.state,
                health: status.health,
                ..RedundancyClaim::default()
            },
            members: members.iter().filter_map(Fields::own_id).collect(),
        }
    }
}

/// A `PowerSubsystem`, a `PowerDistribution` of a shelf, or a legacy `Power`: what is said around the supplies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PowerSaid {
    /// The resource.
    pub resource: String,
    /// The collection of supplies; legacy `Power` has them inside.
    pub supplies: Option<String>,
    /// `CapacityWatts`, or `PowerCapacityWatts` of the first `PowerControl`.
    pub capacity: Reading<Power>,
    /// `PowerConsumedWatts` of the first `PowerControl`.
    pub consumed: Reading<Power>,
    /// Redundancy claims.
    pub groups: Vec<GroupSaid>,
    /// `PowerLimit.LimitException` of the first `PowerControl`, with `LimitInWatts`.
    pub limit: Option<(String, Reading<Power>)>,
}

impl PowerSaid {
    /// Reads a `PowerSubsystem` or a `PowerDistribution`.
    pub fn read(fields: &Fields<'_>) -> PowerSaid {
        // Read only to be told where it is garbled: DGX writes a list here.
        let _ = fields.object("Allocation");
        PowerSaid {
            resource: fields.resource().to_owned(),
            supplies: fields.link("PowerSupplies"),
            capacity: fields.watts("CapacityWatts"),
            consumed: Reading::none(NoData::Unsupported),
            groups: groups(fields, "PowerSupplyRedundancy"),
            limit: None,
        }
    }

    /// Reads a legacy `Power`. Only the first `PowerControl` speaks for the chassis; further ones are parts of it.
    pub fn read_legacy(fields: &Fields<'_>) -> PowerSaid {
        let controls = fields.objects("PowerControl");
        let control = controls.first();
        let watts = |key| control.map_or(Reading::none(NoData::Unsupported), |control| control.watts(key));
        let limit = control.and_then(|control| control.object("PowerLimit"));
        PowerSaid {
            resource: fields.resource().to_owned(),
            supplies: None,
            capacity: watts("PowerCapacityWatts"),
            consumed: watts("PowerConsumedWatts"),
            groups: groups(fields, "Redundancy"),
            limit: limit.and_then(|limit| Some((limit.text("LimitException")?, limit.watts("LimitInWatts")))),
        }
    }
}

fn groups(fields: &Fields<'_>, key: &str) -> Vec<GroupSaid> {
    let each = fields.objects(key);
    each.iter()
        .enumerate()
        .map(|(number, group)| GroupSaid::read(group, number))
        .collect()
}
