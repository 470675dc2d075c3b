//! What takes a power limit on this node, who needs which of it, and what was promised of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use facts::{CpuSet, Power};
use intent::{DeviceWish, Intent, Isolation, Priority, WorkloadId};
use isolators::nvml::{self, GpuLimit, Gpus};
use isolators::powercap::{self, Cap};
use isolators::record::Record;
use isolators::{Host, gpu_power};

use super::KeeperError;
use super::hand::{told, unplanned};
use super::share::{Claim, Part, shares};
use super::squeeze::WORKING_PART;
use crate::ledger::CapInForce;
use crate::place::Machine;

/// The least that a package may be capped at: RAPL's units are parts of a watt, and below one nothing is told apart from zero.
const LEAST: Power = Power::from_milliwatts(1_000);
/// How much later a revocable workload's rank is: after all priorities of those who are not.
const REVOCABLE: u8 = Priority::MOST.get();
/// The rank of a GPU that nobody holds: after everybody.
const NOBODYS: u8 = REVOCABLE + Priority::MOST.get() + 1;
/// A whole CPU, in thousandths.
const CPU: u64 = 1_000;

/// Something that takes a limit, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Limited {
    Package(u32),
    Gpu(String),
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Limited::Package(package) => write!(f, "package-{package}"),
            Limited::Gpu(uuid) => f.write_str(uuid),
        }
    }
}

/// What takes a limit on a node; all lists of parts have one order.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) what: Vec<Limited>,
    pub(super) parts: Vec<Part>,
    /// The workload that holds a part alone.
    pub(super) holders: Vec<Option<WorkloadId>>,
    /// What was promised; `who` is a workload's number in the intent.
    pub(super) claims: Vec<Claim>,
    pub(super) gpus: Gpus,
}

/// How soon a workload is squeezed: 1 is kept longest. Whoever is revocable comes after everybody who is not.
pub(super) fn rank(isolation: &Isolation) -> u8 {
    let priority = isolation.priority.unwrap_or_default().get();
    if isolation.revocable == Some(true) {
        REVOCABLE + priority
    } else {
        priority
    }
}

/// So much CPU time a workload may have on these CPUs, in thousandths of one.
pub(super) fn time_on(isolation: &Isolation, cpus: &CpuSet) -> u64 {
    let count = |cpus: &CpuSet| u64::try_from(cpus.len()).unwrap_or(u64::MAX);
    let (there, all) = (count(&isolation.cpus.intersection(cpus)), count(&isolation.cpus));
    let most = isolation.cpu_time_max.filter(|_| !isolation.exclusive);
    let most = most.map_or(all, |most| all.min(u64::from(most)));
    // Who shares may have all of its time anywhere, and has it evenly in the long run.
    (CPU * most * there).checked_div(all).unwrap_or_default()
}

impl Limits {
    /// What takes a limit, for these workloads.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub(super) fn of(
        host: &Host,
        record: &Path,
        machine: &Machine,
        intent: &Intent,
    ) -> Result<Limits, KeeperError> {
        let record = Record::read(host, record).map_err(unplanned)?;
        let gpus = nvml::gpus(host).map_err(|error| KeeperError::Failed(told(&error)))?;
        let mut limits = Limits {
            what: Vec::new(),
            parts: Vec::new(),
            holders: Vec::new(),
            claims: Vec::new(),
            gpus,
        };
        for (package, most) in powercap::packages(host, &record).map_err(unplanned)? {
            limits.what.push(Limited::Package(package));
            limits.parts.push(of_package(package, most, machine, intent));
            limits.holders.push(None);
        }
        for gpu in &limits.gpus.limited {
            let most = gpu_power::original(&record, gpu).map_err(unplanned)?;
            let holder = first_kept(intent, |isolation| holds(isolation, gpu));
            limits.what.push(Limited::Gpu(gpu.uuid.clone()));
            limits
                .holders
                .push(holder.map(|isolation| isolation.workload.clone()));
            limits.parts.push(Part {
                least: gpu.least,
                working: gpu.least,
                most: most.min(gpu.most),
                rank: holder.map_or(NOBODYS, rank),
            });
        }
        for (who, isolation) in intent.isolations.iter().enumerate() {
            limits.claim(who, isolation, machine);
        }
        Ok(limits)
    }

    /// Splits a workload's firm watts over the parts that it uses, in proportion to what it could draw of each.
    fn claim(&mut self, who: usize, isolation: &Isolation, machine: &Machine) {
        let Some(watts) = isolation.watts.filter(|_| isolation.revocable != Some(true)) else {
            return;
        };
        let weights = self.what.iter().zip(&self.parts);
        let weights: Vec<u128> = weights
            .map(|(what, part)| self.weight(what, part, isolation, machine))
            .collect();
        let all: u128 = weights.iter().sum();
        let (mut before, mut given) = (0_u128, 0_u64);
        for (part, weight) in weights.into_iter().enumerate().filter(|(_, weight)| *weight > 0) {
            before += weight;
            // What rounding takes from one part the next one has.
            let up_to = u128::from(watts.milliwatts()) * before / all;
            let up_to = u64::try_from(up_to).unwrap_or(u64::MAX);
            self.claims.push(Claim {
                who,
                part,
                watts: Power::from_milliwatts(up_to - given),
                rank: rank(isolation),
            });
            given = up_to;
        }
    }

    /// What a workload could draw of a part: all of a GPU that it holds, and of a package as much as its CPU time there is.
    fn weight(&self, what: &Limited, part: &Part, isolation: &Isolation, machine: &Machine) -> u128 {
        let most = u128::from(part.most.milliwatts());
        match what {
            Limited::Gpu(uuid) => {
                let mut gpus = self.gpus.limited.iter().filter(|gpu| gpu.uuid == *uuid);
                if gpus.any(|gpu| holds(isolation, gpu)) {
                    most
                } else {
                    0
                }
            }
            Limited::Package(package) => match machine.cpus_of_package(*package) {
                Some(cpus) if !cpus.is_empty() => {
                    let time = u128::from(time_on(isolation, &cpus));
                    most * time / (u128::from(CPU) * u128::try_from(cpus.len()).unwrap_or(1))
                }
                // Where nobody knows which CPUs are whose, everybody is everywhere.
                Some(_) | None => most,
            },
        }
    }

    /// What a part would owe.
    fn promised(&self, part: usize) -> Power {
        let claims = self.claims.iter().filter(|claim| claim.part == part);
        claims.fold(Power::ZERO, |sum, claim| sum.saturating_add(claim.watts))
    }

    /// The limits of the parts under a cap.
    pub(super) fn shares(&self, watts: Power) -> Option<Vec<Power>> {
        shares(watts, &self.parts, &self.claims)
    }

    /// These limits as an order for the isolators.
    pub(super) fn cap(&self, shares: &[Power], until: facts::Moment) -> Cap {
        let (mut packages, mut gpus) = (BTreeMap::new(), BTreeMap::new());
        for (what, watts) in self.what.iter().zip(shares) {
            match what {
                Limited::Package(package) => {
                    packages.insert(*package, *watts);
                }
                Limited::Gpu(uuid) => {
                    gpus.insert(uuid.clone(), *watts);
                }
            }
        }
        Cap::Lease {
            packages,
            gpus,
            until,
        }
    }

    /// Who else sets these limits, or why they would not be kept, with what would change that.
    pub(super) fn owner(&self, host: &Host) -> Option<String> {
        let has = |is_one: fn(&Limited) -> bool| self.what.iter().any(is_one);
        let of_packages = has(|what| matches!(what, Limited::Package(_))).then(|| powercap::owner(host));
        let of_gpus = || gpu_power::owner(host).or_else(|| gpu_power::forgetful(&self.gpus));
        let is_gpu = has(|what| matches!(what, Limited::Gpu(_)));
        of_packages.flatten().or_else(|| is_gpu.then(of_gpus).flatten())
    }

    /// Why nothing here can be capped.
    pub(super) fn nothing_to_cap(&self) -> String {
        let mut text =
            "no CPU package here takes a power limit: /sys/class/powercap has no zone of one; the module \
                        intel_rapl_msr gives it on processors with RAPL, and a BMC may cap the whole node"
                .to_owned();
        for gpu in &self.gpus.unlimited {
            text.push_str("; ");
            text.push_str(gpu);
        }
        text
    }

    /// Why the firm watts of this workload of the intent would not be kept; `None` where they would.
    pub(super) fn unkept(
        &self,
        intent: &Intent,
        id: &WorkloadId,
        cap: Option<&CapInForce>,
    ) -> Option<String> {
        let who = intent
            .isolations
            .iter()
            .position(|isolation| isolation.workload == *id)?;
        let isolation = &intent.isolations[who];
        let asked = isolation.watts.filter(|_| isolation.revocable != Some(true))?;
        if self.what.is_empty() {
            return Some(format!(
                "nothing would keep {asked} for workload {id}: {}",
                self.nothing_to_cap()
            ));
        }
        if self.claims.iter().all(|claim| claim.who != who) {
            return Some(format!(
                "nothing would keep {asked} for workload {id}: no part that it uses takes a power limit"
            ));
        }
        for (at, (what, part)) in self.what.iter().zip(&self.parts).enumerate() {
            let promised = self.promised(at);
            if promised > part.most {
                return Some(format!(
                    "asked {asked}; {what} would owe {promised} of firm watts and is given at most {}: {} are missing; ask for \
                     less, or end who holds them there",
                    part.most,
                    promised.saturating_sub(part.most)
                ));
            }
        }
        let cap = cap?.cap;
        let owed = |at: usize| self.promised(at).max(self.parts[at].least);
        let sum = (0..self.parts.len()).fold(Power::ZERO, |sum, at| sum.saturating_add(owed(at)));
        (sum > cap.watts).then(|| {
            format!(
                "asked {asked}; firm watts and the lowest limits of the other parts would be {sum} together, and the cap in force \
                 since {} is {}: {} are missing; ask for less, or raise the cap",
                cap.since,
                cap.watts,
                sum.saturating_sub(cap.watts)
            )
        })
    }
}

/// A package: whoever is kept longest of those who run there says its rank. Whatever runs on the node needs it.
fn of_package(number: u32, most: Power, machine: &Machine, intent: &Intent) -> Part {
    let cpus = machine.cpus_of_package(number);
    let there = |isolation: &Isolation| {
        cpus.as_ref()
            .is_none_or(|cpus: &CpuSet| !isolation.cpus.is_disjoint(cpus))
    };
    Part {
        least: LEAST.min(most),
        working: Power::from_milliwatts(most.milliwatts() / WORKING_PART),
        most,
        rank: first_kept(intent, there).map_or_else(|| Priority::default().get(), rank),
    }
}

fn holds(isolation: &Isolation, gpu: &GpuLimit) -> bool {
    let is_it = |wish: &DeviceWish| {
        wish.uuid.as_deref() == Some(gpu.uuid.as_str()) || (wish.pci.is_some() && wish.pci == gpu.pci)
    };
    isolation.devices.iter().flatten().any(is_it)
}

/// Of the workloads that fit, the one that is kept longest.
fn first_kept(intent: &Intent, fits: impl Fn(&Isolation) -> bool) -> Option<&Isolation> {
    let those = intent.isolations.iter().filter(|isolation| fits(isolation));
    those.min_by_key(|isolation| rank(isolation))
}
