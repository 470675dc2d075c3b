//! Records a trace of real burners on this host, as CSV: a victim that works a little and often, an antagonist that comes and goes,
//! and neighbours that hurt nobody. What is read is the kernel's own count of running and waiting (`schedstat`).
//!
//! `cargo run -p agent --example trace -- 480 > trace.csv` takes 480 windows of a second.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use agent::interfere::trace::{TraceWindow, written};
use agent::interfere::{Sample, Standing};
use agent_api::v1::Signal;
use facts::Moment;
use intent::Priority;
use nix::sys::signal::{Signal as Kill, kill};
use nix::unistd::Pid;

/// One window. Short beside the loop's own minute, so that a day's worth of episodes takes minutes.
const WINDOW: Duration = Duration::from_secs(1);
/// Says to this program what it is to be.
const WORK: &str = "--work";
/// Threads of the antagonist: more than this kind of host has CPUs.
const BURNERS: usize = 6;

/// A process that works for a part of each turn, so many threads at once.
fn work(threads: usize, busy: Duration, rest: Duration) -> ! {
    let turns = move || loop {
        let until = Instant::now() + busy;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        thread::sleep(rest);
    };
    for _ in 1..threads {
        thread::spawn(turns);
    }
    turns()
}

struct Worker {
    child: Child,
    name: &'static str,
    last: BTreeMap<String, (u64, u64)>,
}

impl Worker {
    fn start(name: &'static str) -> Worker {
        let own = std::env::current_exe().unwrap();
        let child = Command::new(own)
            .args([WORK, name])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Worker {
            child,
            name,
            last: BTreeMap::new(),
        }
    }

    fn go(&self, runs: bool) {
        let signal = if runs { Kill::SIGCONT } else { Kill::SIGSTOP };
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Seconds at work and waiting since the last call, of threads that were there then.
    fn since(&mut self) -> (f64, f64) {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let mut now = BTreeMap::new();
        for task in tasks.flatten() {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let mut words = text
                .split_whitespace()
                .filter_map(|word| word.parse::<u64>().ok());
            if let (Some(ran), Some(waited)) = (words.next(), words.next()) {
                now.insert(task.file_name().to_string_lossy().into_owned(), (ran, waited));
            }
        }
        let mut sum = (0.0, 0.0);
        for (tid, (ran, waited)) in &now {
            if let Some((ran_before, waited_before)) = self.last.get(tid) {
                sum.0 += ran.saturating_sub(*ran_before) as f64 / 1e9;
                sum.1 += waited.saturating_sub(*waited_before) as f64 / 1e9;
            }
        }
        self.last = now;
        sum
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many windows an antagonist rests and works in turn: uneven, so that nothing else keeps the same time.
const REST: [usize; 5] = [31, 44, 27, 38, 52];
const BURN: [usize; 5] = [9, 14, 7, 11, 16];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let millis = Duration::from_millis;
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [WORK, "victim"] => work(1, millis(4), millis(12)),
        [WORK, "burner"] => work(BURNERS, millis(50), millis(1)),
        [WORK, "steady"] => work(1, millis(3), millis(17)),
        [WORK, "bursts"] => work(1, millis(6), millis(14)),
        [count] => record(count.parse().expect("a number of windows")),
        other => panic!("{other:?}; expected how many windows"),
    }
}

fn record(count: usize) {
    let mut workers = ["victim", "burner", "steady", "bursts"].map(Worker::start);
    workers[1].go(false);
    workers[3].go(false);
    workers.iter_mut().for_each(|worker| {
        worker.since();
    });
    let (mut left, mut turn, mut burns) = (REST[0] + 60, 0, false);
    let mut windows = Vec::new();
    let mut last = Instant::now();
    for number in 0..count {
        // The neighbour that hurts nobody has bursts of its own.
        workers[3].go(number % 23 < 6);
        thread::sleep(WINDOW.saturating_sub(last.elapsed()));
        let seconds = last.elapsed().as_secs_f64();
        last = Instant::now();
        let samples = workers.iter_mut().map(|worker| sample(worker, seconds)).collect();
        let culprit = burns.then(|| ("victim".parse().unwrap(), "burner".parse().unwrap()));
        windows.push(TraceWindow {
            at: Moment::from_millis(number as u64 * 1_000),
            samples,
            culprits: culprit.into_iter().collect(),
        });
        left -= 1;
        if left == 0 {
            burns = !burns;
            turn += usize::from(!burns);
            left = if burns { BURN } else { REST }[turn % REST.len()];
            workers[1].go(burns);
        }
    }
    print!("{}", written(&windows));
}

fn sample(worker: &mut Worker, seconds: f64) -> Sample {
    let rounded = |value: f64| (value * 1e4).round() / 1e4;
    let (ran, waited) = worker.since();
    let is_victim = worker.name == "victim";
    let mut signals = BTreeMap::new();
    if is_victim && ran + waited > 0.0 {
        // It has one thread: the time in which some of its tasks waited is the time in which that one did.
        signals.insert(Signal::Pressure, rounded((waited / seconds).min(1.0)));
        signals.insert(Signal::RunDelay, rounded(waited / (ran + waited)));
    }
    Sample {
        id: worker.name.parse().unwrap(),
        since: Moment::EPOCH,
        standing: if is_victim {
            Standing::Protected
        } else {
            Standing::Actable
        },
        priority: Priority::new(if is_victim { 1 } else { 5 }).unwrap(),
        cpu: rounded(ran / seconds),
        bandwidth: None,
        signals,
    }
}
