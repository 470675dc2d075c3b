//! Asks all drives at once, each in a thread of its own, and waits for none longer than its deadline.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use facts::NoData;

use super::page;
use super::target::Target;
use super::told::Told;
use crate::collector::CollectError;
use crate::root::Root;

/// The longest that one drive is waited for. Healthy ones answer in milliseconds, a busy disk in a second or two.
const DEADLINE: Duration = Duration::from_secs(5);

/// The longest turn: it ends before the agent's patience with a source does (30 s).
const TURN: Duration = Duration::from_secs(20);

/// How many drives are asked at the same time.
const MOST_AT_ONCE: usize = 16;

/// The most threads that may be held by drives which hang. Beyond, drives are not asked until one comes back.
const MOST_HELD: usize = 256;

/// Within this time a drive says again what it said: uevents of partitions come in bursts.
const FRESH: Duration = Duration::from_secs(10);

type Answer = Result<Told, CollectError>;

/// Who is being asked, and what was said last.
#[derive(Default)]
pub(super) struct Asking {
    /// Drives whose deadline passed and whose thread has not come back.
    held: BTreeMap<Target, Flight>,
    /// The last answers.
    said: BTreeMap<Target, (Instant, Told)>,
}

/// One drive that is being asked.
struct Flight {
    since: Instant,
    thread: JoinHandle<()>,
}

impl Asking {
    /// Asks all of them once. The answers come in the order of the targets.
    pub(super) fn turn(&mut self, root: &Root, targets: &[Target]) -> Vec<(Target, Answer)> {
        // A thread that came back is free, whatever it brought: its drive is asked anew.
        self.held.retain(|_, flight| !flight.thread.is_finished());
        self.said
            .retain(|target, (at, _)| at.elapsed() < FRESH && targets.contains(target));
        let mut turn = Turn {
            answers: BTreeMap::new(),
            flying: BTreeMap::new(),
            until: Instant::now() + TURN,
            line: channel(),
        };
        let mut waiting = Vec::new();
        for target in targets {
            if let Some(flight) = self.held.get(target) {
                turn.answers
                    .insert(target.clone(), Err(hangs(target, flight.since)));
            } else if let Some((_, told)) = self.said.get(target) {
                turn.answers.insert(target.clone(), Ok(told.clone()));
            } else {
                waiting.push(target.clone());
            }
        }
        waiting.reverse();
        while !(waiting.is_empty() && turn.flying.is_empty()) {
            turn.start(root, &mut waiting, self.held.len());
            turn.wait(&mut self.held);
        }
        for (target, answer) in &turn.answers {
            if let Ok(told) = answer {
                self.said
                    .entry(target.clone())
                    .or_insert_with(|| (Instant::now(), told.clone()));
            }
        }
        let mut answers = turn.answers;
        targets
            .iter()
            .filter_map(|target| answers.remove_entry(target))
            .collect()
    }
}

/// What a drive's thread sends back.
type Landed = (Target, Answer);

struct Turn {
    answers: BTreeMap<Target, Answer>,
    flying: BTreeMap<Target, Flight>,
    until: Instant,
    line: (Sender<Landed>, Receiver<Landed>),
}

impl Turn {
    /// Sends out as many as may be.
    fn start(&mut self, root: &Root, waiting: &mut Vec<Target>, held: usize) {
        while self.flying.len() < MOST_AT_ONCE {
            let Some(target) = waiting.pop() else { return };
            let too_late = Instant::now() >= self.until;
            if too_late || held + self.flying.len() >= MOST_HELD {
                let why = format!("{} was not asked: too many drives hang", target.name);
                self.answers
                    .insert(target, Err(CollectError::new(NoData::Timeout, why)));
                continue;
            }
            let (root, asked, tell) = (root.clone(), target.clone(), self.line.0.clone());
            let thread = std::thread::Builder::new()
                .name(format!("ask {}", target.name))
                .spawn(move || {
                    let answer = page::ask(&root, &asked);
                    // Fails only where the turn is over.
                    let _ = tell.send((asked, answer));
                });
            let since = Instant::now();
            match thread {
                Ok(thread) => {
                    self.flying.insert(target, Flight { since, thread });
                }
                Err(cause) => {
                    let why = format!("no thread to ask {}", target.name);
                    let error = CollectError::new(NoData::Refused, why).because(cause);
                    self.answers.insert(target, Err(error));
                }
            }
        }
    }

    /// Waits for the next answer, or until somebody's time is over.
    fn wait(&mut self, held: &mut BTreeMap<Target, Flight>) {
        let Some(next) = self.flying.values().map(|flight| flight.since + DEADLINE).min() else {
            return;
        };
        let left = next.saturating_duration_since(Instant::now());
        if let Ok((target, answer)) = self.line.1.recv_timeout(left) {
            self.flying.remove(&target);
            self.answers.insert(target, answer);
            return;
        }
        let over: Vec<Target> = self
            .flying
            .iter()
            .filter(|(_, flight)| flight.since.elapsed() >= DEADLINE)
            .map(|(target, _)| target.clone())
            .collect();
        for target in over {
            if let Some(flight) = self.flying.remove(&target) {
                self.answers
                    .insert(target.clone(), Err(hangs(&target, flight.since)));
                held.insert(target, flight);
            }
        }
    }
}

fn hangs(target: &Target, since: Instant) -> CollectError {
    let (name, seconds) = (&target.name, since.elapsed().as_secs());
    CollectError::new(
        NoData::Timeout,
        format!("{name} was asked {seconds} s ago and has not answered; it is not asked again before"),
    )
}
