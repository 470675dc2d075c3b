//! The loop closed: what the ladder does changes what the victim suffers in the next window.

use std::collections::BTreeMap;

use agent::interfere::{Allowed, Deed, Judge, Ladder, News, Sample, Standing, Thresholds};
use agent_api::v1::{Grade, InterferenceMode};
use facts::Moment;
use intent::WorkloadId;

use crate::world::{Harm, Trace, suffered, trace};

/// Bytes a second that a CPU of whoever streams through memory moves, and one of anybody else.
const STREAM: f64 = 5e9;
const USUAL: f64 = 2e8;

/// What came of some traces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Came {
    /// Minutes of suffering by others, each weighed by how many times its usual signal they added.
    pub harm: f64,
    /// Acts of each grade, the mildest first.
    pub acts: [usize; 4],
    /// Acts that were undone.
    pub undone: usize,
    /// Acts that were under way at the end of a trace.
    pub left: usize,
    /// Minutes in which somebody was held who hurt nobody.
    pub innocent: usize,
    /// Of these, minutes in which somebody stood still.
    pub innocent_still: usize,
    /// Minutes of all traces.
    pub minutes: usize,
}

impl Came {
    fn add(&mut self, other: &Came) {
        self.harm += other.harm;
        for (sum, more) in self.acts.iter_mut().zip(other.acts) {
            *sum += more;
        }
        self.undone += other.undone;
        self.left += other.left;
        self.innocent += other.innocent;
        self.innocent_still += other.innocent_still;
        self.minutes += other.minutes;
    }
}

/// Plays the traces with these seeds; without any grade nothing is done.
pub fn played(count: u64, days: usize, is_odd: bool, grades: &[Grade], thresholds: &Thresholds) -> Came {
    let mut all = Came::default();
    for number in 0..count {
        let seed = 2 * number + u64::from(is_odd);
        all.add(&one(seed, &trace(seed, days), grades, thresholds));
    }
    all
}

fn one(seed: u64, trace: &Trace, grades: &[Grade], thresholds: &Thresholds) -> Came {
    let mut judge = Judge::new(*thresholds);
    let mut ladder = Ladder::new(InterferenceMode::Act, Allowed::only(grades), thresholds);
    let mut held: BTreeMap<WorkloadId, Deed> = BTreeMap::new();
    let mut came = Came::default();
    for (minute, (window, cause)) in trace.windows.iter().zip(&trace.causes).enumerate() {
        let harm: f64 = cause
            .hurts
            .iter()
            .map(|(id, factor)| factor * left(seed, id, &held))
            .sum();
        came.harm += harm;
        came.minutes += 1;
        for (id, deed) in &held {
            if cause.hurts.iter().all(|(other, _)| other != id) {
                came.innocent += 1;
                came.innocent_still += usize::from(deed.grade == Grade::Freeze);
            }
        }
        let samples: Vec<Sample> = window
            .iter()
            .map(|sample| {
                let hurts = cause.hurts.iter().any(|(id, _)| *id == sample.id);
                seen(sample, hurts && Harm::of(seed, &sample.id) == Harm::Memory, &held)
            })
            .map(|mut sample| {
                if sample.standing == Standing::Protected {
                    let value = suffered(cause.signal, cause.calm, 1.0 + harm);
                    sample.signals.insert(cause.signal, value);
                }
                sample
            })
            .collect();
        let at = Moment::from_millis(minute as u64 * 60_000);
        let findings = judge.take(at, &samples);
        for news in ladder.step(at, &findings, &samples) {
            match news {
                News::Act(deed) if deed.is_done => {
                    came.acts[Grade::ALL.iter().position(|grade| *grade == deed.grade).unwrap()] += 1;
                    let before = held.insert(deed.antagonist.clone(), deed);
                    assert!(
                        before.is_none(),
                        "one act about one neighbour at a time: {before:?}"
                    );
                }
                News::Undo(deed, _) => {
                    came.undone += 1;
                    assert_eq!(
                        held.remove(&deed.antagonist),
                        Some(deed),
                        "what is undone was done"
                    );
                }
                News::Act(_) | News::Named(_) | News::Over(_) => {}
            }
        }
        assert!(held.values().all(|deed| at < deed.until), "each act has its end");
    }
    came.left = held.len();
    came
}

fn left(seed: u64, id: &WorkloadId, held: &BTreeMap<WorkloadId, Deed>) -> f64 {
    held.get(id)
        .map_or(1.0, |deed| Harm::of(seed, id).left(deed.grade))
}

/// What the loop sees of a workload: held back it uses less, and its traffic is its CPU time's or a stream's.
fn seen(sample: &Sample, streams: bool, held: &BTreeMap<WorkloadId, Deed>) -> Sample {
    let grade = held.get(&sample.id).map(|deed| deed.grade);
    let mut seen = sample.clone();
    let free = sample.cpu;
    seen.cpu = match grade {
        Some(Grade::Freeze) => 0.0,
        Some(Grade::CpuMax) => free.min(0.1),
        Some(Grade::Cache | Grade::Move) | None => free,
    };
    if sample.standing == Standing::Actable {
        let each = if streams { STREAM } else { USUAL };
        let part = match grade {
            Some(Grade::Freeze) => 0.0,
            Some(Grade::Cache) => 0.1,
            // A stream needs little CPU time.
            Some(Grade::CpuMax) if streams => 0.8,
            Some(Grade::CpuMax) => seen.cpu / free.max(0.1),
            Some(Grade::Move) | None => 1.0,
        };
        seen.bandwidth = Some(free * each * part);
    }
    if grade == Some(Grade::Freeze) {
        seen.standing = Standing::Untouchable("it stands still".to_owned());
    }
    seen
}
