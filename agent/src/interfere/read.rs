//! Reads what each workload did since the window before: the files of its cgroups, its threads' waiting, its counters of perf
//! where those are open, its traffic where resctrl counts it. Bounded, and changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use agent_api::v1::{Signal, Workload};
use collectors::Root;
use collectors::perf::workloads::families::{CYCLES, INSTRUCTIONS};
use collectors::resctrl;
use facts::{Moment, Number};
use intent::WorkloadId;

use super::thresholds::Thresholds;
use super::{MOST_WATCHED, Sample, Standing};
use crate::view::View;

/// v2: `usage_usec`.
const CPU_STAT: &str = "cpu.stat";
/// v1 (controller cpuacct): nanoseconds.
const CPUACCT_USAGE: &str = "cpuacct.usage";
/// v2: `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, microseconds.
const CPU_PRESSURE: &str = "cpu.pressure";
const CGROUP_PROCS: &str = "cgroup.procs";
/// The most threads of one workload whose waiting is read.
const MOST_TASKS: usize = 4_096;
/// Shorter windows say nothing: clocks of files and of windows are different ones.
const SHORTEST: Duration = Duration::from_secs(1);

/// Counters as they stood.
#[derive(Clone, Debug, Default)]
struct Stood {
    cpu: Option<f64>,
    pressed: Option<f64>,
    /// Of each thread: seconds at work, and waiting for a CPU.
    tasks: BTreeMap<u32, (f64, f64)>,
    counted: Option<(f64, f64)>,
    traffic: Option<Traffic>,
}

/// Bytes between caches and memory, as one group of resctrl counts them: its directory, and the domains that have a number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Traffic {
    group: String,
    domains: BTreeMap<u32, u64>,
}

/// Remembers the window before.
#[derive(Debug)]
pub struct Reader {
    root: Root,
    last: BTreeMap<WorkloadId, (Moment, Stood)>,
}

impl Reader {
    /// Of this root.
    pub fn new(root: Root) -> Reader {
        Reader {
            root,
            last: BTreeMap::new(),
        }
    }

    /// What each workload did since the last call; one that is new is in the next window.
    pub fn turn(&mut self, at: Moment, view: &View, thresholds: &Thresholds) -> Vec<Sample> {
        let counted = counted(view);
        let mut samples = Vec::new();
        let mut now = BTreeMap::new();
        for workload in view.kept.workloads.iter().take(MOST_WATCHED) {
            let standing = standing(workload, thresholds);
            let is_victim = standing == Standing::Protected;
            let stood = self.stood(workload, is_victim, counted.get(workload.id.as_str()).copied());
            if let Some((before_at, before)) = self.last.get(&workload.id) {
                let length = at.since(*before_at);
                if length < SHORTEST {
                    now.insert(workload.id.clone(), (*before_at, before.clone()));
                    continue;
                }
                samples.push(sample(workload, standing, before, &stood, length));
            }
            now.insert(workload.id.clone(), (at, stood));
        }
        self.last = now;
        samples
    }

    fn stood(&self, workload: &Workload, is_victim: bool, counted: Option<(f64, f64)>) -> Stood {
        let mut stood = Stood {
            counted,
            traffic: self.traffic(workload),
            ..Stood::default()
        };
        for directory in &workload.cgroups {
            let directory = directory.trim_start_matches('/');
            let read = |file: &str| self.root.read(&format!("{directory}/{file}")).ok();
            let usage = || word_after(&read(CPU_STAT)?, "usage_usec", " ").map(|time| time / 1e6);
            let v1 = || Some(read(CPUACCT_USAGE)?.trim().parse::<f64>().ok()? / 1e9);
            stood.cpu = stood.cpu.or_else(usage).or_else(v1);
            if is_victim {
                let pressed = || some_total(&read(CPU_PRESSURE)?).map(|time| time / 1e6);
                stood.pressed = stood.pressed.or_else(pressed);
            }
        }
        if is_victim && stood.pressed.is_none() {
            stood.tasks = self.tasks(workload);
        }
        stood
    }

    /// Work and waiting of its threads: what is lost by those that end is the end of their last window.
    fn tasks(&self, workload: &Workload) -> BTreeMap<u32, (f64, f64)> {
        let mut tasks = BTreeMap::new();
        let Some(directory) = workload.cgroups.first() else {
            return tasks;
        };
        let procs = format!("{}/{CGROUP_PROCS}", directory.trim_start_matches('/'));
        let procs = self.root.read(&procs).unwrap_or_default();
        for pid in procs.lines().filter_map(|line| line.trim().parse::<u32>().ok()) {
            let threads = self.root.list(&format!("proc/{pid}/task")).unwrap_or_default();
            for tid in threads.iter().filter_map(|name| name.parse::<u32>().ok()) {
                if tasks.len() >= MOST_TASKS {
                    return tasks;
                }
                let text = self.root.read(&format!("proc/{pid}/task/{tid}/schedstat"));
                tasks.extend(text.ok().and_then(|text| Some((tid, schedstat(&text)?))));
            }
        }
        tasks
    }

    /// What moved between caches and memory, where a class of its own counts it, or a group of monitoring (the keeper makes these). Who
    /// is held to a part of the cache has a class meanwhile: what it moves is counted there then.
    fn traffic(&self, workload: &Workload) -> Option<Traffic> {
        let group = resctrl::group_of(&self.root, workload.cgroups.first()?, workload.id.as_str())?;
        let domains = resctrl::counted(&self.root, &group).into_iter();
        let domains: BTreeMap<u32, u64> = domains
            .filter_map(|(cache, counted)| Some((cache, counted.total?)))
            .collect();
        (!domains.is_empty()).then_some(Traffic { group, domains })
    }
}

/// Bytes that moved between two readings; nothing where another group counts now, where a domain has no number at one end only (the sum
/// would be too small, or the next one a burst), or where a counter began anew.
fn moved(now: &Traffic, before: &Traffic) -> Option<f64> {
    if now.group != before.group || !now.domains.keys().eq(before.domains.keys()) {
        return None;
    }
    let mut each = now.domains.values().zip(before.domains.values());
    let bytes = each.try_fold(0_u64, |sum, (now, before)| {
        sum.checked_add(now.checked_sub(*before)?)
    })?;
    Some(float_of(bytes))
}

/// Who is watched as a victim, who may be held back, and who neither.
fn standing(workload: &Workload, thresholds: &Thresholds) -> Standing {
    let priority = workload.priority.unwrap_or_default();
    if workload.frozen {
        Standing::Untouchable("it stands still".to_owned())
    } else if workload.exclusive || priority <= thresholds.protect_up_to {
        Standing::Protected
    } else {
        Standing::Actable
    }
}

fn sample(workload: &Workload, standing: Standing, before: &Stood, now: &Stood, length: Duration) -> Sample {
    let seconds = length.as_secs_f64();
    let step = |now: Option<f64>, before: Option<f64>| Some(now? - before?).filter(|step| *step >= 0.0);
    let (at_work, waiting) = worked(before, now);
    // On v1 who has CPUs of its own stands in no hierarchy that counts their time.
    let cpu = step(now.cpu, before.cpu).unwrap_or(at_work) / seconds;
    let mut signals = BTreeMap::new();
    if let Some(((cycles, instructions), (cycles_before, instructions_before))) =
        now.counted.zip(before.counted)
    {
        let (cycles, instructions) = (cycles - cycles_before, instructions - instructions_before);
        if cycles > 0.0 && instructions > 0.0 && cpu >= Thresholds::LEAST_CPU {
            signals.insert(Signal::CyclesPerInstruction, cycles / instructions);
        }
    }
    if let Some(pressed) = step(now.pressed, before.pressed) {
        signals.insert(Signal::Pressure, (pressed / seconds).min(1.0));
    } else if at_work + waiting > 0.0 {
        signals.insert(Signal::RunDelay, waiting / (at_work + waiting));
    }
    Sample {
        id: workload.id.clone(),
        since: workload.since,
        standing,
        priority: workload.priority.unwrap_or_default(),
        cpu,
        bandwidth: now
            .traffic
            .as_ref()
            .zip(before.traffic.as_ref())
            .and_then(|(now, before)| moved(now, before))
            .map(|bytes| bytes / seconds),
        signals,
    }
}

/// Seconds at work and waiting for a CPU, of threads that were there at both ends.
fn worked(before: &Stood, now: &Stood) -> (f64, f64) {
    let (mut at_work, mut waiting) = (0.0, 0.0);
    for (tid, (ran, waited)) in &now.tasks {
        if let Some((ran_before, waited_before)) = before.tasks.get(tid) {
            at_work += (ran - ran_before).max(0.0);
            waiting += (waited - waited_before).max(0.0);
        }
    }
    (at_work, waiting)
}

/// Cycles and instructions of each workload, as the source of workloads last counted them.
fn counted(view: &View) -> BTreeMap<&str, (f64, f64)> {
    let mut found: BTreeMap<&str, [Option<f64>; 2]> = BTreeMap::new();
    for (row, number) in view.seen.sheets.iter().flat_map(|sheet| sheet.iter()) {
        let place = if std::ptr::eq(row.family, &CYCLES) {
            0
        } else if std::ptr::eq(row.family, &INSTRUCTIONS) {
            1
        } else {
            continue;
        };
        let number = match number {
            Number::Whole(whole) => Some(float_of(whole)),
            Number::Float(float) => Some(float),
            Number::Nothing => None,
        };
        if let Some(id) = row.labels.get(0)
            && let Some(slot) = found.entry(id).or_default().get_mut(place)
        {
            *slot = number;
        }
    }
    let both = found
        .into_iter()
        .filter_map(|(id, [cycles, instructions])| Some((id, (cycles?, instructions?))));
    both.collect()
}

/// The number behind a key on its own line.
fn word_after(text: &str, key: &str, between: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(between))?;
    line.trim().parse().ok()
}

/// Seconds at work and waiting for a CPU: the first two numbers of `schedstat`, in nanoseconds.
fn schedstat(text: &str) -> Option<(f64, f64)> {
    let mut words = text.split_whitespace().map(str::parse::<u64>);
    let (ran, waited) = (words.next()?.ok()?, words.next()?.ok()?);
    Some((float_of(ran) / 1e9, float_of(waited) / 1e9))
}

/// The nearest float.
fn float_of(number: u64) -> f64 {
    let half = |part: u64| u32::try_from(part & u64::from(u32::MAX)).map_or(0.0, f64::from);
    half(number >> 32) * 4_294_967_296.0 + half(number)
}

/// `total=` of the line `some`.
fn some_total(text: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with("some "))?;
    let total = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix("total="))?;
    total.parse().ok()
}

/// Every parser of this file on one text: none may panic.
#[cfg(any(test, feature = "fuzz"))]
pub fn fuzz(text: &str) {
    let _ = (
        word_after(text, "usage_usec", " "),
        some_total(text),
        schedstat(text),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_kernels_files_are_read_in_their_units() {
        let text = "usage_usec 1500000\nuser_usec 1000000\n";
        assert_eq!(word_after(text, "usage_usec", " "), Some(1_500_000.0));
        assert_eq!(word_after(text, "usage", " "), None);
        let text = "some avg10=1.00 avg60=0.50 avg300=0.00 total=250000\nfull avg10=0.00 total=7\n";
        assert_eq!(some_total(text), Some(250_000.0));
        assert_eq!(schedstat("2000000000 500000000 12\n"), Some((2.0, 0.5)));
        assert_eq!(schedstat("18446744073709551616 1"), None);
        for garbage in ["", "usage_usec", "some total=", "some total=x", "-1 2", "\0"] {
            fuzz(garbage);
        }
        assert_eq!(some_total("some total=\n"), None);
    }

    #[test]
    fn waiting_is_of_threads_that_were_there_at_both_ends() {
        let tasks = |list: &[(u32, (f64, f64))]| Stood {
            tasks: list.iter().copied().collect(),
            ..Stood::default()
        };
        let before = tasks(&[(1, (1.0, 1.0)), (2, (5.0, 5.0))]);
        let now = tasks(&[(1, (4.0, 2.0)), (3, (9.0, 9.0))]);
        assert_eq!(worked(&before, &now), (3.0, 1.0));
        assert_eq!(worked(&before, &before), (0.0, 0.0));
    }

    #[test]
    fn traffic_is_told_only_where_all_of_it_was_counted_at_both_ends() {
        let counted = |group: &str, domains: &[(u32, u64)]| Traffic {
            group: group.to_owned(),
            domains: domains.iter().copied().collect(),
        };
        let before = counted("a", &[(0, 100), (1, 50)]);
        assert_eq!(moved(&counted("a", &[(0, 130), (1, 50)]), &before), Some(30.0));
        for other in [
            counted("b", &[(0, 130), (1, 60)]),
            counted("a", &[(0, 130)]),
            counted("a", &[(0, 130), (1, 60), (2, 0)]),
            counted("a", &[(0, 130), (1, 49)]),
        ] {
            assert_eq!(moved(&other, &before), None, "{other:?}");
        }
    }
}
