//! The ledger against crashes, cuts and strangers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use std::os::unix::fs::MetadataExt;

use intent::{Generation, Isolation};
use proptest::prelude::*;

use super::*;

fn ledger(names: &[&str]) -> Ledger {
    let mut ledger = Ledger::new("boot-1", "busbar");
    for name in names {
        let id: WorkloadId = name.parse().unwrap();
        ledger.intent = ledger.intent.with(Isolation {
            exclusive: true,
            ..Isolation::new(id.clone(), "1".parse().unwrap(), "0".parse().unwrap())
        });
        ledger.workloads.push(Entry {
            id,
            life: Life::Running,
            command: "sleep".to_owned(),
            uid: 0,
            pid: 7,
            pid_started: 4711,
            since: Moment::from_millis(1),
            origins: vec![Origin {
                mount: "/sys/fs/cgroup/cpuset".into(),
                dir: "/sys/fs/cgroup/cpuset".into(),
            }],
            exclusivity: Exclusivity::AmongBusbar,
            refused: String::new(),
            ask: None,
            affinity: None,
            found: Vec::new(),
            vm: None,
            adopted: false,
            container: None,
            asked_to_end: false,
            moving: None,
            steps: vec!["make cgroup".to_owned()],
        });
    }
    ledger
}

/// As agents wrote it before isolations had more than CPUs and memory.
const OLD: &str = r#"{
  "version": 1, "boot_id": "boot-1", "cgroup_name": "busbar",
  "intent": { "generation": 3, "isolations": [ {
    "workload": "web", "cpus": "2-3", "numa_nodes": "0-1", "exclusive": true, "memory_max": 268435456, "cpu_time_max": null
  } ] },
  "workloads": [ {
    "id": "web", "life": "running", "command": "sleep", "uid": 0, "pid": 7, "pid_started": 4711,
    "since": "2026-11-22T01:40:18.123Z", "origins": [ { "mount": "/sys/fs/cgroup", "dir": "/sys/fs/cgroup/user.slice" } ],
    "exclusivity": "partition", "refused": "", "steps": ["make cgroup"]
  } ]
}"#;

#[test]
fn ledgers_of_older_agents_are_read_and_what_they_promised_counts() {
    let old = Ledger::parse(Path::new("ledger.json"), OLD.as_bytes()).unwrap();
    let isolation = &old.intent.isolations[0];
    assert_eq!(
        (isolation.watts, &isolation.devices, &isolation.memory_on),
        (None, &None, &None)
    );
    assert_eq!(old.workloads[0].ask, None);
    let taken = crate::place::Taken::of_isolation(isolation, None);
    let promised: Vec<u64> = taken.memory.iter().map(|share| share.bytes.get()).collect();
    assert_eq!(
        promised,
        [128 << 20, 128 << 20],
        "half of its memory on each of its NUMA nodes"
    );
}

#[test]
fn it_reads_what_it_wrote_and_keeps_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Ledger::read(dir.path()).unwrap(), None);
    let (one, two) = (ledger(&["a"]), ledger(&["a", "b"]));
    one.write(dir.path()).unwrap();
    two.write(dir.path()).unwrap();
    assert_eq!(Ledger::read(dir.path()).unwrap(), Some(two));
    let path = dir.path().join(PREVIOUS_FILE);
    assert_eq!(Ledger::parse(&path, &fs::read(&path).unwrap()).unwrap(), one);
    for file in files(dir.path()) {
        assert_eq!(
            fs::metadata(&file).unwrap().mode() & 0o777,
            0o600,
            "{}",
            file.display()
        );
    }
}

#[test]
fn a_cut_or_foreign_file_is_refused_with_its_place_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    ledger(&["a"]).write(dir.path()).unwrap();
    let path = dir.path().join(LEDGER_FILE);
    let whole = fs::read_to_string(&path).unwrap();
    let foreign = whole.replace("\"boot_id\"", "\"shoe_size\"");
    let later = whole.replace("\"version\": 1", "\"version\": 2, \"new\": true");
    let twice = whole.replace("\"isolations\": [", "\"isolations\": [], \"was\": [");
    for (bad, says) in [
        (&whole[..whole.len() / 2], "line "),
        (foreign.as_str(), "shoe_size"),
        (later.as_str(), "version 2; this agent reads version 1"),
        (twice.as_str(), "line "),
        ("", "EOF"),
        ("[]", "line 1"),
    ] {
        fs::write(&path, bad).unwrap();
        let error = Ledger::read(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("ledger.json, line ") && error.contains(says),
            "{error}"
        );
        assert!(error.contains("ledger.json.prev"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
}

#[test]
fn workloads_and_intent_must_agree() {
    let mut lost = ledger(&["a"]);
    lost.intent = lost.intent.without(&"a".parse().unwrap());
    let text = serde_json::to_vec(&lost).unwrap();
    let error = Ledger::parse(Path::new("ledger.json"), &text)
        .unwrap_err()
        .to_string();
    assert!(error.contains("workload a has no isolation"), "{error}");
    lost.workloads[0].life = Life::Ending;
    let text = serde_json::to_vec(&lost).unwrap();
    assert_eq!(
        Ledger::parse(Path::new("ledger.json"), &text)
            .unwrap()
            .intent
            .generation,
        Generation(2)
    );
}

#[test]
fn one_state_directory_has_one_agent() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("new/state");
    let held = Lock::take(&state).unwrap();
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o700);
    let error = Lock::take(&state).unwrap_err();
    assert!(matches!(error, LedgerError::Held { .. }), "{error}");
    drop(held);
    Lock::take(&state).unwrap();
}

proptest! {
    #[test]
    fn any_bytes_are_a_ledger_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Ledger::parse(Path::new("ledger.json"), &bytes);
    }

    #[test]
    fn any_cut_and_any_changed_byte_is_a_ledger_or_an_error(
        at in 0_usize..2_000,
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut text = serde_json::to_vec_pretty(&ledger(&["a", "b"])).unwrap();
        let at = at % text.len();
        if cut {
            text.truncate(at);
            prop_assert!(Ledger::parse(Path::new("ledger.json"), &text).is_err());
        } else {
            text[at] = byte;
            if let Ok(read) = Ledger::parse(Path::new("ledger.json"), &text) {
                prop_assert!(read.check().is_ok());
            }
        }
    }
}
