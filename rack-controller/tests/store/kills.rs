//! A writer that is killed at random, and a journal that is long.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rack_controller::journal::{self, Batch, Journal, Telling};
use rack_controller::rack::{Event, Rack, evolve};

use super::events::{STARTS, config, event, quiet, told};

/// Where the child of `no_acknowledged_event_is_lost_at_random_kills` writes, and where it says what was acknowledged.
const CHILD: &str = "BUSBAR_STORE_CHILD";

/// Writes until it is killed; each number that it prints was acknowledged before.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let recalled = journal::recall(Path::new(&directory), &config("keep_events = 1000")).unwrap();
    let (mut rack, mut journal) = (recalled.rack, recalled.journal);
    let mut out = std::io::stdout();
    loop {
        let next = journal.last().sequence + 1;
        let events: Vec<Event> = (next..next + 40).map(event).collect();
        events.iter().for_each(|event| evolve(&mut rack, event));
        let snapshot = (next % 500 < 40).then(|| Box::new(rack.kept.clone()));
        let acknowledged = journal.append_all(&[Batch { events, snapshot }]).unwrap();
        out.write_all(format!("acknowledged {acknowledged}\n").as_bytes())
            .unwrap();
    }
}

/// `BUSBAR_KILLS=N` kills so many times, `BUSBAR_SEED=N` at the same moments again.
#[test]
fn no_acknowledged_event_is_lost_at_random_kills() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("BUSBAR_KILLS").unwrap_or(200);
    let mut seed = number("BUSBAR_SEED").unwrap_or_else(|| u64::from(std::process::id())) | 1;
    println!("BUSBAR_SEED={seed}");
    let directory = tempfile::tempdir().unwrap();
    let config = config("keep_events = 1000");
    let (mut least, mut wrote, mut in_the_middle) = (0, 0, 0);
    // What it should be, lived once and not anew at each look: ten thousand kills leave some million events.
    let mut expected = Rack::new(&config);
    for round in 1..=kills {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let start = STARTS.write();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kills::child", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        drop(start);
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        // One in four is killed while it begins, the others while they write.
        while round % 4 > 0 && !said.contains("acknowledged") {
            assert!(out.read_line(&mut said).unwrap() > 0, "the child ended: {said}");
        }
        std::thread::sleep(Duration::from_micros(seed % 30_000));
        child.kill().unwrap();
        out.read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        let acknowledged = said
            .lines()
            .rev()
            .find_map(|line| line.split("acknowledged ").nth(1)?.trim().parse::<u64>().ok());
        wrote += u64::from(acknowledged.is_some());
        least = acknowledged.unwrap_or(least).max(least);
        let recalled = journal::recall(directory.path(), &config).unwrap();
        let has = recalled.journal.last().sequence;
        assert!(
            has >= least,
            "round {round}: {has} events of {least} that were acknowledged"
        );
        assert_eq!(recalled.rack.kept.sequence, has);
        in_the_middle += u64::from(has > least);
        if round.is_multiple_of(50) || round == kills {
            let lived = expected.kept.sequence;
            (lived + 1..=has).for_each(|number| evolve(&mut expected, &event(number)));
            assert_eq!(recalled.rack.kept, expected.kept, "round {round}");
            drop(recalled);
            journal::verify(directory.path()).unwrap();
        }
        least = has;
    }
    println!(
        "{kills} kills, {wrote} of a child that had written, {in_the_middle} between the disk and the word; {least} events"
    );
    assert!(
        wrote > kills / 2,
        "only {wrote} of {kills} children had written anything"
    );
}

/// `BUSBAR_EVENTS=1000000` in an optimised build measures what docs/power.md says of a long journal.
#[test]
fn a_long_journal_is_replayed() {
    let _quiet = quiet();
    let events = std::env::var("BUSBAR_EVENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5_000_u64);
    let directory: PathBuf = tempfile::tempdir().unwrap().keep();
    let config = config("keep_events = 4000000");
    let (mut rack, mut journal) = (Rack::new(&config), Journal::open(&directory).unwrap());
    journal.keep(config.keep_events);
    let all: Vec<u64> = (1..=events).collect();
    for batch in all.chunks(500) {
        let made: Vec<Event> = batch.iter().map(|number| event(*number)).collect();
        made.iter().for_each(|event| evolve(&mut rack, event));
        let due = batch.last().is_some_and(|last| last.is_multiple_of(20_000));
        let snapshot = due.then(|| Box::new(rack.kept.clone()));
        journal
            .append_all(&[Batch {
                events: made,
                snapshot,
            }])
            .unwrap();
    }
    drop(journal);
    let (replayed, _) = told(&directory, 0, Telling::Quiet);
    let began = Instant::now();
    let recalled = journal::recall(&directory, &config).unwrap();
    println!(
        "{events} events: replayed in {:?}; a start reads {} of them in {:?}",
        replayed.took,
        recalled.events,
        began.elapsed()
    );
    assert_eq!((replayed.events, replayed.damage), (events, None));
    assert_eq!(recalled.rack.kept, rack.kept);
    drop(recalled);
    std::fs::remove_dir_all(directory).unwrap();
}
