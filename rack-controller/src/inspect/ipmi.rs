//! An inspection over IPMI: supplies from sensors and inventories, doubts from records, inventories and the event log.

use std::collections::{BTreeMap, BTreeSet};

use bmc::NodeFacts;
use bmc::ipmi::observe::{self, Inventory, LogInfo, Refresh, When};
use bmc::ipmi::{Ipmi, IpmiError};
use facts::supply::Doubt;
use facts::{Power, Reading};

use super::report::Report;
use crate::eyes::ipmi::{drawn, supplies};

/// The node's own inventory, which needs no locator (IPMI 2.0 section 34).
const OWN: u8 = 0;
/// More inventories than any recorded server has.
const MOST_INVENTORIES: usize = 64;

/// Reads all of it.
///
/// # Errors
/// Where the BMC does not answer. An inventory that cannot be read is a doubt, or a part that is not there.
pub(super) async fn read(ipmi: &Ipmi) -> Result<Report, IpmiError> {
    let device = observe::device(ipmi).await?;
    let refresh = observe::refresh(ipmi).await?;
    let inventories = inventories(ipmi, &refresh).await?;
    let last = match refresh.log.value() {
        Some(log) if log.entries > 0 => unless_silent(observe::last_entry(ipmi).await)?.flatten(),
        _ => None,
    };
    let mut seen = supplies::of(&refresh, &inventories, &BTreeSet::new());
    for (id, inventory) in &inventories {
        let doubts = inventory.doubts.iter();
        seen.doubts
            .extend(doubts.map(|doubt| said("inventory", &format!("FRU {id}"), doubt)));
    }
    let log = refresh.log.value();
    seen.doubts
        .extend(log.and_then(full).map(|why| said("event_log", "SEL", &why)));
    if let Some(When::SinceStart(seconds)) = last.map(|entry| entry.when) {
        let why = format!(
            "the last entry is {seconds} s after 1970 or after the BMC's start: its clock was not set"
        );
        seen.doubts.push(said("clock", "SEL", &why));
    }
    let node = node(&refresh, inventories.get(&OWN));
    let mut report = Report::of(ipmi.address().to_owned(), seen, node);
    report.ipmi = Some(format!("{}, firmware {}", device.ipmi, device.firmware));
    Ok(report)
}

impl Report {
    /// With what was sent: log-in and log-out are one each for a session.
    #[must_use]
    pub(super) fn counted_over_ipmi(mut self, ipmi: &Ipmi) -> Report {
        let packets = ipmi.packets();
        self.writes_made = packets.acts;
        self.session_requests = packets.sessions.saturating_mul(2);
        self
    }
}

async fn inventories(ipmi: &Ipmi, refresh: &Refresh) -> Result<BTreeMap<u8, Inventory>, IpmiError> {
    let located = refresh.repository.inventories.iter();
    let located = located
        .filter(|locator| locator.is_logical)
        .map(|locator| locator.id);
    let ids: BTreeSet<u8> = std::iter::once(OWN).chain(located).collect();
    let mut found = BTreeMap::new();
    for id in ids.into_iter().take(MOST_INVENTORIES) {
        // A part that is pulled has no inventory; that is no error.
        if let Some(inventory) = unless_silent(observe::inventory(ipmi, id).await)? {
            found.insert(id, inventory);
        }
    }
    Ok(found)
}

fn full(log: LogInfo) -> Option<String> {
    if log.overflowed {
        return Some("events were lost because the event log is full".to_owned());
    }
    let entries = log.entries;
    (log.free_bytes == 0)
        .then(|| format!("the event log is full ({entries} entries); the next event is lost"))
}

/// The node: who it is by its own inventory, whether it is on, what it draws by DCMI. A BMC without both is a shelf's.
fn node(refresh: &Refresh, own: Option<&Inventory>) -> Option<NodeFacts> {
    let drawn: Reading<Power> = drawn(refresh);
    if own.is_none() && refresh.power.as_ref().is_none() {
        return None;
    }
    let product = own.map(|own| own.product.clone()).unwrap_or_default();
    let chassis = refresh.chassis.as_ref();
    Some(NodeFacts {
        resource: format!("FRU {OWN}"),
        maker: product.manufacturer,
        model: product.name,
        serial: product.serial,
        power_state: chassis.map(|chassis| if chassis.is_on { "On" } else { "Off" }.to_owned()),
        drawn_watts: drawn,
        ..NodeFacts::default()
    })
}

fn said(kind: &str, resource: &str, message: &str) -> Doubt {
    Doubt {
        kind: kind.to_owned(),
        message: message.to_owned(),
        resource: resource.to_owned(),
    }
}

/// What a BMC does not offer is no error; a BMC that does not answer is.
fn unless_silent<T>(result: Result<T, IpmiError>) -> Result<Option<T>, IpmiError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_unreachable() => Err(error),
        Err(_) => Ok(None),
    }
}
