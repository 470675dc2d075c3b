//! What somebody else writes to our cgroups: heard at once, then put right or only told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::clock::Clock;
use agent::events::{Events, Numbered};
use agent::keeping::{self, Asker, Desk};
use agent::reconcile::{Drift, Keeper, KeeperConfig};
use agent::view::{About, Board, Kept, Seen, View};
use intent::{Actuators, Mode};
use tokio::sync::broadcast::Receiver;

use crate::fixture::{Fixture, NOW, machine, request};

/// No sweep by the clock comes within a test: whatever is put right was heard.
const NEVER: Duration = Duration::from_secs(3_600);
/// Far longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);
const CPUS: &str = "sys/fs/cgroup/cpuset/busbar/web/cpuset.cpus";

/// A board on which the collectors have seen eight cores.
pub fn board() -> Board {
    Board::new(View {
        about: Arc::new(About {
            node: "n01".to_owned(),
            agent_run_id: String::new(),
            boot_id: "boot-1".to_owned(),
            actuators: Actuators::default(),
            started_at: NOW,
        }),
        seen: Arc::new(Seen {
            inventory: machine(8),
            ..Seen::default()
        }),
        kept: Arc::new(Kept::default()),
        proofs: Arc::default(),
        interference: Arc::default(),
        lease: None,
        pooled: None,
        waits: Arc::default(),
    })
}

fn kept(config: KeeperConfig) -> (Desk, Receiver<Numbered>) {
    let clock = Clock::start();
    let events = Events::new(clock);
    let told = events.listen();
    let keeper = Keeper::open(config).unwrap();
    (
        keeping::start(keeper, clock, board(), events, NEVER).unwrap(),
        told,
    )
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

async fn placed(desk: &Desk) {
    // The first sweep is the one by the clock.
    let workload = desk
        .start(request("web", 2, true), Asker { pid: 7, uid: 0 })
        .await;
    assert_eq!(workload.unwrap().cpus.to_string(), "1-2");
    until("the first sweep", || desk.sweeps() > 0);
}

fn hears(told: &mut Receiver<Numbered>, kind: &str) -> bool {
    std::iter::from_fn(|| told.try_recv().ok()).any(|one| one.event.kind == kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_put_right_as_soon_as_it_is_written() {
    let fixture = Fixture::v1();
    let (desk, mut told) = kept(fixture.config(Mode::Enforce));
    placed(&desk).await;
    fixture.write(CPUS, "5\n");
    until("put right", || fixture.read(CPUS) == "1-2");
    until("told", || hears(&mut told, "drift_repaired"));
    desk.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_only_told_where_that_is_the_policy() {
    let fixture = Fixture::v1();
    let config = KeeperConfig {
        drift: Drift::Report,
        ..fixture.config(Mode::Enforce)
    };
    let (desk, mut told) = kept(config);
    placed(&desk).await;
    fixture.write(CPUS, "5\n");
    until("told", || hears(&mut told, "drift"));
    assert_eq!(fixture.read(CPUS), "5", "it is left as it is");
    desk.stop().await;
}
