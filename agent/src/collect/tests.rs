//! Tests of the beats: one that panics, one that hangs, one whose parts come and go, and none that waits for another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use agent_api::v1::AgentEvent;
use collectors::CollectError;
use facts::nic::Nic;
use facts::observation::Observation;
use facts::{Moment, NoData, SourceStatus};

use super::*;
use crate::view::{About, Kept, Seen, View};

/// How long a test waits for what must come; far more than it takes.
const LONG: Duration = Duration::from_secs(30);

type Answer = Box<dyn FnMut() -> Result<Observation, CollectError> + Send>;

struct Scripted {
    name: &'static str,
    beat: Duration,
    answer: Answer,
}

impl Collector for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }
    fn beat(&self) -> Duration {
        self.beat
    }
    fn collect(&mut self) -> Result<Observation, CollectError> {
        (self.answer)()
    }
}

pub(super) fn scripted(
    name: &'static str,
    answer: impl FnMut() -> Result<Observation, CollectError> + Send + 'static,
) -> Box<dyn Collector> {
    Box::new(Scripted {
        name,
        beat: Duration::from_millis(5),
        answer: Box::new(answer),
    })
}

pub(super) struct Stand {
    pub(super) board: Board,
    events: tokio::sync::broadcast::Receiver<crate::events::Numbered>,
    _collect: Collect,
    root: tempfile::TempDir,
}

impl Stand {
    pub(super) fn with(collectors: Vec<Box<dyn Collector>>) -> Stand {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("proc")).unwrap();
        let root = Root::at(directory.path()).unwrap();
        let clock = Clock::start();
        let board = Board::new(View {
            about: Arc::new(About {
                node: "n01".to_owned(),
                agent_run_id: String::new(),
                boot_id: String::new(),
                actuators: intent::Actuators::default(),
                started_at: Moment::EPOCH,
            }),
            seen: Arc::new(Seen::default()),
            proofs: Arc::default(),
            interference: Arc::default(),
            waits: Arc::default(),
            lease: None,
            pooled: None,
            kept: Arc::new(Kept::default()),
        });
        let events = Events::new(clock);
        let listener = events.listen();
        // Long enough that a busy machine makes no turn look like one that hangs.
        let long = Duration::from_secs(1);
        let patience = Patience {
            least: long,
            most: long,
            tick: Duration::from_millis(20),
        };
        let collect = Collect::start(root, collectors, patience, clock, board.clone(), events).unwrap();
        Stand {
            board,
            events: listener,
            _collect: collect,
            root: directory,
        }
    }

    pub(super) fn until(&self, what: &str, is_so: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        while !is_so(&self.board.latest().seen) {
            assert!(
                start.elapsed() < LONG,
                "{what}: {:?}",
                self.board.latest().seen.inventory.sources
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn event(&mut self, kind: &str) -> AgentEvent {
        let start = Instant::now();
        loop {
            match self.events.try_recv() {
                Ok(told) if told.event.kind == kind => return told.event,
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
            assert!(start.elapsed() < LONG, "no {kind} came");
        }
    }
}

fn status(seen: &Seen, name: &str) -> SourceStatus {
    seen.inventory
        .sources
        .iter()
        .find(|source| source.name == name)
        .unwrap()
        .status
        .clone()
}

pub(super) fn is_down_for(seen: &Seen, name: &str, expected: NoData) -> bool {
    matches!(status(seen, name), SourceStatus::Down { reason, .. } if reason == expected)
}

pub(super) fn nic(device: &str) -> Observation {
    let nic = Nic {
        device: device.to_owned(),
        mac: None,
        pci: None,
        pci_id: None,
        numa_node: None,
        driver: None,
        speed_megabits: None,
        state: "up".to_owned(),
        virtual_functions: None,
    };
    Observation {
        nics: Some(vec![nic]),
        ..Observation::default()
    }
}

#[test]
fn the_first_view_waits_for_nobody() {
    let gate = Arc::new(Mutex::new(()));
    let shut = gate.lock().unwrap();
    let waiting = gate.clone();
    let slow = scripted("slow", move || {
        drop(waiting.lock().unwrap());
        Ok(nic("eth0"))
    });
    let stand = Stand::with(vec![slow]);
    assert_eq!(status(&stand.board.latest().seen, "slow"), SourceStatus::Pending);
    drop(shut);
    stand.until("the source speaks once it may", |seen| {
        seen.inventory.nics.len() == 1
    });
}

#[test]
fn one_that_panics_and_one_that_hangs_are_shown_and_hold_up_nobody() {
    let gate = Arc::new(Mutex::new(()));
    let shut = gate.lock().unwrap();
    let waiting = gate.clone();
    let stand = Stand::with(vec![
        scripted("panics", || panic!("planted")),
        scripted("hangs", move || {
            drop(waiting.lock().unwrap());
            Ok(nic("eth1"))
        }),
        scripted("speaks", || Ok(nic("eth0"))),
    ]);
    stand.until("the panic is shown", |seen| {
        is_down_for(seen, "panics", NoData::Garbled)
    });
    stand.until("the hang is shown", |seen| {
        is_down_for(seen, "hangs", NoData::Timeout)
    });
    stand.until("the third speaks", |seen| {
        status(seen, "speaks") == SourceStatus::Ok
    });
    let SourceStatus::Down { message, .. } = status(&stand.board.latest().seen, "panics") else {
        panic!("it is down");
    };
    assert!(message.contains("planted"), "{message}");
    drop(shut);
    stand.until("one that hung speaks again", |seen| {
        status(seen, "hangs") == SourceStatus::Ok
    });
}

#[test]
fn parts_that_come_and_go_are_told_and_blind_is_not_absent() {
    let step = Arc::new(Mutex::new("eth0"));
    let told = step.clone();
    let mut stand = Stand::with(vec![scripted("nic", move || match *told.lock().unwrap() {
        "refused" => Err(CollectError::new(NoData::Refused, "cannot read sys/class/net")),
        "absent" => Err(CollectError::new(NoData::Absent, "no sys/class/net")),
        device => Ok(nic(device)),
    })]);
    stand.until("the NIC is there", |seen| seen.inventory.nics.len() == 1);
    *step.lock().unwrap() = "eth7";
    assert_eq!(stand.event("part_vanished").message, "NIC eth0 vanished");
    assert_eq!(stand.event("part_appeared").message, "NIC eth7 appeared");
    *step.lock().unwrap() = "refused";
    assert!(
        stand
            .event("source_down")
            .message
            .contains("nic is refused: cannot read sys/class/net")
    );
    stand.until("what nobody renews is dropped", |seen| {
        seen.inventory.nics.is_empty()
    });
    *step.lock().unwrap() = "eth7";
    // Nothing vanished while we were blind, so nothing appears now: the next event is the source's.
    assert_eq!(stand.event("source_up").message, "source nic speaks again");
    *step.lock().unwrap() = "absent";
    assert_eq!(stand.event("part_vanished").message, "NIC eth7 vanished");
    let errors = stand.board.latest().seen.errors.clone();
    assert!(errors.contains_key(&("nic", NoData::Refused)), "{errors:?}");
}

#[test]
fn the_beats_end_with_their_owner() {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    let stand = Stand::with(vec![scripted("counts", move || {
        seen.store(true, Ordering::SeqCst);
        Ok(Observation::default())
    })]);
    stand.until("it beats", |seen| status(seen, "counts") == SourceStatus::Ok);
    drop(stand);
    // The hub ends at its next tick and takes the beats with it: the collector, and what it holds, is dropped.
    let start = Instant::now();
    while Arc::strong_count(&asked) > 1 {
        assert!(start.elapsed() < LONG, "the collector still lives");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_topology_is_read_again_when_cpus_come_or_go() {
    let turns = Arc::new(Mutex::new(0_u32));
    let counted = turns.clone();
    // A beat that no test waits for: only the kernel's lists can bring a second turn.
    let stand = Stand::with(vec![Box::new(Scripted {
        name: "topology",
        beat: Duration::from_secs(86_400),
        answer: Box::new(move || {
            *counted.lock().unwrap() += 1;
            Ok(Observation::default())
        }),
    })]);
    stand.until("the first turn", |seen| {
        status(seen, "topology") == SourceStatus::Ok
    });
    assert_eq!(*turns.lock().unwrap(), 1);
    let cpus = stand.root.path().join("sys/devices/system/cpu");
    std::fs::create_dir_all(&cpus).unwrap();
    for (list, expected) in [("0-1", 2), ("0", 3)] {
        std::fs::write(cpus.join("online"), list).unwrap();
        stand.until("another turn", |_| *turns.lock().unwrap() >= expected);
    }
}
