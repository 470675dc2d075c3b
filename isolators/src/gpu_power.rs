//! Power limits of NVIDIA GPUs: within what the board takes, never above what was found, put back on an orderly release only.
//!
//! A limit has no file. In the record of originals it stands as `nvml/UUID`, in milliwatts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use facts::Power;

use crate::daemon;
use crate::host::Host;
use crate::isolator::{IsolateError, Phase};
use crate::nvml::{self, GpuLimit, Gpus};
use crate::record::Record;
use crate::step::Step;

/// What begins the names of limits in the record of originals.
pub(crate) const NVML: &str = "nvml";
/// The hardware's unit is at most one watt: what is read back may be less than what was set by so much.
const UNIT_MILLIWATTS: u64 = 1_000;
/// Daemons that set limits of GPUs by themselves, and what makes them yield.
const OWNERS: [(&str, &str); 2] = [
    (
        "nv-hostengine",
        "systemctl disable --now nvidia-dcgm (dcgm-exporter with its embedded engine only reads)",
    ),
    ("nvidia-powerd", "systemctl disable --now nvidia-powerd"),
];

/// The name of a GPU's limit in the record of originals.
pub fn name_of(uuid: &str) -> PathBuf {
    Path::new(NVML).join(uuid)
}

/// Who sets limits of GPUs on this host by itself, and what would make it yield. A sentence, or nothing.
pub fn owner(host: &Host) -> Option<String> {
    OWNERS.iter().find_map(|(daemon, yields)| {
        let pid = daemon::pid_of(host, daemon)?;
        Some(format!(
            "{daemon} (process {pid}) sets power limits of GPUs; it yields with {yields}"
        ))
    })
}

/// Why a GPU's limit would not outlive the agent, and what would change that. A sentence, or nothing.
pub fn forgetful(gpus: &Gpus) -> Option<String> {
    let forgets: Vec<&str> = gpus
        .limited
        .iter()
        .filter(|gpu| !gpu.persists)
        .map(|gpu| gpu.uuid.as_str())
        .collect();
    (!forgets.is_empty()).then(|| {
        format!(
            "the driver forgets the power limit of {} as soon as nobody uses it, and a cap must outlive the agent; \
             systemctl enable --now nvidia-persistenced, or nvidia-smi -pm 1, keeps it",
            forgets.join(", ")
        )
    })
}

/// What was found before the first limit of ours: the highest that a GPU is given.
///
/// # Errors
/// When the record says something that is no number.
pub fn original(record: &Record, gpu: &GpuLimit) -> Result<Power, IsolateError> {
    let name = name_of(&gpu.uuid);
    match record.originals.get(&name) {
        Some(text) => parsed(&name, text),
        None => Ok(gpu.limit),
    }
}

/// The steps to these limits, a GPU each; what was found is added to `originals`.
pub(crate) fn leased(
    record: &Record,
    gpus: &Gpus,
    limits: &BTreeMap<String, Power>,
    originals: &mut BTreeMap<PathBuf, String>,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let mut steps = Vec::new();
    for (uuid, power) in limits {
        let gpu = gpus.limited.iter().find(|gpu| gpu.uuid == *uuid);
        let gpu = gpu.ok_or_else(|| IsolateError::NoDevice {
            device: uuid.clone(),
            why: "the driver has no such GPU that takes a power limit".to_owned(),
        })?;
        // Never above what was found, never outside of what the board takes.
        let shall = (*power).min(original(record, gpu)?).min(gpu.most).max(gpu.least);
        if agree(shall.milliwatts(), gpu.limit.milliwatts()) {
            continue;
        }
        let name = name_of(uuid);
        if !record.originals.contains_key(&name) {
            originals.insert(name, gpu.limit.milliwatts().to_string());
        }
        steps.push(step(uuid, shall, gpu.limit)?);
    }
    Ok(steps)
}

/// The steps back to what was found; the names of what is put back are added to `done`.
pub(crate) fn released(
    host: &Host,
    record: &Record,
    done: &mut Vec<PathBuf>,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let ours: Vec<_> = record
        .originals
        .iter()
        .filter(|(name, _)| name.starts_with(NVML))
        .collect();
    if ours.is_empty() {
        return Ok(Vec::new());
    }
    put_back(&nvml::gpus(host)?, &ours, done)
}

fn put_back(
    gpus: &Gpus,
    ours: &[(&PathBuf, &String)],
    done: &mut Vec<PathBuf>,
) -> Result<Vec<(Phase, Step)>, IsolateError> {
    let mut steps = Vec::new();
    for (name, text) in ours {
        let found = parsed(name, text)?;
        // A GPU that went took its limit along.
        if let Some(gpu) = gpus.limited.iter().find(|gpu| name_of(&gpu.uuid) == **name) {
            let shall = found.min(gpu.most).max(gpu.least);
            if !agree(shall.milliwatts(), gpu.limit.milliwatts()) {
                let (_, step) = step(&gpu.uuid, shall, gpu.limit)?;
                steps.push((Phase::Grant, step));
            }
        }
        done.push((*name).clone());
    }
    Ok(steps)
}

/// Whether a limit that was set is the one that is read: the hardware rounds down to its unit.
pub(crate) fn agree(set: u64, said: u64) -> bool {
    said <= set && set - said < UNIT_MILLIWATTS
}

fn step(uuid: &str, shall: Power, is: Power) -> Result<(Phase, Step), IsolateError> {
    let number = |power: Power| {
        u32::try_from(power.milliwatts()).map_err(|_| IsolateError::NoDevice {
            device: uuid.to_owned(),
            why: format!("{power} is more than NVML can say"),
        })
    };
    let phase = if shall < is { Phase::Release } else { Phase::Grant };
    let step = Step::LimitGpu {
        uuid: uuid.to_owned(),
        milliwatts: number(shall)?,
        before: number(is)?,
    };
    Ok((phase, step))
}

fn parsed(name: &Path, text: &str) -> Result<Power, IsolateError> {
    let number = text.trim().parse().map_err(|_| IsolateError::Strange {
        path: name.to_owned(),
        text: text.to_owned(),
        expected: "a number of milliwatts",
    });
    number.map(Power::from_milliwatts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn watts(watts: u64) -> Power {
        Power::from_watts(watts).unwrap()
    }

    fn gpu(limit: u64, persists: bool) -> Gpus {
        let limited = vec![GpuLimit {
            uuid: "GPU-1".to_owned(),
            pci: None,
            limit: watts(limit),
            least: watts(200),
            most: watts(700),
            persists,
        }];
        Gpus {
            limited,
            unlimited: Vec::new(),
        }
    }

    fn planned(record: &Record, gpus: &Gpus, shall: u64) -> (Vec<(Phase, Step)>, BTreeMap<PathBuf, String>) {
        let mut originals = BTreeMap::new();
        let limits = BTreeMap::from([("GPU-1".to_owned(), watts(shall))]);
        let steps = leased(record, gpus, &limits, &mut originals).unwrap();
        (steps, originals)
    }

    fn set(steps: &[(Phase, Step)]) -> (Phase, u32) {
        match steps {
            [(phase, Step::LimitGpu { milliwatts, .. })] => (*phase, *milliwatts),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_limit_stays_within_the_board_and_below_what_was_found() {
        let mut record = Record::default();
        let (steps, originals) = planned(&record, &gpu(650, true), 300);
        assert_eq!(set(&steps), (Phase::Release, 300_000));
        record.originals = originals;
        assert_eq!(record.originals[Path::new("nvml/GPU-1")], "650000");
        // Lower than the board takes, higher than what was found.
        assert_eq!(
            set(&planned(&record, &gpu(300, true), 20).0),
            (Phase::Release, 200_000)
        );
        let (up, again) = planned(&record, &gpu(300, true), 5_000);
        assert_eq!((set(&up), again.len()), ((Phase::Grant, 650_000), 0));
        assert!(planned(&record, &gpu(300, true), 300).0.is_empty(), "converged");
        let ours: Vec<_> = record.originals.iter().collect();
        let mut done = Vec::new();
        assert_eq!(
            set(&put_back(&gpu(300, true), &ours, &mut done).unwrap()),
            (Phase::Grant, 650_000)
        );
        assert_eq!(done, [Path::new("nvml/GPU-1")]);
        assert!(
            put_back(&Gpus::default(), &ours, &mut done).unwrap().is_empty(),
            "it went"
        );
    }

    #[test]
    fn a_driver_that_forgets_and_who_sets_limits_are_named() {
        assert_eq!(forgetful(&gpu(300, true)), None);
        assert!(
            forgetful(&gpu(300, false))
                .unwrap()
                .contains("nvidia-persistenced")
        );
        let tree = tempfile::tempdir().unwrap();
        let host = Host::at(tree.path());
        assert_eq!(owner(&host), None);
        std::fs::create_dir_all(tree.path().join("proc/88")).unwrap();
        std::fs::write(tree.path().join("proc/88/comm"), "nv-hostengine\n").unwrap();
        assert!(owner(&host).unwrap().contains("disable --now nvidia-dcgm"));
        // No file of a recorded machine is asked for its GPUs.
        assert_eq!(nvml::gpus(&host).unwrap(), Gpus::default());
    }
}
