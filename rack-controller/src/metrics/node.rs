//! Nodes: how they are, what they have, what they draw.

use std::collections::BTreeMap;

use facts::{Bytes, Power};
use rack_api::v1::NodeView;

use super::family::{Family, Kind, Source};
use super::sheet::{Series, count};

const STATES: [&str; 4] = ["discovered", "ready", "powered_off", "unreachable"];

fn some(source: &Source<'_>, series: &mut Series<'_>, pick: fn(&NodeView) -> Option<f64>) {
    for node in &source.view.nodes {
        series.put_some(&[&node.name], pick(node));
    }
}

fn by_state(source: &Source<'_>, series: &mut Series<'_>) {
    let mut states: BTreeMap<&str, usize> = STATES.iter().map(|state| (*state, 0)).collect();
    for node in &source.view.nodes {
        let so_far = states.entry(&node.state).or_default();
        *so_far = so_far.saturating_add(1);
    }
    for (state, how_many) in states {
        series.put(&[state], count(how_many));
    }
}

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_nodes",
        kind: Kind::Gauge,
        labels: &["state"],
        help: "Nodes in each state",
        fill: by_state,
    },
    Family {
        name: "busbar_rack_node_info",
        kind: Kind::Info,
        labels: &["node", "domain", "unit", "facts_from"],
        help: "Where the node sits, what it draws from, and who tells its facts (agent, bmc, none)",
        fill: |source, series| {
            for node in &source.view.nodes {
                let unit = node.unit.map(|unit| unit.to_string()).unwrap_or_default();
                series.put(&[&node.name, &node.domain, &unit, &node.facts_from], 1.0);
            }
        },
    },
    Family {
        name: "busbar_rack_node_state",
        kind: Kind::Gauge,
        labels: &["node", "state"],
        help: "1 for the state that the node is in (discovered, ready, powered_off, unreachable), 0 for the others",
        fill: |source, series| {
            for node in &source.view.nodes {
                series.put_state(&[&node.name], &STATES, &node.state);
            }
        },
    },
    Family {
        name: "busbar_rack_node_last_seen_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "When the node's agent or BMC last answered",
        fill: |source, series| some(source, series, |node| node.last_seen.map(super::sheet::seconds)),
    },
    Family {
        name: "busbar_rack_node_power_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "What the node draws now, where its BMC tells",
        fill: |source, series| some(source, series, |node| node.drawn_watts.map(Power::as_watts_f64)),
    },
    Family {
        name: "busbar_rack_node_power_limit_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "The limit in force at the node's BMC, read back; absent where there is none",
        fill: |source, series| some(source, series, |node| node.cap_watts.map(Power::as_watts_f64)),
    },
    Family {
        name: "busbar_rack_node_max_draw_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "The most that the node can draw uncapped, as configured",
        fill: |source, series| some(source, series, |node| Some(node.max_draw_watts.as_watts_f64())),
    },
    Family {
        name: "busbar_rack_node_held_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "Firm watts that the node's claims hold",
        fill: |source, series| some(source, series, |node| Some(node.held_watts.as_watts_f64())),
    },
    Family {
        name: "busbar_rack_node_cores",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "Cores of the node",
        fill: |source, series| some(source, series, |node| node.cores.map(f64::from)),
    },
    Family {
        name: "busbar_rack_node_cpus",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "CPUs (hardware threads) of the node",
        fill: |source, series| some(source, series, |node| node.cpus.map(f64::from)),
    },
    Family {
        name: "busbar_rack_node_exclusive_cpus",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "CPUs that workloads hold exclusively; absent where no agent tells",
        fill: |source, series| {
            for node in source.view.nodes.iter().filter(|node| node.facts_from == "agent") {
                series.put(&[&node.name], f64::from(node.exclusive_cpus));
            }
        },
    },
    Family {
        name: "busbar_rack_node_memory_bytes",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "Memory of the node",
        fill: |source, series| some(source, series, |node| node.memory_bytes.map(Bytes::as_f64)),
    },
    Family {
        name: "busbar_rack_node_workloads",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "Workloads that the node's agent placed; absent where no agent tells",
        fill: |source, series| {
            for node in source.view.nodes.iter().filter(|node| node.facts_from == "agent") {
                series.put(&[&node.name], count(node.workloads.len()));
            }
        },
    },
];
