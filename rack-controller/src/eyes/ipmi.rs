//! The eye on a BMC over IPMI: one kept session, its sensors and the node's power; what it last said is kept for everyone who asks.

mod limit;
mod page;
pub(crate) mod supplies;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bmc::ipmi::act::{Identify, identify};
use bmc::ipmi::observe::{self, Device, Inventory, PowerLimit, Refresh};
use bmc::ipmi::{Endpoint, Ipmi, IpmiError, Packets};
use bmc::{Credentials, CredentialsError, SystemPower};
use facts::supply::{Supplies, SupplyState};
use facts::{NoData, Power, Reading};
use tokio::sync::Mutex;

use super::Nerve;
use super::bmc::{Duty, Failure, tell_supplies};
use super::chain;
use super::line::{Line, LineError};
use crate::decide::Input;
use crate::rack::BmcFacts;
use crate::rack::sight::RestorePolicy;

pub(crate) use limit::set_cap;

/// A node's sensors are read this often; between, its power alone is, by one packet. Supplies are read at every look.
const SENSORS: Duration = Duration::from_secs(30);

/// What is kept of one BMC: its client, and what it said last.
#[derive(Default)]
pub struct Place {
    client: Mutex<Option<Arc<Ipmi>>>,
    said: std::sync::Mutex<Said>,
    writes: AtomicU64,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place(..)")
    }
}

#[derive(Default)]
struct Said {
    /// Packets of clients that were given up.
    before: Packets,
    now: Packets,
    device: Option<Device>,
    guid: Option<String>,
    inventories: BTreeMap<u8, Inventory>,
    refresh: Option<(Instant, Refresh)>,
    limit: Option<(Instant, Reading<PowerLimit>)>,
    /// Bays for which we lit the chassis.
    lit: BTreeSet<String>,
    page: Option<Arc<str>>,
}

/// How a BMC over IPMI costs and stands, for the metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Packets since the start.
    pub packets: Packets,
    /// Packets of the last whole refresh, and the sensors that it read.
    pub refresh: Option<(u64, usize)>,
    /// Entries and free bytes of the event log.
    pub log: Option<(u16, u16)>,
}

fn sum(one: Packets, other: Packets) -> Packets {
    Packets {
        sent: one.sent.saturating_add(other.sent),
        received: one.received.saturating_add(other.received),
        resent: one.resent.saturating_add(other.resent),
        late: one.late.saturating_add(other.late),
        stray: one.stray.saturating_add(other.stray),
        sessions: one.sessions.saturating_add(other.sessions),
        acts: one.acts.saturating_add(other.acts),
    }
}

impl Place {
    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn client(&self, line: &Line) -> Result<Arc<Ipmi>, LineError> {
        let mut kept = self.client.lock().await;
        if let Some(client) = kept.as_ref() {
            return Ok(Arc::clone(client));
        }
        let config = line.config();
        let (Some(address), Some(file)) = (config.ipmi(), &config.credentials_file) else {
            return Err(LineError::Credentials(CredentialsError::Content {
                path: config.credentials_file.clone().unwrap_or_default(),
                why: "is not configured; IPMI needs one".to_owned(),
            }));
        };
        // Read at each new client, so that a changed password needs no restart.
        let client = Arc::new(Ipmi::new(Endpoint::new(address, Credentials::load(file)?)));
        *kept = Some(Arc::clone(&client));
        Ok(client)
    }

    /// Gives the client up; its session is closed where the BMC still listens.
    pub(super) async fn retire(&self) {
        let Some(client) = self.client.lock().await.take() else {
            return;
        };
        let packets = client.packets();
        let mut said = self.said();
        said.before = sum(said.before, packets);
        said.now = Packets::default();
        said.device = None;
        said.refresh = None;
        // A client that is dropped sends Close Session and waits for nothing.
    }

    /// What cannot be read now is shown as not read.
    pub(super) fn fell_silent(&self) {
        let mut said = self.said();
        said.refresh = None;
        said.page = None;
    }

    /// Commands sent that change something.
    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    /// Its cost and its log.
    pub fn standing(&self) -> Standing {
        let said = self.said();
        let refresh = said.refresh.as_ref().map(|(_, refresh)| refresh);
        Standing {
            packets: sum(said.before, said.now),
            refresh: refresh.map(|refresh| (refresh.sent, refresh.repository.sensors.len())),
            log: refresh
                .and_then(|refresh| refresh.log.as_ref())
                .map(|log| (log.entries, log.free_bytes)),
        }
    }

    /// The page of `/ipmi?target=`, as it was made at the last look; nothing is asked for it.
    pub fn page(&self) -> Arc<str> {
        let page = self.said().page.clone();
        page.unwrap_or_else(|| Arc::from(page::down()))
    }
}

/// One look at a BMC over IPMI.
pub(super) async fn look(duty: &Duty, line: &Line, nerve: &Nerve) -> Result<(), Failure> {
    let read_at = nerve.clock.now();
    let began = Instant::now();
    let client = line.place().client(line).await;
    let seen = match &client {
        Ok(client) => observe_now(duty, line, client).await.map_err(LineError::from),
        Err(_) => Ok(None),
    };
    let seen = client.and_then(|client| {
        line.place().said().now = client.packets();
        seen
    });
    let outcome = seen
        .as_ref()
        .map_or_else(|error| error.no_data().word(), |_| "ok");
    nerve.own.read(line.name(), "ipmi", outcome, began.elapsed());
    let seen = seen.map_err(|error| Failure {
        reason: error.no_data(),
        detail: chain(&error),
    })?;
    if let Some(supplies) = seen {
        line.learn(&supplies);
        tell_supplies(line, nerve, supplies, read_at).await;
    }
    let facts = facts_of(line);
    for node in &duty.nodes {
        let (node, facts) = (node.clone(), Box::new(facts.clone()));
        nerve.tell(Input::NodeBmcSeen { node, facts }).await;
    }
    Ok(())
}

/// Reads what is due. The supplies, which are always told: a BMC that has none is still one that answers.
async fn observe_now(duty: &Duty, line: &Line, client: &Ipmi) -> Result<Option<Supplies>, IpmiError> {
    let place = line.place();
    if place.said().device.is_none() {
        let device = observe::device(client).await?;
        // Not every BMC knows it; a node without one is matched by nothing.
        let guid = observe::system_guid(client).await.ok();
        let mut said = place.said();
        said.device = Some(device);
        said.guid = guid.map(|bytes| uuid::Uuid::from_bytes(bytes).to_string());
    }
    let is_due = match &place.said().refresh {
        None => true,
        Some((at, refresh)) => duty.supplies || at.elapsed() >= SENSORS || refresh.power.as_ref().is_none(),
    };
    if is_due {
        let refresh = observe::refresh(client).await?;
        if duty.supplies {
            learn_inventories(place, client, &refresh).await?;
        }
        let mut said = place.said();
        let before = said.refresh.as_ref().map(|(_, before)| limit::is_on(before));
        if before.is_some_and(|before| before != limit::is_on(&refresh)) {
            // Whoever was switched may have lost its limit, or have gone off by it.
            said.limit = None;
        }
        said.refresh = Some((Instant::now(), refresh));
    } else {
        let power = observe::power(client).await?;
        if let Some((_, refresh)) = &mut place.said().refresh {
            refresh.power = Reading::Value(power);
        }
    }
    if !duty.nodes.is_empty() {
        limit::read(place, client).await?;
    }
    let mut said = place.said();
    let Some((_, refresh)) = &said.refresh else {
        return Ok(None);
    };
    let mut supplies = supplies::of(refresh, &said.inventories, &said.lit);
    if !duty.supplies {
        // A node's own supplies are no bays of ours.
        supplies.domains.clear();
    }
    let lethal = said.limit.as_ref().and_then(|(_, limit)| limit::doubt(limit));
    supplies.doubts.extend(lethal);
    let page = page::up(refresh, said.device.as_ref());
    said.page = Some(Arc::from(page));
    Ok(Some(supplies))
}

/// Reads the inventories of supplies that came; forgets those that went.
async fn learn_inventories(place: &Place, client: &Ipmi, refresh: &Refresh) -> Result<(), IpmiError> {
    for (sensor, state) in refresh.supplies() {
        let Some(id) = supplies::inventory_of(refresh, sensor) else {
            continue;
        };
        if state == SupplyState::Absent {
            place.said().inventories.remove(&id);
            continue;
        }
        if place.said().inventories.contains_key(&id) {
            continue;
        }
        match observe::inventory(client, id).await {
            Ok(inventory) => {
                place.said().inventories.insert(id, inventory);
            }
            Err(error) if error.is_unreachable() => return Err(error),
            // It has none, or a damaged one: its rating is then the configured one.
            Err(error) => tracing::debug!("{}", error.whole()),
        }
    }
    Ok(())
}

fn facts_of(line: &Line) -> BmcFacts {
    let said = line.place().said();
    let refresh = said.refresh.as_ref().map(|(_, refresh)| refresh);
    let chassis = refresh.and_then(|refresh| refresh.chassis.as_ref());
    let known = said.limit.as_ref().map(|(_, limit)| limit);
    let cap = known.map_or(Reading::none(NoData::Unsupported), limit::cap_of);
    BmcFacts {
        powered_on: chassis.map(|chassis| chassis.is_on),
        drawn: refresh.map_or(Reading::none(NoData::Absent), drawn),
        cap,
        uuid: said.guid.clone(),
        restore: chassis.and_then(|chassis| {
            Some(match chassis.restore? {
                observe::Restore::StaysOff => RestorePolicy::AlwaysOff,
                observe::Restore::LastState => RestorePolicy::LastState,
                observe::Restore::ComesOn => RestorePolicy::AlwaysOn,
            })
        }),
        ..BmcFacts::default()
    }
}

/// DCMI's power where it measures; else the one sensor in watts of the board, the power unit or the chassis.
pub(crate) fn drawn(refresh: &Refresh) -> Reading<Power> {
    let dcmi = refresh.power.as_ref().filter(|power| power.is_measuring);
    let sensor = || supplies::of_the_board(refresh);
    let watts = dcmi.map(|power| power.current).or_else(sensor);
    watts.map_or(
        Reading::none(refresh.power.reason().unwrap_or(NoData::Off)),
        Reading::Value,
    )
}

/// Lights the chassis for a bay, or puts it out when no bay needs it any more: IPMI knows one light.
///
/// # Errors
/// The BMC cannot be reached or says no, in words.
pub(crate) async fn set_led(line: &Line, bay: &str, on: bool) -> Result<(), String> {
    let place = line.place();
    let client = place.client(line).await.map_err(|error| chain(&error))?;
    let mut lit = place.said().lit.clone();
    if on {
        lit.insert(bay.to_owned());
    } else {
        lit.remove(bay);
    }
    let how = if lit.is_empty() {
        Identify::Off
    } else {
        Identify::On
    };
    place.writes.fetch_add(1, Ordering::Relaxed);
    identify(&client, how).await.map_err(|error| error.whole())?;
    let mut said = place.said();
    said.lit = lit;
    // The eye shall see how it is now.
    said.refresh = None;
    Ok(())
}

/// Switches the node, unless it is so already, and reads that back.
///
/// # Errors
/// The BMC cannot be reached, belongs to another machine, says no, or shows another state than was asked, in words.
pub(crate) async fn switch(line: &Line, to: SystemPower, is_it: impl Fn(&str) -> bool) -> Result<(), String> {
    let place = line.place();
    let client = place.client(line).await.map_err(|error| chain(&error))?;
    let is_it = |bytes: [u8; 16]| is_it(&uuid::Uuid::from_bytes(bytes).to_string());
    let done = bmc::ipmi::switch::switch(&client, to, is_it).await;
    if !matches!(done, Ok(false)) {
        place.writes.fetch_add(1, Ordering::Relaxed);
    }
    // The eye shall see how it is now, and whether its limit outlived that.
    let mut said = place.said();
    said.refresh = None;
    said.limit = None;
    drop(said);
    done.map(|_| ()).map_err(|error| error.whole())
}
