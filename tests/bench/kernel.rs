//! What one turn of all cheap sources costs, and the merge of what all sources said: on this machine, and on a tree of 256 CPUs with
//! the names of node_exporter.
//!
//! `BUSBAR_BIGHOST=DIR` names the tree (`python3 gen_bighost.py DIR 256`); without it this machine alone is measured.
#![allow(clippy::unwrap_used)]
#![allow(missing_docs)] // criterion makes a public function of each group

use std::hint::black_box;
use std::path::{Path, PathBuf};

use collectors::roster::{Wishes, roster};
use collectors::{Collector, Root, TopologySource};
use criterion::{Criterion, criterion_group, criterion_main};
use facts::observation::Observation;
use facts::{Inventory, Moment};

const TREE: &str = "BUSBAR_BIGHOST";
const TOPOLOGY: &str = "topology";

/// All sources but the topology, which has a program of its own.
fn all(root: &Root, node_names: bool) -> Vec<Box<dyn Collector>> {
    let wishes = Wishes {
        node_names,
        per_cpu: node_names,
        ..Wishes::default()
    };
    let nowhere = PathBuf::from("/nonexistent/program");
    let topology = TopologySource::Xml {
        file: nowhere.clone(),
        reader: nowhere,
    };
    let mut sources = roster(root, topology, &wishes);
    sources.retain(|source| source.name() != TOPOLOGY);
    sources
}

fn cheap(root: &Root, node_names: bool) -> Vec<Box<dyn Collector>> {
    let mut sources = all(root, node_names);
    sources.retain(|source| source.is_cheap());
    sources
}

fn roots() -> Vec<(&'static str, Root)> {
    let mut roots = vec![("this machine", Root::host())];
    match std::env::var_os(TREE) {
        Some(tree) => roots.push(("large tree", Root::at(Path::new(&tree)).unwrap())),
        None => println!("skipped: {TREE} names no tree of a large machine"),
    }
    roots
}

fn turns(criterion: &mut Criterion) {
    for (name, root) in roots() {
        for (what, node_names) in [("own names", false), ("with node_exporter's names", true)] {
            let mut sources = cheap(&root, node_names);
            criterion.bench_function(&format!("turn of the cheap sources, {name}, {what}"), |bench| {
                bench.iter(|| {
                    for source in &mut sources {
                        black_box(source.collect().is_ok());
                    }
                });
            });
        }
    }
}

fn merging(criterion: &mut Criterion) {
    for (name, root) in roots() {
        let mut sources = all(&root, false);
        let said: Vec<Observation> = sources
            .iter_mut()
            .filter_map(|source| source.collect().ok())
            .collect();
        criterion.bench_function(
            &format!("merge of {} observations, {name}", said.len()),
            |bench| {
                bench.iter(|| black_box(Inventory::merge(Moment::from_millis(0), &said, Vec::new())));
            },
        );
    }
}

criterion_group!(benches, turns, merging);
criterion_main!(benches);
