//! Runs the loop over traces and compares what it says with the truth.

use agent::interfere::trace::TraceWindow;
use agent::interfere::{Allowed, Judge, Ladder, News, Thresholds};
use agent_api::v1::InterferenceMode;
use facts::Moment;

use crate::world::{Episode, Trace, trace};

/// What is named so many windows after an episode is still about it: outliers stand in the last five.
const LATE: usize = 5;

/// What came of some traces.
#[derive(Clone, Debug, Default)]
pub struct Result {
    pub days: f64,
    /// Episodes that lasted long enough for anybody to see.
    pub episodes: usize,
    pub detected: usize,
    pub named_right: usize,
    pub false_alarms: usize,
    /// Windows from the begin of an episode to its naming.
    pub delays: Vec<usize>,
}

impl Result {
    pub fn detection(&self) -> f64 {
        self.detected as f64 / self.episodes.max(1) as f64
    }

    pub fn right(&self) -> f64 {
        self.named_right as f64 / self.detected.max(1) as f64
    }

    pub fn false_alarms_per_day(&self) -> f64 {
        self.false_alarms as f64 / self.days.max(1.0)
    }

    /// The delay that so many percent of the detected episodes do not exceed, in windows.
    pub fn delay(&self, percent: usize) -> usize {
        let mut sorted = self.delays.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or_default()
    }

    fn add(&mut self, other: &Result) {
        self.days += other.days;
        self.episodes += other.episodes;
        self.detected += other.detected;
        self.named_right += other.named_right;
        self.false_alarms += other.false_alarms;
        self.delays.extend(&other.delays);
    }
}

/// The traces with these seeds.
pub fn traces(count: u64, days: usize, is_odd: bool) -> Vec<Trace> {
    (0..count)
        .map(|n| trace(2 * n + u64::from(is_odd), days))
        .collect()
}

/// A recorded trace as two: the first so many percent of its windows, and the whole of which only the rest counts: thresholds are
/// not chosen by it, and a workload's history is what was before.
#[allow(dead_code)] // Not each of those who judge has a recorded one.
pub fn halves(windows: &[TraceWindow], percent: usize) -> [Trace; 2] {
    let split = windows.len() * percent.min(100) / 100;
    [(&windows[..split], 0), (windows, split)].map(|(part, from)| Trace {
        windows: part.iter().map(|window| window.samples.clone()).collect(),
        episodes: episodes(part),
        causes: Vec::new(),
        from,
    })
}

fn episodes(windows: &[TraceWindow]) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    for (number, window) in windows.iter().enumerate() {
        for culprit in window.culprits.values() {
            let last = episodes.iter_mut().rev().find(|one| one.antagonist == *culprit);
            match last {
                Some(last) if last.to + 1 >= number => last.to = number,
                _ => episodes.push(Episode {
                    antagonist: culprit.clone(),
                    from: number,
                    to: number,
                }),
            }
        }
    }
    episodes
}

/// Judges all of them.
pub fn judged(traces: &[Trace], thresholds: &Thresholds) -> Result {
    let mut all = Result::default();
    for trace in traces {
        all.add(&one(trace, thresholds));
    }
    all
}

fn one(trace: &Trace, thresholds: &Thresholds) -> Result {
    let mut judge = Judge::new(*thresholds);
    let mut ladder = Ladder::new(InterferenceMode::Advise, Allowed::default(), thresholds);
    // Nobody could be judged before its history is long enough, or in an episode that is over before there are enough outliers.
    let is_fair = |one: &&Episode| {
        one.from > Thresholds::LEAST_HISTORY.max(trace.from) && one.to - one.from >= thresholds.of
    };
    let mut result = Result {
        days: trace.days(),
        episodes: trace.episodes.iter().filter(is_fair).count(),
        ..Result::default()
    };
    let mut seen = vec![false; trace.episodes.len()];
    for (minute, samples) in trace.windows.iter().enumerate() {
        let at = Moment::from_millis(minute as u64 * 60_000);
        let findings = judge.take(at, samples);
        for news in ladder.step(at, &findings, samples) {
            let News::Named(finding) = news else { continue };
            if minute < trace.from {
                continue;
            }
            let now: Vec<(usize, &Episode)> = trace
                .episodes
                .iter()
                .enumerate()
                .filter(|(_, one)| one.from <= minute && minute <= one.to + LATE)
                .collect();
            if now.is_empty() {
                result.false_alarms += 1;
            }
            let first = &finding.suspects[0].id;
            // Of two at once it is enough to name one of them.
            let named = now.iter().find(|(_, one)| one.antagonist == *first);
            if let Some((number, episode)) = named.or(now.first())
                && is_fair(episode)
                && !std::mem::replace(&mut seen[*number], true)
            {
                result.detected += 1;
                result.named_right += usize::from(named.is_some());
                result.delays.push(minute - episode.from);
            }
        }
    }
    result
}

/// The grid that calibration chooses from.
fn candidates() -> Vec<Thresholds> {
    let mut all = Vec::new();
    for sigmas in [2.0, 3.0] {
        for (outliers, of) in [(3, 5), (4, 6)] {
            for correlation in [0.15, 0.2, 0.25, 0.35, 0.45] {
                all.push(Thresholds {
                    sigmas,
                    outliers,
                    of,
                    correlation,
                    ..Thresholds::published()
                });
            }
        }
    }
    all
}

/// The thresholds that find the most episodes with at most so many false alarms a day, and name the right one nine times of
/// ten; judged by these traces alone.
pub fn calibrated(traces: &[Trace], most_false_alarms: f64) -> Thresholds {
    let judged = candidates().into_iter().map(|one| (judged(traces, &one), one));
    let good = judged
        .filter(|(result, _)| result.false_alarms_per_day() <= most_false_alarms && result.right() >= 0.9);
    // Of equals the one that finds sooner, and of these the mildest change: the first.
    let best = good.min_by(|(one, _), (other, _)| {
        let more = other.detection().total_cmp(&one.detection());
        more.then(one.delay(50).cmp(&other.delay(50)))
    });
    best.map_or_else(Thresholds::published, |(_, thresholds)| thresholds)
}
