//! What the tables say of each other: names are unique, what is named exists, what is nested has an end.

use std::collections::BTreeMap;
use std::path::Path;

use super::section::{Errors, Placed};
use super::sections::{RawBay, RawBmc, RawDomain, RawNode, Whole};
use super::{
    BayConfig, BmcConfig, DomainConfig, DomainSource, FeedConfig, NodeConfig, RackConfig, Redundancy, fit,
    listen, words,
};

/// Every repeated table, as far as it could be read.
pub(super) struct Parts {
    pub feeds: Vec<Placed<FeedConfig>>,
    pub domains: Vec<Placed<RawDomain>>,
    pub bmcs: Vec<Placed<RawBmc>>,
    pub bays: Vec<Placed<RawBay>>,
    pub nodes: Vec<Placed<RawNode>>,
}

pub(super) fn put_together(
    errors: &Errors<'_>,
    whole: Whole,
    parts: Parts,
    file: &Path,
) -> Option<RackConfig> {
    check_names(errors, &parts);
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
    if let Err(wrong) = listen::check(
        whole.listen.value,
        whole.tls.is_some(),
        whole.token_file.is_some(),
    ) {
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
        simulated: whole.simulated,
        tls: whole.tls,
        token_file: whole.token_file,
        feeds: parts.feeds.into_iter().map(|feed| feed.value).collect(),
        domains,
        bmcs,
        bays,
        nodes,
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

fn named_bmc(raw: RawBmc) -> Option<BmcConfig> {
    Some(BmcConfig {
        name: raw.name,
        url: raw.url?.value,
        credentials_file: raw.credentials_file,
        trust: raw.trust,
        poll_interval: raw.poll_interval,
    })
}

/// Two of one name.
fn check_names(errors: &Errors<'_>, parts: &Parts) {
    fn twice<'a>(errors: &Errors<'_>, what: &str, names: impl Iterator<Item = (&'a str, usize)>) {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, line) in names {
            if let Some(before) = first.get(name) {
                let message =
                    format!("{what} \"{name}\" stands twice, first in line {before}; expected another");
                errors.at_line(line, message);
            } else {
                first.insert(name, line);
            }
        }
    }
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

/// First and last part of a place.
fn split(place: &str) -> Option<(&str, &str)> {
    let (first, _) = place.split_once('/')?;
    let (_, last) = place.rsplit_once('/')?;
    (!first.is_empty() && !last.is_empty()).then_some((first, last))
}

/// Every name that something may refer to.
struct Names {
    feeds: Vec<String>,
    bmcs: Vec<String>,
    /// Name, whether it has bays, policy, its BMC.
    domains: Vec<(String, bool, Redundancy, Option<String>)>,
}

impl Names {
    fn of(parts: &Parts) -> Names {
        Names {
            feeds: parts.feeds.iter().map(|feed| feed.value.name.clone()).collect(),
            bmcs: parts.bmcs.iter().map(|bmc| bmc.value.name.clone()).collect(),
            domains: parts
                .domains
                .iter()
                .map(|domain| {
                    let has_bays = matches!(domain.value.source.value.as_str(), "shelf" | "chassis");
                    let bmc = domain.value.bmc.as_ref().map(|bmc| bmc.value.clone());
                    (
                        domain.value.name.clone(),
                        has_bays,
                        domain.value.redundancy.value,
                        bmc,
                    )
                })
                .collect(),
        }
    }

    fn refer(errors: &Errors<'_>, what: &str, name: &Placed<String>, known: &[&str]) -> bool {
        let there = known.contains(&name.value.as_str());
        if !there {
            let expected = if known.is_empty() {
                "there is none".to_owned()
            } else {
                format!("expected one of: {}", known.join(", "))
            };
            errors.at_line(
                name.line,
                format!("unknown {what} \"{}\"; {expected}", name.value),
            );
        }
        there
    }

    fn known(names: &[String]) -> Vec<&str> {
        names.iter().map(String::as_str).collect()
    }

    fn domain_names(&self) -> Vec<&str> {
        self.domains.iter().map(|(name, ..)| name.as_str()).collect()
    }

    fn domain(&self, errors: &Errors<'_>, raw: Placed<RawDomain>) -> Option<DomainConfig> {
        let (line, raw) = (raw.line, raw.value);
        for above in &raw.within {
            Names::refer(errors, "domain", above, &self.domain_names());
        }
        let source = match raw.source.value.as_str() {
            "shelf" => DomainSource::Shelf,
            "chassis" => DomainSource::Chassis,
            "feed" => {
                let feed = raw.feed.clone().unwrap_or(Placed {
                    line,
                    value: raw.name.clone(),
                });
                Names::refer(errors, "feed", &feed, &Names::known(&self.feeds));
                DomainSource::Feed(feed.value)
            }
            "budget" => match raw.budget {
                Some(watts) => DomainSource::Budget(watts),
                None => {
                    let message = "[[domain]] with source \"budget\" has no budget_watts; expected its watts, as in 20000";
                    errors.at_line(line, message.to_owned());
                    return None;
                }
            },
            other => {
                let message = format!(
                    "source in [[domain]]: found \"{other}\"; expected \"shelf\", \"chassis\", \"feed\" or \"budget\""
                );
                errors.at_line(raw.source.line, message);
                return None;
            }
        };
        out_of_place(errors, line, &raw, &source);
        let bmc = source
            .has_bays()
            .then(|| {
                raw.bmc.clone().unwrap_or(Placed {
                    line,
                    value: raw.name.clone(),
                })
            })
            .filter(|bmc| Names::refer(errors, "BMC", bmc, &Names::known(&self.bmcs)));
        Some(DomainConfig {
            name: raw.name,
            source,
            redundancy: raw.redundancy.value,
            margin_ppm: raw.margin_ppm,
            fixed_load: raw.fixed_load,
            bmc: bmc.map(|bmc| bmc.value),
            within: raw.within.into_iter().map(|above| above.value).collect(),
            settle: raw.settle,
            probation: raw.probation,
            sell_revocable: raw.sell_revocable,
            overload_factor_ppm: raw.overload_factor_ppm,
            overload_for: raw.overload_for,
        })
    }

    fn bay(&self, errors: &Errors<'_>, raw: Placed<RawBay>) -> Option<BayConfig> {
        let (line, raw) = (raw.line, raw.value);
        let Some((first, last)) = split(&raw.place.value) else {
            let message = format!(
                "place in [[bay]]: found \"{}\"; expected DOMAIN/BAY, as in \"shelf/psu-3\"",
                raw.place.value
            );
            errors.at_line(raw.place.line, message);
            return None;
        };
        let domain = raw.domain.clone().unwrap_or(Placed {
            line: raw.place.line,
            value: first.to_owned(),
        });
        if !Names::refer(errors, "domain", &domain, &self.domain_names()) {
            return None;
        }
        let (_, has_bays, policy, domain_bmc) =
            self.domains.iter().find(|(name, ..)| *name == domain.value)?;
        if !has_bays {
            let message = format!(
                "domain \"{}\" has no bays; expected one with source \"shelf\" or \"chassis\"",
                domain.value
            );
            errors.at_line(domain.line, message);
        }
        if let Some(feed) = &raw.feed {
            Names::refer(errors, "feed", feed, &Names::known(&self.feeds));
        } else if *policy == Redundancy::Feeds {
            let message = format!(
                "bay \"{}\" has no feed; expected one, because its domain is n+n",
                raw.place.value
            );
            errors.at_line(line, message);
        }
        let bmc = match &raw.bmc {
            Some(bmc) => {
                Names::refer(errors, "BMC", bmc, &Names::known(&self.bmcs));
                bmc.value.clone()
            }
            None => domain_bmc.clone().unwrap_or_else(|| domain.value.clone()),
        };
        Some(BayConfig {
            label: raw.label.map_or_else(|| last.to_owned(), |label| label.value),
            feed: raw.feed.map(|feed| feed.value),
            domain: domain.value,
            bmc,
            supply: raw.supply.unwrap_or_else(|| last.to_owned()),
            rated: raw.rated,
            place: raw.place.value.clone(),
        })
    }

    fn node(&self, errors: &Errors<'_>, raw: Placed<RawNode>) -> Option<(NodeConfig, Option<BmcConfig>)> {
        let raw = raw.value;
        Names::refer(errors, "domain", &raw.domain, &self.domain_names());
        let (bmc, own) = match raw.bmc {
            Some(address) if address.value.contains("://") => {
                if let Some(wrong) = words::wrong_url(&address.value) {
                    errors.at_line(address.line, format!("bmc in [[node]]: {wrong}"));
                }
                if self.bmcs.contains(&raw.name) {
                    let message = format!(
                        "a [[bmc]] is named \"{}\" as this node is; expected bmc = \"{}\", or another name for one of them",
                        raw.name, raw.name
                    );
                    errors.at_line(address.line, message);
                }
                let own = RawBmc {
                    name: raw.name.clone(),
                    url: Some(address),
                    ..raw.access
                };
                (Some(raw.name.clone()), named_bmc(own))
            }
            Some(name) => {
                Names::refer(errors, "BMC", &name, &Names::known(&self.bmcs));
                (Some(name.value), None)
            }
            None => (None, None),
        };
        let node = NodeConfig {
            name: raw.name,
            unit: raw.unit,
            domain: raw.domain.value,
            bmc,
            agent: raw.agent.map(|agent| agent.value),
            agent_token_file: raw.agent_token_file,
            agent_ca_file: raw.agent_ca_file,
            max_draw: raw.max_draw,
            floor: raw.floor,
        };
        Some((node, own))
    }
}

/// Keys that mean nothing for this source.
fn out_of_place(errors: &Errors<'_>, line: usize, raw: &RawDomain, source: &DomainSource) {
    let wrong = |key: &str, belongs: &str| {
        let message = format!(
            "{key} in [[domain]] \"{}\" with source \"{}\"; expected it only with source {belongs}",
            raw.name,
            source.word()
        );
        errors.at_line(line, message);
    };
    if raw.budget.is_some() && !matches!(source, DomainSource::Budget(_)) {
        wrong("budget_watts", "\"budget\"");
    }
    if raw.feed.is_some() && !matches!(source, DomainSource::Feed(_)) {
        wrong("feed", "\"feed\"");
    }
    if raw.bmc.is_some() && !source.has_bays() {
        wrong("bmc", "\"shelf\" or \"chassis\"");
    }
    if raw.redundancy.value != Redundancy::N && !source.has_bays() {
        wrong("a redundancy other than \"n\"", "\"shelf\" or \"chassis\"");
    }
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
