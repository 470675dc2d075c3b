//! Tests of what is counted here, on this kernel: software events where there is no PMU.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use facts::Number;
use facts::sheet::Sheet;

use super::*;

fn sum(sheet: &Sheet, family: &str) -> Option<u64> {
    let rows = sheet.iter().filter(|(row, _)| row.family.name == family);
    rows.map(|(_, number)| match number {
        Number::Whole(whole) => Some(whole),
        Number::Nothing | Number::Float(_) => None,
    })
    .sum()
}

/// `ctxt` of /proc/stat: context switches of the whole machine.
fn switches() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("ctxt ")).unwrap();
    line.parse().unwrap()
}

#[test]
fn software_events_agree_with_the_kernels_own_counts_and_the_pmu_is_told_apart() {
    let mut collector = PerfCollector::new(Root::host());
    let before = switches();
    let first = match collector.collect() {
        Ok(first) => first,
        Err(error) => {
            println!("skipped: {}", error.explain());
            assert!(
                matches!(error.reason, NoData::Refused | NoData::Unsupported),
                "{error:?}"
            );
            return;
        }
    };
    if !first
        .missing
        .iter()
        .any(|missing| missing.name == "perf/hardware")
    {
        let cycles = sum(&first.sheet.unwrap(), families::CYCLES.name);
        assert!(cycles.is_some(), "a PMU that was probed counts");
        return;
    }
    let until = Instant::now() + Duration::from_secs(30);
    let counted = loop {
        std::thread::sleep(Duration::from_millis(20));
        let sheet = collector.collect().unwrap().sheet.unwrap();
        let counted = sum(&sheet, families::CONTEXT_SWITCHES.name).unwrap();
        if counted >= 100 || Instant::now() > until {
            break counted;
        }
    };
    let most = switches() - before;
    assert!(
        (100..=most).contains(&counted),
        "{counted} of at most {most} context switches"
    );
    assert!(collector.files() >= 3);
}

#[test]
fn rows_stay_the_same_from_turn_to_turn() {
    let mut collector = PerfCollector::new(Root::host());
    let (Ok(first), Ok(second)) = (collector.collect(), collector.collect()) else {
        println!("skipped: perf counts nothing here");
        return;
    };
    let (first, second) = (first.sheet.unwrap(), second.sheet.unwrap());
    assert!(std::sync::Arc::ptr_eq(first.rows(), second.rows()));
    assert_eq!(second.invalid(), 0);
}

#[test]
fn a_recorded_machine_counts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("sys")).unwrap();
    let mut collector = PerfCollector::new(Root::at(directory.path()).unwrap());
    let error = collector.collect().unwrap_err();
    assert_eq!(error.reason, NoData::Absent);
    assert_eq!(collector.files(), 0);
}
