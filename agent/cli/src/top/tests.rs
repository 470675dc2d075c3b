//! Frames of nodes that are put together here: rates, reasons, drawings in any size, and nothing that is taken for zero.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use facts::inventory::NumaMemory;
use facts::{Bytes, CpuSet, Doubt, NoData, NumaNodeId};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::picture;
use super::super::screen::State;
use super::*;

fn source(name: &str, status: SourceStatus) -> Source {
    let mut source = Source::pending(name, std::time::Duration::from_secs(1));
    if status == SourceStatus::Ok {
        source.last_success = Some(Moment::from_millis(8_000));
    }
    source.status = status;
    source
}

fn silent(name: &str, reason: NoData, message: &str) -> Source {
    let message = message.to_owned();
    source(name, SourceStatus::Down { reason, message })
}

fn node() -> Inventory {
    let numa_nodes = vec![NumaNode {
        id: NumaNodeId(0),
        cpus: "0-3".parse::<CpuSet>().unwrap(),
        memory_bytes: Some(Bytes::new(8 << 30)),
        distances: vec![10],
        memory_kind: String::new(),
    }];
    let mut facts = Inventory {
        numa_nodes,
        numa_memory: vec![NumaMemory {
            numa_node: NumaNodeId(0),
            total_bytes: Bytes::new(8 << 30),
            free_bytes: Bytes::new(6 << 30),
        }],
        sources: vec![
            source("cpu", SourceStatus::Ok),
            silent("gpu", NoData::Absent, "no accelerator on the PCI bus"),
            silent("block", NoData::Refused, "cannot read /sys/block"),
            source("powercap", SourceStatus::Pending),
        ],
        doubts: vec![Doubt::new("memory", "machine", "two sums")],
        ..Inventory::default()
    };
    facts.machine.hostname = Some("n01".to_owned());
    facts
}

fn read(page: &str, seconds: f64) -> Read {
    Read {
        facts: node(),
        page: Page::parse(page),
        seconds,
    }
}

fn times(user: f64, idle: f64, guest: f64, joules: f64) -> String {
    format!(
        "{CPU_TIME}{{numa_node=\"0\",mode=\"user\"}} {user}\n{CPU_TIME}{{numa_node=\"0\",mode=\"idle\"}} {idle}\n\
         {CPU_TIME}{{numa_node=\"0\",mode=\"guest\"}} {guest}\n\
         {CPU_ENERGY}{{zone=\"intel-rapl:0\",socket=\"0\",domain=\"package\"}} {joules}\n"
    )
}

fn at() -> Moment {
    Moment::from_millis(10_000)
}

#[test]
fn rates_come_from_two_readings() {
    let before = read(&times(100.0, 300.0, 50.0, 1_000.0), 1.0);
    let now = read(&times(103.0, 301.0, 53.0, 1_240.0), 3.0);
    let first = frame(&before, None, at());
    assert_eq!(first.busy.why.as_deref(), Some("needs two readings"));
    let second = frame(&now, Some(&before), at());
    assert_eq!(second.busy.value, Some(0.75), "guest time is part of user time");
    let power = &second.tables[1];
    assert_eq!(power.rows[0].cells[0].value, Some(120.0));
    assert_eq!(power.rows[0].cells[1].value, None);
    let backwards = frame(&before, Some(&now), at());
    assert_eq!(
        backwards.tables[1].rows[0].cells[0].value, None,
        "a counter that began anew"
    );
    assert_eq!(
        second.tables[0].rows[0].cells[1].value,
        Some(Bytes::new(2 << 30).as_f64())
    );
}

#[test]
fn what_is_missing_says_why_and_is_no_zero() {
    let frame = frame(&read("", 1.0), None, at());
    let why: Vec<Option<&str>> = frame.tables.iter().map(|table| table.why.as_deref()).collect();
    assert_eq!(
        why,
        [
            None,
            Some("powercap has not answered yet"),
            Some("block: refused")
        ]
    );
    assert_eq!(frame.sources[0].age_seconds, Some(2.0));
    let text = picture::text(&frame);
    for piece in [
        "n01",
        "cannot read /sys/block",
        "NUMA node 0",
        "2 GiB",
        "doubts (1)",
    ] {
        assert!(text.contains(piece), "{piece} is missing:\n{text}");
    }
    assert!(!text.contains("0.0 %") && !text.contains("0.0 W"), "{text}");
}

#[test]
fn gpus_are_spoken_of_where_there_are_some_or_nobody_can_say() {
    let gpus = |sources: Vec<Source>, gpus: Vec<facts::gpu::Gpu>| {
        let mut read = read("", 1.0);
        (read.facts.sources, read.facts.gpus) = (sources, gpus);
        let tables = frame(&read, None, at()).tables.into_iter();
        let mut why = tables
            .filter(|table| table.name == "GPUs")
            .map(|table| table.why.unwrap());
        why.next()
    };
    let absent = || silent("nvml", NoData::Absent, "no library");
    assert_eq!(
        gpus(vec![source("gpu", SourceStatus::Ok), absent()], vec![]),
        None
    );
    assert_eq!(
        gpus(vec![silent("gpu", NoData::Absent, "none"), absent()], vec![]),
        None
    );
    assert_eq!(gpus(vec![source("nvml", SourceStatus::Pending)], vec![]), None);
    let broken = silent("nvml", NoData::Timeout, "it hangs");
    assert_eq!(gpus(vec![broken], vec![]).as_deref(), Some("nvml: timeout"));
    let refused = silent("gpu", NoData::Refused, "no sysfs");
    assert_eq!(
        gpus(vec![refused, absent()], vec![]).as_deref(),
        Some("gpu: refused")
    );
    let card = facts::gpu::Gpu {
        identity: facts::Identity::default(),
        uuid: None,
        pci: Some("0000:18:00.0".parse().unwrap()),
        pci_id: None,
        numa_node: None,
        device: None,
        memory_bytes: None,
        readings: None,
    };
    assert_eq!(
        gpus(vec![absent()], vec![card]).as_deref(),
        Some("nvml: absent"),
        "a card without its driver"
    );
}

#[test]
fn a_gpu_is_drawn_with_what_its_driver_tells() {
    let page = "busbar_gpu_info{gpu=\"0\",gpu_uuid=\"GPU-1\",model=\"H100\"} 1\n\
                busbar_gpu_utilization_ratio{gpu=\"0\",gpu_uuid=\"GPU-1\",engine=\"memory\"} 0.9\n\
                busbar_gpu_utilization_ratio{gpu=\"0\",gpu_uuid=\"GPU-1\",engine=\"sm\"} 0.5\n\
                busbar_gpu_power_watts{gpu=\"0\",gpu_uuid=\"GPU-1\"} 312.5\n";
    let frame = frame(&read(page, 1.0), None, at());
    let cells: Vec<Option<f64>> = frame.tables[2].rows[0]
        .cells
        .iter()
        .map(|cell| cell.value)
        .collect();
    assert_eq!(cells, [Some(0.5), None, Some(312.5), None, None]);
    let text = picture::text(&frame);
    assert!(
        text.contains("GPU 0") && text.contains("█████░░░░░") && text.contains("312.5 W"),
        "{text}"
    );
}

fn drawn(state: &mut State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|canvas| state.draw(canvas)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn the_screen_has_room_for_any_frame_and_any_size() {
    let mut state = State::default();
    assert!(drawn(&mut state, 40, 5).contains("reading"));
    state.silence = Some("connection refused".to_owned());
    assert!(drawn(&mut state, 60, 5).contains("no answer: connection refused"));
    state.frame = Some(frame(&read(&times(1.0, 1.0, 0.0, 1.0), 1.0), None, at()));
    let whole = drawn(&mut state, 110, 40);
    for piece in ["n01", "no answer", "NUMA node 0", "sources", "q quit"] {
        assert!(whole.contains(piece), "{piece} is missing:\n{whole}");
    }
    // Scrolled beyond its end it stays at its end, and the smallest terminal is drawn too.
    state.scroll = u16::MAX;
    assert!(drawn(&mut state, 110, 10).contains("doubts"), "{whole}");
    for (width, height) in [(1, 1), (3, 2), (200, 1), (1, 60)] {
        let _ = drawn(&mut state, width, height);
    }
}

proptest! {
    #[test]
    fn any_page_is_a_frame(page in "(busbar_(cpu_time_seconds_total|gpu_info|cpu_energy_joules_total|host_power_watts)\\{[a-z=\",0-9]{0,20}\\} [0-9.e+\\-]{1,9}\\n){0,5}") {
        let (before, now) = (read(&page, 1.0), read(&page, 1.0));
        let frame = frame(&now, Some(&before), at());
        let _ = picture::text(&frame);
        prop_assert!(serde_json::to_string(&frame).is_ok());
    }
}
