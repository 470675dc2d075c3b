//! What is done about an antagonist: the mildest act first, each with its end, the next only where the last did not help. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_api::v1::{Grade, InterferenceMode, Resource};
use facts::Moment;
use intent::WorkloadId;

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
    /// This is to be undone now.
    Undo(Deed),
    /// It does not suffer any more.
    Over(WorkloadId),
}

/// What is remembered of acts.
#[derive(Clone, Debug)]
pub struct Ladder {
    mode: InterferenceMode,
    can: Vec<Grade>,
    act_for: Duration,
    named: BTreeMap<WorkloadId, Moment>,
    climbed: BTreeMap<(WorkloadId, WorkloadId), (Grade, Moment)>,
    deeds: Vec<Deed>,
}

impl Ladder {
    /// One that has done nothing yet; `can` are the grades that whoever carries acts out can do: others are advice.
    pub fn new(mode: InterferenceMode, can: &[Grade], thresholds: &Thresholds) -> Ladder {
        Ladder {
            mode,
            can: can.to_vec(),
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
        let fresh = findings.iter().filter(|finding| finding.is_fresh);
        for finding in fresh.filter(|finding| !finding.suspects.is_empty()) {
            if !self.named.contains_key(&finding.victim) {
                self.named.insert(finding.victim.clone(), at);
                news.push(News::Named(finding.clone()));
            }
            let deed = self.next(at, finding);
            self.deeds.extend(deed.clone());
            news.extend(deed.map(News::Act));
        }
        news
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
        for deed in &over {
            // What is only not over yet was helped.
            let suffers = |finding: &Finding| finding.is_fresh && finding.victim == deed.victim;
            if findings.iter().any(suffers) {
                self.climb(deed, at);
            }
        }
        let undone = over.into_iter().filter(|deed| deed.is_done);
        undone.map(News::Undo).collect()
    }

    fn climb(&mut self, deed: &Deed, at: Moment) {
        let pair = (deed.victim.clone(), deed.antagonist.clone());
        let above = Grade::ALL.into_iter().find(|grade| *grade > deed.grade);
        let next = above.unwrap_or(Grade::Freeze);
        self.climbed.insert(pair, (next, at.after(REMEMBERED)));
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
            .collect();
        // The sort is stable: among equals the highest score stays first.
        free.sort_by_key(|suspect| std::cmp::Reverse(suspect.priority));
        let suspect = free.first()?;
        let grade = self.grade(finding, suspect);
        Some(Deed {
            grade,
            victim: finding.victim.clone(),
            antagonist: suspect.id.clone(),
            since: at,
            until: at.after(self.act_for),
            is_done: self.mode == InterferenceMode::Act && self.can.contains(&grade),
        })
    }

    fn grade(&self, finding: &Finding, suspect: &Suspect) -> Grade {
        let pair = (finding.victim.clone(), suspect.id.clone());
        let least = self.climbed.get(&pair).map(|(grade, _)| *grade);
        // A smaller share of cache and bandwidth helps against whoever is seen by its traffic. Where it is to be acted and
        // that cannot be, the next grade is taken.
        let has_traffic = suspect.resource == Resource::MemoryBandwidth;
        let may_cache = self.mode == InterferenceMode::Advise || self.can.contains(&Grade::Cache);
        let first = if has_traffic && may_cache {
            Grade::Cache
        } else {
            Grade::CpuMax
        };
        least.map_or(first, |least| least.max(first))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm)]
    use agent_api::v1::Signal;
    use intent::Priority;

    use super::*;

    fn minute(minute: u64) -> Moment {
        Moment::from_millis(minute * 60_000)
    }

    fn suspect(id: &str, priority: u64, resource: Resource) -> Suspect {
        Suspect {
            id: id.parse().unwrap(),
            resource,
            score: 0.5,
            standing: Standing::Actable,
            priority: Priority::new(priority).unwrap(),
            evidence: Vec::new(),
        }
    }

    fn finding(suspects: Vec<Suspect>) -> Finding {
        Finding {
            victim: "web".parse().unwrap(),
            signal: Signal::Pressure,
            value: 0.5,
            threshold: 0.1,
            is_fresh: true,
            suspects,
        }
    }

    fn samples(ids: &[&str]) -> Vec<Sample> {
        let sample = |id: &&str| Sample {
            id: id.parse().unwrap(),
            standing: Standing::Actable,
            priority: Priority::default(),
            cpu: 1.0,
            bandwidth: None,
            signals: BTreeMap::new(),
        };
        ids.iter().map(sample).collect()
    }

    fn ladder(mode: InterferenceMode) -> Ladder {
        Ladder::new(mode, &[Grade::CpuMax], &Thresholds::published())
    }

    fn act(news: &[News]) -> Deed {
        let acts = news.iter().filter_map(|one| match one {
            News::Act(deed) => Some(deed.clone()),
            _ => None,
        });
        let acts: Vec<Deed> = acts.collect();
        assert_eq!(acts.len(), 1, "{news:?}");
        acts.into_iter().next().unwrap()
    }

    #[test]
    fn the_least_protected_is_held_back_for_a_time_and_again_where_that_helped() {
        let mut ladder = ladder(InterferenceMode::Act);
        let all = samples(&["web", "a", "b"]);
        let suffers = [finding(vec![
            suspect("a", 5, Resource::CpuTime),
            suspect("b", 9, Resource::CpuTime),
        ])];
        let first = act(&ladder.step(minute(0), &suffers, &all));
        assert_eq!(
            (first.antagonist.as_str(), first.grade, first.is_done),
            ("b", Grade::CpuMax, true)
        );
        assert_eq!(first.until, minute(5));
        assert_eq!(ladder.step(minute(1), &suffers, &all), [], "one at a time");
        assert_eq!(
            ladder.step(minute(2), &[], &all),
            [News::Over(first.victim.clone())]
        );
        assert_eq!(ladder.step(minute(5), &[], &all), [News::Undo(first)]);
        assert_eq!(act(&ladder.step(minute(9), &suffers, &all)).grade, Grade::CpuMax);
    }

    #[test]
    fn what_did_not_help_is_followed_by_the_next_grade_as_advice() {
        let mut ladder = ladder(InterferenceMode::Act);
        let all = samples(&["web", "a"]);
        let suffers = [finding(vec![suspect("a", 5, Resource::MemoryBandwidth)])];
        let first = act(&ladder.step(minute(0), &suffers, &all));
        assert_eq!((first.grade, first.is_done), (Grade::CpuMax, true));
        for (at, grade) in [(5, Grade::Move), (10, Grade::Freeze), (15, Grade::Freeze)] {
            let next = act(&ladder.step(minute(at), &suffers, &all));
            assert_eq!((next.grade, next.is_done), (grade, false));
        }
        // An hour later it is forgotten.
        ladder.step(minute(20), &[], &all);
        assert_eq!(act(&ladder.step(minute(81), &suffers, &all)).grade, Grade::CpuMax);
    }

    #[test]
    fn advice_is_never_done_and_begins_with_cache_where_traffic_is_seen() {
        let mut ladder = ladder(InterferenceMode::Advise);
        let all = samples(&["web", "a"]);
        let suffers = [finding(vec![suspect("a", 5, Resource::MemoryBandwidth)])];
        let first = act(&ladder.step(minute(0), &suffers, &all));
        assert_eq!((first.grade, first.is_done), (Grade::Cache, false));
        let second = act(&ladder.step(minute(5), &suffers, &all));
        assert_eq!((second.grade, second.is_done), (Grade::CpuMax, false));
    }

    #[test]
    fn the_protected_are_named_and_left_alone_and_who_is_gone_is_let_go() {
        let mut ladder = ladder(InterferenceMode::Act);
        let mut other = suspect("a", 1, Resource::CpuTime);
        other.standing = Standing::Protected;
        let news = ladder.step(minute(0), &[finding(vec![other])], &samples(&["web", "a"]));
        assert!(matches!(news.as_slice(), [News::Named(_)]), "{news:?}");
        let suffers = [finding(vec![suspect("b", 5, Resource::CpuTime)])];
        let deed = act(&ladder.step(minute(1), &suffers, &samples(&["web", "b"])));
        let news = ladder.step(minute(2), &[], &samples(&["b"]));
        assert!(news.contains(&News::Undo(deed)), "{news:?}");
    }

    #[test]
    fn a_refused_act_is_followed_by_another_grade() {
        let mut ladder = ladder(InterferenceMode::Act);
        let all = samples(&["web", "a"]);
        let suffers = [finding(vec![suspect("a", 5, Resource::CpuTime)])];
        let first = act(&ladder.step(minute(0), &suffers, &all));
        ladder.refused(&first);
        assert_eq!(act(&ladder.step(minute(1), &suffers, &all)).grade, Grade::Move);
    }
}
