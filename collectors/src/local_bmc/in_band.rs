//! The BMC through the kernel's device: one refresh a turn, and what seldom changes only when it did.

use std::path::PathBuf;
use std::sync::Arc;

use bmc::ipmi::observe::{self, Device, Entry, Inventory, LogInfo, Refresh, Repository};
use bmc::ipmi::{InBand, Ipmi, IpmiError};
use facts::supply::SupplyState;
use tokio::runtime::{Builder, Runtime};

/// The most FRU inventories that are read. Recorded servers have up to 30; each costs some ten requests.
const MOST_INVENTORIES: usize = 64;
/// The node's own inventory, which needs no locator (IPMI 2.0 section 34).
const OWN_INVENTORY: u8 = 0;

/// What one turn saw.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) device: Device,
    pub(super) guid: Option<[u8; 16]>,
    pub(super) refresh: Refresh,
    /// By id, the node's own first.
    pub(super) inventories: Arc<Vec<(u8, Inventory)>>,
    pub(super) last: Option<Entry>,
    /// Requests since the handle was made.
    pub(super) requests: u64,
}

/// What seldom changes, and what it was read at.
#[derive(Default)]
struct Known {
    device: Option<Device>,
    guid: Option<Option<[u8; 16]>>,
    inventories: Arc<Vec<(u8, Inventory)>>,
    /// Another repository or another supply: inventories are read again.
    inventories_at: Option<(Arc<Repository>, Vec<SupplyState>)>,
    log: Option<LogInfo>,
    last: Option<Entry>,
}

/// A kept client and its runtime.
pub(super) struct Eye {
    runtime: Runtime,
    ipmi: Ipmi,
    known: Known,
}

impl Eye {
    /// Of this device. Nothing is opened yet.
    pub(super) fn new(device: PathBuf) -> std::io::Result<Eye> {
        Ok(Eye {
            runtime: Builder::new_current_thread().enable_all().build()?,
            ipmi: Ipmi::in_band(InBand::new(device)),
            known: Known::default(),
        })
    }

    /// Asks once: a request a sensor and four more, where nothing else changed.
    pub(super) fn turn(&mut self) -> Result<Seen, IpmiError> {
        let seen = self.runtime.block_on(self.known.read(&self.ipmi));
        if seen.is_err() {
            // Who answers next may be another firmware.
            self.known = Known::default();
        }
        seen
    }
}

impl Known {
    async fn read(&mut self, ipmi: &Ipmi) -> Result<Seen, IpmiError> {
        let device = match &self.device {
            Some(device) => device.clone(),
            None => observe::device(ipmi).await?,
        };
        // A BMC in the middle of an update says so in its id, and may be another one after it.
        self.device = (!device.is_updating).then(|| device.clone());
        let refresh = observe::refresh(ipmi).await?;
        let guid = match self.guid {
            Some(guid) => guid,
            None => unless_silent(observe::system_guid(ipmi).await)?,
        };
        self.guid = Some(guid);
        self.see_inventories(ipmi, &refresh).await?;
        let log = refresh.log.value();
        if log != self.log {
            self.last = match log {
                Some(log) if log.entries > 0 => unless_silent(observe::last_entry(ipmi).await)?.flatten(),
                _ => None,
            };
            self.log = log;
        }
        Ok(Seen {
            device,
            guid,
            refresh,
            inventories: Arc::clone(&self.inventories),
            last: self.last.clone(),
            requests: ipmi.packets().sent,
        })
    }

    async fn see_inventories(&mut self, ipmi: &Ipmi, refresh: &Refresh) -> Result<(), IpmiError> {
        let states: Vec<SupplyState> = refresh.supplies().map(|(_, state)| state).collect();
        let same = |(repository, before): &(Arc<Repository>, Vec<SupplyState>)| {
            Arc::ptr_eq(repository, &refresh.repository) && *before == states
        };
        if self.inventories_at.as_ref().is_some_and(same) {
            return Ok(());
        }
        let located = refresh.repository.inventories.iter();
        let mut ids: Vec<u8> = located
            .filter(|locator| locator.is_logical && locator.id != OWN_INVENTORY)
            .map(|locator| locator.id)
            .collect();
        ids.insert(0, OWN_INVENTORY);
        ids.truncate(MOST_INVENTORIES);
        let mut found = Vec::new();
        for id in ids {
            // A part that is pulled has no inventory; that is no error.
            if let Some(inventory) = unless_silent(observe::inventory(ipmi, id).await)? {
                found.push((id, inventory));
            }
        }
        self.inventories = Arc::new(found);
        self.inventories_at = Some((Arc::clone(&refresh.repository), states));
        Ok(())
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
