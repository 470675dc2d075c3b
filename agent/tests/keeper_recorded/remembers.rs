//! What the interference loop knows survives its agent: the next one judges at once, by the history of the same workload only.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use agent::clock::Clock;
use agent::config::Interference as Settings;
use agent::events::{Events, Numbered};
use agent::interfere::{Allowed, Shelf, Thresholds, Watcher};
use agent::keeping::{self, Asker, Desk};
use agent::reconcile::{Keeper, footprint};
use agent::view::Board;
use agent_api::v1::{Interference, InterferenceMode};
use facts::Moment;
use intent::{Mode, Priority};
use tokio::sync::broadcast::Receiver;

use crate::drift::board;
use crate::fixture::{Fixture, NOW, request};

/// No sweep by the clock comes within a test.
const NEVER: Duration = Duration::from_secs(3_600);
const FILE: &str = "state/interference.history";

/// One run of an agent on a host.
struct Run {
    desk: Desk,
    board: Board,
    told: Receiver<Numbered>,
    watcher: Watcher,
}

/// A host on which one agent follows another; what is counted there goes on.
#[derive(Default)]
struct Host {
    minute: u64,
    pressed: u64,
    used: u64,
}

impl Run {
    async fn begin(fixture: &Fixture, boot: &str) -> Run {
        let clock = Clock::start();
        let events = Events::new(clock);
        let told = events.listen();
        let board = board();
        let keeper = opened(fixture).await;
        assert!(keeper.is_the_one());
        let desk = keeping::start(keeper, clock, board.clone(), events.clone(), NEVER).unwrap();
        let settings = Settings {
            mode: InterferenceMode::Act,
            thresholds: Thresholds::published(),
            allowed: Allowed::default(),
        };
        let window = settings.thresholds.window;
        let (root, shown) = (fixture.root(), board.clone());
        let watcher = Watcher::new(root, clock, shown, desk.clone(), events, settings);
        let shelf = Shelf::new(&fixture.path("state"), boot, window, true);
        let mut watcher = watcher.remembering(shelf);
        watcher.recall().await;
        Run {
            desk,
            board,
            told,
            watcher,
        }
    }

    async fn start(&self, name: &str, priority: u64, pid: u32) {
        let mut request = request(name, 2, false);
        request.ask.priority = Some(Priority::new(priority).unwrap());
        let asker = Asker { pid, uid: 0 };
        self.desk.start(request, asker).await.unwrap();
    }

    /// One minute: how many hundredths of it some of web's tasks waited, and how many hundredths of a CPU batch used.
    async fn minute(&mut self, host: &mut Host, fixture: &Fixture, waited: u64, batch: u64) {
        host.minute += 1;
        host.pressed += waited * 600_000;
        host.used += batch * 600_000;
        let shared = "sys/fs/cgroup/busbar-shared";
        let text = format!("usage_usec {}\n", host.used);
        fixture.write(&format!("{shared}/batch/cpu.stat"), &text);
        fixture.write(
            &format!("{shared}/web/cpu.stat"),
            &format!("usage_usec {}\n", host.minute * 60_000_000),
        );
        let text = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={}\n", host.pressed);
        fixture.write(&format!("{shared}/web/cpu.pressure"), &text);
        self.watcher
            .turn(NOW.after(Duration::from_secs(60 * host.minute)))
            .await;
    }

    fn web(&self) -> Interference {
        self.board.latest().interference[&"web".parse().unwrap()].clone()
    }

    fn heard(&mut self, kind: &str) -> Option<String> {
        let mut all = std::iter::from_fn(|| self.told.try_recv().ok());
        all.find(|one| one.event.kind == kind)
            .map(|one| one.event.message)
    }

    /// The end in order: histories are laid down.
    async fn stop(mut self) {
        self.watcher.lay_down().await;
        self.desk.stop().await;
        self.gone().await;
    }

    /// A kill: nothing more is laid down. The keeper's thread lets its lock go when nobody gives orders any more.
    async fn gone(self) {
        drop((self.desk, self.watcher));
    }
}

/// The keeper of the run before may be about to let its lock go.
async fn opened(fixture: &Fixture) -> Keeper {
    for _ in 0..600 {
        if let Ok(keeper) = Keeper::open(fixture.config(Mode::Enforce)) {
            return keeper;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the keeper of the run before is still there");
}

fn windows(known: &Interference) -> u32 {
    known.signals.first().map_or(0, |state| state.windows)
}

/// An hour and a half of quiet in the first run.
async fn quiet(run: &mut Run, host: &mut Host, fixture: &Fixture) {
    run.start("web", 1, 7).await;
    run.start("batch", 9, 8).await;
    for minute in 0..90 {
        run.minute(host, fixture, 4 + minute % 3, 10).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_again_judges_at_once() {
    let (fixture, mut host) = (Fixture::v2(), Host::default());
    let mut run = Run::begin(&fixture, "boot-1").await;
    quiet(&mut run, &mut host, &fixture).await;
    let before = windows(&run.web());
    assert_eq!(
        before, 89,
        "the first minute is the one that the others are counted from"
    );
    run.stop().await;
    let listed = footprint(&fixture.root(), &fixture.path("state")).unwrap().files;
    assert!(listed.contains(&fixture.path(FILE)), "{listed:?}");

    let mut next = Run::begin(&fixture, "boot-1").await;
    for _ in 0..3 {
        next.minute(&mut host, &fixture, 5, 10).await;
    }
    let web = next.web();
    assert!(web.because.is_empty() && windows(&web) == before + 2, "{web:?}");
    for _ in 0..3 {
        assert!(next.heard("antagonist").is_none());
        next.minute(&mut host, &fixture, 50, 390).await;
    }
    let said = next.heard("antagonist").expect("somebody is named at once");
    assert!(said.contains("batch goes with it"), "{said}");
    let batch = fixture.read("sys/fs/cgroup/busbar-shared/batch/cpu.max");
    assert_eq!(batch, "10000 100000", "and is held back");
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_takes_a_few_windows_and_another_start_before_the_first_window_nothing() {
    let (fixture, mut host) = (Fixture::v2(), Host::default());
    let mut run = Run::begin(&fixture, "boot-1").await;
    quiet(&mut run, &mut host, &fixture).await;
    for _ in 0..3 {
        run.minute(&mut host, &fixture, 5, 10).await;
    }
    run.gone().await;
    // Killed again before it has seen a whole window, and stopped in order before it has seen one.
    Run::begin(&fixture, "boot-1").await.gone().await;
    let mut run = Run::begin(&fixture, "boot-1").await;
    run.minute(&mut host, &fixture, 5, 10).await;
    run.stop().await;
    let mut run = Run::begin(&fixture, "boot-1").await;
    for _ in 0..2 {
        run.minute(&mut host, &fixture, 5, 10).await;
    }
    let web = run.web();
    assert_eq!(
        windows(&web),
        90,
        "written with 89; three were lost, one is new: {web:?}"
    );
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workload_of_the_name_and_another_boot_begin_anew() {
    let (fixture, mut host) = (Fixture::v2(), Host::default());
    let mut run = Run::begin(&fixture, "boot-1").await;
    quiet(&mut run, &mut host, &fixture).await;
    run.stop().await;
    let written = fs::read_to_string(fixture.path(FILE)).unwrap();

    let other = Run::begin(&fixture, "boot-2").await;
    other.gone().await;
    let mut run = Run::begin(&fixture, "boot-1").await;
    run.desk.end("web".parse().unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    run.start("web", 1, 9).await;
    for _ in 0..3 {
        run.minute(&mut host, &fixture, 5, 10).await;
    }
    let web = run.web();
    assert!(windows(&web) == 2 && !web.because.is_empty(), "{web:?}");
    run.stop().await;
    let since = |text: &str| -> Option<Moment> {
        let line = text.lines().find(|line| line.starts_with("history web"))?;
        line.split(' ').nth(2)?.parse().ok()
    };
    let now = fs::read_to_string(fixture.path(FILE)).unwrap();
    assert!(
        since(&written).is_some() && since(&now) > since(&written),
        "{now}"
    );

    let mut run = Run::begin(&fixture, "boot-1").await;
    run.desk.end("web".parse().unwrap()).await.unwrap();
    for _ in 0..5 {
        run.minute(&mut host, &fixture, 5, 10).await;
    }
    run.stop().await;
    let now = fs::read_to_string(fixture.path(FILE)).unwrap();
    assert_eq!(since(&now), None, "who is gone is forgotten: {now}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_none_of_ours_costs_the_history_and_not_the_agent() {
    let (fixture, mut host) = (Fixture::v2(), Host::default());
    fixture.write(
        FILE,
        "busbar interference history 1\nboot boot-1\nwindow 60\nhistory web\n",
    );
    let mut run = Run::begin(&fixture, "boot-1").await;
    let bad: PathBuf = fixture.path("state/interference.history.bad");
    assert!(fs::read_to_string(&bad).unwrap().ends_with("history web\n"));
    quiet(&mut run, &mut host, &fixture).await;
    assert_eq!(windows(&run.web()), 89);
    run.stop().await;
    assert!(fixture.path(FILE).exists() && bad.exists());
}
