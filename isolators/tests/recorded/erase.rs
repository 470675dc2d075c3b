//! Erasing a drive that is a plain file: what is refused is not touched, what is done is read back, a record that cannot be kept stops all.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use intent::{Actuators, Mode};
use isolators::erase::{EraseError, Eraser, Erasing, Method, Options, State, obstacles};
use isolators::fabric::DriveIdentity;

use super::tree::{Tree, enforce};

const DRIVE: &str = "vda";
const SIZE: usize = (3 << 20) + 512;
const OVERWRITE: Options = Options {
    overwrite: true,
    was_lent: false,
};

struct Machine {
    tree: Tree,
    records: tempfile::TempDir,
}

impl Machine {
    /// A drive that holds something, and nothing that speaks against erasing it.
    fn new() -> Machine {
        let tree = Tree::v2();
        tree.write("/sys/class/block/vda/dev", "254:0\n");
        tree.write("/sys/class/block/vda/serial", "VD-1\n");
        tree.write("/dev/vda", "");
        let machine = Machine {
            tree,
            records: tempfile::tempdir().unwrap(),
        };
        let bytes: Vec<u8> = (0..SIZE).map(|at| u8::try_from(at % 251).unwrap() | 1).collect();
        fs::write(machine.file(), bytes).unwrap();
        machine
    }

    fn file(&self) -> PathBuf {
        self.tree.host.real("/dev/vda".as_ref())
    }

    fn holds(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        let mut all = self.holds();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(self.file(), all).unwrap();
    }

    fn record(&self) -> PathBuf {
        self.records.path().join("VD-1.json")
    }

    fn begin(&self, gate: &Actuators, serial: &str, options: Options) -> Result<Eraser, EraseError> {
        Eraser::begin(
            gate,
            &self.tree.host,
            DRIVE,
            &who(serial),
            options,
            &self.record(),
        )
    }

    fn resume(&self) -> Option<Eraser> {
        Eraser::resume(&enforce(), &self.tree.host, DRIVE, &who("VD-1"), &self.record()).unwrap()
    }

    fn refusal(&self, options: Options) -> String {
        let before = self.holds();
        let error = self.begin(&enforce(), "VD-1", options).unwrap_err();
        assert_eq!(self.holds(), before, "{error}");
        assert!(!self.record().exists(), "{error}");
        error.to_string()
    }
}

fn who(serial: &str) -> DriveIdentity {
    DriveIdentity::new(serial, None, None).unwrap()
}

fn end(mut eraser: Eraser) -> Erasing {
    for _ in 0..1_000 {
        let erasing = eraser.poll();
        if !matches!(erasing.state, State::Running { .. }) {
            return erasing;
        }
    }
    panic!("it never ends")
}

#[test]
fn a_drive_is_overwritten_and_read_back() {
    let machine = Machine::new();
    let erasing = end(machine.begin(&enforce(), "VD-1", OVERWRITE).unwrap());
    let State::Done {
        drive,
        samples,
        dirty,
        log_page,
        written,
        ended,
    } = &erasing.state
    else {
        panic!("{erasing:?}");
    };
    assert_eq!((drive.serial(), *samples, *dirty), ("VD-1", 64, 0));
    assert_eq!(
        (log_page, written, erasing.method),
        (&None, &None, Method::Overwrite)
    );
    assert!(
        *ended >= erasing.began && erasing.refused[0].contains("no erasure of its own"),
        "{erasing:?}"
    );
    assert_eq!(
        machine.holds(),
        vec![0; SIZE],
        "all of it, its last odd bytes too"
    );
    // Whoever comes after knows how it ended, and does nothing.
    machine.put(0, b"the next tenant's");
    let again = machine.resume().unwrap().poll();
    assert_eq!((again, machine.holds()[0]), (erasing.clone(), b't'));
    assert_eq!(Eraser::outcome(DRIVE, &machine.record()).unwrap(), Some(erasing));
}

#[test]
fn what_was_cut_off_is_done_anew() {
    let machine = Machine::new();
    assert!(machine.resume().is_none(), "nothing is under way");
    // Cut off between the record and the end: the record stands as it is kept before the first byte is written.
    end(machine.begin(&enforce(), "VD-1", OVERWRITE).unwrap());
    let text = fs::read_to_string(machine.record()).unwrap();
    let (under_way, _) = text.split_once("\"outcome\":").unwrap();
    fs::write(machine.record(), format!("{under_way}\"outcome\":null}}")).unwrap();
    machine.put(1 << 20, b"what was left");
    assert_eq!(Eraser::outcome(DRIVE, &machine.record()).unwrap(), None);
    assert!(matches!(
        end(machine.resume().unwrap()).state,
        State::Done { dirty: 0, .. }
    ));
    assert_eq!(machine.holds(), vec![0; SIZE]);
    // A record that is broken is no empty one, and one of another drive is none of this.
    fs::write(machine.record(), "{").unwrap();
    let taken_up = |serial: &str| {
        let host = &machine.tree.host;
        let error = Eraser::resume(&enforce(), host, DRIVE, &who(serial), &machine.record()).unwrap_err();
        error.to_string()
    };
    assert!(
        taken_up("VD-1").contains("cannot keep on disk"),
        "{}",
        taken_up("VD-1")
    );
    fs::write(machine.record(), text).unwrap();
    assert!(taken_up("VD-2").contains("expected VD-2"), "{}", taken_up("VD-2"));
}

#[test]
fn a_record_that_cannot_be_kept_stops_everything() {
    let machine = Machine::new();
    let before = machine.holds();
    fs::create_dir(machine.record()).unwrap();
    let erasing = end(machine.begin(&enforce(), "VD-1", OVERWRITE).unwrap());
    let State::Failed { why } = &erasing.state else {
        panic!("{erasing:?}")
    };
    assert!(
        why.contains("cannot be kept in") && machine.holds() == before,
        "{why}"
    );
}

#[test]
fn another_drive_another_mode_and_no_method_are_refused() {
    let machine = Machine::new();
    let before = machine.holds();
    let other = machine
        .begin(&enforce(), "VD-2", OVERWRITE)
        .unwrap_err()
        .to_string();
    assert!(other.contains("says that it is VD-1; expected VD-2"), "{other}");
    let observe = Actuators::new(Mode::Observe, BTreeMap::new()).unwrap();
    let mode = machine
        .begin(&observe, "VD-1", OVERWRITE)
        .unwrap_err()
        .to_string();
    assert!(mode.contains("in mode observe nothing is done"), "{mode}");
    let none = machine.refusal(Options::default());
    assert!(
        none.contains("no erasure of its own") && none.contains("was not allowed"),
        "{none}"
    );
    machine.tree.write("/sys/class/block/vda/serial", "\n");
    assert!(
        machine.refusal(OVERWRITE).contains("is no serial number"),
        "a serial number of nothing"
    );
    assert_eq!(machine.holds(), before);
    // A drive that is as good as nothing shows nothing by its samples.
    machine.tree.write("/sys/class/block/vda/serial", "VD-1\n");
    fs::write(machine.file(), [7; 40_960]).unwrap();
    let erasing = end(machine.begin(&enforce(), "VD-1", OVERWRITE).unwrap());
    assert!(
        matches!(&erasing.state, State::Failed { why } if why.contains("as large as it says")),
        "{erasing:?}"
    );
    assert_eq!(machine.holds(), [7; 40_960]);
}

#[test]
fn whoever_has_a_drive_or_left_something_larger_on_it_is_named() {
    let machine = Machine::new();
    let told = || obstacles(&machine.tree.host, DRIVE).unwrap();
    assert_eq!(
        told(),
        [""; 0],
        "a file system, or noise, is what whoever types the serial number means"
    );
    machine.put(0, b"LUKS\xba\xbe");
    machine.put(4086, b"SWAPSPACE2");
    let both = told();
    assert!(
        both[0].contains("LUKS") && both[1].contains("swap space") && both.len() == 2,
        "{both:?}"
    );
    assert!(machine.refusal(OVERWRITE).contains("LUKS"));
    let cases = [
        (
            "/proc/swaps",
            "Filename Type\n/dev/vda partition 1 0 -2\n",
            "swaps to /dev/vda",
        ),
        (
            "/proc/self/mountinfo",
            "36 35 254:0 / /srv rw - ext4 /dev/vda rw\n",
            "mounted at /srv",
        ),
        ("/sys/class/block/vda/holders/md7/x", "", "part of md7"),
        (
            "/sys/kernel/config/nvmet/subsystems/nqn.2020-01.org.other:x/namespaces/1/device_path",
            "/dev/vda\n",
            "other:x",
        ),
        (
            "/sys/class/block/vda/device/vdb/nsid",
            "2\n",
            "another namespace (vdb)",
        ),
    ];
    let lent = Options {
        was_lent: true,
        ..OVERWRITE
    };
    for (file, text, expected) in cases {
        machine.tree.write(file, text);
        assert!(
            told().iter().any(|line| line.contains(expected)),
            "{expected}: {:?}",
            told()
        );
        // What uses it now is in the way of what its tenant left, too.
        assert!(machine.refusal(lent).contains(expected), "{expected}");
    }
}

#[test]
fn what_a_tenant_left_is_what_goes_when_it_gave_the_drive_back() {
    let machine = Machine::new();
    let told = || obstacles(&machine.tree.host, DRIVE).unwrap();
    machine.put(0, b"LUKS\xba\xbe");
    machine.tree.write("/sys/class/block/vda/vda1/partition", "1\n");
    assert!(told()[0].contains("partitions (vda1)"), "{:?}", told());
    assert!(machine.refusal(OVERWRITE).contains("partitions"));
    let lent = Options {
        was_lent: true,
        ..OVERWRITE
    };
    assert!(matches!(
        end(machine.begin(&enforce(), "VD-1", lent).unwrap()).state,
        State::Done { dirty: 0, .. }
    ));
}
