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
use agent_api::v1::{
    Ask, Exclusivity, Intruder, IntruderKind, Proof, RunRequest, Verdict, Witness, Workload,
};
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

/// A process that waits in a workload of its own, and the keeper that placed it.
struct Stand {
    keeper: Keeper,
    holder: Burner,
    workload: Workload,
    state: tempfile::TempDir,
}

impl Stand {
    /// Nothing, with the reason printed, where this machine's cgroups cannot be written or have no CPU to lend.
    fn new() -> Option<Stand> {
        let state = tempfile::tempdir().unwrap();
        let name = format!("busbar-test-proof-{}", std::process::id());
        let inventory = facts_now(&Root::host(), TopologySource::Live);
        let mut keeper = Keeper::open(config(state.path(), &name)).unwrap();
        let holder = Burner(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap());
        let request = RunRequest {
            ask: Ask {
                cpus: 1,
                exclusive: true,
                ..Ask::default()
            },
            command: "cat".to_owned(),
            enters: false,
        };
        match keeper.start(request, holder.0.id(), 0, &inventory, NOW) {
            Ok(workload) => Some(Stand {
                keeper,
                holder,
                workload,
                state,
            }),
            Err(error) => {
                println!("skipped: {error}");
                None
            }
        }
    }

    fn prove(&self) -> Proof {
        let id = &self.workload.id;
        let before = self.keeper.check(id).unwrap();
        let subject = Subject::of(&before.workload, &self.keeper.workloads(), before.wants_partition);
        // On a thread of its own, which steps aside from these CPUs.
        let seen: Seen = std::thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&Root::host(), &subject, WATCHED, &|| false));
            watching.join().unwrap()
        });
        let proof = judge(&before, &self.keeper.check(id).unwrap(), seen, NOW);
        println!("{:?} by {:?}: {:?}", proof.verdict, proof.witness, proof.because);
        for one in proof.intruders.iter().chain(&proof.unavoidable) {
            println!(
                "  {} {:?} {:?} {:?}",
                one.name, one.kind, one.run_microseconds, one.times
            );
        }
        proof
    }

    fn end(mut self) {
        self.keeper.end(&self.workload.id, NOW).unwrap();
        drop((self.keeper, self.holder));
        let left = agent::reconcile::leave(&Root::host(), self.state.path()).unwrap();
        assert!(left.kept.is_empty(), "{left}");
    }
}

#[test]
fn who_burns_time_on_a_workloads_cpu_is_found_and_named() {
    let Some(stand) = Stand::new() else { return };
    let (workload, holder) = (stand.workload.clone(), stand.holder.0.id());
    let alone = stand.prove();
    assert!(alone.outstanding.is_empty(), "{alone:?}");
    assert!(named(&alone, BURNER).is_none(), "{alone:?}");
    assert!(
        alone.intruders.iter().all(|one| one.pid != Some(holder)),
        "{alone:?}"
    );
    // Whatever else this machine does, the verdict follows from who was there, and a blind moment is told.
    let is_blind = alone.because.iter().any(|why| why.contains("were lost"));
    assert_eq!(
        alone.verdict.holds(),
        alone.intruders.is_empty() && !is_blind,
        "{alone:?}"
    );

    let burner = Burner::on(workload.cpus.first().unwrap(), stand.state.path());
    let beside = stand.prove();
    if workload.exclusivity == Exclusivity::Partition {
        assert!(named(&beside, BURNER).is_none(), "{beside:?}");
    } else {
        let found = named(&beside, BURNER).unwrap_or_else(|| panic!("nobody named it: {beside:?}"));
        assert_eq!(
            (beside.verdict, found.kind),
            (Verdict::NotProven, IntruderKind::HostProcess)
        );
        assert_eq!((found.pid, &found.cpus), (Some(burner.0.id()), &workload.cpus));
        assert!(
            found.run_microseconds.is_some_and(|ran| ran > 10_000),
            "{found:?}"
        );
        assert!(found.advice.contains("taskset") || found.advice.contains("AllowedCPUs"));
    }
    if beside.witness == Witness::ContextSwitches {
        let all = beside.intruders.iter().chain(&beside.unavoidable);
        let sum: u64 = all.filter_map(|one| one.run_microseconds).sum();
        // Each is rounded up to a microsecond, and the list has a hundred at most.
        assert!(
            sum <= beside.watched_milliseconds * 1_000 + 1_100,
            "{sum} µs on one CPU"
        );
    }
    drop(burner);
    stand.end();
}
