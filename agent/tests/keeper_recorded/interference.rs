//! The interference loop on a recorded tree: a neighbour's CPU time rises with the victim's pressure, and the event names it.

use std::time::Duration;

use agent::clock::Clock;
use agent::config::Interference as Settings;
use agent::events::{Events, Numbered};
use agent::interfere::{Allowed, Thresholds, Watcher};
use agent::keeping::{self, Asker, Desk};
use agent::reconcile::Keeper;
use agent::view::{Board, Seen};
use agent_api::v1::{Grade, InterferenceMode, Resource, RunRequest, Signal};
use facts::Moment;
use intent::{Mode, Priority};
use tokio::sync::broadcast::Receiver;

use crate::drift::board;
use crate::fixture::{Fixture, NOW, request};
use crate::grants::with_resctrl;
use crate::restraints::caches;

/// No sweep by the clock comes within a test.
const NEVER: Duration = Duration::from_secs(3_600);
const CPU_MAX: &str = "sys/fs/cgroup/busbar-shared/batch/cpu.max";

/// A node with a protected workload and two neighbours, minute by minute.
struct Story {
    fixture: Fixture,
    desk: Desk,
    board: Board,
    told: Receiver<Numbered>,
    watcher: Watcher,
    minute: u64,
    pressed: u64,
    used: [(&'static str, u64); 3],
}

fn with_priority(name: &str, priority: u64) -> RunRequest {
    let mut request = request(name, 2, false);
    request.ask.priority = Some(Priority::new(priority).unwrap());
    request
}

impl Story {
    async fn begin(mode: InterferenceMode, gate: Mode) -> Story {
        Story::of(Fixture::v2(), mode, gate, Allowed::default()).await
    }

    async fn of(fixture: Fixture, mode: InterferenceMode, gate: Mode, allowed: Allowed) -> Story {
        let clock = Clock::start();
        let events = Events::new(clock);
        let told = events.listen();
        let board = board();
        board.post_seen(Seen {
            inventory: caches(),
            ..Seen::default()
        });
        let keeper = Keeper::open(fixture.config(Mode::Enforce)).unwrap();
        let desk = keeping::start(keeper, clock, board.clone(), events.clone(), NEVER).unwrap();
        for (name, priority, pid) in [("web", 1, 7), ("batch", 9, 8), ("calm", 5, 9)] {
            let asker = Asker { pid, uid: 0 };
            desk.start(with_priority(name, priority), asker).await.unwrap();
        }
        let desk = if gate == Mode::Enforce {
            desk
        } else {
            desk.stop().await;
            drop(desk);
            let keeper = Keeper::open(fixture.config(gate)).unwrap();
            keeping::start(keeper, clock, board.clone(), events.clone(), NEVER).unwrap()
        };
        let settings = Settings {
            mode,
            thresholds: Thresholds::published(),
            allowed,
        };
        let watcher = Watcher::new(
            fixture.root(),
            clock,
            board.clone(),
            desk.clone(),
            events,
            settings,
        );
        Story {
            fixture,
            desk,
            board,
            told,
            watcher,
            minute: 0,
            pressed: 0,
            used: [("web", 0), ("batch", 0), ("calm", 0)],
        }
    }

    fn now(&self) -> Moment {
        NOW.after(Duration::from_secs(60 * self.minute))
    }

    /// One minute: how many hundredths of it some of web's tasks waited, and how many hundredths of a CPU batch used.
    async fn minute(&mut self, waited: u64, batch: u64) {
        self.minute += 1;
        self.pressed += waited * 600_000;
        for ((name, used), hundredths) in self.used.iter_mut().zip([100, batch, 200]) {
            *used += hundredths * 600_000;
            let text = format!("usage_usec {used}\nuser_usec {used}\nsystem_usec 0\n");
            self.fixture
                .write(&format!("sys/fs/cgroup/busbar-shared/{name}/cpu.stat"), &text);
        }
        let text = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={}\n", self.pressed);
        self.fixture
            .write("sys/fs/cgroup/busbar-shared/web/cpu.pressure", &text);
        let now = self.now();
        self.watcher.turn(now).await;
    }

    /// Bytes that batch moved between cache and memory until now, as its class or its group of monitoring counts them.
    fn traffic(&self, group: &str, gigabytes: u64) {
        for (domain, part) in [("mon_L3_00", 3), ("mon_L3_01", 1)] {
            let file = format!("sys/fs/resctrl/{group}/mon_data/{domain}/mbm_total_bytes");
            let text = format!("{}\n", gigabytes * 250_000_000 * part);
            self.fixture.write(&file, &text);
        }
    }

    /// An hour and a half of quiet, then batch comes for some minutes.
    async fn until_it_hurts(&mut self) {
        for minute in 0..90 {
            self.minute(4 + minute % 3, 10).await;
        }
        assert_eq!(self.heard("antagonist"), None, "nothing has happened yet");
        for _ in 0..4 {
            self.minute(50, 390).await;
        }
    }

    /// The message of the first event of this kind that is still unheard.
    fn heard(&mut self, kind: &str) -> Option<String> {
        let mut all = std::iter::from_fn(|| self.told.try_recv().ok());
        all.find(|one| one.event.kind == kind)
            .map(|one| one.event.message)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_neighbour_whose_use_rises_with_the_victims_pressure_is_named() {
    let mut story = Story::begin(InterferenceMode::Advise, Mode::Enforce).await;
    let before = story.fixture.read(CPU_MAX);
    story.until_it_hurts().await;
    let said = story.heard("antagonist").expect("somebody is named");
    assert!(
        said.starts_with("web suffers: pressure 0.500, usually at most 0.")
            && said.contains("batch goes with it: 3.9 CPUs then, 0.1 else")
            && !said.contains("calm"),
        "{said}"
    );
    let advice = story.heard("antagonist_advice").expect("and what helps is said");
    assert!(
        advice.contains("hold batch back to 0.10 of a CPU for 300 s"),
        "{advice}"
    );
    assert_eq!(story.fixture.read(CPU_MAX), before, "advice changes nothing");
    let view = story.board.latest();
    let web = &view.interference[&"web".parse().unwrap()];
    assert!(
        web.protected && web.because.is_empty() && web.incidents == 1,
        "{web:?}"
    );
    let state = &web.signals[0];
    assert_eq!(
        (state.signal, state.suffering, state.of),
        (Signal::Pressure, true, 5)
    );
    let incident = web.last.as_ref().unwrap();
    assert_eq!(incident.antagonists.len(), 1);
    assert_eq!(incident.antagonists[0].evidence.len(), Thresholds::CORRELATED);
    let batch = &view.interference[&"batch".parse().unwrap()];
    assert!(
        !batch.protected && batch.because.contains("priority is 9"),
        "{batch:?}"
    );
    for _ in 0..6 {
        story.minute(5, 5).await;
    }
    assert!(story.heard("interference_over").is_some());
    story.desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_held_back_is_let_go_when_the_time_is_over() {
    let mut story = Story::begin(InterferenceMode::Act, Mode::Enforce).await;
    let before = story.fixture.read(CPU_MAX);
    story.until_it_hurts().await;
    let said = story.heard("antagonist_held_back").expect("it is told");
    assert!(
        said.starts_with("batch is held back to 0.10 of a CPU until "),
        "{said}"
    );
    assert_eq!(story.fixture.read(CPU_MAX), "10000 100000");
    let held = story.board.latest();
    let batch = held.kept.workloads.iter().find(|one| one.id.as_str() == "batch");
    assert_eq!(batch.unwrap().held_to_millicpus, Some(100));
    for _ in 0..3 {
        story.minute(5, 10).await;
        assert_eq!(story.fixture.read(CPU_MAX), "10000 100000");
    }
    story.minute(5, 10).await;
    assert_eq!(story.fixture.read(CPU_MAX), before);
    story.desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_forbids_to_act_is_told_and_nothing_is_written() {
    let mut story = Story::begin(InterferenceMode::Act, Mode::Observe).await;
    let before = story.fixture.read(CPU_MAX);
    story.until_it_hurts().await;
    let said = story.heard("antagonist_advice").expect("it is told");
    assert!(
        said.contains("batch cannot be held back (cpu_max): actuator cpu is in observe"),
        "{said}"
    );
    assert_eq!(story.fixture.read(CPU_MAX), before);
    story.desk.stop().await;
}

/// What batch is held to, in the kernel's files.
fn restraints(fixture: &Fixture) -> [bool; 4] {
    let group = "sys/fs/cgroup/busbar-shared/batch";
    let is = |file: &str, start: &str| {
        let path = format!("{group}/{file}");
        fixture.path(&path).exists() && fixture.read(&path).starts_with(start)
    };
    [
        fixture.path("sys/fs/resctrl/busbar-batch").exists(),
        is("cpu.max", "10000 "),
        is("cpuset.cpus", "4-7"),
        is("cgroup.freeze", "1"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_gives_it_away_and_grade_follows_grade_as_long_as_it_hurts() {
    let fixture = Fixture::v2();
    with_resctrl(&fixture);
    for pid in [7, 8, 9] {
        fixture.write(&format!("proc/{pid}/task/{pid}/comm"), "asker\n");
    }
    let allowed = Allowed::only(&Grade::ALL);
    let mut story = Story::of(fixture, InterferenceMode::Act, Mode::Enforce, allowed).await;
    // Its CPU time is even; what rises with web's pressure is its traffic, which a group of monitoring counts.
    let mut moved = 0;
    let group = "mon_groups/busbar-batch";
    for minute in 0..90 {
        moved += 60;
        story.traffic(group, moved);
        story.minute(4 + minute % 3, 200).await;
    }
    assert_eq!(story.heard("antagonist"), None, "nothing has happened yet");
    let mut seen = Vec::new();
    for _ in 0..30 {
        moved += 1_200;
        story.traffic(group, moved);
        story.minute(50, 200).await;
        let now = restraints(&story.fixture);
        assert!(
            now.iter().filter(|one| **one).count() <= 1,
            "one at a time: {now:?}"
        );
        let grade = now.iter().position(|one| *one);
        if let Some(grade) = grade
            && seen.last() != Some(&grade)
        {
            seen.push(grade);
        }
    }
    assert_eq!(seen, [0, 1, 2, 3], "the mildest first, each once");
    assert_eq!(
        restraints(&story.fixture),
        [false; 4],
        "who stood still in vain is left alone"
    );
    let view = story.board.latest();
    let incident = view.interference[&"web".parse().unwrap()].last.clone().unwrap();
    assert_eq!(incident.antagonists[0].resource, Resource::MemoryBandwidth);
    let evidence = &incident.antagonists[0].evidence;
    assert_eq!(
        evidence.last().unwrap().used,
        2e10,
        "bytes a second of both caches together"
    );
    assert!(evidence.iter().any(|point| point.used == 1e9));
    let grades: Vec<Grade> = incident.acts.iter().map(|act| act.grade).collect();
    assert_eq!(grades, Grade::ALL);
    for act in &incident.acts {
        assert!(
            act.done && act.undone.is_some() && act.helped == Some(false),
            "{act:?}"
        );
    }
    story.desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_helped_is_told_and_a_host_without_resctrl_goes_one_grade_further() {
    let allowed = Allowed::only(&[Grade::Cache, Grade::Freeze]);
    let mut story = Story::of(Fixture::v2(), InterferenceMode::Act, Mode::Enforce, allowed).await;
    story.traffic("mon_groups/busbar-batch", 0);
    for minute in 0..90 {
        story.traffic("mon_groups/busbar-batch", minute);
        story.minute(4 + minute % 3, 200).await;
    }
    let mut moved = 90;
    for _ in 0..4 {
        moved += 1_200;
        story.traffic("mon_groups/busbar-batch", moved);
        story.minute(50, 200).await;
    }
    // A tree with groups of monitoring and no classes: the cache cannot be divided here.
    let said = story.heard("antagonist_advice").expect("it is told");
    assert!(said.contains("batch cannot be held back (cache): "), "{said}");
    assert_eq!(restraints(&story.fixture), [false, false, false, true]);
    for _ in 0..6 {
        story.minute(5, 0).await;
    }
    assert_eq!(restraints(&story.fixture), [false; 4]);
    let view = story.board.latest();
    let incident = view.interference[&"web".parse().unwrap()].last.clone().unwrap();
    let last = incident.acts.last().unwrap();
    assert_eq!(
        (last.grade, last.helped),
        (Grade::Freeze, Some(true)),
        "{incident:?}"
    );
    let said = story.heard("antagonist_act_over").expect("it is told");
    assert!(said.contains("(freeze): web suffers no more"), "{said}");
    story.desk.stop().await;
}
