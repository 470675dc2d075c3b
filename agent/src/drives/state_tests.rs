//! What is kept on disk: whole or refused, never less.

#![allow(clippy::unwrap_used, clippy::panic)]
use std::os::unix::fs::PermissionsExt;

use super::*;

fn stay(arrival: u64) -> Stay {
    Stay {
        identity: Identity {
            maker: None,
            model: Some("M".to_owned()),
            serial: Some(format!("S{arrival}")),
        },
        slot: "7".to_owned(),
        device: "nvme0n1".to_owned(),
        arrival,
        boot_id: "b".to_owned(),
        disk: 12,
        granted: 4,
        closed: 3,
        open: Some(Open {
            key: None,
            generation: 4,
            host: "nqn.2014-08.org.nvmexpress:uuid:a".parse().unwrap(),
            nqn: "nqn.2026-11.dev.busbar:drive:S1:4".parse().unwrap(),
        }),
        erasing: None,
    }
}

#[test]
fn what_was_kept_is_read_again_by_the_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("state");
    let mut books = Books::open(&home).unwrap();
    assert_eq!(books.state(), &State::default());
    assert!(!home.exists(), "reading makes nothing");
    books
        .change(|state| {
            state.last_arrival = 2;
            state.stays = vec![stay(1), stay(2)];
        })
        .unwrap();
    let kept = books.state().clone();
    let file = home.join(DRIVES_FILE);
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(Books::open(&home).unwrap().state(), &kept);

    // Another agent on the same directory does not write over it.
    let mut other = Books::open(&home).unwrap();
    let error = other.change(|state| state.last_arrival = 9).unwrap_err();
    assert!(matches!(error, BooksError::Held { .. }), "{error}");
    assert_eq!(
        other.state().last_arrival,
        2,
        "what is not on disk does not count"
    );
    drop(books);
    other.change(|state| state.last_arrival = 9).unwrap();
    assert_eq!(Books::open(&home).unwrap().state().last_arrival, 9);
}

#[test]
fn what_takes_access_away_counts_though_the_disk_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let mut books = Books::open(dir.path()).unwrap();
    let first = |state: &mut State| {
        state.last_arrival = 1;
        state.stays = vec![stay(1)];
    };
    books.change(first).unwrap();
    // A directory in the place of the next file: it can be neither removed nor written.
    std::fs::create_dir(dir.path().join(NEXT_FILE)).unwrap();
    std::fs::write(dir.path().join(NEXT_FILE).join("x"), "").unwrap();
    assert!(books.change(|state| state.last_arrival = 2).is_err());
    assert_eq!(books.state().last_arrival, 1);
    let closed = books.change_anyway(|state| {
        for stay in &mut state.stays {
            stay.open = None;
            stay.closed = 4;
        }
    });
    assert!(matches!(closed, Err(BooksError::Io { .. })));
    assert_eq!(books.state().stays.first().unwrap().open, None);
}

#[test]
fn a_file_that_is_none_is_refused_and_left_as_it_is() {
    let mut twice = State {
        last_arrival: 2,
        stays: vec![stay(1), stay(1)],
        ..State::default()
    };
    let doubled = serde_json::to_string(&twice).unwrap();
    twice.stays = vec![stay(3)];
    let ahead = serde_json::to_string(&twice).unwrap();
    twice.stays = vec![Stay { closed: 4, ..stay(2) }];
    let closed = serde_json::to_string(&twice).unwrap();
    let newer = serde_json::to_string(&State {
        version: 2,
        ..State::default()
    })
    .unwrap();
    for (text, words) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("{\"version\":1}", "last_arrival"),
        (newer.as_str(), "version 2"),
        (doubled.as_str(), "twice"),
        (ahead.as_str(), "above the last one"),
        (closed.as_str(), "is closed"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(DRIVES_FILE), text).unwrap();
        let error = Books::open(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains(words) && error.contains("left as it is"),
            "{text}: {error}"
        );
        assert_eq!(
            std::fs::read_to_string(dir.path().join(DRIVES_FILE)).unwrap(),
            text
        );
    }
}
