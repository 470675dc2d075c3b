//! Names that refer to something: what is named exists, and what is not named has its default.

use facts::Power;

use super::access::check_access;
use super::cross::Parts;
use super::section::{Errors, Placed};
use super::sections::{RawBay, RawBmc, RawDomain, RawNode};
use super::{BayConfig, BmcConfig, DomainConfig, DomainSource, NodeConfig, Redundancy};

/// A BMC as configured.
pub(super) fn named_bmc(raw: RawBmc) -> Option<BmcConfig> {
    Some(BmcConfig {
        name: raw.name,
        url: raw.url?.value,
        credentials_file: raw.credentials_file,
        trust: raw.trust,
        poll_interval: raw.poll_interval,
        reconcile_interval: raw.reconcile_interval,
    })
}

/// First and last part of a place.
pub(super) fn split(place: &str) -> Option<(&str, &str)> {
    let (first, _) = place.split_once('/')?;
    let (_, last) = place.rsplit_once('/')?;
    (!first.is_empty() && !last.is_empty()).then_some((first, last))
}

/// Every name that something may refer to.
pub(super) struct Names {
    feeds: Vec<String>,
    bmcs: Vec<String>,
    /// Name, whether it has bays, policy, its BMC.
    domains: Vec<(String, bool, Redundancy, Option<String>)>,
}

impl Names {
    pub fn of(parts: &Parts) -> Names {
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

    pub fn domain(&self, errors: &Errors<'_>, raw: Placed<RawDomain>) -> Option<DomainConfig> {
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
            detect_within: raw.detect_within,
            accept_silence: raw.accept_silence,
            preempt: raw.preempt,
            lend: raw.lend,
        })
    }

    pub fn bay(&self, errors: &Errors<'_>, raw: Placed<RawBay>) -> Option<BayConfig> {
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

    pub fn node(&self, errors: &Errors<'_>, raw: Placed<RawNode>) -> Option<(NodeConfig, Option<BmcConfig>)> {
        let raw = raw.value;
        Names::refer(errors, "domain", &raw.domain, &self.domain_names());
        let (bmc, own) = match raw.bmc {
            Some(address) if address.value.contains("://") => {
                check_access(errors, &address, "bmc in [[node]]", &raw.access);
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
        if let Some(rest) = &raw.rest {
            check_rest(errors, rest, raw.agent.is_some(), raw.floor);
        }
        raw.power_off.check(errors, &raw.name, bmc.is_some());
        let node = NodeConfig {
            role: raw.power_off.role,
            allow_power_off: raw.power_off.allowed.is_some(),
            shutdown_grace: raw.power_off.grace,
            uuid: raw.power_off.uuid,
            name: raw.name,
            unit: raw.unit,
            domain: raw.domain.value,
            bmc,
            agent: raw.agent.map(|agent| agent.value),
            agent_token_file: raw.agent_token_file,
            agent_ca_file: raw.agent_ca_file,
            max_draw: raw.max_draw,
            floor: raw.floor,
            rest: raw.rest.map(|rest| rest.value),
        };
        Some((node, own))
    }
}

/// A node whose agent caps it: what its caps do not cover must leave something of the floor.
fn check_rest(errors: &Errors<'_>, rest: &Placed<Power>, has_agent: bool, floor: Power) {
    if !has_agent {
        let message = "rest_watts in [[node]] without an agent; expected agent = \"https://…\" too, because its agent holds the caps";
        errors.at_line(rest.line, message.to_owned());
    }
    if rest.value >= floor {
        let message = format!(
            "rest_watts in [[node]]: found {}; expected less than floor_watts ({floor}), of which CPU packages and GPUs get what is left",
            rest.value
        );
        errors.at_line(rest.line, message);
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
