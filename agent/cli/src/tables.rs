//! What the rack has, as tables without lines: nodes, drives, claims.

use std::fmt::Write;

use facts::Power;
use rack_api::v1::{ClaimView, NodeView, RackView};

/// The nodes as a table and the rack's sums under it: one machine.
pub fn nodes(view: &RackView) -> String {
    let mut table = table(&[
        "node",
        "state",
        "cores",
        "CPUs",
        "NUMA nodes",
        "memory",
        "drives",
        "held",
        "draws",
        "runs",
    ]);
    for node in &view.nodes {
        table.add_row([
            node.name.clone(),
            node.state.clone(),
            number(node.cores),
            number(node.cpus),
            number(node.numa_nodes),
            node.memory_bytes.map_or_else(dash, |bytes| bytes.to_string()),
            drives(node),
            node.held_watts.to_kilowatt_text(),
            node.drawn_watts.map_or_else(dash, Power::to_kilowatt_text),
            runs(node),
        ]);
    }
    let mut text = format!("{table}\n");
    let sum = |of: fn(&NodeView) -> Option<u32>| view.nodes.iter().filter_map(of).map(u64::from).sum::<u64>();
    let memory: facts::Bytes = view.nodes.iter().filter_map(|node| node.memory_bytes).sum();
    let _ = writeln!(
        text,
        "as one machine: {} nodes, {} cores, {} CPUs, {memory} memory, {} drives",
        view.nodes.len(),
        sum(|node| node.cores),
        sum(|node| node.cpus),
        sum(|node| node.drives),
    );
    for node in view.nodes.iter().filter(|node| node.reason.is_some()) {
        let _ = writeln!(
            text,
            "{}: {}",
            node.name,
            node.reason.as_deref().unwrap_or_default()
        );
    }
    text
}

/// The drives that nodes have.
pub fn drive_table(view: &RackView) -> String {
    let mut table = table(&["node", "drives", "size"]);
    for node in &view.nodes {
        let size = node.drive_bytes.map_or_else(dash, |bytes| bytes.to_string());
        table.add_row([node.name.clone(), number(node.drives), size]);
    }
    format!("{table}\n")
}

/// Claims in force, as a table.
pub fn claims(claims: &[ClaimView]) -> String {
    if claims.is_empty() {
        return "no claims; make one: busbar claim power --watts 800 --for web\n".to_owned();
    }
    let mut table = table(&[
        "for",
        "watts",
        "revocable",
        "node",
        "domain",
        "priority",
        "since",
        "until",
        "id",
    ]);
    for claim in claims {
        let node = claim.node.clone().unwrap_or_else(|| "(none)".to_owned());
        table.add_row([
            claim.purpose.clone(),
            firm(claim),
            revocable(claim),
            if claim.reserved {
                format!("{node} (reserved)")
            } else {
                node
            },
            claim.domain.clone(),
            claim.priority.to_string(),
            claim.since.to_string(),
            claim.until.map_or_else(dash, |until| until.to_string()),
            claim.id.clone(),
        ]);
    }
    format!("{table}\n")
}

/// `800 W`, and what of them is not there now: cannot be served, or is lent.
fn firm(claim: &ClaimView) -> String {
    let lent = claim.lending.as_ref().map(|lending| lending.lent_watts);
    if claim.shed {
        format!("{} (not there)", claim.watts)
    } else if let Some(lent) = lent.filter(|lent| !lent.is_zero()) {
        format!("{} ({lent} lent)", claim.watts)
    } else {
        claim.watts.to_string()
    }
}

/// What it has of what it asked for: `200 W`, or `0 of 200 W`.
fn revocable(claim: &ClaimView) -> String {
    match (claim.revocable_watts.is_zero(), claim.granted_watts.is_zero()) {
        (true, _) => dash(),
        (false, true) => format!("0 of {}", claim.revocable_watts),
        (false, false) => claim.granted_watts.to_string(),
    }
}

fn runs(node: &NodeView) -> String {
    let one = |workload: &rack_api::v1::NodeWorkload| {
        let alone = if workload.exclusive { " alone" } else { "" };
        format!("{} on {}{alone}", workload.id, workload.cpus)
    };
    if node.workloads.is_empty() {
        dash()
    } else {
        node.workloads.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

fn drives(node: &NodeView) -> String {
    match (node.drives, node.drive_bytes) {
        (Some(count), Some(bytes)) if count > 0 => format!("{count} ({bytes})"),
        (count, _) => number(count),
    }
}

/// A number, or a dash where nothing is known: absent is not zero.
fn number(number: Option<u32>) -> String {
    number.map_or_else(dash, |number| number.to_string())
}

fn dash() -> String {
    "-".to_owned()
}

/// A table without lines; columns are held apart by two spaces.
pub fn table(heading: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_header(heading.iter().copied());
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
