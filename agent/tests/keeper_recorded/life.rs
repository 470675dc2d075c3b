//! Whole lives of workloads, and what the machine and the kernel do to them meanwhile.

use std::fs;
use std::time::Duration;

use agent::reconcile::{KeeperError, footprint};
use agent_api::v1::Exclusivity;
use facts::Inventory;

use crate::fixture::{Fixture, NOW, machine, start};

#[test]
fn a_whole_life_on_v1_leaves_everything_as_it_was() {
    let fixture = Fixture::v1();
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    let batch = start(&mut keeper, "batch", 2, false, 8);
    assert_eq!(
        (batch.cpus.to_string().as_str(), batch.exclusivity),
        ("0-7", Exclusivity::None)
    );
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpu/busbar/batch/cpu.cfs_quota_us"),
        "200000"
    );
    let web = start(&mut keeper, "web", 2, true, 7);
    assert_eq!(
        (web.cpus.to_string().as_str(), web.exclusivity),
        ("1-2", Exclusivity::AmongBusbar)
    );
    assert_eq!(fixture.read("sys/fs/cgroup/cpuset/busbar/web/cgroup.procs"), "7");
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpuset/busbar/batch/cpuset.cpus"),
        "0,3-7"
    );
    assert_eq!(
        fixture.read("sys/fs/cgroup/memory/busbar/web/memory.limit_in_bytes"),
        "268435456"
    );
    assert_eq!(keeper.shared().to_string(), "0,3-7");
    assert_eq!(keeper.reserved().to_string(), "0");
    assert_eq!(keeper.plan().unwrap(), []);
    assert!(
        keeper.cgroup_status().why.contains("v1"),
        "{:?}",
        keeper.cgroup_status()
    );
    assert_eq!(keeper.owner(&web.id), Some(0));

    let placed = footprint(&fixture.root(), &fixture.path("state")).unwrap();
    assert_eq!(
        (placed.workloads.len(), placed.cgroups.len(), placed.files.len()),
        (2, 7, 3)
    );

    let ended = keeper.end(&web.id, NOW).unwrap();
    assert!(
        ended.undone.iter().any(|line| line.starts_with("move process 7")),
        "{:?}",
        ended.undone
    );
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpuset/busbar/batch/cpuset.cpus"),
        "0-7"
    );
    // The other one ends by itself.
    fs::remove_dir_all(fixture.path("proc/8")).unwrap();
    fixture.write("sys/fs/cgroup/cpuset/busbar/batch/cgroup.procs", "");
    fixture.write("sys/fs/cgroup/cpu/busbar/batch/cgroup.procs", "");
    fixture.write("sys/fs/cgroup/cpuset/user/cgroup.procs", "7\n8\n9\n");
    fixture.write("sys/fs/cgroup/cpu/cgroup.procs", "7\n8\n9\n");
    let events = keeper.sweep(NOW);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].kind, "workload_ended");
    assert_eq!(keeper.workloads(), []);
    assert_eq!(fixture.all("sys"), before);
    assert!(matches!(keeper.end(&web.id, NOW), Err(KeeperError::NotFound(_))));
}

#[test]
fn v2_gives_partitions_and_says_why_where_the_kernel_refuses() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    assert_eq!(web.exclusivity, Exclusivity::Partition);
    assert_eq!(keeper.cgroup_status().exclusivity, Exclusivity::Partition);
    // Somebody invalidates it; the kernel takes it back when it is written again.
    fixture.write(
        "sys/fs/cgroup/busbar/web/cpuset.cpus.partition",
        "root invalid (Cpu list not exclusive)\n",
    );
    assert_eq!(keeper.plan().unwrap().len(), 1);
    let events = keeper.sweep(NOW);
    assert_eq!(events[0].kind, "drift_repaired");
    // Now it does not.
    let state = fixture.path("sys/fs/cgroup/busbar/web/cpuset.cpus.partition");
    fs::remove_file(&state).unwrap();
    std::os::unix::fs::symlink("/dev/null", &state).unwrap();
    let events = keeper.sweep(NOW);
    assert!(
        events.iter().any(|event| event.kind == "exclusivity_lost"),
        "{events:?}"
    );
    let status = keeper.cgroup_status();
    assert_eq!(status.exclusivity, Exclusivity::AmongBusbar);
    assert!(status.why.starts_with("web: "), "{}", status.why);
    assert_eq!(keeper.workloads()[0].exclusivity, Exclusivity::AmongBusbar);
    assert_eq!(
        keeper.sweep(NOW),
        [],
        "the kernel is asked once, not every second"
    );
    drop(keeper);
    assert_eq!(
        fixture.open().cgroup_status().exclusivity,
        Exclusivity::AmongBusbar,
        "it is remembered"
    );
}

#[test]
fn a_refused_partition_is_asked_for_again_and_comes_back_when_nobody_is_in_the_way() {
    let fixture = Fixture::v2();
    let mut keeper = fixture.open();
    start(&mut keeper, "web", 2, true, 7);
    let state = fixture.path("sys/fs/cgroup/busbar/web/cpuset.cpus.partition");
    fs::remove_file(&state).unwrap();
    std::os::unix::fs::symlink("/dev/null", &state).unwrap();
    let after = |seconds: u64| NOW.after(Duration::from_secs(seconds));
    assert!(
        keeper
            .sweep(NOW)
            .iter()
            .any(|event| event.kind == "exclusivity_lost")
    );
    assert_eq!(keeper.sweep(after(3)), [], "asked in vain, and not told again");
    assert_eq!(keeper.workloads()[0].exclusivity, Exclusivity::AmongBusbar);
    fs::remove_file(&state).unwrap();
    fs::write(&state, "member\n").unwrap();
    assert_eq!(keeper.sweep(after(4)), [], "the pause is longer now");
    let events = keeper.sweep(after(60));
    assert_eq!(events[0].kind, "exclusivity_regained", "{events:?}");
    assert_eq!(fs::read_to_string(&state).unwrap().trim(), "root");
    assert_eq!(keeper.workloads()[0].exclusivity, Exclusivity::Partition);
    assert_eq!(keeper.cgroup_status().why, "");
    drop(keeper);
    assert_eq!(fixture.open().workloads()[0].exclusivity, Exclusivity::Partition);
}

#[test]
fn a_cgroup_removed_under_us_is_no_end_but_a_loss() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    start(&mut keeper, "web", 2, true, 7);
    for hierarchy in ["cpuset", "memory"] {
        fs::remove_dir_all(fixture.path(&format!("sys/fs/cgroup/{hierarchy}/busbar/web"))).unwrap();
    }
    let events = keeper.sweep(NOW);
    assert_eq!(events[0].kind, "workload_lost", "{events:?}");
    assert!(events[0].message.contains("its process 7 runs on"), "{events:?}");
    assert_eq!(keeper.workloads(), []);
    assert_eq!(keeper.plan().unwrap(), []);
}

#[test]
fn shared_cpus_follow_the_machine() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    start(&mut keeper, "batch", 1, false, 8);
    keeper.look(&machine(6));
    let events = keeper.sweep(NOW);
    assert_eq!(events[0].kind, "shared_cpus_changed", "{events:?}");
    assert_eq!(
        fixture.read("sys/fs/cgroup/cpuset/busbar/batch/cpuset.cpus"),
        "0-5"
    );
    keeper.look(&Inventory::default());
    assert_eq!(
        keeper.sweep(NOW),
        [],
        "a topology that is pending changes nothing"
    );
}

#[test]
fn one_workload_in_trouble_keeps_no_other_from_ending() {
    let fixture = Fixture::v1();
    let mut keeper = fixture.open();
    let web = start(&mut keeper, "web", 2, true, 7);
    let db = start(&mut keeper, "db", 2, true, 8);
    // CPU 4 of db goes away.
    fixture.write("sys/fs/cgroup/cpuset/cpuset.cpus", "0-3\n");
    let events = keeper.sweep(NOW);
    assert_eq!(events[0].kind, "trouble", "{events:?}");
    assert!(events[0].message.contains("has only 0-3"), "{events:?}");
    assert_eq!(keeper.sweep(NOW), [], "one trouble is told once");
    keeper.end(&web.id, NOW).unwrap();
    assert!(!fixture.path("sys/fs/cgroup/cpuset/busbar/web").exists());
    assert_eq!(fixture.read("sys/fs/cgroup/cpuset/busbar/db/cgroup.procs"), "8");
    keeper.end(&db.id, NOW).unwrap();
    assert!(!fixture.path("sys/fs/cgroup/cpuset/busbar").exists());
    assert_eq!(keeper.plan().unwrap(), []);
}
