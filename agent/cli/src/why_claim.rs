//! `busbar why CLAIM`: what a claim holds, what of it it has, and what became of one that is gone.

use rack_api::v1::{ClaimView, DomainView, PreemptedView, RackView};

fn domain_of<'a>(view: &'a RackView, name: &str) -> Option<&'a DomainView> {
    view.domains.iter().find(|domain| domain.name == name)
}

/// Why a claim is as it is, a line a reason.
pub fn lines(view: &RackView, claim: &ClaimView) -> Vec<String> {
    let mut lines = vec![format!(
        "{} holds {} since {}, priority {} (1 is kept longest)",
        claim.purpose,
        crate::power::watts_of(claim),
        claim.since,
        claim.priority
    )];
    lines.push(match &claim.node {
        Some(node) if claim.reserved => {
            format!("node {node} may draw them when it is applied; it is only reserved")
        }
        Some(node) => format!("node {node} may draw them"),
        None => "no node may draw them yet: it is a reservation and grants no cap".to_owned(),
    });
    if let Some(domain) = domain_of(view, &claim.domain) {
        lines.push(format!(
            "domain {} is {}: {} installed, {} survive the worst loss that {} covers, {} of {} firm are held",
            domain.name,
            domain.state.word(),
            domain.installed_watts.to_kilowatt_text(),
            domain.surviving_watts.to_kilowatt_text(),
            domain.redundancy,
            domain.held_watts.to_kilowatt_text(),
            domain.firm_watts.to_kilowatt_text(),
        ));
        if !claim.revocable_watts.is_zero() {
            lines.push(revocable(claim, domain, view));
        }
    }
    lines.extend(short(claim));
    lines.extend(back(view, claim));
    if claim.lendable {
        lines.push(lent(claim));
    }
    for taken in &claim.took {
        lines.push(format!(
            "it took the watts of \"{}\" ({}, {}, priority {}), which ended by that",
            taken.purpose, taken.id, taken.watts, taken.priority
        ));
    }
    if let Some(until) = claim.until {
        lines.push(format!(
            "it ends at {until} unless it is {}",
            if claim.reserved { "applied" } else { "renewed" }
        ));
    }
    lines
}

/// Whether it has its revocable watts, and why not.
fn revocable(claim: &ClaimView, domain: &DomainView, view: &RackView) -> String {
    if !claim.granted_watts.is_zero() {
        return format!(
            "it has its {} revocable; they are taken back when {} loses a supply",
            claim.granted_watts, domain.name
        );
    }
    let node = claim
        .node
        .as_ref()
        .and_then(|name| view.nodes.iter().find(|node| node.name == *name));
    let unproven = node
        .and_then(|node| node.lease.as_ref())
        .is_some_and(|lease| lease.proven_watts.is_none());
    let why = match &domain.revocable_reason {
        Some(reason) => reason.clone(),
        None if claim.reserved => "it is only reserved".to_owned(),
        None if unproven => format!(
            "no drill has shown that the cap of its node bites: busbar calibrate {}",
            claim.node.as_deref().unwrap_or_default()
        ),
        None => match domain.total_watts {
            Some(total) => format!(
                "firm and revocable watts together are {} at most, and claims of a better rank have them",
                total.to_kilowatt_text()
            ),
            None => "nothing revocable is left".to_owned(),
        },
    };
    format!("it has none of its {} revocable: {why}", claim.revocable_watts)
}

/// Where its firm watts are not there now.
fn short(claim: &ClaimView) -> Option<String> {
    claim.shed.then(|| match &claim.node {
        Some(node) if !claim.reserved => format!(
            "its firm watts cannot be served now: {} is short, and claims of a better rank come first; {node} keeps its floor",
            claim.domain
        ),
        Some(_) | None => format!(
            "its watts are not there now: {} is short, and claims that draw come first; nobody is lowered for one that grants no cap",
            claim.domain
        ),
    })
}

/// What would give it its watts again: they are missing, or its node is off.
fn back(view: &RackView, claim: &ClaimView) -> Vec<String> {
    let mut lines = Vec::new();
    let domain = domain_of(view, &claim.domain).filter(|_| claim.shed);
    if let Some(domain) = domain {
        let missing = match domain.deficit_watts.is_zero() {
            // The tightest of nested domains is another one.
            true => "enough is installed in every domain that feeds it".to_owned(),
            false => format!("{} more are in service there", domain.deficit_watts),
        };
        lines.push(format!(
            "it is served again by itself when {missing}, or when claims of a better rank are released"
        ));
    }
    let node = claim.node.as_ref();
    let node = node.and_then(|name| view.nodes.iter().find(|node| node.name == *name));
    if let Some((node, why)) = node.and_then(|node| Some((node, node.reason.as_ref()?))) {
        lines.push(format!("its node {}: {why}", node.name));
    }
    lines
}

/// What of it is lent, what that goes by, and how long taking back needs.
fn lent(claim: &ClaimView) -> String {
    let Some(lending) = &claim.lending else {
        return "what its node leaves unused may be lent, but nobody tells what that node draws".to_owned();
    };
    let peak = match lending.peak_watts {
        Some(peak) => format!("{peak} at the most within {} s", lending.window_seconds),
        None => format!("was not watched for {} s yet", lending.window_seconds),
    };
    let back = match lending.take_back_millis {
        Some(millis) => format!("taking back needs up to {millis} ms"),
        None => "nobody knows yet how long taking back needs: no agent was timed".to_owned(),
    };
    let how = match (&lending.recalled_at, &lending.reason) {
        (Some(at), _) => {
            format!("what it lent is being taken back since {at}: who has it is lowered and read back first")
        }
        (None, Some(reason)) => format!("it lends nothing now: {reason}"),
        (None, None) => format!("it lends {}", lending.lent_watts),
    };
    let (drawn, at) = (lending.drawn_watts, lending.drawn_at);
    format!("{how}; its node drew {drawn} at {at}, {peak}; {back}")
}

/// What became of a claim whose watts another one took.
pub fn lost_line(lost: &PreemptedView) -> String {
    let claim = &lost.claim;
    format!(
        "{} ({}, {}, priority {}) ended at {}: \"{}\" ({}, priority {}) took its watts{}",
        claim.purpose,
        claim.id,
        claim.watts,
        claim.priority,
        lost.at,
        lost.by_for,
        lost.by,
        lost.by_priority,
        crate::doubts::by(lost.asked.as_ref())
    )
}
