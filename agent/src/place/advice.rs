//! What would make a refused ask fit: fewer CPUs, the end of one workload, or moves. Asked only after a refusal: it places the
//! ask again many times, which a decision does not.

use agent_api::v1::Ask;
use intent::Generation;

use super::moves::{DEFAULT_RATE, propose};
use super::{Machine, Taken, place};

/// How many workloads are tried whose end would make room: those that are shed first, the smallest first.
const MOST_ENDS: usize = 16;
/// How many of them are named.
const MOST_NAMED: usize = 3;

/// What would make the ask fit, a phrase each; nothing where nothing was found.
pub fn advice(ask: &Ask, machine: &Machine, taken: &[Taken]) -> Vec<String> {
    advice_beside(ask, machine, taken, &[])
}

/// The same, where others are to get a place at the same time: these are neither ended nor moved.
pub(super) fn advice_beside(
    ask: &Ask,
    machine: &Machine,
    running: &[Taken],
    beside: &[Taken],
) -> Vec<String> {
    let fits = |ask: &Ask, taken: &[Taken]| place(ask, machine, taken, Generation(0)).is_ok();
    let stays = |one: &Taken| Taken {
        immovable: true,
        ..one.clone()
    };
    let all: Vec<Taken> = running.iter().cloned().chain(beside.iter().map(stays)).collect();
    let taken = all.as_slice();
    let mut ways = Vec::new();
    if ask.check().is_err() {
        return ways;
    }
    let with = |cpus| Ask { cpus, ..ask.clone() };
    // The largest number that fits, halving the rest each time.
    let (mut fitting, mut beyond) = (0, ask.cpus);
    while beyond - fitting > 1 {
        let middle = fitting + (beyond - fitting) / 2;
        if fits(&with(middle), taken) {
            fitting = middle;
        } else {
            beyond = middle;
        }
    }
    if fitting > 0 {
        ways.push(format!(
            "ask for {fitting} CPU{}",
            if fitting == 1 { "" } else { "s" }
        ));
    }
    let mut order: Vec<usize> = (0..running.len()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(taken[*at].priority), taken[*at].cpus.len(), *at));
    let ends = order.into_iter().take(MOST_ENDS).filter(|at| {
        let rest = taken.iter().enumerate().filter(|(other, _)| other != at);
        let rest: Vec<Taken> = rest.map(|(_, one)| one.clone()).collect();
        fits(ask, &rest)
    });
    let ends: Vec<&str> = ends
        .take(MOST_NAMED)
        .map(|at| taken[at].workload.as_str())
        .collect();
    if !ends.is_empty() {
        ways.push(format!("end {}", ends.join(" or ")));
    }
    if let Some(proposal) = propose(ask, machine, taken, DEFAULT_RATE) {
        let moves: Vec<String> = proposal.moves.iter().map(ToString::to_string).collect();
        let moved = proposal.cost().0 > facts::Bytes::ZERO;
        let rate = if moved {
            format!(", at {DEFAULT_RATE} a second")
        } else {
            String::new()
        };
        ways.push(format!("move {}{rate}", moves.join(" and ")));
    }
    ways
}
