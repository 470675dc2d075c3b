//! Adoption on recorded hosts: whose hands nothing is taken from, who comes along, and crashes between any two steps.

use std::panic::{AssertUnwindSafe, catch_unwind};

use agent::reconcile::{Keeper, leave};
use agent_api::v1::{AdoptRequest, Adopted, Adoptee};
use intent::Mode;

use crate::crash::dies_before;
use crate::fixture::{Fixture, NOW, machine, request, start};

const ALL: &str = "Name:\tx\nCpus_allowed_list:\t0-7\n";

fn stat(pid: u32, parent: u32, flags: u32) -> String {
    format!("{pid} (job {pid}) S {parent} 1 1 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 47{pid} 0 0")
}

/// Process 7 has started 8, and that 9; 7 may use CPUs 0-3 only, and its thread 71 only CPU 2.
fn host(make: fn() -> Fixture) -> Fixture {
    let fixture = make();
    for (pid, parent) in [(7, 1), (8, 7), (9, 8)] {
        fixture.write(&format!("proc/{pid}/stat"), &stat(pid, parent, 0));
        fixture.write(&format!("proc/{pid}/task/{pid}/status"), ALL);
    }
    fixture.write("proc/7/task/7/status", "Cpus_allowed_list:\t0-3\n");
    fixture.write("proc/7/task/71/status", "Cpus_allowed_list:\t2\n");
    fixture
}

fn wish(adoptee: Adoptee) -> AdoptRequest {
    AdoptRequest {
        adoptee,
        ask: request("db", 2, true).ask,
        dry_run: false,
        through_owner: false,
    }
}

fn seven() -> AdoptRequest {
    wish(Adoptee::Process { pid: 7, started: 477 })
}

fn adopt(keeper: &mut Keeper, request: &AdoptRequest) -> Result<Adopted, String> {
    let came = keeper.adopt(request, 0, &machine(8), NOW);
    came.map_err(|error| error.to_string())
}

fn procs(fixture: &Fixture, dir: &str) -> Vec<String> {
    let mut all: Vec<String> = fixture
        .read(&format!("{dir}/cgroup.procs"))
        .lines()
        .map(str::to_owned)
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn a_process_comes_with_whom_it_started_and_goes_back_with_them() {
    for (make, ours) in [
        (Fixture::v1 as fn() -> Fixture, "sys/fs/cgroup/cpuset/busbar/db"),
        (Fixture::v2, "sys/fs/cgroup/busbar/db"),
    ] {
        let fixture = host(make);
        let (cgroups, proc) = (fixture.all("sys"), fixture.all("proc"));
        let mut keeper = fixture.open();
        let dry = AdoptRequest {
            dry_run: true,
            ..seven()
        };
        let would = adopt(&mut keeper, &dry).unwrap();
        assert_eq!((would.workload, would.processes), (None, vec![7, 8, 9]));
        assert!(
            would
                .would
                .iter()
                .any(|step| step.text.contains("move process 9"))
        );
        assert_eq!(fixture.all("sys"), cgroups, "a dry run changes nothing");

        let adopted = adopt(&mut keeper, &seven()).unwrap();
        assert_eq!(adopted.processes, [7, 8, 9]);
        assert!(adopted.workload.unwrap().adopted);
        assert_eq!(procs(&fixture, ours), ["7", "8", "9"]);
        assert_eq!(keeper.plan().unwrap(), []);
        // The ledger says where everybody's threads might run. On v1 the kernel forgets that when it moves them.
        let ledger = fixture.read("state/ledger.json");
        assert!(
            ledger.contains("\"71\": \"2\"") && ledger.contains("\"0-3\""),
            "{ledger}"
        );
        for (pid, thread) in [(7, 7), (7, 71), (8, 8)] {
            fixture.write(
                &format!("proc/{pid}/task/{thread}/status"),
                "Cpus_allowed_list:\t4-5\n",
            );
        }
        drop(keeper);
        // The next agent keeps it; leaving puts everything back.
        let keeper = fixture.open();
        assert!(
            keeper.found()[0].contains("workload db runs on"),
            "{:?}",
            keeper.found()
        );
        drop(keeper);
        let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
        assert_eq!((left.moved, left.kept.len()), (3, 0), "{left}");
        assert_eq!(fixture.all("sys"), cgroups);
        let after = fixture.all("proc");
        let text = |at: &std::path::Path| String::from_utf8(after[at].clone()).unwrap();
        for (file, cpus) in [("7/task/7", "0-3"), ("7/task/71", "2"), ("8/task/8", "0-7")] {
            let file = fixture.path(&format!("proc/{file}/status"));
            assert!(
                text(&file).contains(&format!("Cpus_allowed_list:\t{cpus}\n")),
                "{}",
                file.display()
            );
        }
        assert_eq!(after.len(), proc.len());
    }
}

#[test]
fn killed_between_any_two_steps_it_is_adopted_or_as_it_was() {
    std::panic::set_hook(Box::new(|_| ()));
    for make in [Fixture::v1 as fn() -> Fixture, Fixture::v2] {
        let mut step = 0;
        loop {
            let fixture = host(make);
            let before = fixture.all("sys");
            let (watch, _) = dies_before(step);
            let life = catch_unwind(AssertUnwindSafe(|| {
                let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
                adopt(&mut keeper, &seven()).unwrap();
                keeper.end(&"db".parse().unwrap(), NOW).unwrap();
            }));
            let mut keeper = fixture.open();
            keeper.look(&machine(8));
            keeper.sweep(NOW);
            assert_eq!(keeper.plan().unwrap(), [], "step {step}: {:?}", keeper.found());
            for workload in keeper.workloads() {
                let dir = workload.cgroups[0].trim_start_matches('/').to_owned();
                assert_eq!(
                    procs(&fixture, &dir),
                    ["7", "8", "9"],
                    "step {step}: all of them or none"
                );
                keeper.end(&workload.id, NOW).unwrap();
            }
            assert_eq!(fixture.all("sys"), before, "step {step}: {:?}", keeper.found());
            if life.is_ok() {
                break;
            }
            step += 1;
        }
        assert!(step > 12, "only {step} steps were tried");
    }
    let _ = std::panic::take_hook();
}

#[test]
fn nobody_else_is_taken_for_whoever_was_meant() {
    let fixture = host(Fixture::v2);
    fixture.write("proc/2/stat", &stat(2, 0, 0x0020_8040));
    fixture.write("proc/2/cgroup", "0::/\n");
    fixture.write("proc/1/stat", &stat(1, 0, 0));
    fixture.write("proc/5/stat", &stat(5, 1, 0).replace(" S ", " Z "));
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    for (adoptee, expected) in [
        (
            Adoptee::Process { pid: 7, started: 478 },
            "is another one than was meant",
        ),
        (
            Adoptee::Process {
                pid: 4711,
                started: 1,
            },
            "there is no process 4711",
        ),
        (Adoptee::Process { pid: 5, started: 475 }, "has just ended"),
        (
            Adoptee::Process { pid: 1, started: 471 },
            "starts and ends all others",
        ),
        (
            Adoptee::Process { pid: 2, started: 472 },
            "a thread of the kernel",
        ),
        (Adoptee::Unit("../../etc".to_owned()), "is no name"),
        (
            Adoptee::Unit("web.scope".to_owned()),
            "no process is in a cgroup of web.scope",
        ),
        (Adoptee::Container("3f1c0b9a7d2e".to_owned()), "no container"),
    ] {
        let error = adopt(&mut keeper, &wish(adoptee)).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let error = keeper.adopt(&seven(), 1000, &machine(8), NOW).unwrap_err();
    assert!(error.to_string().contains("expected user 0"), "{error}");
    assert_eq!(fixture.all("sys"), before);
    assert_eq!(keeper.workloads(), []);
    // Nor is one that is ours already.
    start(&mut keeper, "web", 1, true, 7);
    fixture.write("proc/7/cgroup", "0::/busbar/web\n");
    let error = adopt(&mut keeper, &seven()).unwrap_err();
    assert!(error.contains("is in workload web already"), "{error}");
}

#[test]
fn what_others_rule_stays_theirs_and_they_are_named() {
    let fixture = host(Fixture::v2);
    let id = "3f1c0b9a7d2e4f6a8b0c1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b8c9d0e1f2a";
    let mut keeper = fixture.open();
    let before = fixture.all("sys");
    for (cgroup, adoptee, who, setting) in [
        (
            "/system.slice/web.service",
            Adoptee::Unit("web.service".to_owned()),
            "systemd (web.service)",
            "systemctl set-property --runtime web.service AllowedCPUs=1-2",
        ),
        (
            "/kubepods.slice/pod1/x",
            Adoptee::Process { pid: 7, started: 477 },
            "the kubelet",
            "cpuManagerPolicy",
        ),
        (
            "/system.slice/slurmstepd.scope/job_1",
            Adoptee::Process { pid: 7, started: 477 },
            "slurmd",
            "--cpu-bind=map_cpu:1-2",
        ),
        (
            &format!("/system.slice/docker-{id}.scope"),
            Adoptee::Container(id[..12].to_owned()),
            "Docker",
            "docker update --cpuset-cpus=1-2",
        ),
    ] {
        fixture.write("proc/7/cgroup", &format!("0::{cgroup}\n"));
        let error = adopt(&mut keeper, &wish(adoptee)).unwrap_err();
        assert!(error.contains(who) && error.contains(setting), "{error}");
    }
    assert_eq!(fixture.all("sys"), before);
}

#[test]
fn who_is_elsewhere_stays_there_and_is_told() {
    let fixture = host(Fixture::v2);
    fixture.write("proc/8/cgroup", "0::/mine/own\n");
    let mut keeper = fixture.open();
    let adopted = adopt(&mut keeper, &seven()).unwrap();
    assert_eq!(adopted.processes, [7, 9]);
    assert_eq!(adopted.not_followed.len(), 1);
    assert!(
        adopted.not_followed[0].contains("process 8 (job 8) is in another cgroup"),
        "{:?}",
        adopted.not_followed
    );
    assert_eq!(procs(&fixture, "sys/fs/cgroup/busbar/db"), ["7", "9"]);
}
