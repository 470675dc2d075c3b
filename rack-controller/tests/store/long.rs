//! A journal that is longer than what one helper is given at a time: what is wrong is named wherever it stands.

use rack_controller::journal::{self, FILE, JournalError};

use super::events::{config, quiet, written};

const EVENTS: u64 = 1_700;

/// What is said of a journal with one row spoilt, and the last event that is good.
fn said(whole: &std::path::Path, spoil: &str) -> (String, u64) {
    let copy = tempfile::tempdir().unwrap();
    for name in [FILE, "rack.head"] {
        std::fs::copy(whole.join(name), copy.path().join(name)).unwrap();
    }
    let connection = rusqlite::Connection::open(copy.path().join(FILE)).unwrap();
    assert_eq!(connection.execute(spoil, []).unwrap(), 1, "{spoil}");
    drop(connection);
    match journal::verify(copy.path()) {
        Err(JournalError::Damaged { why, last_good, .. }) => (why, last_good),
        other => panic!("{spoil}: {other:?}"),
    }
}

#[test]
fn what_is_wrong_is_named_wherever_it_stands() {
    let _quiet = quiet();
    let whole = tempfile::tempdir().unwrap();
    written(whole.path(), &config("keep_events = 16000"), 1..=EVENTS);
    let verified = journal::verify(whole.path()).unwrap();
    assert_eq!((verified.first.sequence, verified.last.sequence), (0, EVENTS));
    // The first and the last rows of what goes to a helper together, and others.
    for number in [1, 2, 511, 512, 513, 700, 1_024, 1_025, 1_536, 1_537, EVENTS] {
        let before = number - 1;
        let wheres = format!("WHERE sequence = {number}");
        let changed = format!("event {number} was changed: its hash does not fit");
        for change in ["at = at + 1", "event = replace(event, 'a', 'b')"] {
            assert_eq!(
                said(whole.path(), &format!("UPDATE events SET {change} {wheres}")),
                (changed.clone(), before)
            );
        }
        // Without the first one, it begins with a snapshot.
        if number > 1 && number < EVENTS {
            let missing = format!("event {number} is missing");
            assert_eq!(
                said(whole.path(), &format!("DELETE FROM events {wheres}")),
                (missing, before)
            );
        }
    }
    // Two things are wrong: the first of them is what is said.
    let both = "UPDATE events SET at = 1 WHERE sequence = 600";
    let copy = tempfile::tempdir().unwrap();
    for name in [FILE, "rack.head"] {
        std::fs::copy(whole.path().join(name), copy.path().join(name)).unwrap();
    }
    let connection = rusqlite::Connection::open(copy.path().join(FILE)).unwrap();
    connection
        .execute("DELETE FROM events WHERE sequence = 1600", [])
        .unwrap();
    drop(connection);
    assert_eq!(said(copy.path(), both).1, 599);
}

#[test]
fn a_file_whose_first_bytes_are_spoilt_is_ours_where_a_head_stands_beside_it() {
    let _quiet = quiet();
    let folder = tempfile::tempdir().unwrap();
    written(folder.path(), &config(""), 1..=30);
    std::fs::write(folder.path().join(FILE), b"something else").unwrap();
    for said in [
        journal::verify(folder.path()).unwrap_err(),
        journal::recall(folder.path(), &config(""))
            .map(|_| ())
            .unwrap_err(),
    ] {
        assert!(
            matches!(&said, JournalError::Damaged { why, .. } if why.contains("it held 30 events")),
            "{said}"
        );
    }
    assert!(journal::advice(folder.path(), &[]).unwrap().is_needed());
    // Without the head, it is somebody else's.
    std::fs::remove_file(folder.path().join("rack.head")).unwrap();
    let said = journal::verify(folder.path()).unwrap_err();
    assert!(matches!(&said, JournalError::Foreign { .. }), "{said}");
}
