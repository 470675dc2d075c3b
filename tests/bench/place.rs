//! How long a decision about a place takes on a node with 256 CPUs and 200 workloads, and how long its machine takes to build.
#![allow(clippy::unwrap_used)]
#![allow(missing_docs)] // criterion makes a public function of each group

#[path = "../../agent/tests/placement/busy.rs"]
mod busy;
#[path = "../../agent/tests/placement/made.rs"]
mod made;

use std::hint::black_box;

use agent::place::{Machine, place};
use agent_api::v1::{Ask, Policy, TopologyRule};
use criterion::{Criterion, criterion_group, criterion_main};
use facts::Bytes;
use intent::Generation;

fn decide(criterion: &mut Criterion) {
    let inventory = busy::inventory();
    let machine = Machine::of(&inventory, None);
    let taken = busy::filled(&machine, &mut busy::Dice(0x9e37_79b9_7f4a_7c15));
    let four = Ask {
        cpus: 4,
        exclusive: true,
        memory_bytes: Some(Bytes::new(32 << 30)),
        ..Ask::default()
    };
    let near = Ask {
        near: vec!["gpu:1".parse().unwrap()],
        topology: TopologyRule::SingleNumaNode,
        ..four.clone()
    };
    let asks = [
        ("4 CPUs, 32 GiB", four.clone()),
        ("the same near a GPU on one NUMA node", near),
        (
            "the same spread",
            Ask {
                policy: Policy::Spread,
                ..four.clone()
            },
        ),
        (
            "64 CPUs, over NUMA nodes",
            Ask {
                cpus: 64,
                memory_bytes: None,
                ..four.clone()
            },
        ),
        ("more than there is", Ask { cpus: 250, ..four }),
    ];
    let mut group = criterion.benchmark_group("place, 256 CPUs, 200 workloads");
    for (name, ask) in asks {
        group.bench_function(name, |bench| {
            bench.iter(|| place(black_box(&ask), &machine, &taken, Generation(1)).is_ok());
        });
    }
    group.bench_function("build the machine", |bench| {
        bench.iter(|| Machine::of(black_box(&inventory), None).is_empty());
    });
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
