//! Histories on disk: whole or not at all, whatever happens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use agent_api::v1::Signal;
use facts::Moment;

use super::super::past::Past;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);
/// Where the writer that is killed writes to.
const WRITER: &str = "BUSBAR_TEST_HISTORY_WRITER";

/// So many windows of one workload, all of them this number of hundredths.
fn pasts(windows: usize, hundredths: u8) -> Pasts {
    let past = Past {
        since: Moment::from_millis(1_795_311_618_123),
        signals: [(Signal::Pressure, vec![f64::from(hundredths) / 100.0; windows])].into(),
    };
    [("web".parse().unwrap(), past)].into()
}

fn shelf(dir: &tempfile::TempDir) -> Shelf {
    Shelf::new(dir.path(), "boot-1", MINUTE, true)
}

#[test]
fn what_was_laid_there_is_found_again_in_this_boot_only() {
    let dir = tempfile::tempdir().unwrap();
    let here = shelf(&dir);
    assert!(here.read().unwrap().is_empty(), "nothing is there yet");
    here.write(pasts(70, 4)).unwrap();
    assert_eq!(here.read().unwrap(), pasts(70, 4));
    let mode = fs::metadata(dir.path().join(HISTORY_FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for other in [
        Shelf::new(dir.path(), "boot-2", MINUTE, true),
        Shelf::new(dir.path(), "boot-1", MINUTE * 2, true),
    ] {
        assert!(other.read().unwrap().is_empty(), "{other:?}");
    }
    assert_eq!(
        files(dir.path()),
        [dir.path().join(HISTORY_FILE)],
        "nothing was set aside"
    );
}

#[test]
fn what_is_no_history_is_told_with_its_line_and_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (path, bad) = (dir.path().join(HISTORY_FILE), dir.path().join(BAD_FILE));
    fs::write(
        &path,
        "busbar interference history 1\nboot boot-1\nwindow 60\nhistory web now\n",
    )
    .unwrap();
    let looks = Shelf::new(dir.path(), "boot-1", MINUTE, false);
    let said = looks.read().unwrap_err().to_string();
    assert!(
        said.contains("line 4") && said.contains("left as it is"),
        "{said}"
    );
    assert!(path.exists() && !bad.exists(), "who may not write moves nothing");
    looks.write(pasts(1, 1)).unwrap();
    assert!(fs::read_to_string(&path).unwrap().contains("web now"));
    let here = shelf(&dir);
    let said = here.read().unwrap_err().to_string();
    assert!(
        said.contains("interference.history, line 4: ") && said.contains("interference.history.bad"),
        "{said}"
    );
    assert!(fs::read_to_string(&bad).unwrap().contains("web now") && !path.exists());
    assert!(here.read().unwrap().is_empty(), "told once");
    fs::create_dir(&path).unwrap();
    fs::remove_file(&bad).unwrap();
    let said = here.read().unwrap_err().to_string();
    assert!(said.contains("no plain file") && bad.is_dir(), "{said}");
    here.write(pasts(60, 1)).unwrap();
    assert_eq!(here.read().unwrap(), pasts(60, 1));
}

#[test]
fn a_kill_at_any_byte_of_the_next_file_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let here = shelf(&dir);
    here.write(pasts(60, 4)).unwrap();
    let whole = fs::read(dir.path().join(HISTORY_FILE)).unwrap();
    for end in 0..=whole.len() {
        fs::write(dir.path().join(NEXT_FILE), &whole[..end]).unwrap();
        assert_eq!(here.read().unwrap(), pasts(60, 4));
    }
    here.write(pasts(61, 5)).unwrap();
    assert_eq!(here.read().unwrap(), pasts(61, 5));
    assert_eq!(files(dir.path()).len(), 1, "the half of a file is gone");
}

/// Lays one after the other there until it is killed, and says so by a line each time.
fn write_until_killed(dir: &Path) {
    let here = Shelf::new(dir, "boot-1", MINUTE, true);
    for count in 0..u32::MAX {
        here.write(pasts(1_440, u8::try_from(count % 100).unwrap()))
            .unwrap();
        println!("laid");
    }
}

#[test]
fn whoever_kills_the_writer_finds_a_whole_history() {
    if let Some(dir) = std::env::var_os(WRITER) {
        // The process that is killed is this test once more.
        return write_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let here = shelf(&dir);
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..40 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "interfere::shelf::tests::whoever_kills_the_writer_finds_a_whole_history",
            ])
            .arg("--nocapture")
            .env(WRITER, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let laid = lines
            .by_ref()
            .filter(|line| line.as_ref().is_ok_and(|line| line.contains("laid")));
        assert_eq!(
            laid.take(1 + round % 3).count(),
            1 + round % 3,
            "the writer ended by itself"
        );
        std::thread::sleep(Duration::from_micros(97 * u64::try_from(round).unwrap()));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let found = here.read().expect("a whole history");
        let values = &found.values().next().unwrap().signals[&Signal::Pressure];
        assert!(values.len() == 1_440 && values.iter().all(|value| value == &values[0]));
        seen.insert(files(dir.path()).len());
    }
    println!("with a half of a file beside it: {}", seen.contains(&2));
}
