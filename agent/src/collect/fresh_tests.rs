//! Tests of the sources that are asked at scrape time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// A gate is held shut on purpose while others wait: it is another thread that stands before it.
#![allow(clippy::await_holding_lock)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use collectors::{CollectError, Collector};
use facts::observation::Observation;
use facts::sheet::Number;
use facts::{NoData, Pad, Sheet};

use super::beat::Report;
use super::fresh::{Bench, Fresh};
use super::hub::News;

/// How long a test waits for what must come; far more than it takes.
const LONG: Duration = Duration::from_secs(30);
/// A beat that no test waits for.
const DAY: Duration = Duration::from_secs(86_400);

facts::families! {
    TURNS Counter "busbar_test_turns_total" [] "Turns." from "a test";
}

/// Counts its own turns, and waits at its gate in each.
struct Counting {
    turns: Arc<AtomicU64>,
    gate: Arc<Mutex<()>>,
    pad: Pad,
    silent_from: u64,
}

impl Collector for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }
    fn beat(&self) -> Duration {
        DAY
    }
    fn is_cheap(&self) -> bool {
        true
    }
    fn collect(&mut self) -> Result<Observation, CollectError> {
        let turn = self.turns.fetch_add(1, Ordering::SeqCst) + 1;
        drop(self.gate.lock().unwrap());
        if turn >= self.silent_from {
            return Err(CollectError::new(NoData::Absent, "none"));
        }
        let mut sheet = self.pad.begin();
        sheet.add(&TURNS, &[], Some(turn));
        sheet.invalid();
        Ok(Observation {
            sheet: Some(sheet.finish()),
            ..Observation::default()
        })
    }
}

struct Source {
    turns: Arc<AtomicU64>,
    gate: Arc<Mutex<()>>,
}

impl Source {
    fn turns(&self) -> u64 {
        self.turns.load(Ordering::SeqCst)
    }
}

fn source(silent_from: u64) -> (Source, Box<dyn Collector>) {
    let source = Source {
        turns: Arc::default(),
        gate: Arc::default(),
    };
    let collector = Counting {
        turns: source.turns.clone(),
        gate: source.gate.clone(),
        pad: Pad::default(),
        silent_from,
    };
    (source, Box::new(collector))
}

fn bench(collectors: Vec<Box<dyn Collector>>) -> (Fresh, Receiver<News>) {
    let (tell, news) = sync_channel(1_000);
    let seats = collectors.into_iter().enumerate();
    let fresh = Bench::of(seats.map(|(index, collector)| (index, collector, LONG)).collect());
    fresh.bench().start(tell).unwrap();
    (fresh, news)
}

fn count(sheet: &Sheet) -> u64 {
    match sheet.numbers().first() {
        Some(Number::Whole(count)) => *count,
        other => panic!("{other:?}"),
    }
}

fn reports(news: &Receiver<News>) -> Vec<usize> {
    let turns = news.try_iter().map(|news| match news {
        News::Turn(report) => report.index,
        News::Burst(_) | News::Ears(_) => panic!("the bench tells ends of turns only"),
    });
    turns.collect()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The first pass, which the beat brings at once.
fn begun(fresh: &Fresh, sources: &[&Source]) {
    wait_until("the beat of the start", || {
        let done = fresh.bench().seats().iter().all(|seat| seat.asked_at().is_none());
        done && sources.iter().all(|source| source.turns() >= 1)
    });
}

#[tokio::test]
async fn those_who_scrape_at_once_share_a_turn_and_the_hub_hears_of_beats_only() {
    let (one, first) = source(u64::MAX);
    let (two, second) = source(u64::MAX);
    let (fresh, news) = bench(vec![first, second]);
    begun(&fresh, &[&one, &two]);
    wait_until("both are told", || one.turns() == 1 && two.turns() == 1);
    let before = one.turns();
    let shut = one.gate.lock().unwrap();
    let all: Vec<_> = (0..16).map(|_| tokio::spawn(fresh.sheets())).collect();
    // All of them wait for the turn that one of them brought.
    while one.turns() == before {
        tokio::task::yield_now().await;
    }
    drop(shut);
    for each in all {
        let counts: Vec<u64> = each.await.unwrap().iter().map(|sheet| count(sheet)).collect();
        assert!(
            counts.iter().all(|count| *count >= 1) && counts.len() == 2,
            "{counts:?}"
        );
    }
    tokio::time::sleep(super::SHARED_FOR * 2).await;
    let earlier = one.turns();
    let later = fresh.sheets().await;
    assert!(count(&later[0]) > earlier, "an old answer is not fresh");
    let told = reports(&news);
    assert_eq!(told, [0, 1], "scrapes tell the hub nothing");
}

#[tokio::test]
async fn one_that_hangs_costs_its_own_freshness_only_and_one_thread() {
    let (hangs, first) = source(u64::MAX);
    let (speaks, second) = source(u64::MAX);
    let (fresh, news) = bench(vec![first, second]);
    begun(&fresh, &[&hangs, &speaks]);
    let shut = hangs.gate.lock().unwrap();
    let before = speaks.turns();
    assert_eq!(fresh.sheets().await.len(), 2, "its last sheet stands");
    // What the hub does at its tick.
    wait_until("the thread is seen to be stuck", || {
        fresh.bench().is_stuck(Instant::now())
    });
    let (tell, _more) = sync_channel(1_000);
    fresh.bench().start(tell).unwrap();
    let start = Instant::now();
    while speaks.turns() == before {
        fresh.sheets().await;
        assert!(start.elapsed() < LONG, "the other one is asked again");
    }
    assert_eq!(hangs.turns(), 2, "it is not asked a second time");
    assert!(fresh.bench().seats()[0].asked_at().is_some());
    assert!(
        !fresh.bench().is_stuck(Instant::now()),
        "the new thread passes it by"
    );
    drop(shut);
    wait_until("it ends", || fresh.bench().seats()[0].asked_at().is_none());
    let start = Instant::now();
    while hangs.turns() < 3 {
        fresh.sheets().await;
        assert!(start.elapsed() < LONG, "it is asked again");
    }
    drop(news);
}

#[tokio::test]
async fn one_that_falls_silent_is_told_and_left_alone_until_it_is_woken() {
    let (falls, collector) = source(2);
    let (fresh, news) = bench(vec![collector]);
    begun(&fresh, &[&falls]);
    let start = Instant::now();
    while !fresh.sheets().await.is_empty() {
        assert!(start.elapsed() < LONG, "its sheet goes with it");
        tokio::time::sleep(super::SHARED_FOR).await;
    }
    assert_eq!(falls.turns(), 2);
    tokio::time::sleep(super::SHARED_FOR * 2).await;
    fresh.sheets().await;
    assert_eq!(falls.turns(), 2, "nothing to say: it is not asked at scrapes");
    fresh.bench().wake(&fresh.bench().seats()[0]);
    wait_until("it is woken", || falls.turns() == 3);
    wait_until("the turn is over", || {
        fresh.bench().seats()[0].asked_at().is_none()
    });
    assert_eq!(reports(&news).len(), 3, "the start, the silence, and the waking");
}

#[tokio::test]
async fn values_that_were_none_at_a_scrape_are_told_with_the_next_beat() {
    let (broken, collector) = source(u64::MAX);
    let (fresh, news) = bench(vec![collector]);
    begun(&fresh, &[&broken]);
    let start = Instant::now();
    while broken.turns() < 4 {
        fresh.sheets().await;
        assert!(start.elapsed() < LONG, "three scrapes");
    }
    fresh.bench().wake(&fresh.bench().seats()[0]);
    wait_until("the beat", || broken.turns() == 5);
    wait_until("the beat is over", || {
        fresh.bench().seats()[0].asked_at().is_none()
    });
    let told: Vec<u64> = news
        .try_iter()
        .map(|news| match news {
            News::Turn(Report { ended, .. }) => ended.invalid,
            News::Burst(_) | News::Ears(_) => panic!("the bench tells ends of turns only"),
        })
        .collect();
    assert_eq!(
        told,
        [1, 4],
        "one of the start, three of scrapes and one of the beat"
    );
}

#[tokio::test]
async fn without_sources_and_after_the_end_nobody_waits() {
    assert!(Fresh::default().sheets().await.is_empty());
    let (source, collector) = source(u64::MAX);
    let (fresh, _news) = bench(vec![collector]);
    begun(&fresh, &[&source]);
    fresh.bench().end();
    let asked = source.turns();
    assert_eq!(fresh.sheets().await.len(), 1);
    assert!(source.turns() <= asked + 1);
}
