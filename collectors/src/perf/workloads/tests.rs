//! Tests of the reader on this machine's kernel, in a cgroup of our own where we may make one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{fs, io};

use facts::Number;
use facts::sheet::{Pad, Sheet};
use proptest::prelude::*;

use super::*;

/// Where v2 may be mounted: alone, or beside v1.
const V2: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// A cgroup with a process that never sleeps; both go with it.
struct Busy {
    directory: PathBuf,
    child: Child,
}

impl Busy {
    fn start(name: &str) -> io::Result<Busy> {
        let mount = V2
            .into_iter()
            .find(|mount| Path::new(mount).join("cgroup.procs").exists());
        let mount = mount.ok_or_else(|| io::Error::other("no cgroup v2"))?;
        let directory = Path::new(mount).join(format!("busbar-perf-{name}-{}", std::process::id()));
        fs::create_dir(&directory)?;
        let child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn()?;
        let busy = Busy { directory, child };
        fs::write(busy.directory.join("cgroup.procs"), busy.child.id().to_string())?;
        Ok(busy)
    }

    fn workload(&self, cgroups: Vec<PathBuf>) -> Workload {
        Workload {
            id: "busy".to_owned(),
            cpus: place::online(&Root::host()).unwrap(),
            cgroups,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let until = Instant::now() + Duration::from_secs(10);
        while fs::remove_dir(&self.directory).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn sheet(reader: &Reader) -> Sheet {
    let mut pad = Pad::default();
    let mut writing = pad.begin();
    reader.write(&mut writing);
    writing.finish()
}

fn number(sheet: &Sheet, family: &str) -> Option<f64> {
    let (_, number) = sheet.iter().find(|(row, _)| row.family.name == family)?;
    match number {
        Number::Nothing => None,
        Number::Whole(whole) => Some(crate::columns::float(whole)),
        Number::Float(float) => Some(float),
    }
}

#[test]
fn a_cgroup_that_works_is_counted_and_one_that_ends_is_forgotten() {
    let busy = match Busy::start("counted") {
        Ok(busy) => busy,
        Err(error) => {
            println!("skipped: cannot make a cgroup: {error}");
            return;
        }
    };
    let mut reader = Reader::new(Root::host());
    let watch = || vec![busy.workload(vec![busy.directory.clone()])];
    assert_eq!(
        reader.turn(watch()).unwrap().workloads,
        [],
        "nothing was watched before"
    );
    let until = Instant::now() + Duration::from_secs(30);
    let mut used = 0;
    while used < 50_000_000 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
        let turn = reader.turn(watch()).unwrap();
        used += turn
            .workloads
            .iter()
            .flat_map(|one| one.cpu.values())
            .sum::<u64>();
        assert!(turn.sockets.values().any(|socket| socket.busy + socket.idle > 0) || used == 0);
    }
    assert!(
        used >= 50_000_000,
        "{used} ns of CPU time; {:?}",
        reader.missing()
    );
    let page = sheet(&reader);
    assert!(number(&page, families::CPU_TIME.name).unwrap() >= 0.05);
    let perf = reader
        .missing()
        .iter()
        .find(|missing| missing.name == "workloads/perf");
    match perf {
        Some(missing) => println!("skipped: perf: {}", missing.message),
        None => {
            assert!(reader.files() >= 4);
            assert!(number(&page, families::CONTEXT_SWITCHES.name).is_some());
        }
    }
    let hardware = reader
        .missing()
        .iter()
        .any(|missing| missing.name == "workloads/hardware");
    assert_eq!(
        number(&page, families::CYCLES.name).is_none(),
        hardware || perf.is_some()
    );
    let last = reader.turn(Vec::new()).unwrap();
    assert_eq!(last.workloads.len(), 1, "what it used until it ended");
    assert_eq!((reader.files(), sheet(&reader).rows().len()), (0, 0));
}

#[test]
fn a_hierarchy_without_perf_is_said_and_the_rest_is_read() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("memory.current"), "4096\n").unwrap();
    let watch = || {
        vec![Workload {
            id: "files".to_owned(),
            cpus: place::online(&Root::host()).unwrap(),
            cgroups: vec![directory.path().to_owned()],
        }]
    };
    let mut reader = Reader::new(Root::host());
    reader.turn(watch()).unwrap();
    let said = reader
        .missing()
        .iter()
        .find(|missing| missing.name == "workloads/perf");
    let said = &said.unwrap().message;
    assert!(
        said.contains("no perf_event controller") || said.contains("CAP_PERFMON"),
        "{said}"
    );
    let turn = reader.turn(watch()).unwrap();
    assert_eq!(turn.workloads.first().unwrap().cpu, BTreeMap::new());
    let page = sheet(&reader);
    assert_eq!(number(&page, families::MEMORY.name), Some(4096.0));
    assert_eq!(number(&page, families::CPU_TIME.name), None);
}

#[test]
fn the_list_is_bounded_and_the_rest_is_named() {
    let workload = |number: usize| Workload {
        id: format!("w-{number:04}"),
        cpus: CpuSet::new(),
        cgroups: Vec::new(),
    };
    let mut reader = Reader::new(Root::host());
    reader.turn((0..200).rev().map(workload).collect()).unwrap();
    let watched: Vec<&str> = reader
        .lanes
        .iter()
        .map(|lane| lane.workload.id.as_str())
        .collect();
    assert_eq!(
        (watched.len(), watched.first(), watched.last()),
        (MOST_WATCHED, Some(&"w-0000"), Some(&"w-0063"))
    );
    let rest = reader
        .missing()
        .iter()
        .find(|missing| missing.name == "workloads/rest");
    assert!(rest.unwrap().message.contains("w-0064"));
}

proptest! {
    #[test]
    fn what_is_spread_is_all_there(whole: u64, weights in proptest::collection::btree_map("[0-9]", any::<u64>(), 0..9)) {
        let parts = spread(whole, &weights);
        let sum: u128 = parts.values().map(|part| u128::from(*part)).sum();
        let is_nothing = weights.values().all(|weight| *weight == 0);
        prop_assert_eq!(sum, if is_nothing { 0 } else { u128::from(whole) });
    }
}
