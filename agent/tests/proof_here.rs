//! The proof on this machine's own kernel: somebody who burns time on a workload's CPU is found and named, and drift is heard.
//! Needs root and writable cgroups; skips with the reason where they are not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm
)]

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use agent::proof::{Seen, Subject, judge, watch};
use agent::reconcile::{Keeper, KeeperConfig};
use agent_api::v1::{Ask, Intruder, IntruderKind, Proof, RunRequest, Verdict, Witness};
use collectors::{Root, TopologySource, facts_now};
use facts::{CpuId, Moment};
use intent::{Actuators, Mode};
use nix::sched::{CpuSet as Mask, sched_setaffinity};
use nix::unistd::Pid;

const NOW: Moment = Moment::from_millis(1_795_311_618_123);
const WATCHED: Duration = Duration::from_millis(1_500);
/// The name of the program that burns: a shell under another one, so that nobody else is called so.
const BURNER: &str = "busbar-burner";

struct Burner(Child);

impl Burner {
    fn on(cpu: CpuId, dir: &std::path::Path) -> Burner {
        let program = dir.join(BURNER);
        std::fs::copy("/bin/sh", &program).unwrap();
        let child = Command::new(program)
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let mut mask = Mask::new();
        mask.set(usize::try_from(cpu.0).unwrap()).unwrap();
        sched_setaffinity(Pid::from_raw(i32::try_from(child.id()).unwrap()), &mask).unwrap();
        Burner(child)
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn config(state: &std::path::Path, name: &str) -> KeeperConfig {
    let boot_id = Root::host().read("proc/sys/kernel/random/boot_id").unwrap();
    KeeperConfig {
        actuators: Actuators::new(Mode::Enforce, BTreeMap::new()).unwrap(),
        cgroup_name: name.to_owned(),
        ..KeeperConfig::new(Root::host(), state.to_owned(), boot_id)
    }
}

fn named<'p>(proof: &'p Proof, name: &str) -> Option<&'p Intruder> {
    proof.intruders.iter().find(|one| one.name == name)
}

#[test]
fn who_burns_time_on_a_workloads_cpu_is_found_and_named() {
    let state = tempfile::tempdir().unwrap();
    let name = format!("busbar-test-proof-{}", std::process::id());
    let inventory = facts_now(&Root::host(), TopologySource::Live);
    let mut keeper = Keeper::open(config(state.path(), &name)).unwrap();
    let mut holder = Burner(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap());
    let request = RunRequest {
        ask: Ask {
            cpus: 1,
            exclusive: true,
            ..Ask::default()
        },
        command: "cat".to_owned(),
    };
    let workload = match keeper.start(request, holder.0.id(), 0, &inventory, NOW) {
        Ok(workload) => workload,
        Err(error) => {
            println!("skipped: {error}");
            return;
        }
    };
    let prove = |keeper: &Keeper| -> Proof {
        let before = keeper.check(&workload.id).unwrap();
        let subject = Subject::of(&before.workload, &keeper.workloads(), before.wants_partition);
        // On a thread of its own, which steps aside from these CPUs.
        let seen: Seen = std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&Root::host(), &subject, WATCHED, &|| false));
            watching.join().unwrap()
        });
        judge(&before, &keeper.check(&workload.id).unwrap(), seen, NOW)
    };
    let alone = prove(&keeper);
    let told = |one: &Intruder| format!("{} {:?} {:?}", one.name, one.kind, one.run_microseconds);
    println!("{:?} {:?}", alone.verdict, alone.because);
    alone
        .intruders
        .iter()
        .for_each(|one| println!("  intruder {}", told(one)));
    alone
        .unavoidable
        .iter()
        .for_each(|one| println!("  unavoidable {}", told(one)));
    assert!(alone.outstanding.is_empty(), "{alone:?}");
    assert!(
        named(&alone, BURNER).is_none() && named(&alone, "cat").is_none(),
        "{alone:?}"
    );
    // Whatever else this machine does, the verdict follows from who was there.
    assert_eq!(alone.verdict.holds(), alone.intruders.is_empty(), "{alone:?}");

    let burner = Burner::on(workload.cpus.first().unwrap(), state.path());
    let beside = prove(&keeper);
    if workload.exclusivity == agent_api::v1::Exclusivity::Partition {
        println!("a partition keeps it off: {:?}", beside.verdict);
        assert!(named(&beside, BURNER).is_none(), "{beside:?}");
    } else {
        let found = named(&beside, BURNER).unwrap_or_else(|| panic!("nobody named it: {beside:?}"));
        println!("  found {}", told(found));
        assert_eq!(
            (beside.verdict, found.kind),
            (Verdict::NotProven, IntruderKind::HostProcess)
        );
        assert_eq!((found.pid, &found.cpus), (Some(burner.0.id()), &workload.cpus));
        assert!(
            found.run_microseconds.is_some_and(|ran| ran > 10_000),
            "{found:?}"
        );
        assert!(
            found.advice.contains("taskset") || found.advice.contains("AllowedCPUs"),
            "{found:?}"
        );
    }
    println!("witness {:?}", beside.witness);
    if beside.witness == Witness::ContextSwitches {
        let all: u64 = beside
            .intruders
            .iter()
            .chain(&beside.unavoidable)
            .filter_map(|one| one.run_microseconds)
            .sum();
        let most = beside.watched_milliseconds * 1_000 * u64::try_from(workload.cpus.len()).unwrap();
        assert!(all <= most + 1_000, "{all} µs on one CPU in {most}");
    }
    drop(burner);
    keeper.end(&workload.id, NOW).unwrap();
    let _ = holder.0.kill();
    drop(keeper);
    let left = agent::reconcile::leave(&Root::host(), state.path()).unwrap();
    assert!(left.kept.is_empty(), "{left}");
}
