//! Tests of parts that are plugged and pulled: uevents as the kernel sends them, and the real collector of sensors below them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Instant;

use collectors::hwmon::HwmonCollector;
use collectors::uevent::{Heard, parse};
use collectors::{CollectError, Collector};
use facts::observation::Observation;

use super::ears::Burst;
use super::hub::News;
use super::*;
use crate::view::{About, Kept, Seen, View};

/// How long a test waits for what must come; far more than it takes.
const LONG: Duration = Duration::from_secs(30);

/// The real collector, with a beat that no test waits for: only a uevent can bring another turn.
struct Seldom(HwmonCollector);

impl Collector for Seldom {
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn beat(&self) -> Duration {
        Duration::from_secs(86_400)
    }
    fn subsystems(&self) -> &'static [&'static str] {
        self.0.subsystems()
    }
    fn collect(&mut self) -> Result<Observation, CollectError> {
        self.0.collect()
    }
}

/// A hub whose ears are this test.
struct Stand {
    news: SyncSender<News>,
    board: Board,
    events: tokio::sync::broadcast::Receiver<crate::events::Numbered>,
    asked_for: BTreeSet<&'static str>,
    _stop: std::sync::mpsc::Sender<()>,
}

impl Stand {
    fn of(machine: &Path) -> Stand {
        let root = Root::at(machine).unwrap();
        let collector = Box::new(Seldom(HwmonCollector::new(root.clone())));
        let (tell, news) = sync_channel(MOST_NEWS);
        let (stop, stopped) = std::sync::mpsc::channel();
        let clock = Clock::start();
        let board = Board::new(View {
            about: std::sync::Arc::new(About {
                node: "n01".to_owned(),
                agent_run_id: String::new(),
                boot_id: String::new(),
                actuators: intent::Actuators::default(),
                started_at: facts::Moment::EPOCH,
            }),
            seen: std::sync::Arc::new(Seen::default()),
            proofs: std::sync::Arc::default(),
            interference: std::sync::Arc::default(),
            waits: std::sync::Arc::default(),
            lease: None,
            pooled: None,
            kept: std::sync::Arc::new(Kept::default()),
        });
        let events = Events::new(clock);
        let listener = events.listen();
        let lane = Lane::of(collector.as_ref(), LONG);
        let asked_for = lane.subsystems.iter().copied().collect();
        let faces = Faces {
            clock,
            board: board.clone(),
            events,
        };
        let bench = Fresh::default().bench().clone();
        let mut hub = Hub::new(&root, Patience::default(), faces, vec![lane], bench, tell.clone());
        let thread = beat::start(0, collector, LONG, hub.heard(), tell.clone()).unwrap();
        hub.has_thread(0, thread);
        std::thread::spawn(move || hub.run(&news, &stopped));
        Stand {
            news: tell,
            board,
            events: listener,
            asked_for,
            _stop: stop,
        }
    }

    /// Hears a message of the kernel's netlink socket, as the ears do.
    fn hear(&self, message: &[u8]) {
        let mut burst = Burst::default();
        burst.take(Heard::Uevent(parse(message).unwrap()), &self.asked_for);
        self.news.send(News::Burst(burst)).unwrap();
    }

    fn until(&self, what: &str, is_so: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        while !is_so(&self.board.latest().seen) {
            assert!(start.elapsed() < LONG, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn next_event(&mut self) -> (String, String) {
        let start = Instant::now();
        loop {
            if let Ok(told) = self.events.try_recv() {
                return (told.event.kind.clone(), told.event.message.clone());
            }
            assert!(start.elapsed() < LONG, "no event came");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn write(machine: &Path, path: &str, text: &str) {
    let path = machine.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Whether a chip has a reading in the facts and a row in the sheets, and neither without the other.
fn has_meter(seen: &Seen, chip: &str) -> bool {
    let in_facts = seen.inventory.sensors.iter().any(|sensor| sensor.chip == chip);
    let mut rows = seen.sheets.iter().flat_map(|sheet| sheet.rows().iter());
    let in_sheets = rows.any(|row| row.labels.iter().any(|label| label == chip));
    assert_eq!(in_facts, in_sheets, "one view tells one story");
    in_facts
}

/// A USB supply that meters: the kernel's power_supply core gives it a hwmon chip of its own (drivers/power/supply/
/// power_supply_hwmon.c), as drivers of USB meters do.
#[test]
fn a_usb_power_meter_is_plugged_and_pulled() {
    let machine = tempfile::tempdir().unwrap();
    let at = machine.path();
    write(at, "proc/uptime", "1 1\n");
    write(at, "sys/class/hwmon/hwmon0/name", "board\n");
    write(at, "sys/class/hwmon/hwmon0/temp1_input", "40000\n");
    let mut stand = Stand::of(at);
    stand.until("the board's sensor", |seen| seen.inventory.sensors.len() == 1);
    assert!(!has_meter(&stand.board.latest().seen, "ucsi_source_psy_1"));

    write(at, "sys/class/hwmon/hwmon7/name", "ucsi_source_psy_1\n");
    write(at, "sys/class/hwmon/hwmon7/power1_input", "61500000\n");
    write(at, "sys/class/hwmon/hwmon7/power1_alarm", "0\n");
    let path = "/devices/pci0000:00/0000:00:14.0/usb1/1-4/power_supply/ucsi-source-psy-1/hwmon7";
    // What nobody asked for wakes nobody: a power_supply comes before its chip.
    stand.hear(b"add@/devices/x\0ACTION=add\0DEVPATH=/devices/x\0SUBSYSTEM=power_supply\0SEQNUM=9\0");
    let message = |action: &str| {
        format!("{action}@{path}\0ACTION={action}\0DEVPATH={path}\0SUBSYSTEM=hwmon\0SEQNUM=10\0").into_bytes()
    };
    stand.hear(&message("add"));
    let appeared = "sensor chip hwmon7 (ucsi_source_psy_1) appeared";
    assert_eq!(
        stand.next_event(),
        ("part_appeared".to_owned(), appeared.to_owned())
    );
    let seen = stand.board.latest().seen.clone();
    assert!(
        has_meter(&seen, "ucsi_source_psy_1"),
        "told after the view shows it"
    );
    let meter = seen
        .inventory
        .sensors
        .iter()
        .find(|sensor| sensor.device == "hwmon7/power1");
    assert_eq!(meter.unwrap().value.value(), Some(61.5));

    fs::remove_dir_all(at.join("sys/class/hwmon/hwmon7")).unwrap();
    stand.hear(&message("remove"));
    let vanished = "sensor chip hwmon7 (ucsi_source_psy_1) vanished";
    assert_eq!(
        stand.next_event(),
        ("part_vanished".to_owned(), vanished.to_owned())
    );
    assert!(!has_meter(&stand.board.latest().seen, "ucsi_source_psy_1"));
}
