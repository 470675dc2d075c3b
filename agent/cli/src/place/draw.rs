//! Previews as text.

use std::fmt::Write;

use agent_api::v1::{Ask, BatchAnswer, BatchOffer, Defrag, Offer, TopologyRule, Unplaced};

/// A name is padded to this, so that places stand below each other.
const NAME: usize = 16;

/// Who goes where and why, and who does not fit.
pub fn batch(offer: &BatchOffer) -> String {
    let all = offer.answers.len();
    let mut text = format!(
        "{} of {all} fit together (a preview against generation {}; nothing is held)\n",
        offer.placed, offer.generation.0
    );
    for BatchAnswer { name, offer, refused } in &offer.answers {
        // A name is no text of its own: padding takes one.
        let name = name.as_str();
        match (offer, refused) {
            (Some(offer), _) => {
                let _ = writeln!(text, "{name:<NAME$} {}", place(offer));
                for reason in &offer.because {
                    let _ = writeln!(text, "{:<NAME$}   {reason}", "");
                }
            }
            (None, Some(Unplaced { why, would_fit, .. })) => {
                let _ = writeln!(text, "{name:<NAME$} does not fit: {why}");
                for way in would_fit {
                    let _ = writeln!(text, "{:<NAME$}   it would fit: {way}", "");
                }
            }
            (None, None) => {}
        }
    }
    text
}

/// `CPUs 4-7, NUMA node 0, 32 GiB, 2 GPUs, 600 W`.
fn place(offer: &Offer) -> String {
    let mut parts = vec![
        format!("CPUs {}", offer.cpus),
        format!("memory of NUMA nodes {}", offer.numa_nodes),
    ];
    for share in &offer.memory {
        parts.push(format!("{} of NUMA node {}", share.bytes, share.numa_node));
    }
    for share in &offer.hugepages {
        parts.push(format!("{} in pages of {}", share.bytes, share.page_bytes));
    }
    for gpu in &offer.gpus {
        parts.push(format!("GPU {}", gpu.index));
    }
    parts.extend(offer.watts.map(|watts| watts.to_string()));
    parts.join(", ")
}

/// Which moves would make room, and what they cost.
pub fn defrag(found: &Defrag) -> String {
    let mut text = String::new();
    if let Some(now) = found.largest_now {
        let _ = writeln!(text, "now: {now} exclusive CPUs fit together on one NUMA node");
    }
    match &found.ask {
        Some(ask) => {
            let _ = writeln!(text, "{}: {}", wanted(ask), found.why);
        }
        None => {
            let _ = writeln!(text, "{}", found.why);
        }
    }
    for one in &found.moves {
        let memory = if one.memory_bytes.get() == 0 {
            String::new()
        } else {
            format!(
                ", {} of memory go to NUMA node {}, at most {}.{} s",
                one.memory_bytes,
                one.numa_nodes,
                one.milliseconds / 1_000,
                one.milliseconds % 1_000 / 100
            )
        };
        let _ = writeln!(
            text,
            "  move {} from CPUs {} to {} ({} of its CPUs change{memory})",
            one.workload, one.from, one.to, one.cpus_changed
        );
    }
    if let Some(offer) = &found.offer {
        let when = if found.moves.is_empty() {
            "it gets"
        } else {
            "then it gets"
        };
        let _ = writeln!(text, "  {when} {}", place(offer));
    }
    for one in &found.stays {
        let _ = writeln!(text, "  {} stays: {}", one.workload, one.why);
    }
    if !found.moves.is_empty() {
        let _ = writeln!(text, "a proposal: nothing was moved");
    }
    text
}

fn wanted(ask: &Ask) -> String {
    let kind = if ask.exclusive { " exclusive" } else { "" };
    let plural = if ask.cpus == 1 { "" } else { "s" };
    let rule = match ask.topology {
        TopologyRule::BestEffort => "",
        TopologyRule::Restricted => ", restricted",
        TopologyRule::SingleNumaNode => " on one NUMA node",
    };
    format!("{}{kind} CPU{plural}{rule}", ask.cpus)
}
