//! The power cap of what can be limited on this node, CPU packages and GPUs: who else sets limits is asked first, what was found is
//! noted, and it comes back only on an orderly release. A cap that nobody renews stands: silence frees nothing, and neither does
//! the agent's end.

use std::path::PathBuf;
use std::time::Duration;

use agent_api::v1::{Capped, CappedPart};
use facts::{CpuSet, Moment, Power};
use intent::{Actuator, DeviceWish, Intent, Isolation, Priority};
use isolators::nvml::{self, GpuLimit, Gpus};
use isolators::powercap::{self, Cap};
use isolators::record::Record;
use isolators::{Step, gpu_power};

use super::hand::{steps_of, told as in_words, unplanned};
use super::share::{Part, shares};
use super::{Keeper, KeeperError};

/// The least that a package may be capped at: RAPL's units are parts of a watt, and below one nothing is told apart from zero.
const LEAST: Power = Power::from_milliwatts(1_000);
/// A package with less than this part of its limit hardly works; it gets that much before anybody's priority is asked.
const WORKING_PART: u64 = 4;
/// The rank of a GPU that nobody holds: after all priorities.
const NOBODYS: u8 = Priority::MOST.get() + 1;
/// How long an order for a cap is worth following. It is followed at once.
const ORDER: Duration = Duration::from_secs(1);

/// Something that takes a limit, with its name.
enum Limited {
    Package(u32),
    Gpu(String),
}

impl Keeper {
    /// Caps all packages and GPUs together. Nobody gets more than was found there; workloads that are shed first are squeezed
    /// first.
    ///
    /// # Errors
    /// When nothing here takes a limit, somebody else sets them, the mode forbids it, or the hardware keeps another limit.
    pub fn cap(&mut self, watts: Power, now: Moment) -> Result<Capped, KeeperError> {
        let record = Record::read(&self.host, self.record()?).map_err(unplanned)?;
        let packages = powercap::packages(&self.host, &record).map_err(unplanned)?;
        let gpus = nvml::gpus(&self.host).map_err(|error| KeeperError::Failed(in_words(&error)))?;
        let mut limited: Vec<(Limited, Part, Option<&Isolation>)> = Vec::new();
        for (package, most) in &packages {
            limited.push(self.package(*package, *most));
        }
        for gpu in &gpus.limited {
            let most = gpu_power::original(&record, gpu).map_err(unplanned)?;
            limited.push(self.gpu(gpu, most));
        }
        if limited.is_empty() {
            return Err(KeeperError::Refused(nothing_to_cap(&gpus)));
        }
        let parts: Vec<Part> = limited.iter().map(|(_, part, _)| *part).collect();
        let shares = shares(watts, &parts).ok_or_else(|| too_little(watts, &parts))?;
        let owner = (!packages.is_empty())
            .then(|| powercap::owner(&self.host))
            .flatten();
        let of_gpus = || gpu_power::owner(&self.host).or_else(|| gpu_power::forgetful(&gpus));
        let owner = owner.or_else(|| (!gpus.limited.is_empty()).then(of_gpus).flatten());
        if let Some(owner) = owner {
            return Err(KeeperError::Refused(owner));
        }
        let told = limited
            .iter()
            .zip(&shares)
            .map(|((what, _, holder), watts)| CappedPart {
                part: match what {
                    Limited::Package(package) => format!("package-{package}"),
                    Limited::Gpu(uuid) => uuid.clone(),
                },
                watts: *watts,
                holder: holder.map(|isolation| isolation.workload.clone()),
            });
        let told: Vec<CappedPart> = told.collect();
        let (mut of_packages, mut of_gpus) = (Vec::new(), Vec::new());
        for ((what, _, _), watts) in limited.into_iter().zip(shares) {
            match what {
                Limited::Package(package) => of_packages.push((package, watts)),
                Limited::Gpu(uuid) => of_gpus.push((uuid, watts)),
            }
        }
        let cap = Cap::Lease {
            packages: of_packages.into_iter().collect(),
            gpus: of_gpus.into_iter().collect(),
            until: now.after(ORDER),
        };
        let done = self.bring_power(&cap, now)?;
        Ok(Capped {
            watts: Some(watts),
            done: lines(&done),
            parts: told,
            not_capped: gpus.unlimited,
        })
    }

    /// A package: whoever is kept longest of those who run there says its rank. Whatever runs on the node needs it.
    fn package(&self, number: u32, most: Power) -> (Limited, Part, Option<&Isolation>) {
        let cpus = self.machine.cpus_of_package(number);
        let there = |isolation: &&Isolation| {
            cpus.as_ref()
                .is_none_or(|cpus: &CpuSet| !isolation.cpus.is_disjoint(cpus))
        };
        let holder = first_kept(&self.ledger.intent, there);
        let rank = holder.map_or_else(Priority::default, |isolation| {
            isolation.priority.unwrap_or_default()
        });
        let part = Part {
            least: LEAST.min(most),
            working: Power::from_milliwatts(most.milliwatts() / WORKING_PART),
            most,
            rank: rank.get(),
        };
        (Limited::Package(number), part, None)
    }

    fn gpu(&self, gpu: &GpuLimit, most: Power) -> (Limited, Part, Option<&Isolation>) {
        let is_it = |wish: &DeviceWish| {
            wish.uuid.as_deref() == Some(gpu.uuid.as_str()) || (wish.pci.is_some() && wish.pci == gpu.pci)
        };
        let holder = first_kept(&self.ledger.intent, |isolation| {
            isolation.devices.iter().flatten().any(is_it)
        });
        let rank = holder.map_or(NOBODYS, |isolation| isolation.priority.unwrap_or_default().get());
        let part = Part {
            least: gpu.least,
            working: gpu.least,
            most: most.min(gpu.most),
            rank,
        };
        (Limited::Gpu(gpu.uuid.clone()), part, holder)
    }

    /// Puts back what was found before the first cap.
    ///
    /// # Errors
    /// When the mode forbids it, or the hardware keeps another limit.
    pub fn uncap(&mut self, now: Moment) -> Result<Capped, KeeperError> {
        let done = self.bring_power(&Cap::Release, now)?;
        Ok(Capped {
            watts: None,
            done: lines(&done),
            parts: Vec::new(),
            not_capped: Vec::new(),
        })
    }

    /// The steps of a cap, done.
    pub(super) fn bring_power(&mut self, cap: &Cap, now: Moment) -> Result<Vec<Step>, KeeperError> {
        let steps = powercap::steps(&self.host, self.record()?, cap, now).map_err(unplanned)?;
        let steps = steps_of(steps);
        if steps.is_empty() {
            return Ok(steps);
        }
        self.act_by(Actuator::PowerCap, &steps)
    }

    fn record(&self) -> Result<&PathBuf, KeeperError> {
        self.layout.record.as_ref().ok_or_else(|| {
            KeeperError::Refused(format!(
                "an agent whose cgroup is called {:?} is not the host's own and caps nothing",
                self.config.cgroup_name
            ))
        })
    }
}

/// Of the workloads that fit, the one that is kept longest.
fn first_kept(intent: &Intent, fits: impl FnMut(&&Isolation) -> bool) -> Option<&Isolation> {
    let those = intent.isolations.iter().filter(fits);
    those.min_by_key(|isolation| isolation.priority.unwrap_or_default())
}

fn nothing_to_cap(gpus: &Gpus) -> String {
    let mut text =
        "no CPU package here takes a power limit: /sys/class/powercap has no zone of one; the module \
                    intel_rapl_msr gives it on processors with RAPL, and a BMC may cap the whole node"
            .to_owned();
    for gpu in &gpus.unlimited {
        text.push_str("; ");
        text.push_str(gpu);
    }
    text
}

fn too_little(watts: Power, parts: &[Part]) -> KeeperError {
    let least = parts.iter().map(|part| part.least.milliwatts());
    let least = Power::from_milliwatts(least.fold(0, u64::saturating_add));
    KeeperError::BadAsk(format!(
        "asked a cap of {watts} for {} CPU packages and GPUs; expected at least {least}, the lowest limits that they take together",
        parts.len()
    ))
}

fn lines(done: &[Step]) -> Vec<String> {
    done.iter().map(Step::to_string).collect()
}
