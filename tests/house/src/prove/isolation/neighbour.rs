//! Noisy neighbours: how late a thread comes that wakes every millisecond, alone, among burners, and on a CPU of its own.

use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::super::figure::Figure;
use super::super::scrape::Latencies;
use super::stand::Stand;
use crate::Wrong;

/// How long each is measured, and how often the thread wakes.
const SECONDS: &str = "8";
const PERIOD: Duration = Duration::from_millis(1);
/// What it does each time: enough to be disturbed in.
const WORK: Duration = Duration::from_micros(200);
/// Burners for each CPU.
const NOISE: usize = 2;
/// The neighbours' share of the tail that may be left: p99 with Busbar beside p99 without.
const LEFT: f64 = 0.5;

/// Burns CPU time until it is killed: `house prove-burn`.
pub fn burn() -> ExitCode {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Wakes every millisecond, works, and prints how much longer than that took, in nanoseconds: p50, p99, the longest. For
/// `house prove-latency SECONDS`.
pub fn measure(words: &[String]) -> Result<ExitCode, Wrong> {
    let seconds = words.first().and_then(|word| word.parse().ok());
    let seconds = seconds.ok_or_else(|| Wrong::Usage("house prove-latency SECONDS".to_owned()))?;
    let begun = Instant::now();
    let mut late = Vec::new();
    let mut due = begun;
    while begun.elapsed() < Duration::from_secs(seconds) {
        due += PERIOD;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        // What is worked is counted, not timed: time that somebody else takes is not work.
        work();
        late.push(Instant::now().saturating_duration_since(due));
        due = due.max(Instant::now() - PERIOD);
    }
    let late = Latencies::of(late);
    for percent in [50, 99, 100] {
        println!("{}", late.percentile(percent).as_nanos());
    }
    Ok(ExitCode::SUCCESS)
}

/// About [`WORK`] of sums on a machine of this decade.
fn work() {
    let mut number = 1_u64;
    for _ in 0..WORK.as_nanos() {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Alone, among burners, and among burners on a CPU of its own.
pub fn noise(stand: &mut Stand) -> Result<Vec<Figure>, Wrong> {
    let program = std::env::current_exe()
        .map_err(|err| Wrong::Failed(format!("cannot find out where this program lies: {err}")))?;
    let program = program.to_string_lossy().into_owned();
    let probe = [program.as_str(), "prove-latency", SECONDS];
    let bare = || {
        let mut command = Command::new(&program);
        command.args(probe.get(1..).unwrap_or_default());
        command
    };
    let alone = of(bare())?;
    let burners = Burners::start(&program)?;
    let among = of(bare())?;
    let apart = of(stand.run(&["--cpus", "1", "--exclusive"], &probe))?;
    drop(burners);
    let shown = |(p50, p99, longest): (f64, f64, f64)| {
        format!("p50 {p50:.2} ms, p99 {p99:.2} ms, longest {longest:.1} ms")
    };
    let share = apart.1 / among.1;
    Ok(vec![
        Figure::told("wakes every ms and works 0.2 ms, nobody beside it", shown(alone)),
        Figure::told(&format!("the same among {NOISE} burners a CPU"), shown(among)),
        Figure {
            what: format!("the same among {NOISE} burners a CPU, on an exclusive CPU"),
            value: format!("{}: p99 {share:.3} of it", shown(apart)),
            target: if stand.has_partitions() {
                format!("p99 ≤ {LEFT:.2} of it")
            } else {
                String::new()
            },
            // Without partitions the kernel lets the burners run there: nothing is promised.
            verdict: stand.has_partitions().then_some(share <= LEFT),
        },
    ])
}

fn of(mut command: Command) -> Result<(f64, f64, f64), Wrong> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|err| Wrong::Failed(format!("{}: {err}", command.get_program().display())))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text
        .lines()
        .filter_map(|line| Some(line.parse::<f64>().ok()? / 1e6))
        .collect();
    match numbers.as_slice() {
        [p50, p99, longest] => Ok((*p50, *p99, *longest)),
        _ => Err(Wrong::Failed(format!(
            "the probe said {text:?} {}",
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}

/// Burners on all CPUs, killed when dropped.
struct Burners(Vec<Child>);

impl Burners {
    fn start(program: &str) -> Result<Burners, Wrong> {
        let cpus = std::thread::available_parallelism().map_or(1, |cpus| cpus.get());
        let mut burners = Burners(Vec::new());
        for _ in 0..cpus * NOISE {
            let burner = Command::new(program).arg("prove-burn").spawn();
            burners
                .0
                .push(burner.map_err(|err| Wrong::Failed(format!("{program}: {err}")))?);
        }
        Ok(burners)
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for burner in &mut self.0 {
            // It runs until it is killed.
            let _ = burner.kill();
            let _ = burner.wait();
        }
    }
}
