//! Tests of sick sources together: what hangs holds one thread each, what fails is asked less often, and neither costs the others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use collectors::CollectError;
use facts::observation::Observation;
use facts::{NoData, Source};

use super::tests::{Stand, is_down_for, nic, scripted};
use crate::view::Seen;

/// So many turns of a healthy source pass while others are sick.
const TURNS: u64 = 100;

fn source<'a>(seen: &'a Seen, name: &str) -> &'a Source {
    let found = seen.inventory.sources.iter().find(|source| source.name == name);
    found.unwrap()
}

/// Threads of this process with these names.
fn threads(names: &[String]) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let all = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    all.filter(|name| names.iter().any(|wanted| name.trim_end() == wanted))
        .count()
}

#[test]
fn three_that_hang_hold_a_thread_each_and_the_fourth_goes_on() {
    let gate = Arc::new(Mutex::new(()));
    let shut = gate.lock().unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let turns = Arc::new(AtomicU64::new(0));
    let mut sources = Vec::new();
    for name in ["sick-gpu", "sick-bmc", "sick-drive"] {
        let (asked, gate) = (asked.clone(), gate.clone());
        sources.push(scripted(name, move || {
            asked.fetch_add(1, Ordering::SeqCst);
            drop(gate.lock().unwrap());
            Ok(Observation::default())
        }));
    }
    let counted = turns.clone();
    sources.push(scripted("healthy", move || {
        let turn = counted.fetch_add(1, Ordering::SeqCst);
        Ok(nic(&format!("eth{turn}")))
    }));
    let stand = Stand::with(sources);
    stand.until("all three are shown", |seen| {
        ["sick-gpu", "sick-bmc", "sick-drive"]
            .iter()
            .all(|name| is_down_for(seen, name, NoData::Timeout))
    });
    let before = turns.load(Ordering::SeqCst);
    stand.until("the fourth goes on", |_| {
        turns.load(Ordering::SeqCst) >= before + TURNS
    });
    assert_eq!(asked.load(Ordering::SeqCst), 3, "none is asked a second time");
    let names = ["gpu", "bmc", "drive"].map(|name| format!("see sick-{name}"));
    assert_eq!(threads(&names), 3);
    let errors = &stand.board.latest().seen.errors;
    assert_eq!(
        errors.get(&("sick-bmc", NoData::Timeout)),
        Some(&1),
        "one hang is one error: {errors:?}"
    );
    drop(shut);
    stand.until("all three speak again", |seen| {
        let is_ok = |name| source(seen, name).last_success.is_some();
        ["sick-gpu", "sick-bmc", "sick-drive"].into_iter().all(is_ok)
    });
    let hung = stand.board.latest().seen.inventory.clone();
    let again = hung
        .sources
        .iter()
        .filter(|source| source.name.starts_with("sick"));
    assert!(again.clone().count() == 3);
    stand.until("its breaker closes with an answer in time", |seen| {
        source(seen, "sick-gpu").interval_seconds == Some(0.005)
    });
}

#[test]
fn one_that_fails_is_asked_less_often_until_it_speaks() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let asked = is_mended.clone();
    let stand = Stand::with(vec![scripted("fails", move || {
        if asked.load(Ordering::SeqCst) {
            Ok(Observation::default())
        } else {
            Err(CollectError::new(NoData::Refused, "cannot read dev/sick"))
        }
    })]);
    stand.until("its period grows to eight beats and no more", |seen| {
        source(seen, "fails").interval_seconds == Some(0.04)
    });
    let count = |seen: &Seen| seen.errors.get(&("fails", NoData::Refused)).copied().unwrap_or(0);
    let before = count(&stand.board.latest().seen);
    assert!(before >= 5, "five failures in a row opened it: {before}");
    is_mended.store(true, Ordering::SeqCst);
    stand.until("it is asked on its beat again", |seen| {
        source(seen, "fails").interval_seconds == Some(0.005)
    });
}
