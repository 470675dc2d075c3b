//! The I/O controller: how much a workload may read from and write to each block device, its weight, its latency.

use std::path::{Path, PathBuf};

use intent::{Intent, IoLimit, Isolation};

use super::difference::{Wanted, keyed, read, unless_said};
use super::lacking::Optional;
use super::layout::Layout;
use super::mount::{Controller, Place, Version};
use crate::block::number_of;
use crate::host::Host;
use crate::isolator::{IsolateError, Isolator, Phase};
use crate::step::{Reads, Step};

/// v2: a line `8:16 rbps=… wbps=… riops=… wiops=…` a device.
const IO_MAX: &str = "io.max";
/// v2: a line `8:16 200` a device, and `default 100`.
const IO_WEIGHT: Optional = Optional {
    controller: Controller::Io,
    file: "io.weight",
    gives: "a kernel with CONFIG_BLK_CGROUP_IOCOST has it, with io.cost.qos enable=1 for that device",
};
/// v2: a line `8:16 target=75` a device.
const IO_LATENCY: Optional = Optional {
    controller: Controller::Io,
    file: "io.latency",
    gives: "a kernel with CONFIG_BLK_CGROUP_IOLATENCY has it",
};
/// What gives what v1 does not have.
const V2_GIVES: &str = "cgroup v2 has it: boot with systemd.unified_cgroup_hierarchy=1";
/// v2: no limit.
const NO_LIMIT: &str = "max";

/// One of the four limits: what is asked, its word in `io.max`, its file in v1.
type Dimension = (fn(&IoLimit) -> Option<u64>, &'static str, &'static str);

const DIMENSIONS: [Dimension; 4] = [
    (
        |one| one.read_bytes_per_second,
        "rbps",
        "blkio.throttle.read_bps_device",
    ),
    (
        |one| one.write_bytes_per_second,
        "wbps",
        "blkio.throttle.write_bps_device",
    ),
    (
        |one| one.reads_per_second,
        "riops",
        "blkio.throttle.read_iops_device",
    ),
    (
        |one| one.writes_per_second,
        "wiops",
        "blkio.throttle.write_iops_device",
    ),
];

/// Plans `io.max`, `io.weight` and `io.latency` (v2), or `blkio.throttle.*` (v1).
#[derive(Clone, Debug)]
pub struct Io {
    layout: Layout,
}

type Steps = Vec<(Phase, Step)>;

impl Io {
    /// For this layout.
    pub fn new(layout: &Layout) -> Io {
        Io {
            layout: layout.clone(),
        }
    }

    fn of_one(&self, host: &Host, isolation: &Isolation) -> Result<Steps, IsolateError> {
        let Some(limits) = &isolation.io else {
            return Ok(Vec::new());
        };
        let place = self.layout.place(Controller::Io)?;
        let group = self.layout.group(place, isolation);
        let mut steps = Vec::new();
        let mut named = Vec::new();
        for limit in limits {
            let device = number_of(host, &limit.device)?.to_string();
            match place.version {
                Version::V2 => steps.extend(v2(host, place, &group, &device, limit)?),
                Version::V1 => steps.extend(v1(host, &group, &device, limit)?),
            }
            named.push(device);
        }
        steps.extend(lift(host, place.version, &group, &named)?);
        Ok(steps)
    }
}

/// What is lowered goes first, what is raised last: two lines of one file.
fn v2(
    host: &Host,
    place: &Place,
    group: &Path,
    device: &str,
    limit: &IoLimit,
) -> Result<Steps, IsolateError> {
    let file = group.join(IO_MAX);
    let before = read(host, &file)?;
    let (mut lower, mut raise) = (Vec::new(), Vec::new());
    for (asked, word, _) in DIMENSIONS {
        let shall = asked(limit).unwrap_or(u64::MAX);
        let is = before
            .as_deref()
            .and_then(|text| of_line(text, device, word))
            .unwrap_or(u64::MAX);
        let text = if shall == u64::MAX {
            NO_LIMIT.to_owned()
        } else {
            shall.to_string()
        };
        if shall < is {
            lower.push(format!("{word}={text}"));
        } else if shall > is {
            raise.push(format!("{word}={text}"));
        }
    }
    let mut steps = Vec::new();
    let first = if before.is_some() {
        Phase::Release
    } else {
        Phase::Shape
    };
    for (phase, words) in [(first, lower), (Phase::Grant, raise)] {
        if !words.is_empty() {
            let value = format!("{device} {}", words.join(" "));
            steps.push((
                phase,
                Wanted::new(file.clone(), value, Reads::Keyed).step(before.clone()),
            ));
        }
    }
    if let Some(weight) = limit.weight {
        IO_WEIGHT.in_group(host, place, group, "a weight of I/O")?;
        let value = format!("{device} {}", weight.get());
        let wanted = Wanted::new(group.join(IO_WEIGHT.file), value, Reads::Keyed);
        steps.extend(unless_said(host, Phase::Shape, wanted)?);
    }
    if let Some(target) = limit.latency_microseconds {
        IO_LATENCY.in_group(host, place, group, "a latency of I/O")?;
        let value = format!("{device} target={target}");
        let wanted = Wanted::new(group.join(IO_LATENCY.file), value, Reads::Keyed);
        steps.extend(unless_said(host, Phase::Shape, wanted)?);
    }
    Ok(steps)
}

fn v1(host: &Host, group: &Path, device: &str, limit: &IoLimit) -> Result<Steps, IsolateError> {
    for (asked, file) in [
        (limit.weight.is_some(), IO_WEIGHT.file),
        (limit.latency_microseconds.is_some(), IO_LATENCY.file),
    ] {
        if asked {
            return Err(IsolateError::Lacks {
                what: format!("what {file} does"),
                controller: Controller::Io.word_in(Version::V1),
                file: group.join(file),
                gives: V2_GIVES,
            });
        }
    }
    let mut steps = Vec::new();
    for (asked, _, file) in DIMENSIONS {
        let file = group.join(file);
        let before = read(host, &file)?;
        let is = before
            .as_deref()
            .and_then(|text| keyed(text, device)?.first()?.parse().ok());
        let (is, shall) = (is.unwrap_or(u64::MAX), asked(limit).unwrap_or(u64::MAX));
        if is != shall {
            steps.push(throttle(file, device, before, shall, is));
        }
    }
    Ok(steps)
}

/// v1 takes 0 for no limit, and then shows no line at all.
fn throttle(file: PathBuf, device: &str, before: Option<String>, shall: u64, is: u64) -> (Phase, Step) {
    let phase = match &before {
        None => Phase::Shape,
        Some(_) if shall < is => Phase::Release,
        Some(_) => Phase::Grant,
    };
    let number = if shall == u64::MAX { 0 } else { shall };
    let value = format!("{device} {number}");
    (phase, Wanted::new(file, value, Reads::Keyed).step(before))
}

/// Lifts the limits of devices that are not named any more.
fn lift(host: &Host, version: Version, group: &Path, named: &[String]) -> Result<Steps, IsolateError> {
    let none: Vec<String> = DIMENSIONS
        .iter()
        .map(|(_, word, _)| format!("{word}={NO_LIMIT}"))
        .collect();
    let files: Vec<(&str, String)> = match version {
        Version::V2 => vec![
            (IO_MAX, none.join(" ")),
            (IO_WEIGHT.file, "default".to_owned()),
            (IO_LATENCY.file, "target=0".to_owned()),
        ],
        Version::V1 => DIMENSIONS
            .iter()
            .map(|(_, _, file)| (*file, "0".to_owned()))
            .collect(),
    };
    let mut steps = Vec::new();
    for (file, nothing) in files {
        let file = group.join(file);
        let before = read(host, &file)?;
        let lines = before.as_deref().unwrap_or_default().lines();
        let devices = lines.filter_map(|line| line.split_whitespace().next());
        for device in devices.filter(|device| device.contains(':')) {
            let value = format!("{device} {nothing}");
            let is_named = named.iter().any(|known| known == device);
            let is_lifted = Reads::Keyed.agree(&value, before.as_deref().unwrap_or_default());
            if !is_named && !is_lifted {
                let wanted = Wanted::new(file.clone(), value, Reads::Keyed);
                steps.push((Phase::Grant, wanted.step(before.clone())));
            }
        }
    }
    Ok(steps)
}

/// A number of a line of `io.max`; `max` is none.
fn of_line(text: &str, device: &str, word: &str) -> Option<u64> {
    let words = keyed(text, device)?;
    let value = words
        .iter()
        .find_map(|found| found.strip_prefix(word)?.strip_prefix('='))?;
    value.parse().ok()
}

impl Isolator for Io {
    fn name(&self) -> &'static str {
        Controller::Io.word()
    }

    fn steps(&self, host: &Host, intent: &Intent) -> Result<Vec<(Phase, Step)>, IsolateError> {
        let mut steps = Vec::new();
        for isolation in &intent.isolations {
            steps.extend(self.of_one(host, isolation)?);
        }
        Ok(steps)
    }
}
