//! Groups of resctrl that count: made for whoever has no class, as far as there are numbers, moved with the workload, gone when it is.

use agent::reconcile::{Keeper, KeeperConfig, Restraint, footprint, leave};
use agent_api::v1::RunRequest;
use intent::{Mode, Share};

use crate::fixture::{Fixture, NOW, request};
use crate::grants::with_resctrl;
use crate::power::{id, kinds};
use crate::restraints::caches;

const GROUPS: &str = "sys/fs/resctrl/mon_groups";

/// A node whose caches count so many groups and classes.
fn node(rmids: u32) -> Fixture {
    let fixture = Fixture::v2();
    with_resctrl(&fixture);
    fixture.write("proc/sys/kernel/random/boot_id", "boot-1\n");
    fixture.write(
        "sys/fs/resctrl/info/L3_MON/mon_features",
        "llc_occupancy\nmbm_total_bytes\n",
    );
    fixture.write("sys/fs/resctrl/info/L3_MON/num_rmids", &format!("{rmids}\n"));
    std::fs::create_dir_all(fixture.path(GROUPS)).unwrap();
    for pid in [7, 8, 9] {
        fixture.write(&format!("proc/{pid}/task/{pid}/comm"), "asker\n");
    }
    fixture
}

fn config(fixture: &Fixture) -> KeeperConfig {
    let mut config = fixture.config(Mode::Enforce);
    config.counts_traffic = true;
    config
}

fn open(fixture: &Fixture) -> Keeper {
    Keeper::open(config(fixture)).unwrap()
}

fn start(keeper: &mut Keeper, request: RunRequest, pid: u32) {
    keeper.start(request, pid, 0, &caches(), NOW).unwrap();
}

fn groups(fixture: &Fixture) -> Vec<String> {
    let names = std::fs::read_dir(fixture.path(GROUPS)).unwrap();
    let mut names: Vec<String> = names
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn tasks(fixture: &Fixture, name: &str) -> String {
    fixture
        .read(&format!("{GROUPS}/busbar-{name}/tasks"))
        .replace('\n', " ")
}

fn why(keeper: &Keeper, name: &str) -> Option<String> {
    let workloads = keeper.workloads();
    workloads
        .into_iter()
        .find(|one| one.id == id(name))
        .unwrap()
        .uncounted
}

#[test]
fn each_workload_is_counted_by_a_group_that_goes_with_it() {
    let fixture = node(8);
    let before = fixture.all("sys");
    let mut keeper = open(&fixture);
    start(&mut keeper, request("web", 2, true), 7);
    start(&mut keeper, request("batch", 2, false), 8);
    assert_eq!(keeper.sweep(NOW), [], "it is no drift");
    assert_eq!(groups(&fixture), ["busbar-batch", "busbar-web"]);
    assert_eq!(
        (tasks(&fixture, "web"), tasks(&fixture, "batch")),
        ("7".into(), "8".into())
    );
    assert_eq!(keeper.plan().unwrap(), [], "and no step of the intent");
    // A process that was not born there comes along with the next sweep, and an agent that starts again changes nothing.
    fixture.write("sys/fs/cgroup/busbar-shared/batch/cgroup.procs", "8\n9\n");
    drop(keeper);
    let mut keeper = open(&fixture);
    assert_eq!(
        (keeper.sweep(NOW), tasks(&fixture, "batch")),
        (vec![], "8 9".into())
    );
    assert!(
        footprint(&fixture.root(), &fixture.path("state"))
            .unwrap()
            .cgroups
            .iter()
            .any(|dir| dir.ends_with("busbar-web"))
    );

    // Who is held to a part of the cache has a class, which counts by itself.
    let share = Share::new(100).unwrap();
    keeper
        .hold(&id("batch"), &Restraint::Cache(share, share), NOW)
        .unwrap();
    keeper.sweep(facts::Moment::from_millis(0));
    assert_eq!(groups(&fixture), ["busbar-web"]);
    keeper.let_go(&id("batch")).unwrap();
    keeper.sweep(NOW);
    assert_eq!(groups(&fixture), ["busbar-batch", "busbar-web"]);
    fixture.write("sys/fs/cgroup/busbar-shared/batch/cgroup.procs", "8\n");
    for name in ["web", "batch"] {
        keeper.end(&id(name), NOW).unwrap();
    }
    keeper.sweep(NOW);
    assert_eq!(fixture.all("sys"), before);
}

#[test]
fn where_numbers_are_short_who_is_not_counted_is_told_once_and_asked_for_again() {
    let fixture = node(3);
    fixture.write(&format!("{GROUPS}/theirs/tasks"), "4711\n");
    let mut keeper = open(&fixture);
    start(&mut keeper, request("web", 2, true), 7);
    start(&mut keeper, request("batch", 2, false), 8);
    let told = keeper.sweep(NOW);
    assert_eq!(kinds(&told), ["traffic_uncounted"]);
    // Who shares its CPUs may be the antagonist.
    assert_eq!(groups(&fixture), ["busbar-batch", "theirs"]);
    let said = why(&keeper, "web").unwrap();
    assert!(said.contains("counts 3 groups of tasks apart (RMIDs)"), "{said}");
    assert_eq!(
        (why(&keeper, "batch"), keeper.sweep(NOW)),
        (None, vec![]),
        "once is enough"
    );
    // Somebody makes room.
    std::fs::remove_dir_all(fixture.path(&format!("{GROUPS}/theirs"))).unwrap();
    assert_eq!((keeper.sweep(NOW), why(&keeper, "web")), (vec![], None));
    assert_eq!(groups(&fixture), ["busbar-batch", "busbar-web"]);
}

#[test]
fn nobody_is_counted_unwished_and_leave_leaves_no_group() {
    let fixture = node(8);
    let before = fixture.all("sys");
    let mut keeper = fixture.open();
    start(&mut keeper, request("web", 2, true), 7);
    keeper.sweep(NOW);
    assert_eq!(groups(&fixture), Vec::<String>::new());
    drop(keeper);
    let mut keeper = open(&fixture);
    keeper.sweep(NOW);
    assert_eq!(groups(&fixture), ["busbar-web"]);
    drop(keeper);
    // An agent that is not to count any more removes what one before it left.
    drop(fixture.open());
    assert_eq!(groups(&fixture), Vec::<String>::new());
    open(&fixture).sweep(NOW);
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert_eq!((left.kept, fixture.all("sys")), (vec![], before));
}

#[test]
fn where_nothing_counts_nothing_is_made() {
    let fixture = node(8);
    fixture.write("sys/fs/resctrl/info/L3_MON/mon_features", "");
    let mut keeper = open(&fixture);
    start(&mut keeper, request("web", 2, true), 7);
    assert_eq!((keeper.sweep(NOW), groups(&fixture)), (vec![], vec![]));
    assert_eq!(why(&keeper, "web"), None);
    // In observe nothing is written, whatever is wished.
    drop(keeper);
    let fixture = node(8);
    start(&mut open(&fixture), request("web", 2, true), 7);
    let before = fixture.all("sys");
    let mut config = config(&fixture);
    config.actuators = fixture.config(Mode::Observe).actuators;
    let mut keeper = Keeper::open(config).unwrap();
    keeper.sweep(NOW);
    assert_eq!(fixture.all("sys"), before);
}
