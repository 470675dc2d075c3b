//! Virtual machines: one virtual CPU a CPU, whoever comes later too, through crashes; and strangers at the monitor.

use std::panic::{AssertUnwindSafe, catch_unwind};

use agent::reconcile::Keeper;
use agent::vm::{Said, VcpuThread};
use agent_api::v1::{VmRequest, Workload};
use intent::Mode;

use crate::crash::dies_before;
use crate::fixture::{Fixture, NOW, machine, start};

const ALL: &str = "Name:\tqemu\nCpus_allowed_list:\t0-7\n";

/// Process 7 is a QEMU: its main thread, and threads 71 and 72.
fn host(make: fn() -> Fixture) -> Fixture {
    let fixture = make();
    for thread in [7, 71, 72] {
        fixture.write(&format!("proc/7/task/{thread}/status"), ALL);
    }
    fixture
}

fn said(threads: &[u32]) -> Said {
    let all = (0..).zip(threads);
    let vcpus = all.map(|(index, thread)| VcpuThread {
        index,
        thread: *thread,
    });
    Said {
        pid: 7,
        vcpus: vcpus.collect(),
    }
}

fn request() -> VmRequest {
    VmRequest {
        monitor: "/run/busbar/vm/db.qmp".to_owned(),
        go: false,
    }
}

fn allowed(fixture: &Fixture, thread: u32) -> String {
    let text = fixture.read(&format!("proc/7/task/{thread}/status"));
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:\t"));
    line.unwrap().to_owned()
}

fn three(fixture: &Fixture) -> [String; 3] {
    [7, 71, 72].map(|thread| allowed(fixture, thread))
}

fn begun(fixture: &Fixture) -> (Keeper, Workload) {
    let mut keeper = fixture.open();
    let db = start(&mut keeper, "db", 2, true, 7);
    (keeper, db)
}

#[test]
fn each_virtual_cpu_has_a_cpu_and_drift_is_put_right() {
    for make in [Fixture::v1 as fn() -> Fixture, Fixture::v2] {
        let fixture = host(make);
        let (mut keeper, db) = begun(&fixture);
        let cpus: Vec<String> = db.cpus.iter().map(|cpu| cpu.to_string()).collect();
        let (one, other) = (cpus[0].clone(), cpus[1].clone());
        let shown = keeper.make_vm(&db.id, &request(), said(&[71])).unwrap();
        // The emulator has the CPU that no virtual one has.
        assert_eq!(three(&fixture), [other.clone(), one.clone(), other.clone()]);
        assert_eq!(shown.vm.unwrap().vcpus[0].cpus.to_string(), one);
        assert_eq!(keeper.plan().unwrap(), []);

        // A second one is plugged in: it gets the other CPU, and the emulator moves to the first one's.
        let events = keeper.saw_vm(&db.id, Ok(said(&[71, 72])), NOW);
        assert_eq!(events[0].kind, "vm_pinned");
        assert_eq!(three(&fixture), [one.clone(), one.clone(), other.clone()]);
        assert_eq!(keeper.saw_vm(&db.id, Ok(said(&[71, 72])), NOW), []);

        // Somebody unpins it.
        fixture.write("proc/7/task/72/status", ALL);
        let check = keeper.check(&db.id).unwrap();
        assert!(
            check.outstanding[0].contains("thread 72"),
            "{:?}",
            check.outstanding
        );
        let events = keeper.sweep(NOW);
        assert_eq!(events[0].kind, "drift_repaired");
        assert_eq!(allowed(&fixture, 72), other);

        // The next agent knows the machine, and pins again once it has been asked.
        drop(keeper);
        fixture.write("proc/7/task/71/status", ALL);
        let mut keeper = fixture.open();
        assert_eq!(keeper.workloads()[0].vm.as_ref().unwrap().pid, 7);
        keeper.saw_vm(&db.id, Ok(said(&[71, 72])), NOW);
        assert_eq!(three(&fixture), [one.clone(), one.clone(), other.clone()]);

        // Too many: it runs beside the emulator, and that is told.
        let events = keeper.saw_vm(&db.id, Ok(said(&[71, 72, 7])), NOW);
        assert!(
            events.iter().any(|event| event.kind == "vm_cpus_missing"),
            "{events:?}"
        );
        let vm = keeper.workloads()[0].vm.clone().unwrap();
        assert!(vm.trouble.contains("virtual CPU 2"), "{}", vm.trouble);

        keeper.end(&db.id, NOW).unwrap();
        assert_eq!(three(&fixture), ["0-7", "0-7", "0-7"], "as they were found");
    }
}

#[test]
fn whoever_cannot_be_pinned_is_refused_with_what_to_change() {
    let fixture = host(Fixture::v2);
    let (mut keeper, db) = begun(&fixture);
    let shared = start(&mut keeper, "batch", 1, false, 8);
    let before = fixture.all("proc");
    for (id, said, expected) in [
        (
            &db.id,
            said(&[7, 71, 72]),
            "start QEMU with -smp 2, or ask for 3 with --cpus",
        ),
        (&db.id, said(&[71, 4711]), "none of process 7's"),
        (
            &db.id,
            Said {
                pid: 9,
                ..said(&[71])
            },
            "is not in workload db",
        ),
        (
            &shared.id,
            Said {
                pid: 8,
                vcpus: Vec::new(),
            },
            "--exclusive",
        ),
    ] {
        let error = keeper.make_vm(id, &request(), said).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let relative = VmRequest {
        monitor: "db.qmp".to_owned(),
        go: false,
    };
    let error = keeper.make_vm(&db.id, &relative, said(&[71])).unwrap_err();
    assert_eq!(error.code(), "bad_request");
    assert_eq!(fixture.all("proc"), before);
    // Later lies change nothing either, and each is told once.
    keeper.make_vm(&db.id, &request(), said(&[71])).unwrap();
    let pinned = three(&fixture);
    for _ in 0..2 {
        keeper.saw_vm(&db.id, Ok(said(&[4711])), NOW);
    }
    assert_eq!(keeper.saw_vm(&db.id, Ok(said(&[4711])), NOW), []);
    let trouble = keeper.saw_vm(&db.id, Err("it does not answer".to_owned()), NOW);
    assert_eq!(trouble[0].kind, "vm_not_asked");
    assert_eq!(three(&fixture), pinned);
}

#[test]
fn killed_between_any_two_steps_the_pins_are_there_or_gone_with_the_workload() {
    std::panic::set_hook(Box::new(|_| ()));
    let mut step = 0;
    loop {
        let fixture = host(Fixture::v1);
        let (watch, _) = dies_before(step);
        let life = catch_unwind(AssertUnwindSafe(|| {
            let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
            let db = start(&mut keeper, "db", 2, true, 7);
            keeper.make_vm(&db.id, &request(), said(&[71, 72])).unwrap();
            keeper.end(&db.id, NOW).unwrap();
        }));
        let mut keeper = fixture.open();
        keeper.look(&machine(8));
        for workload in keeper.workloads() {
            keeper.saw_vm(&workload.id, Ok(said(&[71, 72])), NOW);
            if workload.vm.is_some() {
                assert_eq!(allowed(&fixture, 71).len(), 1, "step {step}");
            }
            keeper.end(&workload.id, NOW).unwrap();
        }
        assert_eq!(three(&fixture), ["0-7", "0-7", "0-7"], "step {step}");
        if life.is_ok() {
            break;
        }
        step += 1;
    }
    let _ = std::panic::take_hook();
    assert!(step > 10, "only {step} steps were tried");
}
