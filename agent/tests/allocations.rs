//! A page that was laid out is written without a single allocation: counted by the allocator itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// An allocator is unsafe by its trait; this one passes everything on and counts.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout as Shape, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use agent::metrics::{Format, Layout, Order, Selection};
use facts::sheet::{Pad, Sheet};

/// Series of the page.
const SERIES: usize = 5_000;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator with the arguments as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, shape: Shape) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(shape) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, shape: Shape) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(memory, shape) }
    }

    unsafe fn realloc(&self, memory: *mut u8, shape: Shape, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(memory, shape, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

facts::families! {
    TIME Counter "busbar_test_seconds_total" ["cpu", "socket", "numa_node", "mode"] "Time." from "a test";
    HEAT Gauge "busbar_test_celsius" ["chip", "sensor", "location", "limit"] "Heat." from "a test";
}

/// Half of the rows are whole numbers, half are not, and all of them change from turn to turn.
fn turn(pad: &mut Pad, number: u32) -> Arc<Sheet> {
    let mut sheet = pad.begin();
    for row in 0..SERIES / 2 {
        let (cpu, socket) = ((row / 10).to_string(), (row / 1_000).to_string());
        let labels = [cpu.as_str(), &socket, "0", "user"];
        let mode = (row % 10).to_string();
        sheet.add(
            &TIME,
            &[labels[0], labels[1], labels[2], &mode],
            Some(f64::from(number) * 0.01),
        );
        sheet.add(
            &HEAT,
            &labels[..3]
                .iter()
                .copied()
                .chain([mode.as_str()])
                .collect::<Vec<_>>(),
            Some(number),
        );
    }
    Arc::new(sheet.finish())
}

#[test]
fn a_page_of_5000_series_is_encoded_without_an_allocation() {
    let mut pad = Pad::default();
    let first = [turn(&mut pad, 4_000_000_000)];
    let layout = Layout::of(&first, &Order::new(TABLE.iter().copied(), Selection::all()));
    let mut page = Vec::new();
    for format in [Format::Text, Format::OpenMetrics] {
        page.clear();
        assert_eq!(layout.encode(&first, format, &mut page), SERIES);
    }
    for number in [1, 77, 3_999_999_999] {
        let sheets = [turn(&mut pad, number)];
        assert!(layout.fits(&sheets), "the rows are those that were laid out");
        for format in [Format::Text, Format::OpenMetrics] {
            page.clear();
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            let series = layout.encode(&sheets, format, &mut page);
            let after = ALLOCATIONS.load(Ordering::Relaxed);
            assert_eq!((series, after - before), (SERIES, 0), "{format:?}");
        }
    }
}
