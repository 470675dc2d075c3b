//! How the keeper has steps done: through the one hand that writes, until nothing is missing.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use agent_api::v1::Exclusivity;
use facts::CpuSet;
use intent::{Actuator, Generation, Hold, Intent, Isolation};
use isolators::apply::{ApplyError, StepError, held};
use isolators::cgroup::{Origin, members, nearest_living, started};
use isolators::{Applied, IsolateError, Outcome, Phase, Step, apply, plan};

use super::keeper::lent;
use super::{Keeper, KeeperError};
use crate::ledger::Entry;

/// How often plan and apply alternate. Two rounds are usual where the kernel refused a partition; the rest is room.
const MOST_ROUNDS: usize = 5;
/// So long the mounts of cgroups are taken to be what they were: a little longer than a sweep takes to come round.
const LAYOUT_STANDS: Duration = Duration::from_secs(2);
/// How many steps a message shows.
const MOST_SHOWN: usize = 12;

impl Keeper {
    /// The steps between the host as it is and this intent.
    pub(super) fn missing(&self, intent: &Intent) -> Result<Vec<(Phase, Step)>, KeeperError> {
        let mut steps = plan(&self.layout, &self.host, intent).map_err(unplanned)?;
        // Last: what a thread may use is bounded by its cgroup.
        steps.extend(self.pins(intent));
        Ok(steps)
    }

    /// The refusal of the mode, where it has one, with what would have been done.
    pub(super) fn gate(&self, steps: &[Step]) -> Result<(), KeeperError> {
        match held(&self.config.actuators, Actuator::Cpu, steps) {
            None => Ok(()),
            Some(outcome) => outcome_of(Actuator::Cpu, outcome).map(|_| ()),
        }
    }

    /// Whether the gate in `isolators::apply` would let the keeper act; where not, it plans nothing that it could not do.
    pub(super) fn gate_is_open(&self) -> bool {
        held(&self.config.actuators, Actuator::Cpu, &[]).is_none()
    }

    /// Whether nothing can change by a sweep: the mode forbids to act, and no workload is held.
    pub fn may_rest(&self) -> bool {
        !self.gate_is_open() && self.ledger.workloads.is_empty() && self.ledger.cap.is_none()
    }

    /// Does these steps, in order.
    pub(super) fn act(&mut self, steps: &[Step]) -> Result<Vec<Step>, KeeperError> {
        self.act_by(Actuator::Cpu, steps)
    }

    /// Does these steps, in order, where the mode of this actuator allows it.
    pub(super) fn act_by(&mut self, actuator: Actuator, steps: &[Step]) -> Result<Vec<Step>, KeeperError> {
        self.met = None;
        let gate = &self.config.actuators;
        let outcome = apply(gate, actuator, &self.host, steps, &mut *self.watch);
        let applied = outcome_of(actuator, outcome.map_err(failed)?)?;
        for refused in &applied.refused {
            self.layout.refused.insert(refused.workload.clone());
            let entries = self.ledger.workloads.iter_mut();
            for entry in entries.filter(|entry| entry.id == refused.workload) {
                entry.refused.clone_from(&refused.why);
                entry.exclusivity = Exclusivity::AmongBusbar;
            }
        }
        Ok(applied.done)
    }

    /// Brings the host to the intent in the ledger: plan, apply, plan again, until nothing is missing.
    pub(super) fn converge(&mut self) -> Result<Vec<Step>, KeeperError> {
        self.met = None;
        let first = steps_of(self.missing(&self.ledger.intent)?);
        self.converge_from(first)
    }

    /// The same, where the first plan is made already: a plan reads a dozen files a workload.
    pub(super) fn converge_from(&mut self, first: Vec<Step>) -> Result<Vec<Step>, KeeperError> {
        let mut done = Vec::new();
        let mut left = first;
        for _ in 0..MOST_ROUNDS {
            if left.is_empty() {
                self.met = Some(self.generation());
                return Ok(done);
            }
            done.extend(self.act(&left)?);
            left = steps_of(self.missing(&self.ledger.intent)?);
        }
        if left.is_empty() {
            self.met = Some(self.generation());
            return Ok(done);
        }
        Err(KeeperError::Failed(format!(
            "the host does not keep what is written to it; still outstanding: {}",
            shown(&left)
        )))
    }

    /// The cgroups of a workload that are there, in whatever hierarchy.
    pub(super) fn groups(&self, entry: &Entry) -> Vec<(PathBuf, PathBuf)> {
        if let Some(container) = &entry.container {
            return self.container_groups(container);
        }
        let mut groups = Vec::new();
        for place in self.layout.all_hierarchies() {
            for own in self.layout.own(place) {
                let dir = own.join(entry.id.as_str());
                if self.host.is_dir(&dir) {
                    groups.push((place.mount.clone(), dir));
                }
            }
        }
        groups
    }

    /// The processes in a workload's cgroups.
    pub(super) fn members(&self, entry: &Entry) -> Result<Vec<u32>, KeeperError> {
        let mut all = Vec::new();
        for (_, dir) in self.groups(entry) {
            all.extend(members(&self.host, &dir).map_err(unplanned)?);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The steps that move everything in a workload's cgroups back to where its first process came from; `higher` goes up
    /// that many cgroups from there, for an origin that takes no processes any more.
    pub(super) fn moves_back(&self, entry: &Entry, higher: usize) -> Result<Vec<Step>, KeeperError> {
        let mut steps = Vec::new();
        if entry.container.is_some() {
            return Ok(steps);
        }
        for (mount, dir) in self.groups(entry) {
            let known = entry.origins.iter().find(|origin| origin.mount == mount).cloned();
            let origin = known.unwrap_or_else(|| Origin {
                mount: mount.clone(),
                dir: mount.clone(),
            });
            let up = origin
                .dir
                .ancestors()
                .nth(higher)
                .filter(|up| up.starts_with(&mount));
            let dir_up = up.map_or_else(|| mount.clone(), PathBuf::from);
            let to = nearest_living(&self.host, &Origin { mount, dir: dir_up });
            for pid in members(&self.host, &dir).map_err(unplanned)? {
                if let Some(started) = started(&self.host, pid) {
                    steps.push(Step::MoveProcess {
                        pid,
                        started,
                        from: dir.clone(),
                        to: to.clone(),
                    });
                }
            }
        }
        Ok(steps)
    }

    /// Does one move; a process that ended meanwhile needs none.
    pub(super) fn move_one(&mut self, step: Step) -> Result<bool, KeeperError> {
        let steps = [step];
        match apply(
            &self.config.actuators,
            Actuator::Cpu,
            &self.host,
            &steps,
            &mut *self.watch,
        ) {
            Ok(outcome) => outcome_of(Actuator::Cpu, outcome).map(|_| true),
            Err(ApplyError {
                cause: StepError::Gone(_),
                ..
            }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes the ledger down.
    pub(super) fn save(&self) -> Result<(), KeeperError> {
        self.ledger
            .write(&self.config.state_dir)
            .map_err(|error| KeeperError::Failed(told(&error)))
    }

    /// Looks at the host's cgroups again, where nothing of ours stands in them yet.
    pub(super) fn refresh(&mut self) {
        if self.ledger.workloads.is_empty() {
            self.layout = self.config.layout(&self.host);
            self.refreshed = Some(Instant::now());
        }
    }

    /// The same, unless a sweep has just done so: a start waits for it. The files of a recorded machine are what they are at each look.
    pub(super) fn refresh_where_old(&mut self) {
        let lately = self.refreshed.is_some_and(|at| at.elapsed() < LAYOUT_STANDS);
        if !lately || !self.host.is_this_machine() {
            self.refresh();
        } else if self.ledger.workloads.is_empty() {
            // A refusal was one workload's, and the next one may have its name.
            self.layout.refused.clear();
        }
    }

    /// The intent that follows with these isolations: one generation on, and those that share CPUs share what is left.
    pub(super) fn next_intent(&self, isolations: Vec<Isolation>) -> Intent {
        let mut next = Intent {
            generation: self.generation().next(),
            isolations,
        };
        next.isolations
            .sort_by(|one, other| one.workload.cmp(&other.workload));
        reshare(&mut next, self.pool.as_ref().map(|pool| &pool.usable));
        next
    }
}

/// Gives all that share CPUs what nobody has exclusively; leaves them as they are where that is unknown or nothing.
fn reshare(intent: &mut Intent, usable: Option<&CpuSet>) {
    let lent = lent(intent);
    let Some(shared) = usable
        .map(|usable| usable.difference(&lent))
        .filter(|shared| !shared.is_empty())
    else {
        return;
    };
    for isolation in intent
        .isolations
        .iter_mut()
        .filter(|isolation| !isolation.exclusive)
    {
        isolation.cpus.clone_from(&shared);
        if let Some(Hold::Away { cpus, before }) = &mut isolation.held {
            before.clone_from(&shared);
            // Where none of them is left it runs with everybody again, until its time is over.
            let away = shared.intersection(cpus);
            if !away.is_empty() {
                isolation.cpus = away;
            }
        }
    }
}

/// What was done, or the refusal of the mode with what would have been done.
pub(super) fn outcome_of(actuator: Actuator, outcome: Outcome) -> Result<Applied, KeeperError> {
    match outcome {
        Outcome::Done(applied) => Ok(applied),
        Outcome::Would { mode, steps } => Err(KeeperError::Refused(format!(
            "actuator {actuator} is in {mode}: would {}",
            if steps.is_empty() {
                "write its ledger".to_owned()
            } else {
                shown(&steps)
            }
        ))),
    }
}

/// The generation of nothing: used where a ledger begins anew.
pub(super) fn after(generation: Generation) -> Intent {
    Intent {
        generation: generation.next(),
        isolations: Vec::new(),
    }
}

pub(super) fn steps_of(steps: Vec<(Phase, Step)>) -> Vec<Step> {
    steps.into_iter().map(|(_, step)| step).collect()
}

/// Steps in one sentence.
pub(super) fn shown(steps: &[Step]) -> String {
    let mut texts: Vec<String> = steps.iter().take(MOST_SHOWN).map(Step::to_string).collect();
    if steps.len() > MOST_SHOWN {
        texts.push(format!("and {} more", steps.len() - MOST_SHOWN));
    }
    texts.join("; ")
}

/// An error with all its causes in one line.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// What the host lacks is a refusal; what cannot be read is a failure.
pub(super) fn unplanned(error: IsolateError) -> KeeperError {
    match error {
        IsolateError::NoController { .. }
        | IsolateError::OutOfReach { .. }
        | IsolateError::Lacks { .. }
        | IsolateError::NoDevice { .. }
        | IsolateError::NoneLeft { .. }
        | IsolateError::NotDelegated { .. } => KeeperError::Refused(told(&error)),
        IsolateError::Unreadable { .. } | IsolateError::Strange { .. } | IsolateError::Unanswered(_) => {
            KeeperError::Failed(told(&error))
        }
    }
}

fn failed(error: ApplyError) -> KeeperError {
    match error.cause {
        StepError::Others(_) => KeeperError::Refused(told(&error)),
        StepError::Refused(_)
        | StepError::NoFile(_)
        | StepError::ReadBack { .. }
        | StepError::Status(_)
        | StepError::TooSlow { .. }
        | StepError::Driver(_)
        | StepError::Gone(_) => KeeperError::Failed(told(&error)),
    }
}
