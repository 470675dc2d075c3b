//! Several asks at once: the most difficult first, each on what the ones before left.

use std::cmp::Reverse;

use agent_api::v1::{Ask, GpuWish, MOST_ASKS, Offer, TopologyRule};
use facts::Bytes;
use intent::{Generation, WorkloadId};

use super::advice::advice_beside;
use super::{Machine, Refusal, Taken, place};

/// In how many orders the asks are tried. Whoever was refused goes first the next time; more rarely helps.
const MOST_ORDERS: usize = 4;
/// How many others of a batch are tried whose absence would make room for one that was refused.
const MOST_LEFT_OUT: usize = 64;

/// What came of several asks at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// An answer an ask, in the order of the asks.
    pub answers: Vec<Result<Offer, Refusal>>,
    /// The order in which they were placed.
    pub order: Vec<usize>,
}

impl Batch {
    /// How many fit.
    pub fn placed(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_ok()).count()
    }

    /// What would make one fit that was refused, a phrase each: fewer CPUs, one of the others left out, the end of a workload
    /// that runs, moves. Nothing where nothing was found, or where it fits.
    pub fn ways(&self, at: usize, asks: &[Ask], machine: &Machine, taken: &[Taken]) -> Vec<String> {
        let (Some(ask), Some(Err(_))) = (asks.get(at), self.answers.get(at)) else {
            return Vec::new();
        };
        let placed = |left_out: Option<usize>| -> Vec<Taken> {
            let others = asks.iter().zip(&self.answers).enumerate();
            let others = others.filter(|(other, _)| Some(*other) != left_out);
            let held = others.filter_map(|(other, (ask, answer))| {
                let offer = answer.as_ref().ok()?;
                Some(Taken::of(name(ask, other).ok()?, ask, offer))
            });
            held.collect()
        };
        let fits = |beside: Vec<Taken>| {
            let all: Vec<Taken> = taken.iter().cloned().chain(beside).collect();
            place(ask, machine, &all, Generation(0)).is_ok()
        };
        let mut ways = advice_beside(ask, machine, taken, &placed(None));
        if fits(Vec::new()) {
            let held = (0..asks.len()).filter(|other| self.answers[*other].is_ok());
            let mut held: Vec<usize> = held.collect();
            // Whoever is shed first is left out first.
            held.sort_by_key(|other| Reverse(asks[*other].priority.unwrap_or_default()));
            let one = held
                .into_iter()
                .take(MOST_LEFT_OUT)
                .find(|other| fits(placed(Some(*other))));
            ways.push(match one.and_then(|other| name(&asks[other], other).ok()) {
                Some(other) => format!("leave {other} out"),
                None => "place it without the others".to_owned(),
            });
        } else if ways.is_empty() {
            let alone = advice_beside(ask, machine, taken, &[]);
            ways.extend(
                alone
                    .into_iter()
                    .map(|way| format!("{way}, and leave others out")),
            );
        }
        ways
    }
}

/// Places several asks at once; none of the offers overlap. With `all_or_nothing` there is no offer unless all fit.
///
/// # Errors
/// With the ask that did not fit and why, where all or nothing was wanted; or where there are too many.
pub fn place_all(
    asks: &[Ask],
    machine: &Machine,
    taken: &[Taken],
    generation: Generation,
    all_or_nothing: bool,
) -> Result<Batch, Refusal> {
    if asks.len() > MOST_ASKS {
        return Err(Refusal::BadAsk(format!(
            "{} asks at once; expected at most {MOST_ASKS}",
            asks.len()
        )));
    }
    let mut order: Vec<usize> = (0..asks.len()).collect();
    order.sort_by_key(|at| Reverse(difficulty(&asks[*at])));
    let mut best: Option<Batch> = None;
    for _ in 0..MOST_ORDERS {
        let batch = in_order(asks, machine, taken, generation, &order)?;
        let refused = |at: &usize| batch.answers[*at].is_err();
        let (mut next, rest): (Vec<usize>, Vec<usize>) = order.iter().copied().partition(refused);
        next.extend(rest);
        let is_whole = batch.placed() == asks.len();
        if best.as_ref().is_none_or(|best| batch.placed() > best.placed()) {
            best = Some(batch);
        }
        if is_whole || next == order {
            break;
        }
        order = next;
    }
    let Some(best) = best else {
        return Err(Refusal::BadAsk("no ask at all; expected one or more".to_owned()));
    };
    let first = best.answers.iter().position(Result::is_err);
    match first.and_then(|at| Some((at, best.answers[at].as_ref().err()?))) {
        Some((at, refusal)) if all_or_nothing => Err(Refusal::Shortfall(format!(
            "{} of {} asks fit together, and all were wanted; ask number {} of them does not: {refusal}",
            best.placed(),
            asks.len(),
            at + 1
        ))),
        Some(_) | None => Ok(best),
    }
}

/// What is harder to place goes first: few places fit it, and it leaves room for what fits anywhere.
type Difficulty = (u32, bool, usize, bool, u32, Option<Bytes>);

fn difficulty(ask: &Ask) -> Difficulty {
    let gpus = match &ask.gpus {
        Some(GpuWish::Count(count)) => *count,
        Some(GpuWish::These(names)) => u32::try_from(names.len()).unwrap_or(u32::MAX),
        None => 0,
    };
    let narrow = ask.topology != TopologyRule::BestEffort;
    (
        gpus,
        narrow,
        ask.near.len(),
        ask.exclusive,
        ask.cpus,
        ask.memory_bytes,
    )
}

fn in_order(
    asks: &[Ask],
    machine: &Machine,
    taken: &[Taken],
    generation: Generation,
    order: &[usize],
) -> Result<Batch, Refusal> {
    let mut held = taken.to_vec();
    let mut answers: Vec<Result<Offer, Refusal>> = vec![Err(Refusal::Unknown); asks.len()];
    for at in order {
        let ask = &asks[*at];
        answers[*at] = place(ask, machine, &held, generation);
        if let Ok(offer) = &answers[*at] {
            held.push(Taken::of(name(ask, *at)?, ask, offer));
        }
    }
    Ok(Batch {
        answers,
        order: order.to_vec(),
    })
}

/// The name that an ask gives itself, or one for the books of this batch.
pub fn name(ask: &Ask, number: usize) -> Result<WorkloadId, Refusal> {
    match &ask.name {
        Some(name) => Ok(name.clone()),
        None => format!("ask-{}", number + 1)
            .parse()
            .map_err(|error| Refusal::BadAsk(format!("{error}"))),
    }
}
