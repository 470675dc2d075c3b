//! resctrl (Documentation/arch/x86/resctrl.rst): memory bandwidth and cache occupancy of each L3 domain, where it is mounted.
//!
//! A control group's `mon_data` counts its own tasks and those of the monitoring groups below it; the domain's sum is that of all
//! control groups, the root's among them. A reading asks a CPU of the domain, so it is not cheap. It is never mounted from here:
//! a mount changes what the machine does with its caches.

pub mod families;
mod group;
mod total;

use std::collections::BTreeMap;
use std::time::Duration;

use facts::NoData;
use facts::observation::Observation;
use facts::sheet::{Pad, Writing};

use crate::collector::{CollectError, Collector};
use crate::root::Root;
use crate::{attribute, columns};
use families as f;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) use group::bytes_of;
pub use group::{Counted, counted, group_of};
use total::Total;

const RESCTRL: &str = "sys/fs/resctrl";
const MON_DATA: &str = "mon_data";
const CPU: &str = "sys/devices/system/cpu";
/// Directories at the top that are no control groups.
const NO_GROUPS: [&str; 3] = ["info", "mon_groups", MON_DATA];
const L3: &str = "mon_L3_";
const OCCUPANCY: &str = "llc_occupancy";
/// The counters of a domain and what we call them.
const COUNTERS: [(&str, &str); 2] = [("mbm_total_bytes", "total"), ("mbm_local_bytes", "local")];

/// The most control groups whose counts are added: above the classes of service (CLOSIDs) that any CPU has.
const MOST_GROUPS: usize = 512;

/// Reads resctrl.
pub struct ResctrlCollector {
    root: Root,
    totals: BTreeMap<(u32, &'static str), Total>,
    pad: Pad,
}

impl ResctrlCollector {
    /// Of this root.
    pub fn new(root: Root) -> ResctrlCollector {
        ResctrlCollector {
            root,
            totals: BTreeMap::new(),
            pad: Pad::default(),
        }
    }

    /// The control groups: the root's, which has no name, and those that others made.
    fn groups(&self) -> Vec<String> {
        let mut groups = vec![String::new()];
        for name in self.root.list(RESCTRL).unwrap_or_default() {
            let is_group = !NO_GROUPS.contains(&name.as_str());
            if is_group && self.root.has(&format!("{RESCTRL}/{name}/{MON_DATA}")) {
                groups.push(format!("{name}/"));
            }
        }
        groups.truncate(MOST_GROUPS);
        groups
    }

    /// What each group counts in one file of a domain; those that have no such file are left out.
    fn counts<'g>(&self, groups: &'g [String], domain: &str, file: &str) -> Vec<(&'g str, Option<u64>)> {
        let counts = groups.iter().filter_map(|group| {
            let bytes = self
                .root
                .read_bytes(&format!("{RESCTRL}/{group}{MON_DATA}/{domain}/{file}"));
            match bytes {
                Err(error) if error.is_absent() => None,
                // `Unavailable` and `Error` are the kernel's words for a counter that has no number just now.
                bytes => Some((
                    &**group,
                    bytes.ok().and_then(|bytes| columns::whole(bytes.trim_ascii())),
                )),
            }
        });
        counts.collect()
    }

    fn write(&mut self, domains: &[(u32, String)], groups: &[String], sheet: &mut Writing<'_>) {
        let sockets = sockets_of_caches(&self.root);
        for (id, domain) in domains {
            let socket = sockets.get(id).map(u32::to_string).unwrap_or_default();
            let cache = id.to_string();
            for (file, scope) in COUNTERS {
                let counts = self.counts(groups, domain, file);
                if counts.is_empty() {
                    continue;
                }
                let total = self.totals.entry((*id, file)).or_default();
                let sum = total.take(&counts);
                if sum.is_none() {
                    sheet.invalid();
                }
                sheet.add(&f::TRAFFIC, &[&socket, &cache, scope], sum);
            }
            let filled = self.counts(groups, domain, OCCUPANCY);
            if !filled.is_empty() {
                let sum = filled
                    .iter()
                    .try_fold(0_u64, |sum, (_, bytes)| sum.checked_add((*bytes)?));
                if sum.is_none() {
                    sheet.invalid();
                }
                sheet.add(&f::OCCUPANCY, &[&socket, &cache], sum);
            }
        }
    }
}

/// The number of a domain: of an L3 cache, which is a whole socket's or one of several in it.
fn domain(name: &str) -> Option<u32> {
    name.strip_prefix(L3)?.parse().ok()
}

impl Collector for ResctrlCollector {
    fn name(&self) -> &'static str {
        "resctrl"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let data = format!("{RESCTRL}/{MON_DATA}");
        if !counts(&self.root) {
            let message = format!(
                "{} is not there: resctrl is not mounted, or this CPU does not monitor its caches",
                self.root.shown(&data).display()
            );
            return Err(CollectError::new(NoData::Absent, message));
        }
        let names = self.root.list(&data)?;
        let domains: Vec<(u32, String)> = names
            .into_iter()
            .filter_map(|name| Some((domain(&name)?, name)))
            .collect();
        let groups = self.groups();
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        self.write(&domains, &groups, &mut sheet);
        let sheet = sheet.finish();
        self.pad = pad;
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}

/// Whether resctrl is mounted and counts anything.
pub fn counts(root: &Root) -> bool {
    root.has(&format!("{RESCTRL}/{MON_DATA}"))
}

/// The socket of each L3 cache, by the cache's id (`cpuN/cache/index3/id`).
pub fn sockets_of_caches(root: &Root) -> BTreeMap<u32, u32> {
    let mut sockets = BTreeMap::new();
    let number = |file: String| attribute::number::<u32>(root, &file).ok();
    for name in root.list(CPU).unwrap_or_default() {
        let id = name.strip_prefix("cpu").and_then(|id| id.parse::<u32>().ok());
        let cache = id.and_then(|_| number(format!("{CPU}/{name}/cache/index3/id")));
        let Some(cache) = cache.filter(|cache| !sockets.contains_key(cache)) else {
            continue;
        };
        if let Some(socket) = number(format!("{CPU}/{name}/topology/physical_package_id")) {
            sockets.insert(cache, socket);
        }
    }
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_named_after_its_cache() {
        assert_eq!(domain("mon_L3_00"), Some(0));
        assert_eq!(domain("mon_L3_17"), Some(17));
        for other in [
            "mon_L2_00",
            "mon_sub_L3_00",
            "mon_L3_",
            "mon_L3_-1",
            "mon_L3_4294967296",
        ] {
            assert_eq!(domain(other), None, "{other}");
        }
    }
}
