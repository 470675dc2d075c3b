//! A cap in force: shares follow the workloads, drift is put right, and when it falls those who are revocable give first.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use agent::reconcile::{Keeper, leave};
use agent_api::v1::{AgentEvent, RunRequest, Workload};
use facts::power::{PowerLimit, PowerZone};
use facts::topology::Package;
use facts::{Identity, Inventory, Moment, NoData, PackageId, Power, Reading};
use intent::{Mode, Squeeze, WorkloadId};

use crate::acts::{LIMITS, watts};
use crate::crash::dies_before;
use crate::fixture::{Fixture, NOW, machine, request};

pub const CPU_MAX: &str = "sys/fs/cgroup/busbar-shared/batch/cpu.max";
pub const FREEZE: &str = "sys/fs/cgroup/busbar-shared/batch/cgroup.freeze";
pub const OTHERS: &str = "sys/fs/cgroup/busbar-shared/other/cpu.max";
const LATER: Moment = Moment::from_millis(1_795_311_630_000);

/// Eight CPUs in so many packages of 205 W.
pub fn packages(count: u32) -> Inventory {
    let cpus = |number: u32| {
        let each = 8 / count;
        (number * each..(number + 1) * each).map(facts::CpuId).collect()
    };
    let zone = |number: u32| PowerZone {
        device: format!("intel-rapl:{number}"),
        name: format!("package-{number}"),
        energy_microjoules: Reading::none(NoData::Refused),
        wraps_at_microjoules: None,
        limits: vec![PowerLimit {
            name: "long_term".to_owned(),
            limit_watts: Reading::Value(watts(205)),
            max_watts: Reading::default(),
        }],
    };
    Inventory {
        packages: (0..count)
            .map(|number| Package {
                id: PackageId(number),
                identity: Identity::default(),
                cpus: cpus(number),
                numa_nodes: Default::default(),
                dies: 1,
            })
            .collect(),
        power_zones: (0..count).map(zone).collect(),
        ..machine(8)
    }
}

/// One package that draws 200 W at most.
pub fn with_one() -> Fixture {
    let fixture = Fixture::v2();
    fixture.write("proc/sys/kernel/random/boot_id", "boot-1\n");
    fixture.write("sys/class/powercap/intel-rapl:0/name", "package-0\n");
    fixture.write(LIMITS[0], "200000000\n");
    fixture
}

pub fn ask(name: &str, cpus: u32, exclusive: bool, priority: u64, of: u64) -> RunRequest {
    let mut request = request(name, cpus, exclusive);
    request.ask.priority = Some(intent::Priority::new(priority).unwrap());
    request.ask.watts = Power::from_watts(of).filter(|watts| !watts.is_zero());
    request
}

pub fn run(keeper: &mut Keeper, request: RunRequest, pid: u32, on: &Inventory) -> Workload {
    keeper.start(request, pid, 0, on, NOW).unwrap()
}

/// `web` has half of the CPUs and 100 W; `batch` is revocable, and kept longer than `other` otherwise.
pub fn story(fixture: &Fixture) -> Keeper {
    let mut keeper = fixture.open();
    begin(&mut keeper);
    keeper
}

fn begin(keeper: &mut Keeper) {
    let on = packages(1);
    run(keeper, ask("web", 4, true, 1, 100), 7, &on);
    let mut batch = ask("batch", 2, false, 2, 0);
    batch.ask.revocable = true;
    run(keeper, batch, 8, &on);
    run(keeper, ask("other", 1, false, 9, 0), 9, &on);
}

pub fn id(name: &str) -> WorkloadId {
    name.parse().unwrap()
}

fn workload(keeper: &Keeper, name: &str) -> Workload {
    let workloads = keeper.workloads();
    workloads.into_iter().find(|one| one.id == id(name)).unwrap()
}

pub fn squeezed(keeper: &Keeper, name: &str) -> Option<Squeeze> {
    workload(keeper, name).squeezed.map(|squeezed| squeezed.to)
}

pub fn kinds(events: &[AgentEvent]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn a_cap_that_falls_squeezes_the_revocable_one_first() {
    let fixture = with_one();
    let mut keeper = story(&fixture);
    let batch = workload(&keeper, "batch");
    assert!(batch.revocable && batch.squeezed.is_none());
    assert_eq!(fixture.read(CPU_MAX), "200000 100000");
    // 25 W a CPU: 100 W for web, 50 W for batch and 25 W for other may be drawn.
    keeper.cap(watts(180), NOW).unwrap();
    assert_eq!(keeper.keep_power(NOW), [], "there is enough for all of them");
    keeper.cap(watts(150), NOW).unwrap();
    let told = keeper.keep_power(NOW);
    assert_eq!(kinds(&told), ["workload_squeezed"]);
    assert_eq!(
        told[0].message,
        format!(
            "workload batch gets the time of 1.000 CPUs: the cap of 150 W since {NOW} leaves package-0 150 W, too little for web \
             (priority 1) beside batch (revocable, priority 2)"
        )
    );
    assert_eq!(
        (fixture.read(CPU_MAX).as_str(), keeper.plan().unwrap().len()),
        ("100000 100000", 0)
    );
    assert_eq!(keeper.sweep(NOW), [], "once is enough");
    keeper.cap(watts(120), NOW).unwrap();
    let told = keeper.sweep(NOW);
    assert_eq!(kinds(&told), ["workload_squeezed", "workload_squeezed"]);
    assert!(
        told[0]
            .message
            .contains("workload other gets the time of 0.800 CPUs"),
        "{told:?}"
    );
    assert!(
        told[1].message.contains("workload batch stands still"),
        "{told:?}"
    );
    assert_eq!(
        (fixture.read(FREEZE), fixture.read(OTHERS)),
        ("1".into(), "80000 100000".into())
    );
    assert_eq!(squeezed(&keeper, "web"), None);
    // Somebody else sets it going: it stands again by the next sweep but one, which sees that.
    fixture.write(FREEZE, "0\n");
    keeper.sweep(NOW);
    keeper.sweep(NOW);
    assert_eq!(fixture.read(FREEZE), "1");
}

#[test]
fn a_new_start_keeps_it_up_and_a_cap_that_rises_or_ends_lets_go() {
    let fixture = with_one();
    let before = fixture.all("sys/fs");
    let mut keeper = story(&fixture);
    keeper.cap(watts(120), NOW).unwrap();
    keeper.sweep(NOW);
    // An orderly end of the agent and a new start change nothing: the cap is there still.
    keeper.let_all_go();
    drop(keeper);
    let mut keeper = fixture.open();
    keeper.look(&packages(1));
    assert_eq!(keeper.power_cap().unwrap().watts, watts(120));
    assert_eq!(
        (keeper.sweep(NOW), squeezed(&keeper, "batch")),
        (vec![], Some(Squeeze::Still))
    );
    let why = workload(&keeper, "batch").squeezed.unwrap().because;
    assert!(why.starts_with("the cap of 120 W since"), "{why}");
    keeper.cap(watts(200), LATER).unwrap();
    let told = keeper.sweep(LATER);
    assert_eq!(kinds(&told), ["workload_released", "workload_released"]);
    assert!(told[0].message.contains("does not ask for it"), "{told:?}");
    assert_eq!(
        (fixture.read(FREEZE), fixture.read(OTHERS)),
        ("0".into(), "100000 100000".into())
    );
    assert_eq!(fixture.read(CPU_MAX), "200000 100000");
    keeper.cap(watts(100), LATER).unwrap();
    keeper.sweep(LATER);
    assert_eq!(
        (squeezed(&keeper, "batch"), squeezed(&keeper, "other")),
        (Some(Squeeze::Still), Some(Squeeze::Still))
    );
    // Whoever needed it has ended: nobody gives for nobody.
    keeper.end(&id("web"), LATER).unwrap();
    assert_eq!(
        kinds(&keeper.sweep(LATER)),
        ["workload_released", "workload_released"]
    );
    keeper.uncap(LATER).unwrap();
    assert_eq!(
        (keeper.power_cap(), fixture.read(LIMITS[0])),
        (None, "200000000".into())
    );
    for name in ["batch", "other"] {
        keeper.end(&id(name), LATER).unwrap();
    }
    assert_eq!(fixture.all("sys/fs"), before);
}

#[test]
fn a_persons_order_to_stand_or_to_go_on_is_theirs() {
    let fixture = with_one();
    let mut keeper = story(&fixture);
    keeper.freeze(&id("batch"), true).unwrap();
    keeper.cap(watts(120), NOW).unwrap();
    keeper.sweep(NOW);
    // It draws nothing: it is left as it is, and the next one gives.
    assert_eq!(
        (squeezed(&keeper, "batch"), squeezed(&keeper, "other")),
        (None, Some(Squeeze::CpuTime { millicpus: 800 }))
    );
    keeper.freeze(&id("batch"), false).unwrap();
    assert!(
        keeper
            .sweep(NOW)
            .iter()
            .any(|event| event.message.contains("batch stands still"))
    );
    // Somebody says that it shall go on all the same: this cap asks it no more, and those before it give all.
    keeper.freeze(&id("batch"), false).unwrap();
    for _ in 0..2 {
        keeper.sweep(NOW);
        assert_eq!(
            (fixture.read(FREEZE).as_str(), squeezed(&keeper, "batch")),
            ("0", None)
        );
        assert_eq!(squeezed(&keeper, "other"), Some(Squeeze::Still));
        drop(keeper);
        keeper = fixture.open();
        keeper.look(&packages(1));
    }
    // Another cap is another matter.
    keeper.cap(watts(110), LATER).unwrap();
    keeper.sweep(LATER);
    assert_eq!(squeezed(&keeper, "batch"), Some(Squeeze::Still));
    // Who is frozen by a person meanwhile stays so when the cap ends.
    keeper.freeze(&id("batch"), true).unwrap();
    keeper.uncap(LATER).unwrap();
    keeper.sweep(LATER);
    assert_eq!(
        (fixture.read(FREEZE).as_str(), squeezed(&keeper, "other")),
        ("1", None)
    );
}

#[test]
fn one_with_cpus_of_its_own_gives_only_where_it_is_revocable_and_then_all() {
    for is_revocable in [false, true] {
        let fixture = with_one();
        let mut keeper = fixture.open();
        let on = packages(1);
        run(&mut keeper, ask("web", 4, true, 1, 100), 7, &on);
        let mut spare = ask("spare", 2, true, 9, 0);
        spare.ask.revocable = is_revocable;
        run(&mut keeper, spare, 8, &on);
        keeper.cap(watts(140), NOW).unwrap();
        keeper.sweep(NOW);
        assert_eq!(squeezed(&keeper, "spare"), is_revocable.then_some(Squeeze::Still));
        assert!(keeper.workloads()[0].exclusive);
    }
}

#[test]
fn leave_lets_those_go_who_stand_still_for_the_cap() {
    let fixture = with_one();
    let before = fixture.all("sys");
    let mut keeper = story(&fixture);
    keeper.cap(watts(100), NOW).unwrap();
    keeper.sweep(NOW);
    assert_eq!(fixture.read(FREEZE), "1");
    drop(keeper);
    let left = leave(&fixture.root(), &fixture.path("state")).unwrap();
    assert_eq!((left.kept, left.limits), (vec![], 1));
    assert_eq!(fixture.all("sys"), before);
}

/// Everything, but the file of a freezer that nobody is held by.
fn state(fixture: &Fixture) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = fixture.all("sys");
    all.retain(|path, text| !path.ends_with("cgroup.freeze") || text.starts_with(b"1"));
    all
}

#[test]
fn after_a_kill_between_any_two_steps_the_next_agent_keeps_the_cap_that_stands() {
    std::panic::set_hook(Box::new(|_| ()));
    let caps = [None, Some(watts(150)), Some(watts(100)), Some(watts(190))];
    let bring = |keeper: &mut Keeper, cap: Option<Power>| {
        match cap {
            Some(watts) => keeper.cap(watts, NOW).unwrap(),
            None => keeper.uncap(NOW).unwrap(),
        };
        keeper.sweep(NOW);
    };
    // What each of the caps leads to, undisturbed; below the names of a directory that is the same in all of them.
    let relative = |fixture: &Fixture| -> Vec<(PathBuf, Vec<u8>)> {
        let root = fixture.path("");
        let all = state(fixture).into_iter();
        all.map(|(path, text)| (path.strip_prefix(&root).unwrap().to_owned(), text))
            .collect()
    };
    let goal = caps.map(|cap| {
        let fixture = with_one();
        let mut keeper = story(&fixture);
        bring(&mut keeper, cap);
        (cap, relative(&fixture))
    });
    let mut step = 0;
    loop {
        let fixture = with_one();
        drop(story(&fixture));
        let (watch, _) = dies_before(step);
        let life = catch_unwind(AssertUnwindSafe(|| {
            let mut keeper = Keeper::open_watched(fixture.config(Mode::Enforce), watch).unwrap();
            keeper.look(&packages(1));
            for cap in [caps[1], caps[2], caps[1], caps[3], caps[2], caps[0]] {
                bring(&mut keeper, cap);
            }
        }));
        let mut keeper = fixture.open();
        keeper.look(&packages(1));
        keeper.sweep(NOW);
        let is = keeper.power_cap().map(|cap| cap.watts);
        let (_, shall) = goal.iter().find(|(cap, _)| *cap == is).unwrap();
        assert_eq!(
            &relative(&fixture),
            shall,
            "step {step} under {is:?}: {:?}",
            keeper.found()
        );
        assert_eq!(
            (keeper.sweep(NOW), keeper.plan().unwrap()),
            (vec![], vec![]),
            "step {step}"
        );
        if life.is_ok() {
            break;
        }
        step += 1;
    }
    assert!(step > 12, "each write was a place to die, {step} were");
    let _ = std::panic::take_hook();
}
