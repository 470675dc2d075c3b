//! Lists of supplies as a BMC has them: a collection, or an array in the legacy Power; and two lists of the same supplies as one.

use facts::supply::Doubt;
use facts::{NoData, Reading};
use serde_json::Value;

use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::schema::power::{PowerSaid, SupplySaid};
use crate::redfish::schema::{Doubts, Fields};
use crate::redfish::walk::{members, or_doubt, read_all};

/// Supplies of one chassis: the largest recorded shelf has 8 bays.
const MAX_SUPPLIES: usize = 64;

/// One list of supplies and what was said around it.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    pub(super) said: PowerSaid,
    pub(super) supplies: Vec<SupplySaid>,
}

impl List {
    pub(super) fn facts_known(&self) -> usize {
        self.supplies.iter().map(SupplySaid::facts_known).sum()
    }
}

/// The supplies of a `PowerSubsystem` or a shelf: the collection's members and those that only a redundancy group names.
pub(super) async fn of_collection(bmc: &Bmc, said: PowerSaid, doubts: &Doubts) -> Result<List, BmcError> {
    let mut paths = Vec::new();
    if let Some(collection) = &said.supplies {
        let found = members(bmc, collection, doubts).await;
        paths = or_doubt(bmc, collection, doubts, found)?.unwrap_or_default();
    }
    let known: Vec<String> = paths.clone();
    for path in said.groups.iter().flat_map(|group| &group.members) {
        if !paths.contains(path) {
            let name = bmc.name_of(&said.resource);
            doubts.add(
                "missing",
                &name,
                format!("{path} is in a redundancy group, but not among the supplies; it is read too"),
            );
            paths.push(path.clone());
        }
    }
    if paths.len() > MAX_SUPPLIES {
        let name = bmc.name_of(&said.resource);
        doubts.add(
            "garbled",
            &name,
            format!("lists {} supplies; only {MAX_SUPPLIES} are read", paths.len()),
        );
        paths.truncate(MAX_SUPPLIES);
    }
    let mut supplies = Vec::new();
    for (path, got) in read_all(bmc, paths, true).await? {
        let name = bmc.name_of(&path);
        match got {
            Ok(value) => supplies.push(SupplySaid::read(&Fields::of(&value, &name, doubts), &path)),
            // Named by a group only and not there: nothing stands behind the name.
            Err(error) if error.is_missing() && !known.contains(&path) => {}
            Err(error) => {
                doubts.add("unread", &name, error.whole());
                supplies.push(SupplySaid::unread(&path, error.no_data()));
            }
        }
    }
    metrics(bmc, &mut supplies, doubts).await?;
    Ok(List { said, supplies })
}

/// Reads `Metrics` of each supply. Metrics that are missing are no doubt, broken ones are.
async fn metrics(bmc: &Bmc, supplies: &mut [SupplySaid], doubts: &Doubts) -> Result<(), BmcError> {
    let paths: Vec<String> = supplies
        .iter()
        .filter_map(|supply| supply.metrics.clone())
        .collect();
    for (path, got) in read_all(bmc, paths, true).await? {
        let Some(supply) = supplies
            .iter_mut()
            .find(|supply| supply.metrics.as_ref() == Some(&path))
        else {
            continue;
        };
        let name = bmc.name_of(&path);
        match got {
            Ok(value) => {
                let fields = Fields::of(&value, &name, doubts);
                supply.output = reading(bmc, &fields, "OutputPowerWatts", doubts).await?;
                supply.input = reading(bmc, &fields, "InputPowerWatts", doubts).await?;
            }
            Err(error) => {
                supply.output = Reading::none(error.no_data());
                supply.input = Reading::none(error.no_data());
                if !error.is_missing() {
                    doubts.add("unread", &name, error.whole());
                }
            }
        }
    }
    Ok(())
}

/// A sensor excerpt; where it names only its sensor (`DataSourceUri`), the sensor is read.
pub(super) async fn reading(
    bmc: &Bmc,
    fields: &Fields<'_>,
    key: &str,
    doubts: &Doubts,
) -> Result<Reading<facts::Power>, BmcError> {
    let direct = fields.excerpt_watts(key);
    if direct.reason() != Some(NoData::Unsupported) || !fields.is_object(key) {
        return Ok(direct);
    }
    let sensor = fields
        .object(key)
        .and_then(|excerpt| excerpt.text("DataSourceUri"));
    let Some(sensor) = sensor.filter(|path| path.starts_with('/')) else {
        return Ok(direct);
    };
    match bmc.get_fresh(&sensor).await {
        Ok(value) => Ok(Fields::of(&value, &bmc.name_of(&sensor), doubts).watts("Reading")),
        Err(error) if error.is_local() => Ok(Reading::none(error.no_data())),
        Err(error) => Err(error),
    }
}

/// The supplies in a legacy `Power`.
pub(super) fn of_legacy(value: &Value, path: &str, name: &str, doubts: &Doubts) -> List {
    let fields = Fields::of(value, name, doubts);
    let said = PowerSaid::read_legacy(&fields);
    let members = fields.objects("PowerSupplies");
    let supplies = members
        .iter()
        .take(MAX_SUPPLIES)
        .enumerate()
        .map(|(index, member)| {
            let id = member.own_id();
            SupplySaid::read(
                member,
                &id.unwrap_or_else(|| format!("{path}#/PowerSupplies/{index}")),
            )
        });
    List {
        said,
        supplies: supplies.collect(),
    }
}

/// Two lists of the same chassis as one: the one that knows more, filled from the other; no supply is added by the second.
pub(super) fn merge(first: List, second: List, doubts: &Doubts) -> List {
    if second.supplies.is_empty() {
        return around(first, second);
    }
    if first.supplies.is_empty() {
        return around(second, first);
    }
    let (mut base, other) =
        if second.facts_known() > first.facts_known() && second.supplies.len() >= first.supplies.len() {
            (second, first)
        } else {
            (first, second)
        };
    let same_length = base.supplies.len() == other.supplies.len();
    let mut unmatched: Vec<Doubt> = Vec::new();
    for (index, theirs) in other.supplies.iter().enumerate() {
        let by_serial = theirs.identity.serial.as_ref().and_then(|serial| {
            base.supplies
                .iter()
                .position(|mine| mine.identity.serial.as_ref() == Some(serial))
        });
        let by_place = same_length.then_some(index).filter(|index| {
            let mine = base
                .supplies
                .get(*index)
                .and_then(|mine| mine.identity.serial.as_ref());
            mine.is_none() || theirs.identity.serial.is_none()
        });
        match by_serial
            .or(by_place)
            .and_then(|index| base.supplies.get_mut(index))
        {
            Some(mine) => mine.fill_from(theirs),
            None => unmatched.push(Doubt {
                kind: "missing".to_owned(),
                message: format!(
                    "lists bay {} which {} does not; it is not counted",
                    theirs.bay, base.said.resource
                ),
                resource: theirs.resource.clone(),
            }),
        }
    }
    for doubt in unmatched {
        doubts.add(&doubt.kind, &doubt.resource, doubt.message);
    }
    around(base, other)
}

/// Fills what is said around the supplies; claims are taken from one list only, because the two say the same.
fn around(mut base: List, other: List) -> List {
    if base.said.capacity.as_ref().is_none() {
        base.said.capacity = other.said.capacity;
    }
    if base.said.consumed.as_ref().is_none() {
        base.said.consumed = other.said.consumed;
    }
    if base.said.limit.is_none() {
        base.said.limit = other.said.limit;
    }
    if base.said.groups.is_empty() && base.supplies.len() == other.supplies.len() {
        base.said.groups = other.said.groups;
    }
    if base.said.resource.is_empty() {
        base.said.resource = other.said.resource;
    }
    base
}
