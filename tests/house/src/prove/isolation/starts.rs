//! From the ask to the running command, and what it takes to move all who share when somebody takes a CPU away.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::ask;
use super::super::figure::{Figure, millis};
use super::super::scrape::Latencies;
use super::stand::{Stand, terminate};
use crate::Wrong;

/// How many workloads are started one after the other.
const STARTS: usize = 200;
/// How many share CPUs while one is taken from them (the issue's own number: what fits a server).
const SHARING: usize = 110;
/// How often a CPU is taken from them.
const REPINS: usize = 20;

/// Decide, ledger, cgroups, read back.
const ANSWERED_WITHIN: Duration = Duration::from_millis(10);
/// All who share have left the CPU, and the new holder runs.
const REPINNED_WITHIN: Duration = Duration::from_millis(50);

/// The bucket of the agent's own histogram that [`ANSWERED_WITHIN`] is.
const BUCKET: &str = "0.01";
const ROUTE: &str = "/v1/workloads";
/// The second answer of a start: the command was found in its cgroups, and the ledger says that it runs.
const ENTERED: &str = "/v1/workloads/{id}/entered";

/// Says when it runs, in nanoseconds since 1970.
pub const SAYS_WHEN: [&str; 2] = ["date", "+%s%N"];

/// What starting workloads took.
pub struct Starts {
    /// From before `busbar run` was started to its command's first word.
    pub whole: Latencies,
    /// From the first to the end of `busbar run`: the workload is undone.
    pub ended: Latencies,
    answered: Answered,
    entered: Answered,
}

/// How many answers, and how many of them in time.
#[derive(Clone, Copy)]
struct Answered {
    all: u64,
    in_time: u64,
}

impl Answered {
    fn since(self, before: Answered) -> Answered {
        Answered {
            all: self.all - before.all,
            in_time: self.in_time - before.in_time,
        }
    }

    /// In hundredths.
    fn share(self) -> f64 {
        #[allow(clippy::as_conversions)] // A few hundred.
        let share = self.in_time as f64 / (self.all.max(1)) as f64 * 100.0;
        share
    }
}

/// Starts workloads with an exclusive CPU, one after the other.
pub fn workloads(stand: &mut Stand) -> Result<Starts, Wrong> {
    let before = (answered(stand, ROUTE)?, answered(stand, ENTERED)?);
    let (mut whole, mut ended) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let command = stand.run(&["--cpus", "1", "--exclusive"], &SAYS_WHEN);
        let (running, over) = timed(command)?;
        whole.push(running);
        ended.push(over);
    }
    Ok(Starts {
        whole: Latencies::of(whole),
        ended: Latencies::of(ended),
        answered: answered(stand, ROUTE)?.since(before.0),
        entered: answered(stand, ENTERED)?.since(before.1),
    })
}

/// Runs a command that says when it runs: how long that took since before it was started, and how long until it was over.
pub fn timed(mut command: Command) -> Result<(Duration, Duration), Wrong> {
    let program = command.get_program().display().to_string();
    let wrong = |why: String| Wrong::Failed(format!("{program}: {why}"));
    let begun = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|err| wrong(err.to_string()))?;
    let since = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|err| wrong(err.to_string()))?;
    let over = since.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    let ran: u64 = said.trim().parse().map_err(|_| {
        wrong(format!(
            "it said {said:?} {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    })?;
    Ok((Duration::from_nanos(ran).saturating_sub(begun), over))
}

impl Starts {
    /// The figures of the agent alone.
    pub fn figures(&self) -> Vec<Figure> {
        let (first, second) = (self.answered, self.entered);
        vec![
            Figure {
                what: format!(
                    "an exclusive CPU, agent's answer (decide, ledger flushed, cgroups written and read back) within {}",
                    millis(ANSWERED_WITHIN)
                ),
                value: format!("{:.1} % of {}", first.share(), first.all),
                target: "≥ 99 %".to_owned(),
                verdict: Some(first.share() >= 99.0 && first.all > 0),
            },
            Figure::told(
                &format!(
                    "its second answer (the command was born there and found there, ledger flushed) within {}",
                    millis(ANSWERED_WITHIN)
                ),
                format!("{:.1} % of {}", second.share(), second.all),
            ),
            Figure::told(
                "busbar run → its command runs there",
                format!(
                    "p50 {}, p99 {}",
                    millis(self.whole.percentile(50)),
                    millis(self.whole.percentile(99))
                ),
            ),
            Figure::told(
                "busbar run → all undone, of a command that ends at once",
                format!(
                    "p50 {}, p99 {}",
                    millis(self.ended.percentile(50)),
                    millis(self.ended.percentile(99))
                ),
            ),
        ]
    }
}

/// How many starts the agent has answered, and how many of them in time, by its own histogram.
fn answered(stand: &Stand, route: &str) -> Result<Answered, Wrong> {
    let page = ask::get(&stand.url, "/metrics").map_err(Wrong::Failed)?;
    let of = |start: &str| -> u64 {
        let line = page.lines().find_map(|line| line.strip_prefix(start));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    };
    let family = "busbar_agent_request_seconds";
    Ok(Answered {
        all: of(&format!("{family}_count{{route=\"{route}\"}}")),
        in_time: of(&format!("{family}_bucket{{route=\"{route}\",le=\"{BUCKET}\"}}")),
    })
}

/// Many share all CPUs; one CPU is taken from all of them.
pub fn repin(stand: &mut Stand) -> Result<Vec<Figure>, Wrong> {
    let mut sharing = Sharing(Vec::new());
    for number in 0..SHARING {
        let name = format!("shared-{number}");
        let child = stand
            .run(&["--cpus", "1", "--name", &name], &["sleep", "600"])
            .stdout(Stdio::null())
            .spawn();
        let child = child.map_err(|err| Wrong::Failed(format!("busbar run: {err}")))?;
        sharing.0.push(child);
    }
    ask::until("all to share", Instant::now(), || {
        Ok((stand.told()?.len() == SHARING).then_some(()))
    })?;
    let mut took = Vec::new();
    for _ in 0..REPINS {
        let (running, _) = timed(stand.run(&["--cpus", "1", "--exclusive"], &SAYS_WHEN))?;
        took.push(running);
    }
    drop(sharing);
    ask::until("all to be undone", Instant::now(), || {
        Ok((stand.told()?.is_empty() && stand.kernel().is_empty()).then_some(()))
    })?;
    let took = Latencies::of(took);
    Ok(vec![Figure::at_most(
        &format!(
            "a CPU is taken from {SHARING} workloads that share, busbar run → its command runs there, slowest of {REPINS}"
        ),
        took.percentile(100),
        REPINNED_WITHIN,
        &format!(" (median {})", millis(took.percentile(50))),
    )])
}

/// Workloads that share CPUs; they are asked to end when this is dropped.
struct Sharing(Vec<Child>);

impl Drop for Sharing {
    fn drop(&mut self) {
        self.0.iter().for_each(terminate);
        for child in &mut self.0 {
            // How it ends was asked for.
            let _ = child.wait();
        }
    }
}
