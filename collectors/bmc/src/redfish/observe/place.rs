//! Where supplies are looked for: each chassis with its PowerSubsystem and its legacy Power, each power shelf with the chassis that it is.

use facts::{NoData, Power, Reading};

use super::list::{List, merge, of_collection, of_legacy, reading};
use crate::redfish::bmc::Bmc;
use crate::redfish::error::BmcError;
use crate::redfish::quirk::Speaker;
use crate::redfish::schema::power::PowerSaid;
use crate::redfish::schema::{Doubts, Fields, last_part};
use crate::redfish::walk::{members, or_doubt, read_all};

/// The resource type behind `Chassis.PowerSubsystem`.
const POWER_SUBSYSTEM: &str = "PowerSubsystem";

/// One chassis, or one shelf that names no chassis.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) resource: String,
    pub(super) name: String,
    pub(super) speaker: Speaker,
    subsystem: Option<String>,
    legacy: Option<String>,
    environment: Option<String>,
    shelf: Option<PowerSaid>,
}

/// What one place says of its supplies.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) list: List,
    pub(super) drawn: Reading<Power>,
    /// Whether there is anything in which supplies could be listed.
    pub(super) has_list: bool,
}

/// All places of a BMC, in its order; shelves that are none of the chassis come last.
pub(super) async fn places(bmc: &Bmc, doubts: &Doubts) -> Result<Vec<Place>, BmcError> {
    let links = members(bmc, bmc.root().chassis(), doubts).await?;
    let mut places = Vec::new();
    for (path, got) in read_all(bmc, links, false).await? {
        let Some(value) = or_doubt(bmc, &path, doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        let fields = Fields::of(&value, &name, doubts);
        let root = bmc.root();
        let (maker, model) = (fields.text("Manufacturer"), fields.text("Model"));
        places.push(Place {
            name: fields.text("Id").unwrap_or_else(|| last_part(&path).to_owned()),
            speaker: Speaker::of([&root.vendor, &root.product, &maker, &model]),
            subsystem: fields.link("PowerSubsystem"),
            legacy: fields.link("Power"),
            environment: fields.link("EnvironmentMetrics"),
            shelf: None,
            resource: path,
        });
    }
    shelves(bmc, &mut places, doubts).await?;
    Ok(places)
}

/// Adds what `PowerEquipment.PowerShelves` says: to the chassis that a shelf names, else as a place of its own.
async fn shelves(bmc: &Bmc, places: &mut Vec<Place>, doubts: &Doubts) -> Result<(), BmcError> {
    let Some(equipment) = bmc.root().power_equipment.clone() else {
        return Ok(());
    };
    let got = bmc.get(&equipment).await;
    let Some(value) = or_doubt(bmc, &equipment, doubts, got)? else {
        return Ok(());
    };
    let Some(collection) = Fields::of(&value, &bmc.name_of(&equipment), doubts).link("PowerShelves") else {
        return Ok(());
    };
    let found = members(bmc, &collection, doubts).await;
    let links = or_doubt(bmc, &collection, doubts, found)?.unwrap_or_default();
    for (path, got) in read_all(bmc, links, true).await? {
        let Some(value) = or_doubt(bmc, &path, doubts, got)? else {
            continue;
        };
        let name = bmc.name_of(&path);
        let fields = Fields::of(&value, &name, doubts);
        let mut said = PowerSaid::read(&fields);
        said.resource.clone_from(&path);
        let chassis = fields
            .object("Links")
            .map(|links| links.links("Chassis"))
            .unwrap_or_default();
        match places.iter_mut().find(|place| chassis.contains(&place.resource)) {
            Some(place) => place.shelf = Some(said),
            None => places.push(Place {
                name: fields.text("Id").unwrap_or_else(|| last_part(&path).to_owned()),
                speaker: Speaker::of([
                    &bmc.root().vendor,
                    &bmc.root().product,
                    &fields.text("Manufacturer"),
                    &fields.text("Model"),
                ]),
                subsystem: None,
                legacy: None,
                environment: None,
                shelf: Some(said),
                resource: path,
            }),
        }
    }
    Ok(())
}

/// Reads what a place says of its supplies, through every door that it has.
pub(super) async fn read(bmc: &Bmc, place: &Place, doubts: &Doubts) -> Result<Found, BmcError> {
    let mut has_list = false;
    let mut list = List::default();
    if let Some(said) = subsystem(bmc, place, doubts).await? {
        has_list = true;
        list = of_collection(bmc, said, doubts).await?;
    }
    if let Some(said) = place.shelf.clone() {
        // A shelf whose supplies are its chassis' own collection has been read already.
        let new = said.supplies.is_some() && said.supplies != list.said.supplies;
        has_list |= said.supplies.is_some();
        if new {
            list = merge(list, of_collection(bmc, said, doubts).await?, doubts);
        }
    }
    if let Some(path) = &place.legacy {
        let got = bmc.get_fresh(path).await;
        if let Some(value) = or_doubt(bmc, path, doubts, got)? {
            has_list = true;
            let mut legacy = of_legacy(&value, path, &bmc.name_of(path), doubts);
            legacy.said.resource.clone_from(path);
            list = merge(list, legacy, doubts);
        }
    }
    let drawn = drawn(bmc, place, doubts).await?;
    let drawn = if drawn.as_ref().is_some() {
        drawn
    } else {
        list.said.consumed
    };
    Ok(Found {
        list,
        drawn,
        has_list,
    })
}

/// The `PowerSubsystem`. Where the chassis' link leads to something else (DMTF's own mock-up does), the usual place is tried.
async fn subsystem(bmc: &Bmc, place: &Place, doubts: &Doubts) -> Result<Option<PowerSaid>, BmcError> {
    let Some(link) = &place.subsystem else {
        return Ok(None);
    };
    let usual = format!("{}/{POWER_SUBSYSTEM}", place.resource.trim_end_matches('/'));
    let mut tries = vec![link.clone()];
    if *link != usual {
        tries.push(usual);
    }
    for (number, path) in tries.iter().enumerate() {
        let got = bmc.get_fresh(path).await;
        let value = match got {
            Err(error) if number > 0 && error.is_missing() => return Ok(None),
            got => or_doubt(bmc, path, doubts, got)?,
        };
        let Some(value) = value else { continue };
        let name = bmc.name_of(path);
        let fields = Fields::of(&value, &name, doubts);
        let other = fields.type_name().filter(|kind| kind != POWER_SUBSYSTEM);
        match other {
            Some(other) => {
                let message = format!(
                    "PowerSubsystem of {} leads to a {other}; the usual place is tried",
                    place.name
                );
                doubts.add("link", &bmc.name_of(&place.resource), message);
            }
            None => {
                let mut said = PowerSaid::read(&fields);
                said.resource.clone_from(path);
                return Ok(Some(said));
            }
        }
    }
    Ok(None)
}

/// `EnvironmentMetrics.PowerWatts` of the chassis.
async fn drawn(bmc: &Bmc, place: &Place, doubts: &Doubts) -> Result<Reading<Power>, BmcError> {
    let Some(path) = &place.environment else {
        return Ok(Reading::none(NoData::Unsupported));
    };
    match bmc.get_fresh(path).await {
        Ok(value) => {
            let name = bmc.name_of(path);
            reading(bmc, &Fields::of(&value, &name, doubts), "PowerWatts", doubts).await
        }
        Err(error) if error.is_local() => Ok(Reading::none(error.no_data())),
        Err(error) => Err(error),
    }
}
