//! Drives that are asked for their health: from the pages of a recorded machine, where one of them hangs for as long as we like.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use collectors::Root;
use collectors::collector::Collector;
use collectors::drive_health::{DriveHealthCollector, RECORDED};
use facts::observation::Observation;
use facts::{Inventory, Moment, NoData, Reading};
use nix::sys::stat::Mode;

/// How long a test waits for what must come; far more than it takes.
const LONG: Duration = Duration::from_secs(60);

/// A recorded machine with NVMe controllers, whose pages are files.
struct Machine(tempfile::TempDir);

impl Machine {
    fn with(controllers: usize) -> Machine {
        let machine = Machine(tempfile::tempdir().unwrap());
        fs::create_dir_all(machine.at("sys/class/block")).unwrap();
        for number in 0..controllers {
            let controller = format!("sys/class/nvme/nvme{number}");
            machine.write(&format!("{controller}/model"), b"FAST\n");
            machine.write(&format!("{controller}/serial"), b"S-1\n");
            let page = machine.page(number);
            fs::create_dir_all(page.parent().unwrap()).unwrap();
            fs::write(page, log(323)).unwrap();
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn page(&self, number: usize) -> PathBuf {
        self.at(&format!("{RECORDED}/nvme{number}/health_log"))
    }

    fn collector(&self) -> DriveHealthCollector {
        DriveHealthCollector::new(Root::at(self.0.path()).unwrap())
    }
}

/// A health log of this many kelvins, with a little wear.
fn log(kelvin: u16) -> Vec<u8> {
    let mut log = vec![0; 512];
    log[1..3].copy_from_slice(&kelvin.to_le_bytes());
    log[3..6].copy_from_slice(&[100, 10, 3]);
    log
}

fn temperatures(seen: &Observation) -> Vec<(String, Option<i32>)> {
    let told = seen.drive_health.as_ref().unwrap();
    told.iter()
        .map(|health| (health.read_from.clone(), health.temperature_celsius.value()))
        .collect()
}

/// Threads of this process that ask drives.
fn askers() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .filter(|name| name.starts_with("ask nvme"))
        .count()
}

fn release(fifo: &Path) {
    let mut writer = fs::OpenOptions::new().write(true).open(fifo).unwrap();
    writer.write_all(&log(300)).unwrap();
}

#[test]
fn a_drive_that_hangs_costs_one_thread_and_silences_nobody() {
    let machine = Machine::with(3);
    let hung = machine.page(1);
    fs::remove_file(&hung).unwrap();
    nix::unistd::mkfifo(&hung, Mode::S_IRWXU).unwrap();
    let mut collector = machine.collector();
    for turn in 0..3 {
        let seen = collector.collect().unwrap();
        let others = [("nvme0".to_owned(), Some(50)), ("nvme2".to_owned(), Some(50))];
        assert_eq!(temperatures(&seen), others, "turn {turn}");
        let [missing] = seen.missing.as_slice() else {
            panic!("{:?}", seen.missing)
        };
        assert_eq!(
            (missing.name.as_str(), missing.reason),
            ("drive_health/nvme1", NoData::Timeout)
        );
        assert_eq!(
            askers(),
            1,
            "turn {turn}: no second thread for a drive that hangs"
        );
        let sheet = seen.sheet.unwrap();
        assert!(
            !sheet
                .rows()
                .iter()
                .any(|row| row.labels.iter().any(|label| label == "nvme1"))
        );
    }
    // Somebody writes: the call comes back, its thread ends, and the drive is asked anew.
    release(&hung);
    fs::remove_file(&hung).unwrap();
    fs::write(&hung, log(310)).unwrap();
    let until = Instant::now() + LONG;
    loop {
        let seen = collector.collect().unwrap();
        if temperatures(&seen).contains(&("nvme1".to_owned(), Some(37))) {
            assert!(seen.missing.is_empty());
            break;
        }
        assert!(Instant::now() < until, "{seen:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_told_joins_the_drive_and_what_is_none_is_counted() {
    let machine = Machine::with(2);
    fs::write(machine.page(1), [255; 512]).unwrap();
    let mut identify = vec![0; 4096];
    identify[4..24].copy_from_slice(b"OTHER-ONE           ");
    identify[266..270].copy_from_slice(&[0x57, 0x01, 0x5c, 0x01]);
    machine.write(&format!("{RECORDED}/nvme0/identify_controller"), &identify);
    let root = Root::at(machine.0.path()).unwrap();
    let seen = machine.collector().collect().unwrap();
    assert_eq!(
        seen.missing.first().unwrap().reason,
        NoData::Garbled,
        "all ones are no log"
    );
    assert_eq!(seen.sheet.as_ref().unwrap().invalid(), 1);
    let doubt = seen.doubts.first().unwrap();
    assert!(
        doubt.code == "drive_identity" && doubt.message.contains("OTHER-ONE"),
        "{doubt:?}"
    );
    let block = collectors::block::BlockCollector::new(root).collect().unwrap();
    let whole = Inventory::merge(Moment::EPOCH, [&seen, &block], Vec::new());
    let health = whole.drives.first().unwrap().health.as_ref().unwrap();
    assert_eq!(health.warning_celsius, Reading::Value(70));
    assert_eq!(health.critical_celsius, Reading::Value(75));
    assert_eq!(health.used_percent, Reading::Value(3));
    assert!(whole.drives.get(1).unwrap().health.is_none());
}

#[test]
fn a_recorded_machine_without_pages_is_not_asked() {
    let machine = Machine::with(1);
    fs::remove_dir_all(machine.at(RECORDED)).unwrap();
    let error = machine.collector().collect().unwrap_err();
    assert_eq!(error.reason, NoData::Absent);
    assert!(error.to_string().contains(RECORDED), "{error}");
}
