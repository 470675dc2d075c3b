//! The store on real files: snapshots against replay, retention, an older format, stories from copies, the way on after damage, kills.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod damage;
mod events;
mod kills;
mod long;

use facts::Moment;
use rack_controller::journal::{self, FILE, Journal, Telling};
use rack_controller::rack::{Rack, evolve};

use events::{config, event, quiet, sql, told, written};

#[test]
fn a_snapshot_says_what_all_events_before_it_say() {
    let _quiet = quiet();
    let directory = tempfile::tempdir().unwrap();
    let config = config("keep_events = 16000");
    let rack = written(directory.path(), &config, 1..=1_234);
    let mut replayed = Rack::new(&config);
    for number in 1..=1_234 {
        evolve(&mut replayed, &event(number));
    }
    assert_eq!(rack.kept, replayed.kept);
    let recalled = journal::recall(directory.path(), &config).unwrap();
    assert_eq!((recalled.snapshot, recalled.events), (1_000, 234));
    assert_eq!(
        recalled.rack.kept, replayed.kept,
        "the snapshot and the events after it"
    );
    assert_eq!(recalled.last, event(1_234).at);
    assert_eq!(
        recalled.journal.entries().unwrap().len(),
        1_234,
        "nothing is taken away before its time"
    );
    drop(recalled);
    // An administrator reads it with sqlite3.
    let claims: i64 = sql(
        directory.path(),
        "SELECT count(*) FROM snapshots, json_each(state, '$.claims') WHERE sequence = 1000",
    );
    assert!(claims > 30, "{claims}");
}

#[test]
fn events_beyond_what_is_kept_go_when_a_snapshot_stands_for_them() {
    let _quiet = quiet();
    let directory = tempfile::tempdir().unwrap();
    let config = config("keep_events = 1000");
    let rack = written(directory.path(), &config, 1..=3_200);
    let first: i64 = sql(directory.path(), "SELECT min(sequence) FROM events");
    assert_eq!(
        first, 2_001,
        "3000 is the newest snapshot, and 2000 the one that is at least 1000 before"
    );
    let verified = journal::verify(directory.path()).unwrap();
    assert_eq!((verified.first.sequence, verified.last.sequence), (2_000, 3_200));
    assert_eq!(
        journal::recall(directory.path(), &config).unwrap().rack.kept,
        rack.kept
    );
    let (replayed, _) = told(directory.path(), 0, Telling::Quiet);
    assert_eq!((replayed.events, replayed.damage), (1_200, None));
    assert_eq!(
        replayed.rack.kept.claims, rack.kept.claims,
        "the story begins with the oldest snapshot"
    );
    assert_eq!(Journal::open(directory.path()).unwrap().last().sequence, 3_200);
}

#[test]
fn a_snapshot_that_was_changed_is_passed_over_or_refused_and_never_believed() {
    let _quiet = quiet();
    let directory = tempfile::tempdir().unwrap();
    let kept = config("keep_events = 16000");
    let rack = written(directory.path(), &kept, 1..=1_100);
    let spoil = |sequence: u64| {
        let connection = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
        let spoilt = "UPDATE snapshots SET state = json_set(state, '$.next_claim', 9) WHERE sequence = ?1";
        assert_eq!(connection.execute(spoilt, [sequence as i64]).unwrap(), 1);
    };
    spoil(1_000);
    let recalled = journal::recall(directory.path(), &kept).unwrap();
    assert_eq!(
        (recalled.snapshot, &recalled.rack.kept),
        (500, &rack.kept),
        "the older one"
    );
    drop(recalled);
    let said = journal::verify(directory.path()).unwrap_err().to_string();
    assert!(said.contains("the snapshot of event 1000 was changed"), "{said}");
    spoil(500);
    let recalled = journal::recall(directory.path(), &kept).unwrap();
    assert_eq!(
        (recalled.snapshot, recalled.rack.kept),
        (0, rack.kept),
        "all events"
    );
    // Where the events before it are gone, nothing else says what it said.
    let other = tempfile::tempdir().unwrap();
    let short = config("keep_events = 1000");
    written(other.path(), &short, 1..=3_200);
    let connection = rusqlite::Connection::open(other.path().join(FILE)).unwrap();
    connection
        .execute("UPDATE snapshots SET chain = zeroblob(32)", [])
        .unwrap();
    drop(connection);
    assert!(journal::recall(other.path(), &short).is_err());
}

#[test]
fn format_1_is_read_and_brought_to_format_2() {
    let _quiet = quiet();
    let directory = tempfile::tempdir().unwrap();
    let config = config("");
    let rack = written(directory.path(), &config, 1..=50);
    let path = directory.path().join(FILE);
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch("DROP TABLE snapshots; PRAGMA user_version = 1;")
        .unwrap();
    drop(old);
    assert_eq!(
        told(&path, 0, Telling::Quiet).0.events,
        50,
        "read without being touched"
    );
    assert_eq!(journal::verify(directory.path()).unwrap().last.sequence, 50);
    assert_eq!(sql::<i64>(directory.path(), "PRAGMA user_version"), 1);
    assert_eq!(
        journal::recall(directory.path(), &config).unwrap().rack.kept,
        rack.kept
    );
    assert_eq!(sql::<i64>(directory.path(), "PRAGMA user_version"), 2);
    written(directory.path(), &config, 51..=60);
    assert_eq!(journal::verify(directory.path()).unwrap().last.sequence, 60);
}

#[test]
fn a_story_is_told_from_a_copy_that_nobody_may_write() {
    let _quiet = quiet();
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), &config(""), 1..=40);
    let copy = tempfile::tempdir().unwrap();
    let file = copy.path().join("a copy?.sqlite");
    std::fs::copy(directory.path().join(FILE), &file).unwrap();
    let (replayed, story) = told(&file, 30, Telling::Lines);
    assert_eq!((replayed.last.sequence, replayed.damage), (40, None));
    assert!(
        story.contains("\"web 34\"") && !story.contains("\"web 24\""),
        "{story}"
    );
    assert!(story.contains("then in shelf: "), "{story}");
    let (_, lines) = told(&file, 39, Telling::Json);
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(
        (last["sequence"].as_u64(), last["kind"].as_str()),
        (Some(40), Some("lowering_timed"))
    );
    assert_eq!(
        std::fs::read_dir(copy.path()).unwrap().count(),
        1,
        "nothing was written beside it"
    );
    // Beside a writer, with what stands in its log only.
    let mut journal = Journal::open(directory.path()).unwrap();
    journal.append(&[event(41)]).unwrap();
    assert_eq!(told(directory.path(), 0, Telling::Quiet).0.last.sequence, 41);
}

#[test]
fn what_was_lost_is_said_and_the_journal_goes_on_only_with_a_yes() {
    let _quiet = quiet();
    let directory = tempfile::tempdir().unwrap();
    let config = config("");
    written(directory.path(), &config, 1..=40);
    let path = directory.path().join(FILE);
    let chain = sql(
        directory.path(),
        "SELECT lower(hex(chain)) FROM events WHERE sequence = 12",
    );
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes
        .windows(8)
        .position(|window| window == b"\"key 24\"")
        .unwrap();
    bytes[at + 2] = b'E';
    std::fs::write(&path, &bytes).unwrap();
    let agents = [
        ("n07".to_owned(), 45, "ab".repeat(32)),
        ("n08".to_owned(), 12, chain),
        // Another event 12: a journal that went on from where it was cut off.
        ("n09".to_owned(), 12, "cd".repeat(32)),
    ];
    let advice = journal::advice(directory.path(), &agents).unwrap();
    let said = advice.to_string();
    for part in [
        "events up to 23 are good",
        "event 24 was changed",
        "40 were acknowledged",
        "n07",
        "the agent of n09 was leased to under event 12, which is not the one that is here",
        "at least 22 events",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(!said.contains("n08"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "advice writes nothing");
    assert!(journal::recall(directory.path(), &config).is_err());

    let kept = journal::recover(&advice, Moment::from_millis(7)).unwrap();
    assert_eq!(
        std::fs::read(kept.join(FILE)).unwrap(),
        bytes,
        "the damaged one is kept"
    );
    let mut expected = Rack::new(&config);
    (1..=23).for_each(|number| evolve(&mut expected, &event(number)));
    let recalled = journal::recall(directory.path(), &config).unwrap();
    let head = recalled.journal.last().sequence;
    assert!(head > 45 && recalled.rack.kept.sequence == head, "{head}");
    assert_eq!(recalled.rack.kept.claims, expected.kept.claims);
    assert_eq!(recalled.rack.kept.orders, expected.kept.orders);
    assert_eq!(recalled.rack.kept.bays, expected.kept.bays);
    assert!(recalled.rack.kept.next_claim > 45, "ids are never used twice");
    drop(recalled);
    written(directory.path(), &config, head + 1..=head + 20);
    assert_eq!(
        journal::verify(directory.path()).unwrap().last.sequence,
        head + 20
    );
    assert!(!journal::advice(directory.path(), &agents).unwrap().is_needed());
}

#[test]
fn a_running_controllers_journal_is_not_recovered() {
    let _quiet = quiet();
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), &config(""), 1..=9);
    let ahead = [("n01".to_owned(), 11, String::new())];
    let advice = journal::advice(directory.path(), &ahead).unwrap();
    assert!(advice.is_needed());
    let _running = Journal::open(directory.path()).unwrap();
    let said = journal::recover(&advice, Moment::from_millis(7))
        .unwrap_err()
        .to_string();
    assert!(said.contains("is locked"), "{said}");
}
