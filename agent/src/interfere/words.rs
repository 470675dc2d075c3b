//! What the loop says to people, with its numbers.

use agent_api::v1::{EvidencePoint, Grade, Incident, Resource, SignalState};
use intent::WorkloadId;

use super::thresholds::Thresholds;
use super::{Deed, Sample, Standing, float};

/// Why a workload is not judged; empty where it is.
pub fn because(sample: &Sample, signals: &[SignalState], thresholds: &Thresholds) -> String {
    let known = signals.iter().map(|state| state.windows).max();
    match (&sample.standing, known) {
        (Standing::Actable, _) => format!(
            "it shares its CPUs and its priority is {}; watched as victims are workloads with CPUs of their own, and those of \
             priority 1 to {}",
            sample.priority, thresholds.protect_up_to
        ),
        (Standing::Untouchable(why), _) => why.clone(),
        (Standing::Protected, None) => {
            "nothing tells whether it suffers: it does nothing, or there is no cpu.pressure, no schedstat, no counters of \
                                        perf ([metrics] per_workload = true opens them)"
                .to_owned()
        }
        (Standing::Protected, Some(windows)) if !is_enough(windows) => format!(
            "its history holds {windows} windows; it is judged from {} on",
            Thresholds::LEAST_HISTORY
        ),
        (Standing::Protected, Some(_)) => String::new(),
    }
}

fn is_enough(windows: u32) -> bool {
    usize::try_from(windows).is_ok_and(|windows| windows >= Thresholds::LEAST_HISTORY)
}

/// Why somebody may not be held back; empty where it may.
pub fn untouchable(standing: &Standing) -> String {
    match standing {
        Standing::Actable => String::new(),
        Standing::Protected => "it is protected itself".to_owned(),
        Standing::Untouchable(why) => why.clone(),
    }
}

/// `web suffers: pressure 0.450, usually at most 0.120; batch goes with it: 3.9 CPUs then, 0.1 else (score 0.72)`.
pub fn named(victim: &WorkloadId, incident: &Incident) -> String {
    let each = incident.antagonists.iter().map(|one| {
        let (then, usual) = used(&one.evidence, incident.threshold);
        let (then, usual, unit) = match one.resource {
            Resource::CpuTime => (then, usual, "CPUs"),
            Resource::MemoryBandwidth => (then / 1e9, usual / 1e9, "GB/s"),
        };
        let protected = if one.untouchable.is_empty() {
            String::new()
        } else {
            format!("; {}", one.untouchable)
        };
        format!(
            "{} goes with it: {then:.1} {unit} then, {usual:.1} else (score {:.2}{protected})",
            one.id, one.score
        )
    });
    let each: Vec<String> = each.collect();
    format!(
        "{victim} suffers: {} {:.3}, usually at most {:.3}; {}",
        incident.signal.word(),
        incident.value,
        incident.threshold,
        each.join("; ")
    )
}

/// Means of what was used in the outlying windows, and in the others.
fn used(evidence: &[EvidencePoint], threshold: f64) -> (f64, f64) {
    let mean = |is_outlier: bool| {
        let of = evidence.iter().filter(|point| {
            point
                .signal
                .is_some_and(|signal| (signal > threshold) == is_outlier)
        });
        let used: Vec<f64> = of.map(|point| point.used).collect();
        used.iter().sum::<f64>() / float(used.len()).max(1.0)
    };
    (mean(true), mean(false))
}

/// What would be done.
pub fn advice(deed: &Deed, thresholds: &Thresholds) -> String {
    let Deed {
        antagonist, victim, ..
    } = deed;
    match deed.grade {
        Grade::Cache => format!(
            "to help {victim}, give {antagonist} a smaller share of the last-level cache and of memory bandwidth (resctrl)"
        ),
        Grade::CpuMax => format!(
            "to help {victim}, hold {antagonist} back to {} of a CPU for {} s (cpu.max)",
            part(thresholds.cap_millicpus),
            deed.until.since(deed.since).as_secs()
        ),
        Grade::Move => format!(
            "nothing milder of {antagonist} helped {victim}: start one of them under another last-level cache or NUMA node"
        ),
        Grade::Freeze => format!("nothing milder helped {victim}: busbar freeze {antagonist}, or stop it"),
    }
}

/// What was done.
pub fn held(deed: &Deed, thresholds: &Thresholds) -> String {
    let Deed {
        antagonist,
        victim,
        until,
        ..
    } = deed;
    match deed.grade {
        Grade::Cache => format!(
            "{antagonist} is held back to {} of each last-level cache and {} of memory bandwidth until {until}, to help {victim}",
            percent(thresholds.cache_thousandths),
            percent(thresholds.bandwidth_thousandths)
        ),
        Grade::CpuMax => format!(
            "{antagonist} is held back to {} of a CPU until {until}, to help {victim}",
            part(thresholds.cap_millicpus)
        ),
        Grade::Move => format!("{antagonist} runs away from {victim} until {until}, to help it"),
        Grade::Freeze => format!("{antagonist} stands still until {until}, to help {victim}"),
    }
}

/// What came of it.
pub fn over(deed: &Deed, helped: bool) -> String {
    let Deed {
        antagonist, victim, ..
    } = deed;
    let came = if helped {
        "suffers no more"
    } else {
        "suffered all the same"
    };
    format!(
        "{antagonist} has back what was taken from it ({}): {victim} {came}",
        deed.grade.word()
    )
}

fn part(millicpus: u32) -> String {
    format!("{:.2}", f64::from(millicpus) / 1_000.0)
}

fn percent(thousandths: u16) -> String {
    format!("{} %", f64::from(thousandths) / 10.0)
}
