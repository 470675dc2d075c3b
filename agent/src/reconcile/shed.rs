//! Squeezing workloads for the cap of power in force, and letting them go: what `squeeze` says is brought about.
//!
//! It stands in the intent, so it is in the ledger before the first write, an agent that starts again keeps it up, and it ends when
//! the cap needs it no more. Whoever stands still by somebody else's order draws nothing and is left to them.

use std::collections::BTreeMap;

use agent_api::v1::{AgentEvent, PowerCap, Squeezed};
use facts::Moment;
use intent::{Intent, Isolation, Squeeze, WorkloadId};
use isolators::Step;
use isolators::cgroup::freeze;

use super::cap::{Counted, once};
use super::limited::{Limited, rank, time_on};
use super::squeeze::{Candidate, Cut, Gives, Member, Package, WHOLE, squeezes};
use super::sweep::event;
use super::{Keeper, KeeperError};
use crate::ledger::Life;

/// What is left, in thousandths of its CPU time, to one that is to stand still where nothing can make it, or where it was asked to end.
const LEAST: u32 = 50;
/// A whole CPU, in thousandths.
const CPU: u64 = 1_000;

/// What each workload shall give up, and why.
type Wanted = BTreeMap<WorkloadId, (Squeeze, String)>;

impl Keeper {
    /// Squeezes whom the cap in force asks for, and lets the others go.
    pub(super) fn squeeze(&mut self, now: Moment) -> Vec<AgentEvent> {
        let is_any = self
            .ledger
            .intent
            .isolations
            .iter()
            .any(|one| one.squeezed.is_some());
        if !self.gate_is_open() || (self.ledger.cap.is_none() && !is_any) {
            return Vec::new();
        }
        let entries = &self.ledger.workloads;
        if let Some(cap) = &mut self.ledger.cap {
            cap.spared
                .retain(|id| entries.iter().any(|entry| entry.id == *id));
        }
        let wanted = match (self.power_cap(), &self.wish.counted) {
            (None, _) => Wanted::new(),
            (Some(cap), Some(counted)) => self.to_give(cap, counted),
            // Shares are not known now; what stands stands.
            (Some(_), None) => return Vec::new(),
        };
        let came = self.bring_squeezes(&wanted, now);
        self.wish.because = wanted.into_iter().map(|(id, (_, why))| (id, why)).collect();
        came
    }

    fn bring_squeezes(&mut self, wanted: &Wanted, now: Moment) -> Vec<AgentEvent> {
        let all = self.ledger.intent.isolations.clone();
        let mut troubles = Vec::new();
        // Who gives more comes first: nothing is given back before it was taken from somebody else.
        let mut events = self.take_more(&all, wanted, now, &mut troubles);
        events.extend(self.give_back(&all, wanted, now, &mut troubles));
        if troubles.is_empty() {
            self.wish.not_squeezed.clear();
            return events;
        }
        let troubles: Vec<String> = troubles.iter().map(KeeperError::to_string).collect();
        let message = format!("cannot squeeze or release for the cap: {}", troubles.join("; "));
        events.extend(once(&mut self.wish.not_squeezed, now, "trouble", message));
        events
    }

    fn take_more(
        &mut self,
        all: &[Isolation],
        wanted: &Wanted,
        now: Moment,
        troubles: &mut Vec<KeeperError>,
    ) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        let squeezed = |one: &Isolation| wanted.get(&one.workload).map(|(to, _)| *to);
        let more = all.iter().filter(|one| gives_more(one.squeezed, squeezed(one)));
        let more: Vec<&Isolation> = more.collect();
        let told = |id: &WorkloadId| {
            let (to, why) = wanted.get(id)?;
            let message = format!("workload {id} {}: {why}", to);
            Some(event(now, "workload_squeezed", message))
        };
        match self.set_squeezed(&more, squeezed) {
            Ok(_) => {
                let timed = more.iter().filter(|one| !is_still(squeezed(one)));
                events.extend(timed.filter_map(|one| told(&one.workload)));
            }
            Err(error) => troubles.push(error),
        }
        // Also those that an agent before this one had no time for, or that somebody set going.
        let still = self.ledger.intent.isolations.iter();
        let still = still.filter(|one| is_still(one.squeezed) && is_still(squeezed(one)));
        let still = still.filter(|one| !self.still.contains(&one.workload));
        let still: Vec<WorkloadId> = still.map(|one| one.workload.clone()).collect();
        for id in still {
            match self.stand(&id, true) {
                Ok(_) => events.extend(told(&id)),
                Err(error) => troubles.push(error),
            }
        }
        events
    }

    fn give_back(
        &mut self,
        all: &[Isolation],
        wanted: &Wanted,
        now: Moment,
        troubles: &mut Vec<KeeperError>,
    ) -> Vec<AgentEvent> {
        let squeezed = |one: &Isolation| wanted.get(&one.workload).map(|(to, _)| *to);
        let back = all
            .iter()
            .filter(|one| one.squeezed.is_some() && squeezed(one) != one.squeezed);
        let mut freed = Vec::new();
        for one in back.filter(|one| !gives_more(one.squeezed, squeezed(one))) {
            // First it goes on, then the ledger says so: a kill in between leads here again.
            let thawed = is_still(one.squeezed).then(|| self.stand(&one.workload, false));
            match thawed.transpose() {
                Ok(_) => freed.push(one),
                Err(error) => troubles.push(error),
            }
        }
        if let Err(error) = self.set_squeezed(&freed, squeezed) {
            troubles.push(error);
            return Vec::new();
        }
        let told = freed.into_iter().map(|one| {
            let (kind, what) = match wanted.get(&one.workload) {
                Some((to, why)) => ("workload_squeezed", format!("{}: {why}", to)),
                None => {
                    let why = format!("is squeezed no more: {}", self.why_free());
                    ("workload_released", why)
                }
            };
            event(now, kind, format!("workload {} {what}", one.workload))
        });
        told.collect()
    }

    fn why_free(&self) -> String {
        self.power_cap().map_or_else(
            || "no cap is in force any more".to_owned(),
            |cap| format!("{} does not ask for it", self.cap_words(cap)),
        )
    }

    /// The intent with these squeezed so, written down and brought about.
    fn set_squeezed(
        &mut self,
        those: &[&Isolation],
        squeezed: impl Fn(&Isolation) -> Option<Squeeze>,
    ) -> Result<Vec<Step>, KeeperError> {
        if those.is_empty() {
            return Ok(Vec::new());
        }
        let mut next = self.ledger.intent.isolations.clone();
        for one in &mut next {
            if those.iter().any(|other| other.workload == one.workload) {
                one.squeezed = squeezed(one);
            }
        }
        self.change(self.next_intent(next))
    }

    /// What the cap in force asks of each workload.
    fn to_give(&self, cap: PowerCap, counted: &Counted) -> Wanted {
        let intent = &self.ledger.intent;
        let candidates: Vec<Candidate> = intent.isolations.iter().map(|one| self.candidate(one)).collect();
        let mut packages = Vec::new();
        let mut numbers = Vec::new();
        for (at, what) in counted.limits.what.iter().enumerate() {
            if let Limited::Package(number) = what
                && let Some(package) = self.package(at, *number, counted, intent)
            {
                packages.push(package);
                numbers.push(at);
            }
        }
        let cuts = squeezes(&packages, &candidates);
        let each = intent.isolations.iter().zip(cuts);
        let each = each.filter_map(|(isolation, cut)| {
            let cut = cut?;
            let at = *numbers.get(cut.package)?;
            let (what, share) = (counted.limits.what.get(at)?, counted.shares.get(at)?);
            let kept = intent.isolations.get(cut.kept)?;
            let why = format!(
                "{} leaves {what} {share}, too little for {} ({}) beside {} ({})",
                self.cap_words(cap),
                kept.workload,
                standing(kept),
                isolation.workload,
                standing(isolation)
            );
            Some((isolation.workload.clone(), (self.squeeze_of(isolation, cut), why)))
        });
        each.collect()
    }

    /// What a workload can give. Who has CPUs of its own was promised their time: it stands still where it said that it is
    /// revocable, and else gives nothing but its rank.
    fn candidate(&self, isolation: &Isolation) -> Candidate {
        let id = &isolation.workload;
        let runs = self
            .ledger
            .entry(id)
            .is_some_and(|entry| entry.life == Life::Running);
        let is_spared = self
            .ledger
            .cap
            .as_ref()
            .is_some_and(|cap| cap.spared.contains(id));
        let is_revocable = isolation.revocable == Some(true);
        // A runtime rules its containers' cgroups: nothing is written there for the cap's sake either.
        let gives = if !isolation.is_written_by_us()
            || !runs
            || is_spared
            || (isolation.exclusive && !is_revocable)
        {
            Gives::Nothing
        } else if isolation.exclusive || isolation.cpu_time_max.is_none() {
            if self.can_stand(isolation) {
                Gives::All
            } else {
                Gives::Nothing
            }
        } else {
            Gives::Time
        };
        Candidate {
            rank: rank(isolation),
            gives,
        }
    }

    /// Whether it can be made to stand still, and may be: who was asked to end must go on to do so.
    fn can_stand(&self, isolation: &Isolation) -> bool {
        !self.is_asked_to_end(&isolation.workload) && freeze(&self.host, &self.layout, isolation).is_ok()
    }

    /// One that stands still for the cap and was asked to end goes on with the least CPU time that a squeeze leaves, or with all of
    /// its own CPUs where it has some. First it goes on, then the ledger says so: a kill in between leads here again.
    pub(super) fn squeeze_to_end(&mut self, isolation: &Isolation) -> Result<Vec<Step>, KeeperError> {
        let mut done = self.stand(&isolation.workload, false)?;
        let least = |one: &Isolation| least_time(one).map(|millicpus| Squeeze::CpuTime { millicpus });
        done.extend(self.set_squeezed(&[isolation], least)?);
        Ok(done)
    }

    /// A package under its limit; `None` where it has all that it could draw, or nobody knows its CPUs.
    fn package(&self, at: usize, number: u32, counted: &Counted, intent: &Intent) -> Option<Package> {
        let (part, share) = (counted.limits.parts.get(at)?, counted.shares.get(at)?);
        let cpus = self
            .machine
            .cpus_of_package(number)
            .filter(|cpus| !cpus.is_empty())?;
        if *share >= part.most {
            return None;
        }
        // All CPUs of a package draw alike: nobody tells what each of them does.
        let of_time = |time: u64| {
            let whole = u128::from(CPU) * u128::try_from(cpus.len()).unwrap_or(1);
            let draw = u128::from(part.most.milliwatts()) * u128::from(time) / whole;
            u64::try_from(draw).unwrap_or(u64::MAX)
        };
        let mut members = Vec::new();
        let mut shared = facts::CpuSet::new();
        let mut promised = 0_u64;
        for (who, isolation) in intent.isolations.iter().enumerate() {
            let claims = counted.limits.claims.iter();
            let claims = claims.filter(|claim| claim.who == who && claim.part == at);
            let firm: u64 = claims.map(|claim| claim.watts.milliwatts()).sum();
            let draw = of_time(time_on(isolation, &cpus)).max(firm);
            let shares = !isolation.exclusive;
            if self.stands_for_others(isolation) || draw == 0 {
                continue;
            }
            if shares {
                shared.add(&isolation.cpus.intersection(&cpus));
                promised = promised.saturating_add(firm);
            }
            members.push(Member {
                who,
                draw,
                firm,
                shares,
            });
        }
        let room = of_time(CPU * u64::try_from(shared.len()).unwrap_or(0)).max(promised);
        Some(Package {
            share: share.milliwatts(),
            room,
            members,
        })
    }

    /// Whether it stands still, and not for the cap.
    fn stands_for_others(&self, isolation: &Isolation) -> bool {
        self.still.contains(&isolation.workload) && isolation.squeezed != Some(Squeeze::Still)
    }

    fn squeeze_of(&self, isolation: &Isolation, cut: Cut) -> Squeeze {
        let is_shared = !isolation.exclusive;
        let time = isolation.cpu_time_max.filter(|_| is_shared).map(u64::from);
        match time {
            Some(time) if cut.left > 0 || !self.can_stand(isolation) => Squeeze::CpuTime {
                millicpus: time_left(time, cut.left.max(LEAST)),
            },
            Some(_) | None => Squeeze::Still,
        }
    }

    /// What is shown of a workload that is squeezed.
    pub(super) fn shown_squeeze(&self, isolation: &Isolation) -> Option<Squeezed> {
        let to = isolation.squeezed?;
        let because = self.wish.because.get(&isolation.workload).cloned();
        Some(Squeezed {
            to,
            because: because.unwrap_or_default(),
        })
    }

    /// Somebody ordered a workload to stand still or to go on that stands still for the cap: from now on that is their matter.
    pub(super) fn hand_over_squeezed(&mut self, id: &WorkloadId, frozen: bool) -> Result<(), KeeperError> {
        let Some(isolation) = self.ledger.intent.of(id) else {
            return Ok(());
        };
        if isolation.squeezed != Some(Squeeze::Still) {
            return Ok(());
        }
        let isolation = isolation.clone();
        if let Some(cap) = self.ledger.cap.as_mut().filter(|_| !frozen) {
            cap.spared.push(id.clone());
        }
        self.set_squeezed(&[&isolation], |_| None)?;
        Ok(())
    }
}

/// Whether somebody gives up more than before.
fn gives_more(is: Option<Squeeze>, shall: Option<Squeeze>) -> bool {
    match (is, shall) {
        (Some(Squeeze::CpuTime { millicpus: is }), Some(Squeeze::CpuTime { millicpus: shall })) => shall < is,
        (None, Some(_)) | (Some(Squeeze::CpuTime { .. }), Some(Squeeze::Still)) => true,
        (_, None) | (Some(Squeeze::Still), Some(_)) => false,
    }
}

/// The least CPU time that is left to a workload that gives of it; `None` for one that gives none.
pub(super) fn least_time(isolation: &Isolation) -> Option<u32> {
    let time = isolation.cpu_time_max.filter(|_| !isolation.exclusive)?;
    Some(time_left(u64::from(time), LEAST))
}

/// This part of so many CPUs' time, in thousandths both.
fn time_left(cpus: u64, left: u32) -> u32 {
    let millicpus = CPU * cpus * u64::from(left) / u64::from(WHOLE);
    u32::try_from(millicpus).unwrap_or(u32::MAX)
}

fn is_still(squeezed: Option<Squeeze>) -> bool {
    squeezed == Some(Squeeze::Still)
}

/// How long it is kept, for people.
fn standing(isolation: &Isolation) -> String {
    let priority = isolation.priority.unwrap_or_default().get();
    if isolation.revocable == Some(true) {
        format!("revocable, priority {priority}")
    } else {
        format!("priority {priority}")
    }
}
