//! The journal on real files: cut short at every length, bits flipped, foreign, newer, two writers, a writer killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use facts::{Moment, Power};
use rack_api::v1::PowerAsk;
use rack_controller::claim::{Claim, ClaimId};
use rack_controller::journal::{self, FILE, Journal, JournalError};
use rack_controller::rack::{Event, What};

/// Where the child of `no_acknowledged_event_is_lost_when_the_writer_is_killed` writes.
const CHILD: &str = "BUSBAR_JOURNAL_CHILD";

fn event(number: u64) -> Event {
    let ask = PowerAsk {
        watts: Power::from_milliwatts(800_500 + number),
        purpose: format!("web {number}"),
        node: None,
        domain: None,
        priority: None,
        ..PowerAsk::default()
    };
    Event::new(
        Moment::from_millis(1_795_311_618_123 + number),
        What::ClaimAdmitted {
            claim: Claim {
                id: ClaimId(number),
                purpose: ask.purpose.clone(),
                watts: ask.watts,
                revocable: Power::ZERO,
                domain: "shelf".to_owned(),
                node: None,
                priority: 5,
                tenant: None,
                reserved: false,
                ttl_seconds: None,
                since: Moment::from_millis(1_795_311_618_123),
                until: None,
                took: Vec::new(),
                lendable: false,
            },
            ask,
            key: None,
            headroom: Power::from_milliwatts(1),
        },
    )
}

/// A journal of so many events, in batches, closed.
fn written(directory: &Path, events: u64) {
    let mut journal = Journal::open(directory).unwrap();
    let all: Vec<Event> = (1..=events).map(event).collect();
    for batch in all.chunks(7) {
        journal.append(batch).unwrap();
    }
    assert_eq!(journal.last().sequence, events);
}

fn read(directory: &Path) -> Result<Vec<Event>, JournalError> {
    let journal = Journal::open(directory)?;
    Ok(journal.entries()?.into_iter().map(|entry| entry.event).collect())
}

fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<(PathBuf, Vec<u8>)> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.to_string_lossy().ends_with("-shm"))
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Puts a copy of `from` with one file changed into `to`, and opens it: all events, or a refusal that changed nothing.
fn all_or_refused(
    from: &[(PathBuf, Vec<u8>)],
    name: &str,
    change: impl FnOnce(&mut Vec<u8>),
    expected: &[Event],
) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let mut change = Some(change);
    for (path, bytes) in from {
        let mut bytes = bytes.clone();
        if path.file_name().unwrap() == name
            && let Some(change) = change.take()
        {
            change(&mut bytes);
        }
        std::fs::write(directory.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let before = files(directory.path());
    match read(directory.path()) {
        Ok(events) => {
            assert_eq!(events, expected, "a journal that opens has everything");
            true
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains(&directory.path().display().to_string()), "{said}");
            let after = files(directory.path());
            let changed: Vec<&PathBuf> = before
                .iter()
                .filter(|file| !after.contains(file))
                .map(|(path, _)| path)
                .collect();
            assert!(changed.is_empty(), "{changed:?} changed: {said}");
            false
        }
    }
}

#[test]
fn what_was_appended_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("a/b");
    written(&state, 20);
    let events = read(&state).unwrap();
    assert_eq!(events, (1..=20).map(event).collect::<Vec<_>>());
    let verified = journal::verify(&state).unwrap();
    assert_eq!(verified.last.sequence, 20);
    let mut lines = Vec::new();
    journal::list(&state, &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(lines.lines().count(), 20);
    assert!(
        lines.contains("claim_admitted") && lines.contains("800.501 W firm claimed in shelf for \"web 1\""),
        "{lines}"
    );
}

#[test]
fn a_reader_sees_what_the_writer_has_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(directory.path()).unwrap();
    let reader = journal.reader();
    assert!(reader.after(0, 10).unwrap().is_empty());
    for number in 1..=30 {
        journal.append(&[event(number)]).unwrap();
        let seen = reader.after(number - 1, 10).unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].sequence, seen[0].kind.as_str()),
            (number, "claim_admitted")
        );
    }
    assert_eq!(reader.after(5, 10).unwrap().len(), 10);
    assert_eq!(journal::verify(directory.path()).unwrap().last.sequence, 30);
}

#[test]
fn there_is_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let first = Journal::open(directory.path()).unwrap();
    let said = Journal::open(directory.path()).unwrap_err().to_string();
    assert!(said.contains("rack.lock") && said.contains("is locked"), "{said}");
    drop(first);
    Journal::open(directory.path()).unwrap();
}

#[test]
fn a_journal_cut_short_anywhere_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 60);
    let expected: Vec<Event> = (1..=60).map(event).collect();
    let whole = files(directory.path());
    let length = std::fs::metadata(directory.path().join(FILE)).unwrap().len() as usize;
    assert!(length > 8_192);
    let mut cuts: Vec<usize> = (0..length).step_by(509).collect();
    cuts.extend([1, 15, 16, 99, 100, 4_095, 4_096, 4_097, length - 1]);
    for cut in cuts {
        let opened = all_or_refused(&whole, FILE, |bytes| bytes.truncate(cut), &expected);
        assert!(!opened, "cut at {cut} of {length}");
    }
}

/// The same while the end stands in SQLite's write-ahead log only, as after a kill: there SQLite itself says nothing.
#[test]
fn a_write_ahead_log_cut_short_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(directory.path()).unwrap();
    for number in 1..=40 {
        journal.append(&[event(number)]).unwrap();
    }
    let whole = files(directory.path());
    let expected: Vec<Event> = (1..=40).map(event).collect();
    let log = whole
        .iter()
        .find(|(path, _)| path.to_string_lossy().ends_with("-wal"))
        .unwrap()
        .1
        .len();
    assert!(
        all_or_refused(&whole, "no file", |_| {}, &expected),
        "the copy itself is good"
    );
    for cut in (0..log).step_by(1_031).chain([log - 1]) {
        let opened = all_or_refused(&whole, "rack.sqlite-wal", |bytes| bytes.truncate(cut), &expected);
        assert!(!opened, "cut at {cut} of {log}");
    }
}

#[test]
fn a_flipped_bit_is_found_or_harmless() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 40);
    let expected: Vec<Event> = (1..=40).map(event).collect();
    let whole = files(directory.path());
    let length = whole
        .iter()
        .find(|(path, _)| path.ends_with(FILE))
        .unwrap()
        .1
        .len();
    let mut found = 0;
    for index in 0..600_usize {
        let at = index * 7_919 % length;
        let opened = all_or_refused(&whole, FILE, |bytes| bytes[at] ^= 1 << (index % 8), &expected);
        found += usize::from(!opened);
    }
    assert!(found > 300, "only {found} of 600 flips were found");
}

#[test]
fn damage_is_named_with_the_last_good_event_and_can_be_salvaged() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 40);
    let path = directory.path().join(FILE);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes
        .windows(8)
        .position(|window| window == b"\"web 24\"")
        .unwrap();
    bytes[at + 2] = b'E';
    std::fs::write(&path, &bytes).unwrap();
    let said = journal::verify(directory.path()).unwrap_err().to_string();
    assert!(said.contains("event 24 was changed"), "{said}");
    assert!(said.contains("events 1 to 23 are good"), "{said}");
    assert!(said.contains("busbar-rack journal salvage"), "{said}");
    let to = directory.path().join("saved.sqlite");
    let saved = journal::salvage(directory.path(), &to).unwrap();
    assert_eq!(saved.last.sequence, 23);
    assert!(saved.why.unwrap().contains("event 24"));
    assert_eq!(
        std::fs::read(&path).unwrap(),
        bytes,
        "the damaged one is left as it is"
    );
    assert!(
        journal::salvage(directory.path(), &to).is_err(),
        "nothing is overwritten"
    );
    // What the advice says.
    let new = tempfile::tempdir().unwrap();
    std::fs::copy(&to, new.path().join(FILE)).unwrap();
    assert_eq!(read(new.path()).unwrap(), (1..=23).map(event).collect::<Vec<_>>());
}

#[test]
fn a_journal_that_is_gone_is_not_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 5);
    for change in ["remove", "empty"] {
        let path = directory.path().join(FILE);
        if change == "remove" {
            std::fs::remove_file(&path).unwrap();
        } else {
            std::fs::write(&path, b"").unwrap();
        }
        let said = Journal::open(directory.path()).unwrap_err().to_string();
        assert!(
            said.contains("rack.head beside it says that it held 5 events"),
            "{said}"
        );
    }
}

#[test]
fn foreign_and_newer_files_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    std::fs::write(&path, b"dear diary, today I lent 800 W").unwrap();
    let said = Journal::open(directory.path()).unwrap_err().to_string();
    assert!(
        said.contains("no SQLite database") && said.contains("rack.sqlite"),
        "{said}"
    );
    std::fs::remove_file(&path).unwrap();

    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE songs (name TEXT); INSERT INTO songs VALUES ('x');")
        .unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    let said = Journal::open(directory.path()).unwrap_err().to_string();
    assert!(said.contains("another program's database"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_file(&path).unwrap();

    written(directory.path(), 3);
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 3).unwrap();
    drop(newer);
    let said = Journal::open(directory.path()).unwrap_err().to_string();
    assert!(
        said.contains("format 3") && said.contains("expected a newer busbar-rack"),
        "{said}"
    );
}

#[test]
fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    written(&state, 2);
    for (path, _) in files(&state) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

/// Writes until it is killed; each number that it prints was acknowledged before.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let mut journal = Journal::open(Path::new(&directory)).unwrap();
    loop {
        let number = journal.last().sequence + 1;
        let batch: Vec<Event> = (number..number + 3).map(event).collect();
        println!("acknowledged {}", journal.append(&batch).unwrap());
    }
}

#[test]
fn no_acknowledged_event_is_lost_when_the_writer_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut least = 0;
    for round in 1..=8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in lines.by_ref().map_while(Result::ok) {
            let number = line
                .split("acknowledged ")
                .nth(1)
                .and_then(|number| number.trim().parse::<u64>().ok());
            if let Some(number) = number {
                least = number;
                heard += 1;
            }
            if heard > 3 * round {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            let number = line
                .split("acknowledged ")
                .nth(1)
                .and_then(|number| number.trim().parse::<u64>().ok());
            least = number.unwrap_or(least);
        }
        assert!(heard > 0, "the child wrote nothing");
        let events = read(directory.path()).unwrap();
        assert!(events.len() as u64 >= least, "{} of {least}", events.len());
        assert_eq!(events, (1..=events.len() as u64).map(event).collect::<Vec<_>>());
    }
}
