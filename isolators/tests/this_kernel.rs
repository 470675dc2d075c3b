//! The writing hand on this machine's own kernel. Skips with the reason where cgroups are not writable.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};

use facts::{Bytes, CpuId, CpuSet};
use intent::{Actuator, Actuators, Intent, Isolation, Mode};
use isolators::cgroup::{Controller, Layout, Origin, enter, members, nearest_living, origins, started};
use isolators::{Host, Outcome, Step, apply, plan};

fn enforce() -> Actuators {
    Actuators::new(Mode::Enforce, BTreeMap::new()).unwrap()
}

fn run(host: &Host, steps: &[Step]) {
    for step in steps {
        println!("{step}");
    }
    let outcome = apply(&enforce(), Actuator::Cpu, host, steps, &mut |_| ());
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause));
    assert!(matches!(outcome, Outcome::Done(_)));
}

fn converge(host: &Host, layout: &Layout, intent: &Intent) {
    let steps: Vec<Step> = plan(layout, host, intent)
        .unwrap()
        .into_iter()
        .map(|(_, step)| step)
        .collect();
    run(host, &steps);
    let left = plan(layout, host, intent).unwrap();
    assert!(left.is_empty(), "read back: {left:?}");
}

fn of_status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_once(':').unwrap().1.trim().to_owned()
}

/// A process that is ended when the test ends, however it ends.
struct Sleeper(Child);

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One CPU alone, and a limit of memory where the host has that controller.
fn isolation(layout: &Layout, cpu: CpuId) -> Isolation {
    let with_memory = layout.cgroups.places.contains_key(&Controller::Memory);
    let cpus = [cpu].into_iter().collect();
    Isolation {
        exclusive: true,
        memory_max: with_memory.then(|| Bytes::new(64 << 20)),
        ..Isolation::new("web".parse().unwrap(), cpus, "0".parse().unwrap())
    }
}

fn move_back(host: &Host, layout: &Layout, web: &Isolation, pid: u32, origin: &Origin) -> Step {
    let places = layout.hierarchies(web).unwrap();
    let place = places.into_iter().find(|place| place.mount == origin.mount);
    let from = layout.group(place.unwrap(), web);
    assert_eq!(members(host, &from).unwrap(), [pid]);
    Step::MoveProcess {
        pid,
        started: started(host, pid).unwrap(),
        from,
        to: nearest_living(host, origin),
    }
}

#[test]
fn a_process_gets_its_cpus_and_its_memory_and_leaves_no_trace() {
    let host = Host::at("/");
    let name = format!("busbar-test-{}", std::process::id());
    let mut layout = Layout::find(&host, &name);
    if let Some(why) = layout.cgroups.missing.get(&Controller::Cpuset) {
        println!("skipped: {why}");
        return;
    }
    let allowed: CpuSet = of_status(std::process::id(), "Cpus_allowed_list")
        .parse()
        .unwrap();
    let last = allowed.iter().last().unwrap();
    let web = isolation(&layout, last);
    // Whether the kernel gives partitions is another test's question.
    layout.refused.insert(web.workload.clone());
    let intent = Intent::default().with(web.clone());

    let child = Sleeper(
        Command::new("sleep")
            .arg("600")
            .stdout(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let pid = child.0.id();
    let from = origins(&host, &layout, &web, pid).unwrap();
    let start = started(&host, pid).unwrap();
    converge(&host, &layout, &intent);
    run(&host, &enter(&layout, &web, pid, start, &from).unwrap());
    println!(
        "{} {}",
        of_status(pid, "Cpus_allowed_list"),
        of_status(pid, "Mems_allowed_list")
    );
    assert_eq!(of_status(pid, "Cpus_allowed_list"), last.to_string());
    assert_eq!(of_status(pid, "Mems_allowed_list"), "0");

    let back = from
        .iter()
        .map(|origin| move_back(&host, &layout, &web, pid, origin));
    let steps: Vec<Step> = back.collect();
    run(&host, &steps);
    converge(&host, &layout, &Intent::default());
    assert_eq!(
        of_status(pid, "Cpus_allowed_list").parse::<CpuSet>().unwrap(),
        allowed
    );
    assert_eq!(
        origins(&host, &layout, &web, pid).unwrap(),
        from,
        "it is where it came from"
    );
    for place in layout.all_hierarchies() {
        for own in layout.own(place) {
            assert!(!host.has(&own), "{} is left", own.display());
        }
    }
}
