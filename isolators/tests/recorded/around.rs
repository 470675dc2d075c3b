//! What is around exclusive CPUs: interrupts, work queues, threads of the kernel; moved, put back, reported.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use intent::{Actuator, Intent};
use isolators::apply::StepError;
use isolators::cgroup::{Layout, host_cgroups_on};
use isolators::{Step, apply, irq, plan, workqueue};

use super::tree::{RECORD, Tree, enforce, isolation};

/// A small number that the kernel lets nobody write.
const READ_ONLY: &str = "/proc/sys/kernel/cap_last_cap";

fn tree() -> Tree {
    let tree = Tree::v2();
    tree.write("/proc/irq/default_smp_affinity", "ff\n");
    tree.write("/proc/irq/16/smp_affinity_list", "0-7\n");
    tree.write("/proc/irq/17/smp_affinity_list", "2\n");
    tree.write("/proc/irq/17/node", "0\n");
    tree.write("/proc/irq/18/smp_affinity_list", "0-1\n");
    tree.write("/sys/devices/system/node/node0/cpulist", "0-3\n");
    tree.write("/sys/devices/virtual/workqueue/cpumask", "000000ff\n");
    tree
}

#[test]
fn interrupts_leave_exclusive_cpus_and_come_back() {
    let tree = tree();
    let before = tree.all();
    let web = Intent::default().with(isolation("web", "2-3", true));
    tree.converge(&web);
    assert_eq!(tree.read("/proc/irq/16/smp_affinity_list"), "0-1,4-7");
    assert_eq!(
        tree.read("/proc/irq/17/smp_affinity_list"),
        "0-1",
        "on its NUMA node"
    );
    assert_eq!(tree.read("/proc/irq/18/smp_affinity_list"), "0-1");
    assert_eq!(tree.read("/proc/irq/default_smp_affinity"), "f3");
    assert_eq!(tree.read("/sys/devices/virtual/workqueue/cpumask"), "f3");
    // A second workload ends before the first: what it had comes back to those that had it.
    let both = web.with(isolation("db", "4-5", true));
    tree.converge(&both);
    assert_eq!(tree.read("/proc/irq/16/smp_affinity_list"), "0-1,6-7");
    tree.converge(&web);
    assert_eq!(tree.read("/proc/irq/16/smp_affinity_list"), "0-1,4-7");
    tree.converge(&Intent::default());
    assert_eq!(tree.read("/proc/irq/17/smp_affinity_list"), "2");
    assert!(!tree.host.has(Path::new(RECORD)), "nothing is left");
    assert_eq!(
        before.len(),
        tree.all().len() - usize::from(tree.host.has(Path::new("/sys/fs/cgroup/busbar")))
    );
}

#[test]
fn the_originals_are_on_disk_before_the_first_write_and_die_with_the_boot() {
    let tree = tree();
    let web = Intent::default().with(isolation("web", "2-3", true));
    let record = tree.host.real(Path::new(RECORD));
    tree.converge_watched(&web, &mut |step| {
        if step.path().starts_with("/proc/irq") {
            let text = fs::read_to_string(&record).expect("the record is there first");
            assert!(text.contains("/proc/irq/17/smp_affinity_list"), "{text}");
        }
    });
    tree.write("/proc/sys/kernel/random/boot_id", "boot-2\n");
    tree.write("/proc/irq/17/smp_affinity_list", "5\n");
    tree.converge(&Intent::default());
    assert_eq!(
        tree.read("/proc/irq/17/smp_affinity_list"),
        "5",
        "an old record says nothing"
    );
}

/// Seen on a machine with two agents: each took the other's masks for the original ones, and interrupts stayed on one CPU.
#[test]
fn a_second_agent_does_not_take_for_original_what_the_first_one_wrote() {
    const SECOND: &str = "/srv/second/originals.json";
    let tree = tree();
    let second = Layout::find(&tree.host, "second").noting_in(SECOND);
    let start = |intent: &Intent| {
        let steps = plan(&second, &tree.host, intent).unwrap();
        let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
        apply(&enforce(), Actuator::Cpu, &tree.host, &steps, &mut |_| ())
    };
    let web = Intent::default().with(isolation("web", "2-3", true));
    let job = Intent::default().with(isolation("job", "4-5", true));
    tree.converge(&web);
    let error = start(&job).unwrap_err();
    let said = error.cause.to_string();
    assert!(matches!(error.cause, StepError::Others(_)), "{said}");
    assert!(said.contains(RECORD) && error.done.is_empty(), "{said}");
    tree.converge(&Intent::default());
    start(&job).unwrap();
    assert_eq!(tree.read("/proc/irq/default_smp_affinity"), "cf");
    // The first one has lost its state meanwhile, and with it what it knew: that holds nobody back.
    tree.converge_as(&second, &Intent::default());
    assert_eq!(tree.read("/proc/irq/default_smp_affinity"), "ff");
    tree.converge(&web);
    fs::remove_file(tree.host.real(Path::new(RECORD))).unwrap();
    start(&job).unwrap();
}

#[test]
fn what_refuses_is_reported_and_not_asked_again() {
    let tree = tree();
    // A number that nobody may write, root included, stands for the affinity of a managed interrupt.
    let number = fs::read_to_string(READ_ONLY).unwrap().trim().to_owned();
    fs::create_dir_all(tree.host.real(Path::new("/proc/irq/19"))).unwrap();
    let stubborn = tree.host.real(Path::new("/proc/irq/19/smp_affinity_list"));
    symlink(READ_ONLY, &stubborn).unwrap();
    tree.write("/sys/devices/system/cpu/online", "0-63\n");
    let web = Intent::default().with(isolation("web", &number, true));
    tree.converge(&web);
    let staying = irq::staying(&tree.host, &tree.layout(), &web).unwrap();
    assert_eq!(staying.len(), 1, "{staying:?}");
    assert_eq!((staying[0].irq, staying[0].cpus.to_string()), (19, number));
    assert!(staying[0].why.contains("the kernel refused"), "{staying:?}");
    tree.converge(&Intent::default());
    assert!(!tree.host.has(Path::new(RECORD)));
}

#[test]
fn irqbalance_and_tuned_are_owners() {
    let tree = tree();
    tree.write("/proc/77/comm", "irqbalance\n");
    tree.write("/proc/78/comm", "tuned\n");
    let web = Intent::default().with(isolation("web", "2-3", true));
    tree.converge(&web);
    assert_eq!(tree.read("/proc/irq/17/smp_affinity_list"), "2");
    assert_eq!(tree.read("/sys/devices/virtual/workqueue/cpumask"), "000000ff");
    assert!(
        irq::owner(&tree.host)
            .unwrap()
            .contains("IRQBALANCE_BANNED_CPULIST")
    );
    let staying = irq::staying(&tree.host, &tree.layout(), &web).unwrap();
    assert_eq!(staying.len(), 2);
    assert!(staying[0].why.contains("irqbalance (process 77)"), "{staying:?}");
}

#[test]
fn threads_of_the_kernel_are_told_with_whether_they_could_be_moved() {
    let tree = tree();
    let stat = |pid: u32, name: &str, flags: u64| {
        tree.write(
            &format!("/proc/{pid}/stat"),
            &format!("{pid} ({name}) S 2 0 0 0 -1 {flags} 0 0\n"),
        );
        tree.write(
            &format!("/proc/{pid}/status"),
            "Name:\tx\nCpus_allowed_list:\t2\n",
        );
    };
    stat(20, "ksoftirqd/2", 0x0420_8040);
    stat(21, "kworker/u8 (x):1", 0x0020_8060);
    stat(22, "bash", 0x0040_0100);
    let found = workqueue::kernel_threads(&tree.host, &"2-3".parse().unwrap());
    let told: Vec<(u32, &str, bool)> = found
        .iter()
        .map(|one| (one.pid, one.name.as_str(), one.bound))
        .collect();
    assert_eq!(told, [(20, "ksoftirqd/2", true), (21, "kworker/u8 (x):1", false)]);
    assert!(workqueue::kernel_threads(&tree.host, &"4".parse().unwrap()).is_empty());
}

#[test]
fn cgroups_of_the_host_are_told_that_may_run_there() {
    let tree = tree();
    tree.write("/sys/fs/cgroup/cpuset.cpus.effective", "0-1,4-7\n");
    tree.write("/sys/fs/cgroup/user.slice/cpuset.cpus.effective", "0-2\n");
    tree.write("/sys/fs/cgroup/busbar/web/cpuset.cpus.effective", "2-3\n");
    let found = host_cgroups_on(&tree.host, &tree.layout(), &"2-3".parse().unwrap());
    let told: Vec<(&str, String)> = found
        .iter()
        .map(|(dir, cpus)| (dir.to_str().unwrap(), cpus.to_string()))
        .collect();
    assert_eq!(told, [("/sys/fs/cgroup/user.slice", "2".to_owned())]);
}
