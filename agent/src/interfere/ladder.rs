//! What is done about an antagonist: the mildest act first, each with its end, the next only where the last did not help. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_api::v1::{Grade, InterferenceMode, Resource, Signal};
use facts::Moment;
use intent::WorkloadId;

use super::allowed::Allowed;
use super::judge::{Finding, Suspect};
use super::thresholds::Thresholds;
use super::{Sample, Standing};

/// The most that is done at one time: a node where more is needed wants fewer workloads, not more acts.
const MOST_DEEDS: usize = 8;
/// How long it is remembered that an act did not help.
const REMEMBERED: Duration = Duration::from_secs(3_600);

/// One act, or advice to act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// What.
    pub grade: Grade,
    /// On whose behalf.
    pub victim: WorkloadId,
    /// About whom.
    pub antagonist: WorkloadId,
    /// When it began.
    pub since: Moment,
    /// When it ends by itself.
    pub until: Moment,
    /// Whether it is to be done; else it is advice.
    pub is_done: bool,
}

/// What is to be told, and done.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Somebody suffers, and these are the likeliest to be why.
    Named(Finding),
    /// This is to be done now, or is advised.
    Act(Deed),
    /// This is to be undone now, and whether the victim suffers no more by it.
    Undo(Deed, bool),
    /// It does not suffer any more.
    Over(WorkloadId),
}

/// Where a victim and an antagonist are on the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    /// No grade below this one helped.
    From(Grade),
    /// It stood still and the victim suffered all the same: somebody else is the cause.
    Acquitted,
}

/// What is remembered of acts.
#[derive(Clone, Debug)]
pub struct Ladder {
    mode: InterferenceMode,
    allowed: Allowed,
    act_for: Duration,
    /// Of each victim that suffers, who was last named on its behalf. When all windows that are compared are bad ones nobody can
    /// be told from anybody else, and the grades have only begun.
    named: BTreeMap<WorkloadId, Vec<Suspect>>,
    climbed: BTreeMap<(WorkloadId, WorkloadId), (Rung, Moment)>,
    deeds: Vec<Deed>,
}

impl Ladder {
    /// One that has done nothing yet; what is not allowed is advice.
    pub fn new(mode: InterferenceMode, allowed: Allowed, thresholds: &Thresholds) -> Ladder {
        Ladder {
            mode,
            allowed,
            act_for: thresholds.act_for,
            named: BTreeMap::new(),
            climbed: BTreeMap::new(),
            deeds: Vec::new(),
        }
    }

    /// What follows from a window.
    pub fn step(&mut self, at: Moment, findings: &[Finding], samples: &[Sample]) -> Vec<News> {
        let is_there = |id: &WorkloadId| samples.iter().any(|sample| sample.id == *id);
        let mut news = self.finish(at, findings, &is_there);
        self.named.retain(|victim, _| {
            let suffers = findings.iter().any(|finding| finding.victim == *victim);
            if !suffers {
                news.push(News::Over(victim.clone()));
            }
            suffers
        });
        for finding in findings.iter().filter(|finding| finding.is_fresh) {
            let Some(finding) = self.with_suspects(finding, &is_there) else {
                continue;
            };
            let suspects = finding.suspects.clone();
            if self.named.insert(finding.victim.clone(), suspects).is_none() {
                news.push(News::Named(finding.clone()));
            }
            let deed = self.next(at, &finding);
            self.deeds.extend(deed.clone());
            news.extend(deed.map(News::Act));
        }
        news
    }

    /// The finding with those that it names, or else with those that were named since the victim began to suffer; `None` where
    /// that is nobody.
    fn with_suspects(&self, finding: &Finding, is_there: &dyn Fn(&WorkloadId) -> bool) -> Option<Finding> {
        if !finding.suspects.is_empty() {
            return Some(finding.clone());
        }
        let known = self.named.get(&finding.victim)?.iter();
        let suspects: Vec<Suspect> = known.filter(|one| is_there(&one.id)).cloned().collect();
        (!suspects.is_empty()).then(|| Finding {
            suspects,
            ..finding.clone()
        })
    }

    /// An act was refused: it is not under way, and the next one is another.
    pub fn refused(&mut self, deed: &Deed) {
        self.deeds.retain(|one| one != deed);
        self.climb(deed, deed.since);
    }

    /// Ends what has lasted long enough, and what is about somebody who is gone.
    fn finish(
        &mut self,
        at: Moment,
        findings: &[Finding],
        is_there: &dyn Fn(&WorkloadId) -> bool,
    ) -> Vec<News> {
        self.climbed
            .retain(|(victim, _), (_, until)| *until > at && is_there(victim));
        let all = std::mem::take(&mut self.deeds);
        let (over, lasting): (Vec<Deed>, Vec<Deed>) = all
            .into_iter()
            .partition(|deed| deed.until <= at || !is_there(&deed.victim) || !is_there(&deed.antagonist));
        self.deeds = lasting;
        let mut undone = Vec::new();
        for deed in over {
            // What is only not over yet was helped.
            let suffers = |finding: &Finding| finding.is_fresh && finding.victim == deed.victim;
            let helped = !findings.iter().any(suffers);
            if !helped {
                self.climb(&deed, at);
            }
            if deed.is_done {
                undone.push(News::Undo(deed, helped));
            }
        }
        undone
    }

    fn climb(&mut self, deed: &Deed, at: Moment) {
        let pair = (deed.victim.clone(), deed.antagonist.clone());
        let above = Grade::ALL.into_iter().find(|grade| *grade > deed.grade);
        let next = match above {
            Some(above) => Rung::From(above),
            None if deed.is_done => Rung::Acquitted,
            None => Rung::From(Grade::Freeze),
        };
        self.climbed.insert(pair, (next, at.after(REMEMBERED)));
    }

    fn rung(&self, finding: &Finding, suspect: &Suspect) -> Option<Rung> {
        let pair = (finding.victim.clone(), suspect.id.clone());
        self.climbed.get(&pair).map(|(rung, _)| *rung)
    }

    /// The next act for a victim: one at a time, about whom priority protects least.
    fn next(&self, at: Moment, finding: &Finding) -> Option<Deed> {
        let is_busy = self.deeds.iter().any(|deed| deed.victim == finding.victim);
        if is_busy || self.deeds.len() >= MOST_DEEDS {
            return None;
        }
        let mut free: Vec<&Suspect> = finding
            .suspects
            .iter()
            .filter(|suspect| suspect.standing == Standing::Actable)
            .filter(|suspect| self.deeds.iter().all(|deed| deed.antagonist != suspect.id))
            .filter(|suspect| self.rung(finding, suspect) != Some(Rung::Acquitted))
            .collect();
        // The sort is stable: among equals the highest score stays first.
        free.sort_by_key(|suspect| std::cmp::Reverse(suspect.priority));
        let suspect = free.first()?;
        let (grade, is_done) = self.grade(finding, suspect);
        Some(Deed {
            grade,
            victim: finding.victim.clone(),
            antagonist: suspect.id.clone(),
            since: at,
            until: at.after(self.act_for),
            is_done,
        })
    }

    /// The mildest grade that may help, and whether it is to be done.
    fn grade(&self, finding: &Finding, suspect: &Suspect) -> (Grade, bool) {
        // A smaller part of cache and bandwidth helps whoever is slowed down in them: whoever waits for a CPU is not.
        let is_memory =
            suspect.resource == Resource::MemoryBandwidth || finding.signal == Signal::CyclesPerInstruction;
        let first = if is_memory { Grade::Cache } else { Grade::CpuMax };
        let least = match self.rung(finding, suspect) {
            Some(Rung::From(grade)) => grade.max(first),
            Some(Rung::Acquitted) | None => first,
        };
        if self.mode == InterferenceMode::Act {
            let allowed = self.allowed.about(&suspect.id, suspect.priority);
            let mut above = Grade::ALL.into_iter().filter(|grade| *grade >= least);
            if let Some(grade) = above.find(|grade| allowed.contains(grade)) {
                return (grade, true);
            }
        }
        (least, false)
    }
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
