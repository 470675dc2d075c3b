//! What resctrl shows: the caches and the bandwidth that can be divided, and all classes, ours and others'.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use facts::CpuSet;

use super::schemata::{MB, Schemata};
use super::ways::Cache;
use super::{RESCTRL, SCHEMATA, WHOLE_BANDWIDTH, lacks};
use crate::host::Host;
use crate::isolator::IsolateError;

/// What can be divided, a directory a resource.
const INFO: &str = "info";
/// Directories that are no classes.
pub(super) const NO_CLASSES: [&str; 3] = [INFO, "mon_data", "mon_groups"];
/// The cache; where code and data are divided apart, two resources.
const L3: &str = "L3";
const CODE_AND_DATA: [&str; 2] = ["L3CODE", "L3DATA"];
const CBM_MASK: &str = "cbm_mask";
const MIN_CBM_BITS: &str = "min_cbm_bits";
const SHAREABLE_BITS: &str = "shareable_bits";
const NUM_CLOSIDS: &str = "num_closids";
const BANDWIDTH_GRAN: &str = "bandwidth_gran";
const MIN_BANDWIDTH: &str = "min_bandwidth";
/// The kernel's caches of a CPU.
const CPUS: &str = "/sys/devices/system/cpu";
/// A cache's level, and its number among those of that level.
const LEVEL: &str = "level";
const ID: &str = "id";
/// The most caches of a CPU that are looked at.
const MOST_CACHES: u32 = 16;

/// What was found.
pub(super) struct Found {
    /// The resources of the L3 cache: one, or code and data.
    pub resources: Vec<&'static str>,
    /// The first of them and its ways, where it can be divided.
    pub cache: Option<(String, Cache)>,
    /// The step and the least of bandwidth, in parts of a hundred, where it can be divided.
    bandwidth: Option<(u64, u64)>,
    /// How many classes there can be.
    pub classes: usize,
    /// The class of everybody.
    pub everybody: Schemata,
    /// The same as it stands in the file.
    pub text: String,
    /// Classes of ours.
    pub ours: BTreeMap<PathBuf, Schemata>,
    /// The same as they stand in their files.
    pub texts: BTreeMap<PathBuf, String>,
    /// Classes of others.
    pub foreign: BTreeMap<PathBuf, Schemata>,
}

impl Found {
    /// So many thousandths of the bandwidth, as the kernel takes it.
    pub fn percent(&self, thousandths: u64) -> Result<u64, IsolateError> {
        let Some((step, least)) = self.bandwidth else {
            return Err(lacks("a share of memory bandwidth", "info/MB"));
        };
        let whole = self
            .everybody
            .0
            .get(MB)
            .and_then(|values| values.values().max().copied());
        if whole.is_some_and(|whole| whole > WHOLE_BANDWIDTH) {
            return Err(IsolateError::NoDevice {
                device: MB.to_owned(),
                why: "memory bandwidth is counted absolutely here and not in parts of a whole (AMD, or mba_MBps)".to_owned(),
            });
        }
        let percent = thousandths.div_ceil(10).div_ceil(step) * step;
        Ok(percent.clamp(least.min(WHOLE_BANDWIDTH), WHOLE_BANDWIDTH))
    }
}

/// Looks; classes whose names begin with `prefix` are ours.
pub(super) fn look(host: &Host, prefix: &str) -> Result<Found, IsolateError> {
    let root = Path::new(RESCTRL);
    let (text, everybody) = schemata(host, root)?;
    let has = |resource: &&str| host.has(&root.join(INFO).join(resource));
    let mut resources: Vec<&'static str> = [L3].into_iter().filter(has).collect();
    if resources.is_empty() {
        resources.extend(CODE_AND_DATA.iter().filter(|resource| has(resource)));
    }
    let mut classes = Vec::new();
    let mut cache = None;
    if let Some(resource) = resources.first() {
        let dir = root.join(INFO).join(resource);
        classes.push(number(host, &dir.join(NUM_CLOSIDS), 10)?);
        let ways = Cache {
            all: number(host, &dir.join(CBM_MASK), 16)?,
            least: u32::try_from(number(host, &dir.join(MIN_CBM_BITS), 10)?).unwrap_or(u32::MAX),
            shareable: number(host, &dir.join(SHAREABLE_BITS), 16).unwrap_or(0),
        };
        cache = Some(((*resource).to_owned(), ways));
    }
    let mut bandwidth = None;
    let dir = root.join(INFO).join(MB);
    if host.has(&dir) {
        classes.push(number(host, &dir.join(NUM_CLOSIDS), 10)?);
        let step = number(host, &dir.join(BANDWIDTH_GRAN), 10)?.max(1);
        bandwidth = Some((step, number(host, &dir.join(MIN_BANDWIDTH), 10)?));
    }
    let names = host.directories(root).map_err(|cause| IsolateError::Unreadable {
        path: root.to_owned(),
        cause,
    })?;
    let (mut ours, mut texts, mut foreign) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for name in names.iter().filter(|name| !NO_CLASSES.contains(&name.as_str())) {
        let dir = root.join(name);
        let (text, class) = schemata(host, &dir)?;
        if name.starts_with(prefix) {
            texts.insert(dir.clone(), text);
            ours.insert(dir, class);
        } else {
            foreign.insert(dir, class);
        }
    }
    Ok(Found {
        resources,
        cache,
        bandwidth,
        classes: classes
            .into_iter()
            .min()
            .and_then(|least| usize::try_from(least).ok())
            .unwrap_or(0),
        everybody,
        text,
        ours,
        texts,
        foreign,
    })
}

fn schemata(host: &Host, dir: &Path) -> Result<(String, Schemata), IsolateError> {
    let file = dir.join(SCHEMATA);
    let text = read(host, &file)?;
    match Schemata::parse(&text) {
        Some(schemata) => Ok((text, schemata)),
        None => Err(IsolateError::Strange {
            path: file,
            text,
            expected: "a line a resource, as in L3:0=fff;1=fff",
        }),
    }
}

fn read(host: &Host, file: &Path) -> Result<String, IsolateError> {
    let text = host.read(file).map_err(|cause| IsolateError::Unreadable {
        path: file.to_owned(),
        cause,
    })?;
    Ok(text.unwrap_or_default())
}

fn number(host: &Host, file: &Path, radix: u32) -> Result<u64, IsolateError> {
    let text = read(host, file)?;
    u64::from_str_radix(&text, radix).map_err(|_| IsolateError::Strange {
        path: file.to_owned(),
        text,
        expected: "a number",
    })
}

/// The kernel's number of the last-level cache that these CPUs share.
pub(super) fn cache_of(host: &Host, cpus: &CpuSet) -> Result<u32, IsolateError> {
    for cpu in cpus.iter() {
        for index in 0..MOST_CACHES {
            let dir = Path::new(CPUS).join(format!("cpu{cpu}/cache/index{index}"));
            let level = host.read(&dir.join(LEVEL)).ok().flatten();
            if level.as_deref() == Some("3")
                && let Some(id) = host
                    .read(&dir.join(ID))
                    .ok()
                    .flatten()
                    .and_then(|id| id.parse().ok())
            {
                return Ok(id);
            }
        }
    }
    Err(IsolateError::NoDevice {
        device: format!("the L3 cache of CPUs {cpus}"),
        why: format!("no {CPUS}/cpu*/cache/index* of them says level 3 and an id"),
    })
}
