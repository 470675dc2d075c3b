//! Power limits of packages through RAPL, and with them those of GPUs: lowered under a lease, never above what was found, put back on an orderly release only.
//!
//! A lease that has run out changes nothing: the limit in force stays. Only the release of an order that was kept gives the
//! original back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use facts::{Moment, Power};

use crate::daemon;
use crate::gpu_power;
use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
use crate::nvml;
use crate::record::Record;
use crate::step::{Reads, Step};

/// The kernel's zones, `intel-rapl:0` a package; AMD's are called the same.
const POWERCAP: &str = "/sys/class/powercap";
const ZONE: &str = "intel-rapl:";
/// What a zone is: `package-0`.
const NAME: &str = "name";
const PACKAGE: &str = "package-";
/// The long-term limit in microwatts.
const CONSTRAINT_0_POWER_LIMIT_UW: &str = "constraint_0_power_limit_uw";
/// What the package was made for; 0 where nobody says.
const CONSTRAINT_0_MAX_POWER_UW: &str = "constraint_0_max_power_uw";
/// What gives what a zone without limits lacks.
const GIVES: &str = "this processor tells its energy and takes no limit; a BMC may";
/// The kernel's name of what limits packages.
const CONTROLLER: &str = "powercap";
/// The daemon that sets these limits by itself, and what makes it yield.
const THERMALD: (&str, &str) = ("thermald", "systemctl disable --now thermald");
const MICROWATTS_PER_MILLIWATT: u64 = 1_000;

/// What shall be in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cap {
    /// These limits, a package or a GPU each, until the lease runs out. Never above what was found before the first of them.
    Lease {
        /// The limit of each package, by its number.
        packages: BTreeMap<u32, Power>,
        /// The limit of each GPU, by its driver's unique id.
        gpus: BTreeMap<String, Power>,
        /// When the lease runs out.
        until: Moment,
    },
    /// Nobody says anything: what is in force stays.
    Keep,
    /// The orderly end: what was found before the first limit comes back.
    Release,
}

/// Who sets power limits on this host by itself, and what would make it yield. A sentence, or nothing.
pub fn owner(host: &Host) -> Option<String> {
    let pid = daemon::pid_of(host, THERMALD.0)?;
    Some(format!(
        "{} (process {pid}) sets power limits; it yields with {}",
        THERMALD.0, THERMALD.1
    ))
}

/// The packages of this host, by their numbers, and the most that each may be given: what was found before the first limit, and no
/// more than the hardware was made for (`constraint_0_max_power_uw`), where it says that.
///
/// # Errors
/// When a package has no limit that could be set, or the host cannot be read.
pub fn packages(host: &Host, record: &Record) -> Result<BTreeMap<u32, Power>, IsolateError> {
    let mut packages = BTreeMap::new();
    for (package, file) in zones(host)? {
        let found = match record.originals.get(&file) {
            Some(text) => parsed(&file, text)?,
            None => microwatts(host, &file)?,
        };
        let made_for = host
            .read(&file.with_file_name(CONSTRAINT_0_MAX_POWER_UW))
            .ok()
            .flatten();
        let made_for = made_for
            .and_then(|text| text.parse().ok())
            .filter(|most| *most > 0);
        let most = made_for.map_or(found, |most: u64| most.min(found));
        packages.insert(package, Power::from_milliwatts(most / MICROWATTS_PER_MILLIWATT));
    }
    Ok(packages)
}

/// The limit in force of each package, as the hardware says it now, rounded up to a milliwatt.
///
/// # Errors
/// When a package has no limit, or the host cannot be read.
pub fn in_force(host: &Host) -> Result<BTreeMap<u32, Power>, IsolateError> {
    let mut limits = BTreeMap::new();
    for (package, file) in zones(host)? {
        let is = microwatts(host, &file)?.div_ceil(MICROWATTS_PER_MILLIWATT);
        limits.insert(package, Power::from_milliwatts(is));
    }
    Ok(limits)
}

/// The step that notes what is found of all packages and of these GPUs, before any of it must fall: a cap that falls later waits for
/// no disk. `None` where all of it is noted.
///
/// # Errors
/// When a package has no limit that could be set, or the host cannot be read.
pub fn noted(host: &Host, path: &Path, gpus: &nvml::Gpus) -> Result<Option<Step>, IsolateError> {
    let record = Record::read(host, path)?;
    let mut found = BTreeMap::new();
    for file in zones(host)?.into_values() {
        let is = microwatts(host, &file)?;
        found.insert(file, is.to_string());
    }
    for gpu in &gpus.limited {
        found.insert(gpu_power::name_of(&gpu.uuid), gpu.limit.milliwatts().to_string());
    }
    found.retain(|name, _| !record.originals.contains_key(name));
    Ok(record.remember(path, found))
}

/// The steps to a cap. Lowering is a release, raising (never above the original) a grant.
///
/// # Errors
/// When a package has no limit that could be set, or the host cannot be read.
pub fn steps(host: &Host, record: &Path, cap: &Cap, now: Moment) -> Result<Vec<(Phase, Step)>, IsolateError> {
    match cap {
        Cap::Keep => Ok(Vec::new()),
        Cap::Lease { until, .. } if *until <= now => Ok(Vec::new()),
        Cap::Lease { packages, gpus, .. } => leased(host, record, packages, gpus),
        Cap::Release => released(host, record),
    }
}

fn leased(
    host: &Host,
    path: &Path,
    packages: &BTreeMap<u32, Power>,
    gpus: &BTreeMap<String, Power>,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let record = Record::read(host, path)?;
    let zones = zones(host)?;
    let mut originals = BTreeMap::new();
    let (mut lower, mut raise) = (Vec::new(), Vec::new());
    for (package, power) in packages {
        let file = zones.get(package).ok_or_else(|| IsolateError::NoDevice {
            device: format!("{PACKAGE}{package}"),
            why: format!("no zone of {POWERCAP} has that name"),
        })?;
        let is = microwatts(host, file)?;
        let original = match record.originals.get(file) {
            Some(text) => parsed(file, text)?,
            None => is,
        };
        let asked = power.milliwatts().saturating_mul(MICROWATTS_PER_MILLIWATT);
        let shall = asked.min(original);
        if Reads::Microwatts.agree(&shall.to_string(), &is.to_string()) {
            continue;
        }
        if !record.originals.contains_key(file) {
            originals.insert(file.clone(), is.to_string());
        }
        let (phase, steps) = if shall < is {
            (Phase::Release, &mut lower)
        } else {
            (Phase::Grant, &mut raise)
        };
        steps.push((phase, write(file, shall, is)));
    }
    if !gpus.is_empty() {
        let of_gpus = gpu_power::leased(&record, &nvml::gpus(host)?, gpus, &mut originals)?;
        let (down, up): (Vec<_>, Vec<_>) = of_gpus
            .into_iter()
            .partition(|(phase, _)| *phase == Phase::Release);
        lower.extend(down);
        raise.extend(up);
    }
    let remember = record.remember(path, originals);
    let first = remember.map(|step| (Phase::Release, step));
    Ok(first.into_iter().chain(lower).chain(raise).collect())
}

fn released(host: &Host, path: &Path) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let record = Record::read(host, path)?;
    let ours = record
        .originals
        .iter()
        .filter(|(file, _)| file.starts_with(POWERCAP));
    let (mut steps, mut done) = (Vec::new(), Vec::new());
    for (file, original) in ours {
        // A package that went took its limit along.
        if host.has(file) {
            let (is, shall) = (microwatts(host, file)?, parsed(file, original)?);
            if !Reads::Microwatts.agree(&shall.to_string(), &is.to_string()) {
                steps.push((Phase::Grant, write(file, shall, is)));
            }
        }
        done.push(file.clone());
    }
    steps.extend(gpu_power::released(host, &record, &mut done)?);
    if !done.is_empty() {
        let record = path.to_owned();
        steps.push((Phase::Grant, Step::Forget { record, files: done }));
    }
    Ok(steps)
}

fn write(file: &Path, shall: u64, is: u64) -> Step {
    Step::WriteFile {
        file: file.to_owned(),
        value: shall.to_string(),
        before: Some(is.to_string()),
        reads: Reads::Microwatts,
        partition_of: Vec::new(),
        refusal_to: None,
    }
}

/// The limit's file of each package.
fn zones(host: &Host) -> Result<BTreeMap<u32, PathBuf>, IsolateError> {
    let root = Path::new(POWERCAP);
    let names = host.entries(root).map_err(|cause| IsolateError::Unreadable {
        path: root.to_owned(),
        cause,
    })?;
    let mut zones = BTreeMap::new();
    // `intel-rapl:0:1` is a part of a package.
    let whole = |name: &&String| name.strip_prefix(ZONE).is_some_and(|rest| !rest.contains(':'));
    for zone in names.iter().filter(whole) {
        let name = host
            .read(&root.join(zone).join(NAME))
            .ok()
            .flatten()
            .unwrap_or_default();
        if let Some(package) = name.strip_prefix(PACKAGE).and_then(|number| number.parse().ok()) {
            zones.insert(package, root.join(zone).join(CONSTRAINT_0_POWER_LIMIT_UW));
        }
    }
    Ok(zones)
}

fn microwatts(host: &Host, file: &Path) -> Result<u64, IsolateError> {
    let text = host.read(file).map_err(|cause| IsolateError::Unreadable {
        path: file.to_owned(),
        cause,
    })?;
    let text = text.ok_or_else(|| IsolateError::Lacks {
        what: "a power limit".to_owned(),
        controller: CONTROLLER,
        file: file.to_owned(),
        gives: GIVES,
    })?;
    parsed(file, &text)
}

fn parsed(file: &Path, text: &str) -> Result<u64, IsolateError> {
    text.trim().parse().map_err(|_| IsolateError::Strange {
        path: file.to_owned(),
        text: text.to_owned(),
        expected: "a number of microwatts",
    })
}
