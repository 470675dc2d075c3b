//! What the keeper must not touch: everything in observe and advise, and what belongs to others.

use std::fs;

use agent::reconcile::{Keeper, KeeperError, footprint, leave};
use intent::Mode;

use crate::fixture::{Fixture, NOW, machine, request, start};

#[test]
fn observe_and_advise_write_nothing_at_all() {
    for mode in [Mode::Observe, Mode::Advise] {
        let fixture = Fixture::v1();
        let before = fixture.all("");
        let mut keeper = Keeper::open(fixture.config(mode)).unwrap();
        keeper.look(&machine(8));
        assert_eq!(
            keeper
                .offer(&request("web", 2, true).ask, &machine(8))
                .unwrap()
                .cpus
                .to_string(),
            "1-2"
        );
        let error = keeper
            .start(request("web", 2, true), 7, 0, &machine(8), NOW)
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("actuator cpu is in {mode}: would make cgroup")),
            "{text}"
        );
        assert!(text.contains("move process 7"), "{text}");
        assert_eq!(error.code(), "refused");
        assert_eq!(keeper.sweep(NOW), []);
        assert_eq!(keeper.plan().unwrap(), []);
        assert_eq!(
            footprint(&fixture.root(), &fixture.path("state")).unwrap(),
            Default::default()
        );
        drop(keeper);
        assert_eq!(
            fixture.all(""),
            before,
            "not one byte, the state directory included"
        );
    }
}

#[test]
fn observe_leaves_what_enforce_made_and_leave_undoes_it() {
    let fixture = Fixture::v1();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    assert!(matches!(
        Keeper::open(fixture.config(Mode::Enforce)),
        Err(KeeperError::Conflict(_))
    ));
    assert!(
        leave(&fixture.root(), &fixture.path("state")).is_err(),
        "not while an agent runs"
    );
    drop(keeper);
    let with = fixture.all("");
    let mut observing = Keeper::open(fixture.config(Mode::Observe)).unwrap();
    assert_eq!(observing.workloads()[0].id, web.id);
    let error = observing.end(&web.id, NOW).unwrap_err().to_string();
    assert!(error.contains("would move process 7"), "{error}");
    fixture.write("sys/fs/cgroup/cpuset/busbar/web/cpuset.cpus", "1-2\n");
    assert_eq!(observing.sweep(NOW), []);
    assert_eq!(fixture.all(""), with);
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert_eq!(
        left.to_string(),
        "removed: 1 cgroup, 1 process moved back; nothing left"
    );
    assert_eq!(fixture.all("sys"), before);
    assert_eq!(
        leave(&fixture.root(), &fixture.path("state")).unwrap().removed,
        []
    );
}

#[test]
fn other_owners_and_strangers_are_refused_by_name() {
    let fixture = Fixture::v1();
    fixture.write("sys/fs/cgroup/cpuset/busbar/other/cgroup.procs", "9\n");
    let mut keeper = fixture.open();
    assert!(
        keeper.found()[0].contains("was not made by this agent"),
        "{:?}",
        keeper.found()
    );
    let error = keeper
        .start(request("web", 1, true), 7, 0, &machine(8), NOW)
        .unwrap_err();
    assert!(error.to_string().contains("1 process (9 asker)"), "{error}");
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpuset/busbar/other/cgroup.procs"),
        "9"
    );
    fs::remove_dir_all(fixture.path("sys/fs/cgroup/cpuset/busbar")).unwrap();
    fixture.write("var/lib/kubelet/cpu_manager_state", "{\"policyName\":\"static\"}");
    let error = keeper
        .start(request("web", 1, true), 7, 0, &machine(8), NOW)
        .unwrap_err();
    assert!(error.to_string().contains("kubelet"), "{error}");
    assert_eq!(error.code(), "refused");
    fs::remove_file(fixture.path("var/lib/kubelet/cpu_manager_state")).unwrap();
    start(&mut keeper, "web", 1, true, 7);
    let again = keeper
        .start(request("web", 1, true), 8, 0, &machine(8), NOW)
        .unwrap_err();
    assert_eq!(again.code(), "conflict");
    fixture.write(
        "proc/7/cgroup",
        "4:memory:/busbar/web\n3:cpuset:/busbar/web\n2:cpu,cpuacct:/\n",
    );
    let nested = keeper
        .start(request("db", 1, true), 7, 0, &machine(8), NOW)
        .unwrap_err();
    assert!(
        nested.to_string().contains("is in workload web already"),
        "{nested}"
    );
    let gone = keeper
        .start(request("db", 1, true), 77, 0, &machine(8), NOW)
        .unwrap_err();
    assert!(
        gone.to_string().contains("process 77, which asks, has ended"),
        "{gone}"
    );
}

#[test]
fn leave_puts_interrupts_back_where_the_workload_had_ended_before_it() {
    let fixture = Fixture::v1();
    let files = [
        "proc/irq/default_smp_affinity",
        "sys/devices/virtual/workqueue/cpumask",
    ];
    fixture.write("sys/devices/system/cpu/online", "0-7\n");
    for file in files {
        fixture.write(file, "ff\n");
    }
    let mut keeper = fixture.open();
    start(&mut keeper, "web", 2, true, 7);
    for file in files {
        assert_eq!(fixture.read(file).trim(), "f9", "{file}");
    }
    drop(keeper);
    // Nobody is left in it, and no agent has seen that.
    for controller in ["cpuset", "memory"] {
        fixture.write(&format!("sys/fs/cgroup/{controller}/busbar/web/cgroup.procs"), "");
    }
    fs::remove_dir_all(fixture.path("proc/7")).unwrap();
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert!(left.kept.is_empty(), "{left}");
    for file in files {
        assert_eq!(fixture.read(file).trim(), "ff", "{file}");
    }
}
