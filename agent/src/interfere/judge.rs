//! Judges each window: which protected workloads suffer, and whose use goes with that. Pure.

use std::collections::BTreeMap;

use agent_api::v1::{EvidencePoint, Resource, Signal, SignalState};
use facts::Moment;
use intent::{Priority, WorkloadId};

use super::history::History;
use super::past::{Past, Pasts};
use super::recent::Recent;
use super::score::{rises, score};
use super::thresholds::Thresholds;
use super::{MOST_WATCHED, Sample, Standing};

/// So many times as much as usual an antagonist uses in the outlying windows. Fixed by hand; the simulator did not choose it
/// (docs/interference.md).
const LEAST_RISE: f64 = 1.5;
/// Who uses less than this in the outlying windows cannot be it, in CPUs. As CPI², which looks at busy tasks only.
const LEAST_USE: f64 = 0.25;
/// The most suspects of one finding.
const MOST_SUSPECTS: usize = 3;

/// A neighbour whose use goes with the suffering.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// Which.
    pub id: WorkloadId,
    /// What of it.
    pub resource: Resource,
    /// -1 to 1.
    pub score: f64,
    /// What may be done with it.
    pub standing: Standing,
    /// Its priority.
    pub priority: Priority,
    /// The windows that say so.
    pub evidence: Vec<EvidencePoint>,
}

/// A victim that suffers, in one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Who.
    pub victim: WorkloadId,
    /// By which signal.
    pub signal: Signal,
    /// The signal in the last window that said something.
    pub value: f64,
    /// What it is usually at most.
    pub threshold: f64,
    /// Whether there are enough outliers in the last windows; else it is only not over yet.
    pub is_fresh: bool,
    /// Those with a score that is high enough, the highest first.
    pub suspects: Vec<Suspect>,
}

/// What is remembered of one workload.
#[derive(Clone, Debug)]
struct Own {
    /// When it was placed.
    since: Moment,
    of: BTreeMap<Signal, History>,
}

/// What is remembered of all workloads.
#[derive(Clone, Debug)]
pub struct Judge {
    thresholds: Thresholds,
    histories: BTreeMap<WorkloadId, Own>,
    /// What an earlier run of the agent knew of those that were not seen yet in this one.
    awaited: Pasts,
    recent: Recent,
}

impl Own {
    /// Of one that is seen for the first time, with what was known of it before.
    fn of(victim: &Sample, past: Option<Past>) -> Own {
        let past = past.filter(|past| past.since == victim.since);
        let signals = past.into_iter().flat_map(|past| past.signals);
        let of = signals.map(|(signal, values)| (signal, History::known(signal, &values)));
        Own {
            since: victim.since,
            of: of.collect(),
        }
    }
}

impl Judge {
    /// One that has seen nothing yet.
    pub fn new(thresholds: Thresholds) -> Judge {
        Judge {
            thresholds,
            histories: BTreeMap::new(),
            awaited: Pasts::new(),
            recent: Recent::default(),
        }
    }

    /// What was known before: it counts for those that are still the same.
    pub fn recall(&mut self, pasts: Pasts) {
        self.awaited = pasts;
    }

    /// Forgets what was known before of workloads that have gone without being seen.
    pub fn await_only(&mut self, is_here: impl Fn(&WorkloadId, Moment) -> bool) {
        self.awaited.retain(|id, past| is_here(id, past.since));
    }

    /// What is known, for a later run.
    pub fn pasts(&self) -> Pasts {
        let mut pasts = self.awaited.clone();
        for (id, own) in &self.histories {
            let signals = own.of.iter().map(|(signal, history)| (*signal, history.values()));
            let past = Past {
                since: own.since,
                signals: signals.collect(),
            };
            pasts.insert(id.clone(), past);
        }
        pasts
    }

    /// Takes a window, and gives every victim that suffers in it. A workload that is not there any more is forgotten.
    pub fn take(&mut self, at: Moment, samples: &[Sample]) -> Vec<Finding> {
        let samples = samples.get(..MOST_WATCHED).unwrap_or(samples);
        self.recent.take(at, samples);
        let is_victim = |sample: &&Sample| sample.standing == Standing::Protected;
        let victims: Vec<&Sample> = samples.iter().filter(is_victim).collect();
        // Who stands still for a while is there, and is itself again afterwards.
        let is_there = |id: &WorkloadId, since| {
            let mut there = samples.iter();
            there.any(|sample| sample.id == *id && sample.since == since)
        };
        self.histories.retain(|id, own| is_there(id, own.since));
        for victim in &victims {
            let awaited = &mut self.awaited;
            let own = self
                .histories
                .entry(victim.id.clone())
                .or_insert_with(|| Own::of(victim, awaited.remove(&victim.id)));
            for signal in victim.signals.keys() {
                own.of.entry(*signal).or_insert_with(|| History::new(*signal));
            }
            for (signal, history) in &mut own.of {
                history.take(victim.signals.get(signal).copied(), &self.thresholds);
            }
        }
        let findings = victims.iter().map(|victim| self.findings(victim, samples));
        findings.flatten().collect()
    }

    /// How each signal of a workload stands.
    pub fn states(&self, id: &WorkloadId) -> Vec<SignalState> {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let histories = self.histories.get(id).into_iter().flat_map(|own| &own.of);
        let states = histories.map(|(signal, history)| {
            let usual = history.measured(&self.thresholds);
            SignalState {
                signal: *signal,
                value: self.recent.last(id, *signal),
                mean: usual.mean,
                deviation: usual.deviation,
                threshold: usual.threshold,
                windows: count(history.windows()),
                judged_from: count(Thresholds::LEAST_HISTORY),
                outliers: count(history.outliers()),
                of: count(self.thresholds.of),
                suffering: history.suffers(),
            }
        });
        states.collect()
    }

    fn findings(&self, victim: &Sample, samples: &[Sample]) -> Vec<Finding> {
        let histories = self.histories.get(&victim.id).into_iter().flat_map(|own| &own.of);
        let suffering = histories.filter(|(_, history)| history.suffers());
        let findings = suffering.filter_map(|(signal, history)| {
            let usual = history.usual(&self.thresholds)?;
            Some(Finding {
                victim: victim.id.clone(),
                signal: *signal,
                value: self.recent.last(&victim.id, *signal)?,
                threshold: usual.threshold,
                is_fresh: history.outliers() >= self.thresholds.outliers,
                suspects: self.suspects(victim, *signal, usual.threshold, samples),
            })
        });
        findings.collect()
    }

    fn suspects(&self, victim: &Sample, signal: Signal, threshold: f64, samples: &[Sample]) -> Vec<Suspect> {
        let neighbours = samples.iter().filter(|sample| sample.id != victim.id);
        let mut suspects: Vec<Suspect> = neighbours
            .filter_map(|neighbour| self.suspect(victim, signal, threshold, neighbour))
            .collect();
        suspects.sort_by(|one, other| {
            other
                .score
                .total_cmp(&one.score)
                .then_with(|| one.id.cmp(&other.id))
        });
        suspects.truncate(MOST_SUSPECTS);
        suspects
    }

    /// The better of its two scores, where it is high enough.
    fn suspect(
        &self,
        victim: &Sample,
        signal: Signal,
        threshold: f64,
        neighbour: &Sample,
    ) -> Option<Suspect> {
        let scored = |resource| {
            let windows = self.recent.beside(&victim.id, signal, &neighbour.id, resource)?;
            let score = score(&windows, threshold)?;
            (score >= self.thresholds.correlation && rises(&windows, threshold, LEAST_RISE))
                .then_some((score, resource, windows))
        };
        let most =
            |(signal, used): &(Option<f64>, f64)| signal.filter(|signal| *signal > threshold).map(|_| *used);
        let cpu = self
            .recent
            .beside(&victim.id, signal, &neighbour.id, Resource::CpuTime)?;
        cpu.iter().filter_map(most).find(|used| *used >= LEAST_USE)?;
        let by_time = scored(Resource::CpuTime);
        let by_traffic = scored(Resource::MemoryBandwidth);
        let (score, resource, windows) = match (by_time, by_traffic) {
            (Some(time), Some(traffic)) if traffic.0 > time.0 => traffic,
            (Some(time), _) => time,
            (None, traffic) => traffic?,
        };
        Some(Suspect {
            id: neighbour.id.clone(),
            resource,
            score,
            standing: neighbour.standing.clone(),
            priority: neighbour.priority,
            evidence: self.recent.evidence(&windows),
        })
    }
}
