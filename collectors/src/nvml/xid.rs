//! Critical errors of GPUs (XIDs), counted from the driver's events.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use facts::Moment;
use facts::gpu::Xid;
use nvml_wrapper::bitmasks::event::EventTypes;
use nvml_wrapper::enums::event::XidError;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, EventSet, Nvml};

/// The most events that one turn takes from one GPU; a GPU that dies says hundreds, and the next turn comes soon.
const MOST_EVENTS: u32 = 64;

/// The most kinds that are kept for one GPU; NVIDIA names some 170, and each is a series.
const MOST_KINDS: usize = 32;

/// What NVML names where it does not know the number.
const UNKNOWN_XID: u64 = 999;

/// What each GPU reported, by its index.
#[derive(Default)]
pub(super) struct Xids(BTreeMap<u32, Watched>);

/// One GPU's events. A set of its own, because the wrapper drops a set to which a GPU cannot be added.
struct Watched {
    events: Option<EventSet<'static>>,
    counted: BTreeMap<u64, Xid>,
}

impl Xids {
    /// What this GPU reported until now. A GPU whose events cannot be had reports none.
    pub(super) fn of(&mut self, index: u32, nvml: &'static Nvml, device: &Device<'static>) -> Vec<Xid> {
        let watched = self.0.entry(index).or_insert_with(|| Watched {
            events: watch(nvml, device).ok(),
            counted: BTreeMap::new(),
        });
        watched.take();
        watched.counted.values().copied().collect()
    }

    /// The last that a GPU reported before it was lost.
    pub(super) fn last(&mut self, index: u32) -> Option<Xid> {
        let watched = self.0.get_mut(&index)?;
        watched.take();
        watched.counted.values().copied().max_by_key(|xid| xid.last_at)
    }
}

impl Watched {
    /// Counts the events that wait.
    fn take(&mut self) {
        for _ in 0..MOST_EVENTS {
            let Some(Ok(event)) = self.events.as_ref().map(|events| events.wait(0)) else {
                return;
            };
            match event.event_data {
                Some(XidError::Value(xid)) => self.count(xid),
                Some(XidError::Unknown) => self.count(UNKNOWN_XID),
                None => {}
            }
        }
    }

    fn count(&mut self, xid: u64) {
        if self.counted.len() >= MOST_KINDS && !self.counted.contains_key(&xid) {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seen = self.counted.entry(xid).or_insert(Xid {
            xid,
            count: 0,
            last_at: Moment::EPOCH,
        });
        seen.count = seen.count.saturating_add(1);
        seen.last_at = Moment::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    }
}

fn watch(nvml: &'static Nvml, device: &Device<'static>) -> Result<EventSet<'static>, NvmlError> {
    let events = nvml.create_event_set()?;
    device
        .register_events(EventTypes::CRITICAL_XID_ERROR, events)
        .map_err(|failed| failed.error)
}
