//! The hugetlb controller: how many huge pages of each size a workload may use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use intent::{HugepageShare, Intent, Isolation};

use super::difference::{Wanted, limit};
use super::layout::Layout;
use super::mount::{Controller, Version};
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::{Reads, Step};

/// The kernel's pools: a directory `hugepages-2048kB` a size.
const HUGEPAGES: &str = "/sys/kernel/mm/hugepages";
const POOL: (&str, &str) = ("hugepages-", "kB");
/// v1 shows no limit as the largest number of pages, v2 as this word.
const NO_LIMIT: &str = "max";
const KIB: u64 = 1 << 10;
/// The kernel names a size with the largest of these units that it reaches (`mm/hugetlb_cgroup.c`).
const UNITS: [(u64, &str); 3] = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];

/// Plans `hugetlb.2MB.max` and `hugetlb.2MB.rsvd.max` (v2), or the same with `limit_in_bytes` (v1). A workload that has
/// some may use no others: sizes that it has none of are set to nothing.
#[derive(Clone, Debug)]
pub struct Hugetlb {
    layout: Layout,
}

type Steps = Vec<(Phase, Step)>;

impl Hugetlb {
    /// For this layout.
    pub fn new(layout: &Layout) -> Hugetlb {
        Hugetlb {
            layout: layout.clone(),
        }
    }

    fn of_one(&self, host: &Host, isolation: &Isolation) -> Result<Steps, IsolateError> {
        let Some(shares) = &isolation.hugepages else {
            return Ok(Vec::new());
        };
        let place = self.layout.place(Controller::Hugetlb)?;
        let group = self.layout.group(place, isolation);
        let word = match place.version {
            Version::V1 => "limit_in_bytes",
            Version::V2 => NO_LIMIT,
        };
        let mut steps = Vec::new();
        for (page, bytes) in limits(host, shares)? {
            let name = named(page);
            let used = group.join(format!("hugetlb.{name}.{word}"));
            // Reservations are limited too where the kernel can (5.7 and later): a process is then refused when it maps
            // too much, and not killed when it touches it.
            let reserved = group.join(format!("hugetlb.{name}.rsvd.{word}"));
            steps.extend(one(host, used, bytes)?);
            if host.has(&reserved) {
                steps.extend(one(host, reserved, bytes)?);
            }
        }
        Ok(steps)
    }
}

fn one(host: &Host, file: PathBuf, bytes: u64) -> Result<Option<(Phase, Step)>, IsolateError> {
    limit(host, Wanted::new(file, bytes.to_string(), Reads::Bytes), number)
}

/// What each size of pages is limited to; sizes that the host does not have are refused.
fn limits(host: &Host, shares: &[HugepageShare]) -> Result<BTreeMap<u64, u64>, IsolateError> {
    let pools = host.directories(Path::new(HUGEPAGES));
    let pools = pools.map_err(|cause| IsolateError::Unreadable {
        path: HUGEPAGES.into(),
        cause,
    })?;
    let size = |name: &String| {
        let number = name.strip_prefix(POOL.0)?.strip_suffix(POOL.1)?;
        number.parse::<u64>().ok()?.checked_mul(KIB)
    };
    let mut limits: BTreeMap<u64, u64> = pools.iter().filter_map(size).map(|page| (page, 0)).collect();
    for share in shares {
        let page = share.page_bytes.get();
        let Some(limit) = limits.get_mut(&page) else {
            return Err(IsolateError::Lacks {
                what: format!("huge pages of {}", share.page_bytes),
                controller: Controller::Hugetlb.word(),
                file: Path::new(HUGEPAGES).join(format!("{}{}{}", POOL.0, page / KIB, POOL.1)),
                gives: "this machine has no pages of that size",
            });
        };
        // The kernel rounds down to whole pages.
        *limit = limit.saturating_add(share.bytes.get() / page * page);
    }
    Ok(limits)
}

/// `2MB`, as the kernel writes it.
fn named(page: u64) -> String {
    let unit = UNITS.iter().find(|(unit, _)| page >= *unit);
    unit.map_or_else(
        || page.to_string(),
        |(unit, name)| format!("{}{name}", page / unit),
    )
}

fn number(text: &str) -> Option<u64> {
    if text == NO_LIMIT {
        Some(u64::MAX)
    } else {
        text.parse().ok()
    }
}

impl Isolator for Hugetlb {
    fn name(&self) -> &'static str {
        Controller::Hugetlb.word()
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let mut steps = Vec::new();
        for isolation in &intent.isolations {
            steps.extend(self.of_one(host, isolation)?);
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_named_as_the_kernel_names_them() {
        for (page, name) in [
            (64 << 10, "64KB"),
            (2 << 20, "2MB"),
            (512 << 20, "512MB"),
            (1 << 30, "1GB"),
        ] {
            assert_eq!(named(page), name);
        }
    }
}
