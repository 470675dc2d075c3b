//! What the tables say of each other: names are unique, what is named exists, what is nested has an end.

use std::collections::BTreeMap;
use std::path::Path;

use super::enclosure::{self, RawEnclosure};
use super::refer::{Names, named_bmc, split};
use super::section::{Errors, Placed};
use super::sections::{RawBay, RawBmc, RawDomain, RawNode, Whole};
use super::{
    BayConfig, BmcConfig, DomainConfig, FeedConfig, NodeConfig, RackConfig, TenantConfig, fit, listen,
};

/// Every repeated table, as far as it could be read.
pub(super) struct Parts {
    pub feeds: Vec<Placed<FeedConfig>>,
    pub domains: Vec<Placed<RawDomain>>,
    pub bmcs: Vec<Placed<RawBmc>>,
    pub bays: Vec<Placed<RawBay>>,
    pub nodes: Vec<Placed<RawNode>>,
    pub tenants: Vec<Placed<TenantConfig>>,
    pub enclosures: Vec<Placed<RawEnclosure>>,
}

pub(super) fn put_together(
    errors: &Errors<'_>,
    whole: Whole,
    parts: Parts,
    file: &Path,
) -> Option<RackConfig> {
    check_names(errors, &parts);
    check_enclosures(errors, &parts);
    let names = Names::of(&parts);
    let nodes: Vec<(NodeConfig, Option<BmcConfig>)> = parts
        .nodes
        .into_iter()
        .filter_map(|node| names.node(errors, node))
        .collect();
    let lines: BTreeMap<String, usize> = parts
        .domains
        .iter()
        .map(|domain| (domain.value.name.clone(), domain.line))
        .collect();
    let bays: Vec<BayConfig> = parts
        .bays
        .into_iter()
        .filter_map(|bay| names.bay(errors, bay))
        .collect();
    let domains: Vec<DomainConfig> = parts
        .domains
        .into_iter()
        .filter_map(|domain| names.domain(errors, domain))
        .collect();
    check_whole(errors, &whole, &nodes);
    let mut bmcs: Vec<BmcConfig> = parts
        .bmcs
        .into_iter()
        .filter_map(|bmc| named_bmc(bmc.value))
        .collect();
    let (nodes, own): (Vec<NodeConfig>, Vec<Option<BmcConfig>>) = nodes.into_iter().unzip();
    bmcs.extend(own.into_iter().flatten());
    let config = RackConfig {
        name: whole.name,
        file: file.to_owned(),
        actuators: whole.actuators,
        listen_address: whole.listen.value,
        controller_host: whole.controller_host.map(|host| host.value),
        state_dir: whole.state_dir,
        keep_events: whole.keep_events,
        simulated: whole.simulated,
        tls: whole.tls,
        token_file: whole.token_file,
        feeds: parts.feeds.into_iter().map(|feed| feed.value).collect(),
        domains,
        bmcs,
        bays,
        nodes,
        tenants: parts.tenants.into_iter().map(|tenant| tenant.value).collect(),
        enclosures: enclosure::configs(parts.enclosures),
    };
    for domain in &config.domains {
        let line = lines.get(&domain.name).copied().unwrap_or(1);
        if let Some(wrong) = circle(&config, domain) {
            errors.at_line(line, wrong);
        } else if let Some(sum) = fit::refusal_to_enforce(&config, domain)
            && fit::would_enforce(&config)
        {
            errors.at_line(line, sum);
        }
    }
    Some(config)
}

fn check_enclosures(errors: &Errors<'_>, parts: &Parts) {
    let named = parts.enclosures.iter();
    let named = named.map(|enclosure| (enclosure.value.config.name.as_str(), enclosure.line));
    twice(errors, "enclosure", named);
    let agents = parts.nodes.iter().map(|node| {
        let node = &node.value;
        (node.name.clone(), node.agent.is_some())
    });
    let domains: Vec<String> = parts
        .domains
        .iter()
        .map(|domain| domain.value.name.clone())
        .collect();
    let bmcs = parts.bmcs.iter().map(|bmc| {
        let url = bmc.value.url.as_ref();
        let is_redfish = url.is_some_and(|url| !url.value.starts_with(super::IPMI));
        (bmc.value.name.clone(), is_redfish)
    });
    enclosure::check(
        errors,
        &parts.enclosures,
        &agents.collect(),
        &bmcs.collect(),
        &domains,
    );
}

fn check_whole(errors: &Errors<'_>, whole: &Whole, nodes: &[(NodeConfig, Option<BmcConfig>)]) {
    let checked = listen::check(
        whole.listen.value,
        whole.tls.is_some(),
        whole.token_file.is_some(),
    );
    if let Err(wrong) = checked {
        errors.at_line(whole.listen.line, format!("listen_address in [rack]: {wrong}"));
    }
    if let Some(host) = &whole.controller_host
        && !nodes.iter().any(|(node, _)| node.name == host.value)
    {
        let message = format!(
            "controller_host in [rack]: there is no [[node]] \"{}\"; expected the node that this controller runs on",
            host.value
        );
        errors.at_line(host.line, message);
    }
    if let Some(host) = &whole.controller_host
        && nodes
            .iter()
            .any(|(node, _)| node.name == host.value && node.allow_power_off)
    {
        let message = format!(
            "controller_host in [rack]: [[node]] \"{}\" has allow_power_off; expected false, because this controller runs there",
            host.value
        );
        errors.at_line(host.line, message);
    }
}

/// Says where a name stands for the second time.
fn twice<'a>(errors: &Errors<'_>, what: &str, names: impl Iterator<Item = (&'a str, usize)>) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, line) in names {
        if let Some(before) = first.get(name) {
            let message = format!("{what} \"{name}\" stands twice, first in line {before}; expected another");
            errors.at_line(line, message);
        } else {
            first.insert(name, line);
        }
    }
}

/// Two of one name.
fn check_names(errors: &Errors<'_>, parts: &Parts) {
    twice(
        errors,
        "feed",
        parts
            .feeds
            .iter()
            .map(|feed| (feed.value.name.as_str(), feed.line)),
    );
    twice(
        errors,
        "domain",
        parts
            .domains
            .iter()
            .map(|domain| (domain.value.name.as_str(), domain.line)),
    );
    twice(
        errors,
        "BMC",
        parts.bmcs.iter().map(|bmc| (bmc.value.name.as_str(), bmc.line)),
    );
    twice(
        errors,
        "node",
        parts
            .nodes
            .iter()
            .map(|node| (node.value.name.as_str(), node.line)),
    );
    twice(
        errors,
        "tenant",
        parts
            .tenants
            .iter()
            .map(|tenant| (tenant.value.name.as_str(), tenant.line)),
    );
    check_bay_names(errors, parts);
}

fn check_bay_names(errors: &Errors<'_>, parts: &Parts) {
    let places = parts
        .bays
        .iter()
        .map(|bay| (bay.value.place.value.as_str(), bay.value.place.line));
    twice(errors, "bay place", places);
    let labels: Vec<(String, usize)> = parts
        .bays
        .iter()
        .filter_map(|bay| {
            let label = bay.value.label.as_ref()?;
            let (domain, _) = split(&bay.value.place.value)?;
            Some((format!("{domain}: {}", label.value), label.line))
        })
        .collect();
    twice(
        errors,
        "bay label",
        labels.iter().map(|(label, line)| (label.as_str(), *line)),
    );
    let supplies: Vec<(String, usize)> = parts
        .bays
        .iter()
        .filter_map(|bay| {
            let (first, last) = split(&bay.value.place.value)?;
            let bmc = bay.value.bmc.as_ref().map_or(first, |bmc| bmc.value.as_str());
            let supply = bay.value.supply.as_deref().unwrap_or(last);
            Some((format!("{supply} of {bmc}"), bay.line))
        })
        .collect();
    let mut places_seen = std::collections::BTreeSet::new();
    let others = supplies
        .iter()
        .zip(&parts.bays)
        .filter(|(_, bay)| places_seen.insert(bay.value.place.value.clone()));
    twice(
        errors,
        "supply",
        others.map(|((name, line), _)| (name.as_str(), *line)),
    );
}

/// A domain that is fed from itself, over others.
fn circle(config: &RackConfig, domain: &DomainConfig) -> Option<String> {
    let mut above: Vec<&str> = domain.within.iter().map(String::as_str).collect();
    for _ in 0..=config.domains.len() {
        if above.contains(&domain.name.as_str()) {
            return Some(format!(
                "domain \"{}\" is within itself; expected domains that are fed from others, without a circle",
                domain.name
            ));
        }
        above = above
            .iter()
            .filter_map(|name| config.domain(name))
            .flat_map(|domain| domain.within.iter().map(String::as_str))
            .collect::<std::collections::BTreeSet<&str>>()
            .into_iter()
            .collect();
    }
    None
}
