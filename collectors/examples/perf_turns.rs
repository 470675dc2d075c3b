//! Shows what perf counts here and what a turn of it costs: `perf_turns [TURNS [SECONDS-BETWEEN [CGROUP-DIRECTORY]]]`.
//!
//! Compare it with the tool of the same name: `perf stat -a -e context-switches,page-faults sleep 10`. Writes nothing.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use collectors::perf::PerfCollector;
use collectors::perf::workloads::{Reader, Workload};
use collectors::{Collector, Root};
use facts::Number;
use facts::sheet::{Pad, Sheet};
use nix::time::ClockId;

/// The CPUs that are on.
const ONLINE: &str = "/sys/devices/system/cpu/online";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, usual: u32| arguments.get(at).map_or(Ok(usual), |text| text.parse());
    let (Ok(turns), Ok(seconds)) = (number(0, 5), number(1, 1)) else {
        eprintln!("usage: perf_turns [TURNS [SECONDS-BETWEEN [CGROUP-DIRECTORY]]]");
        return ExitCode::from(2);
    };
    let shown = match arguments.get(2) {
        None => machine(turns, seconds),
        Some(directory) => cgroup(turns, seconds, PathBuf::from(directory)),
    };
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn machine(turns: u32, seconds: u32) -> Result<(), String> {
    let mut collector = PerfCollector::new(Root::host());
    let mut last = None;
    each(turns, seconds, || {
        last = Some(collector.collect().map_err(|error| error.explain())?);
        Ok(())
    })?;
    let Some(last) = last else {
        return Ok(());
    };
    last.sheet.iter().for_each(print);
    for missing in &last.missing {
        println!("{}: {}: {}", missing.name, missing.reason, missing.message);
    }
    println!("{} descriptors", collector.files());
    Ok(())
}

fn cgroup(turns: u32, seconds: u32, directory: PathBuf) -> Result<(), String> {
    let mut reader = Reader::new(Root::host());
    let online = std::fs::read_to_string(ONLINE).map_err(|error| format!("{ONLINE}: {error}"))?;
    let workload = Workload {
        id: "it".to_owned(),
        cpus: online.parse().map_err(|error| format!("{error}"))?,
        cgroups: vec![directory],
    };
    each(turns, seconds, || {
        let turn = reader.turn(vec![workload.clone()]);
        turn.map(drop).map_err(|error| error.explain())
    })?;
    let mut pad = Pad::default();
    let mut sheet = pad.begin();
    reader.write(&mut sheet);
    print(&sheet.finish());
    for missing in reader.missing() {
        println!("{}: {}: {}", missing.name, missing.reason, missing.message);
    }
    println!("{} descriptors", reader.files());
    Ok(())
}

/// The turns, each timed by the CPU time that it took, system calls included.
fn each(turns: u32, seconds: u32, mut act: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let clock = ClockId::CLOCK_PROCESS_CPUTIME_ID;
    let spent = || clock.now().map(Duration::from).map_err(|error| error.to_string());
    for turn in 0..turns {
        if turn > 0 {
            std::thread::sleep(Duration::from_secs(u64::from(seconds)));
        }
        let before = spent()?;
        act()?;
        println!("turn {turn}: {:?} of CPU time", spent()?.saturating_sub(before));
    }
    Ok(())
}

fn print(sheet: &Sheet) {
    for (row, number) in sheet.iter() {
        let labels: Vec<String> = row
            .family
            .labels
            .iter()
            .zip(row.labels.iter())
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let number = match number {
            Number::Nothing => continue,
            Number::Whole(whole) => whole.to_string(),
            Number::Float(float) => float.to_string(),
        };
        println!("{}{{{}}} {number}", row.family.name, labels.join(","));
    }
}
