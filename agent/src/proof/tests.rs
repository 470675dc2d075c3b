//! Tests of the proof: recorded trees, the verdicts, and any bytes in the kernel's files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use agent_api::v1::{Exclusivity, IntruderKind, Verdict, Witness, Workload};
use collectors::Root;
use facts::Moment;
use proptest::prelude::*;

use super::judge::{Checked, judge};
use super::look::{Came, Identity, Owner};
use super::watch::{Seen, Subject, Visitor};
use super::{look, watch};

fn workload() -> Workload {
    Workload {
        id: "web-1".parse().unwrap(),
        command: "web".to_owned(),
        uid: 0,
        pid: 70,
        cpus: "2-3".parse().unwrap(),
        numa_nodes: "0".parse().unwrap(),
        exclusive: true,
        memory_bytes: None,
        since: Moment::from_millis(1),
        cgroups: vec!["/sys/fs/cgroup/busbar/web-1".to_owned()],
        exclusivity: Exclusivity::Partition,
        frozen: false,
        priority: None,
        revocable: false,
        watts: None,
        squeezed: None,
        uncounted: None,
        held_to_millicpus: None,
        vm: None,
        adopted: false,
        cdi: None,
        held: None,
        awaits: false,
        container: None,
        steps: Vec::new(),
    }
}

fn checked() -> Checked {
    Checked {
        workload: workload(),
        wants_partition: true,
        why_no_partition: String::new(),
        outstanding: Vec::new(),
    }
}

fn subject() -> Subject {
    let other = Workload {
        id: "db".parse().unwrap(),
        cgroups: vec!["/sys/fs/cgroup/busbar/db".to_owned()],
        ..workload()
    };
    Subject::of(&workload(), &[workload(), other], true)
}

/// A machine of four CPUs with one thread of each kind on CPU 2, and the workload's own.
struct Recorded(tempfile::TempDir);

impl Recorded {
    fn new() -> Recorded {
        let recorded = Recorded(tempfile::tempdir().unwrap());
        recorded.task(70, "web (x) ", 0, 2, "/busbar/web-1", "2-3");
        recorded.task(71, "ksoftirqd/2", 0x0020_0040, 2, "/", "2");
        recorded.task(72, "kworker/u8:1", 0x0020_0040, 2, "/", "2");
        recorded.task(73, "cron", 0, 2, "/system.slice/cron.service", "0-3");
        recorded.task(74, "dbms", 0, 3, "/busbar/db/sub", "2-3");
        recorded.task(75, "elsewhere", 0, 1, "/", "0-1");
        let v2 = "sys/fs/cgroup/busbar/web-1";
        for (file, text) in [
            ("cgroup.procs", "70\n"),
            ("cpuset.cpus", "2-3\n"),
            ("cpuset.cpus.effective", "2-3\n"),
            ("cpuset.cpus.partition", "isolated\n"),
            ("memory.numa_stat", "anon N0=4096 N1=4096\nfile N0=0 N1=0\n"),
        ] {
            recorded.write(&format!("{v2}/{file}"), text);
        }
        recorded.write("proc/irq/36/smp_affinity_list", "0-3\n");
        recorded.write("proc/irq/37/smp_affinity_list", "2-3\n");
        recorded
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn task(&self, tid: u32, name: &str, flags: u32, cpu: u32, cgroup: &str, allowed: &str) {
        let stat = format!(
            "{tid} ({name}) S 1 1 1 0 -1 {flags} 0 0 0 0 5 5 0 0 20 0 1 0 9 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 {cpu} 0 0\n"
        );
        for dir in [format!("proc/{tid}"), format!("proc/{tid}/task/{tid}")] {
            self.write(&format!("{dir}/stat"), &stat);
            self.write(&format!("{dir}/cgroup"), &format!("0::{cgroup}\n"));
            self.write(
                &format!("{dir}/status"),
                &format!("Name:\tx\nCpus_allowed_list:\t{allowed}\n"),
            );
        }
    }

    fn root(&self) -> Root {
        Root::at(self.0.path()).unwrap()
    }
}

/// What is seen where all these threads ran: read from the recorded machine, with a made-up time each.
fn visitors(recorded: &Recorded, tids: &[u32]) -> Vec<Visitor> {
    let root = recorded.root();
    let all = tids.iter().map(|tid| Visitor {
        tid: *tid,
        pid: *tid,
        cpus: "2".parse().unwrap(),
        nanoseconds: u64::from(*tid) * 1_000,
        identity: look::identity(&root, &subject(), *tid).unwrap(),
    });
    all.filter(|visitor| visitor.identity.owner != Owner::Holder)
        .collect()
}

fn seen(recorded: &Recorded, tids: &[u32]) -> Seen {
    Seen {
        witness: Witness::ContextSwitches,
        why_polled: String::new(),
        watched: Duration::from_secs(1),
        visitors: visitors(recorded, tids),
        came: Vec::new(),
        lost: 0,
        is_cut: false,
        controls: look::controls(&recorded.root(), &subject()),
        members: 1,
        memory: look::memory(&recorded.root(), &subject(), &[70]),
    }
}

fn proof(seen: Seen) -> agent_api::v1::Proof {
    judge(&checked(), &checked(), seen, Moment::from_millis(9))
}

#[test]
fn everybody_is_named_and_sorted_by_what_can_be_done() {
    let recorded = Recorded::new();
    let proof = proof(seen(&recorded, &[70, 71, 72, 73, 74]));
    assert_eq!(proof.verdict, Verdict::NotProven);
    let told: Vec<(IntruderKind, &str)> = proof
        .intruders
        .iter()
        .map(|one| (one.kind, one.name.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (IntruderKind::Workload, "dbms"),
            (IntruderKind::HostProcess, "cron"),
            (IntruderKind::KernelMovable, "kworker/u8:1"),
        ]
    );
    assert!(proof.intruders[0].advice.contains("workload db"), "{proof:?}");
    assert!(
        proof.intruders[1].advice.contains("cron.service AllowedCPUs="),
        "{proof:?}"
    );
    assert!(
        proof.intruders[2].advice.contains("workqueue/cpumask"),
        "{proof:?}"
    );
    assert_eq!(proof.unavoidable[0].name, "ksoftirqd/2");
    assert!(
        proof.because[0].contains("3 others were there: dbms, cron"),
        "{:?}",
        proof.because
    );
    let memory = proof.memory.unwrap();
    assert_eq!(
        (memory.foreign_bytes.get(), memory.total_bytes.get()),
        (4_096, 8_192)
    );
}

#[test]
fn alone_is_proven_and_kernel_threads_of_the_cpu_are_told() {
    let recorded = Recorded::new();
    let alone = proof(seen(&recorded, &[70]));
    assert_eq!(
        (alone.verdict, alone.is_enforced, alone.because.len()),
        (Verdict::Proven, true, 0)
    );
    let beside = proof(seen(&recorded, &[70, 71]));
    assert_eq!(
        (beside.verdict, beside.intruders.len()),
        (Verdict::ProvenButKernel, 0)
    );
}

#[test]
fn what_could_not_be_seen_is_not_proven() {
    let recorded = Recorded::new();
    for (blind, word) in [
        (
            Seen {
                lost: 3,
                ..seen(&recorded, &[70])
            },
            "3 records",
        ),
        (
            Seen {
                is_cut: true,
                ..seen(&recorded, &[70])
            },
            "more threads",
        ),
        (
            Seen {
                members: 0,
                ..seen(&recorded, &[70])
            },
            "nobody to be alone",
        ),
    ] {
        let proof = proof(blind);
        assert!(
            proof.verdict == Verdict::NotProven && proof.because[0].contains(word),
            "{proof:?}"
        );
    }
    let drifted = Checked {
        outstanding: vec!["write 2-3 to /x".to_owned()],
        ..checked()
    };
    let proof = judge(
        &drifted,
        &checked(),
        seen(&recorded, &[70]),
        Moment::from_millis(9),
    );
    assert!(
        proof.because[0].contains("write 2-3 to /x"),
        "{:?}",
        proof.because
    );
}

#[test]
fn a_partition_that_a_sibling_broke_is_told_with_the_kernels_reason() {
    let recorded = Recorded::new();
    recorded.write(
        "sys/fs/cgroup/busbar/web-1/cpuset.cpus.partition",
        "isolated invalid (Cpu list in cpuset.cpus not exclusive)\n",
    );
    recorded.write("sys/fs/cgroup/busbar/web-1/cpuset.cpus.effective", "3\n");
    let proof = proof(seen(&recorded, &[70]));
    assert_eq!((proof.verdict, proof.is_enforced), (Verdict::NotProven, false));
    let all = proof.because.join("\n");
    assert!(
        all.contains("take them out there") && all.contains("gives CPUs 3; expected 2-3"),
        "{all}"
    );
}

#[test]
fn who_runs_in_a_container_below_is_there_too() {
    let recorded = Recorded::new();
    let web = "sys/fs/cgroup/busbar/web-1";
    recorded.write(&format!("{web}/cgroup.procs"), "");
    recorded.write(&format!("{web}/container/init.scope/cgroup.procs"), "70\n");
    recorded.write(&format!("{web}/runtime/cgroup.procs"), "69\n");
    let subject = Subject::of(&checked().workload, &[], true);
    assert_eq!(look::members(&recorded.root(), &subject), [69, 70]);
}

#[test]
fn a_partition_in_a_broken_one_is_none_although_it_says_root() {
    let recorded = Recorded::new();
    let above = "sys/fs/cgroup/busbar/cpuset.cpus.partition";
    recorded.write(above, "root\n");
    let whole = proof(seen(&recorded, &[70]));
    assert_eq!((whole.verdict, whole.is_enforced), (Verdict::Proven, true));
    recorded.write(above, "member\n");
    assert!(proof(seen(&recorded, &[70])).is_enforced, "a remote one");
    recorded.write(above, "root invalid (Cpu list in cpuset.cpus not exclusive)\n");
    let broken = proof(seen(&recorded, &[70]));
    assert_eq!((broken.verdict, broken.is_enforced), (Verdict::NotProven, false));
    let all = broken.because.join("\n");
    assert!(
        all.contains("/sys/fs/cgroup/busbar/cpuset.cpus.partition says")
            && all.contains("take them out there"),
        "{all}"
    );
}

#[test]
fn an_interrupt_that_could_go_elsewhere_is_an_intruder() {
    let recorded = Recorded::new();
    let cpus = "2-3".parse().unwrap();
    let head = "      CPU0 CPU1 CPU2 CPU3\n";
    let rows = |count: u64| {
        format!(
            "{head} 36: 0 0 {count} 0 PCI-MSI nic-rx\n 37: 0 0 0 {count} PCI-MSI nic-tx\n 38: 9 9 0 0 x\nLOC: 1 1 {count} 1 Local timer interrupts\n"
        )
    };
    recorded.write("proc/interrupts", &rows(1));
    let before = look::interrupts(&recorded.root(), &cpus);
    recorded.write("proc/interrupts", &rows(5));
    let came = look::came(
        &recorded.root(),
        &cpus,
        &before,
        &look::interrupts(&recorded.root(), &cpus),
    );
    let told: Vec<(&str, bool, u64)> = came
        .iter()
        .map(|one: &Came| (one.name.as_str(), one.is_bound, one.times))
        .collect();
    assert_eq!(
        told,
        [
            ("36 PCI-MSI nic-rx", false, 4),
            ("37 PCI-MSI nic-tx", true, 4),
            ("LOC Local timer interrupts", true, 4),
        ]
    );
    let proof = proof(Seen {
        came,
        ..seen(&recorded, &[70])
    });
    assert_eq!(
        (proof.verdict, proof.intruders.len(), proof.unavoidable.len()),
        (Verdict::NotProven, 1, 2)
    );
    assert!(
        proof.intruders[0]
            .advice
            .contains("/proc/irq/36/smp_affinity_list")
    );
}

#[test]
fn a_recorded_machine_is_read_and_nobody_grows_there() {
    let recorded = Recorded::new();
    let seen = watch(&recorded.root(), &subject(), Duration::from_millis(250), &|| {
        false
    });
    assert_eq!(
        (seen.witness, seen.visitors.len(), seen.members),
        (Witness::Polled, 0, 1)
    );
    let proof = proof(seen);
    assert!(
        proof.verdict.holds() && proof.because[0].contains("recorded machine"),
        "{proof:?}"
    );
}

#[test]
fn a_shared_workload_has_nothing_exclusive_to_prove() {
    let recorded = Recorded::new();
    let shared = Checked {
        workload: Workload {
            exclusive: false,
            ..workload()
        },
        wants_partition: false,
        ..checked()
    };
    let proof = judge(&shared, &shared, seen(&recorded, &[73]), Moment::from_millis(9));
    assert_eq!((proof.verdict, proof.intruders.len()), (Verdict::Shared, 0));
}

#[test]
fn identities_say_whose_a_thread_is() {
    let recorded = Recorded::new();
    let root = recorded.root();
    let of = |tid| look::identity(&root, &subject(), tid).map(|identity: Identity| identity.owner);
    assert_eq!(of(70), Some(Owner::Holder));
    assert_eq!(of(74), Some(Owner::Workload("db".parse().unwrap())));
    assert_eq!(of(75), Some(Owner::Host));
    assert_eq!(of(99), None);
    assert!(!Path::new("/proc/self/none").exists());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", numbers in "[0-9 :=NCPU\n()/,-]{0,200}") {
        for text in [text, numbers] {
            super::fuzz(&text);
        }
    }
}
