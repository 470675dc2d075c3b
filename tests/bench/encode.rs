//! How fast a page of metrics is written: 5,000 series with four labels each, as text, as OpenMetrics and as gzip, and laid out anew.
#![allow(clippy::unwrap_used)]
#![allow(missing_docs)] // criterion makes a public function of each group

use std::hint::black_box;
use std::sync::Arc;

use agent::metrics::{Format, Layout, Order, Selection};
use criterion::{Criterion, criterion_group, criterion_main};
use facts::sheet::{Pad, Sheet};
use flate2::{Compress, Compression, FlushCompress};
use page_gzip::Template;

const SERIES: usize = 5_000;

facts::families! {
    TIME Counter "busbar_bench_time_seconds_total" ["cpu", "socket", "numa_node", "mode"] "Time." from "a bench";
    HEAT Gauge "busbar_bench_temperature_celsius" ["chip", "sensor", "location", "limit"] "Heat." from "a bench";
}

/// Half of the rows count seconds with two decimals, half are whole numbers.
fn sheet() -> Arc<Sheet> {
    let mut pad = Pad::default();
    let mut sheet = pad.begin();
    for row in 0..SERIES / 2 {
        let cpu = (row / 10).to_string();
        let mode = (row % 10).to_string();
        let seconds = f64::from(u32::try_from(row).unwrap()).mul_add(977.31, 0.01);
        sheet.add(
            &TIME,
            &[&cpu, "1", "0", &mode],
            Some((seconds * 100.0).round() / 100.0),
        );
        sheet.add(&HEAT, &["k10temp", &cpu, &mode, "critical"], Some(row * 7919));
    }
    Arc::new(sheet.finish())
}

fn encode(criterion: &mut Criterion) {
    let sheets = [sheet()];
    let order = Order::new(TABLE.iter().copied(), Selection::all());
    let layout = Layout::of(&sheets, &order);
    let mut page = Vec::new();
    let mut group = criterion.benchmark_group("encode 5000 series");
    for (name, format) in [("text", Format::Text), ("OpenMetrics", Format::OpenMetrics)] {
        group.bench_function(name, |bench| {
            bench.iter(|| {
                page.clear();
                black_box(layout.encode(black_box(&sheets), format, &mut page))
            });
        });
    }
    let (words, pieces) = layout.pieces(Format::OpenMetrics);
    let (mut template, mut packed) = (Template::of(words, pieces), Vec::new());
    group.bench_function("gzip of it", |bench| {
        bench.iter(|| {
            packed.clear();
            template.pack(words, black_box(&page), &mut packed);
        });
    });
    // The peer: the fastest level of a compressor that sees the page for the first time.
    let mut peer = Compress::new_gzip(Compression::fast(), 15);
    group.bench_function("gzip of it by zlib-rs", |bench| {
        bench.iter(|| {
            peer.reset();
            packed.clear();
            packed.reserve(page.len());
            peer.compress_vec(black_box(&page), &mut packed, FlushCompress::Finish)
        });
    });
    group.bench_function("lay out", |bench| {
        bench.iter(|| black_box(Layout::of(black_box(&sheets), &order)));
    });
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
