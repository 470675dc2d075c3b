//! Service discovery for Prometheus: which agents and controllers there are, from memory.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

use super::{App, Failure};
use crate::config::RackConfig;

/// How often a BMC's page is worth a scrape, and how long a scrape may take: the page comes from memory.
const BMC_INTERVAL: &str = "30s";
const BMC_TIMEOUT: &str = "10s";
/// The scheme as Prometheus wants it.
const SCHEME: &str = "__scheme__";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleQuery {
    role: Option<String>,
}

/// One group of targets in Prometheus' HTTP service discovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(rename = "TargetGroup"))]
pub(super) struct Group {
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
}

/// The targets: the configuration knows all of them.
pub(super) struct Targets {
    agents: Vec<(String, Group)>,
    bmcs: Vec<Group>,
    rack: Group,
}

fn labels(job: &str, scheme: &str, rack: &str) -> BTreeMap<String, String> {
    [("job", job), (SCHEME, scheme), ("rack", rack)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// `scheme` and `host:port` of an address, with the scheme's usual port where it names none.
fn target(url: &str) -> Option<(String, String)> {
    let parsed: axum::http::Uri = url.parse().ok()?;
    let scheme = parsed.scheme_str()?.to_owned();
    let usual = if scheme == "https" { 443 } else { 80 };
    let host = parsed.host()?;
    let port = parsed.port_u16().unwrap_or(usual);
    Some((scheme, format!("{host}:{port}")))
}

impl Targets {
    pub(super) fn new(config: &RackConfig, url: &str) -> Targets {
        let agents = config.nodes.iter().filter_map(|node| {
            let (scheme, address) = target(node.agent.as_ref()?)?;
            let mut labels = labels("busbar-agent", &scheme, &config.name);
            labels.insert("node".to_owned(), node.name.clone());
            if let Some(unit) = node.unit {
                labels.insert("unit".to_owned(), unit.to_string());
            }
            Some((
                node.name.clone(),
                Group {
                    targets: vec![address],
                    labels,
                },
            ))
        });
        let (scheme, address) = target(url).unwrap_or_default();
        Targets {
            agents: agents.collect(),
            bmcs: bmcs(config, &scheme, &address),
            rack: Group {
                targets: vec![address],
                labels: labels("busbar-rack", &scheme, &config.name),
            },
        }
    }
}

/// One target for each BMC that is read over IPMI: this controller, asked for that BMC's page.
fn bmcs(config: &RackConfig, scheme: &str, address: &str) -> Vec<Group> {
    let ipmi = config.bmcs.iter().filter(|bmc| bmc.ipmi().is_some());
    ipmi.map(|bmc| {
        let mut labels = labels("busbar-bmc", scheme, &config.name);
        let mut add = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
        add("bmc", &bmc.name);
        // What would be the same for all of them is what Prometheus tells targets apart by.
        add("instance", &bmc.name);
        add("__param_target", &bmc.name);
        add("__metrics_path__", "/ipmi");
        add("__scrape_interval__", BMC_INTERVAL);
        add("__scrape_timeout__", BMC_TIMEOUT);
        let mut nodes = config
            .nodes
            .iter()
            .filter(|node| node.bmc.as_deref() == Some(bmc.name.as_str()));
        if let (Some(node), None) = (nodes.next(), nodes.next()) {
            add("node", &node.name);
            if let Some(unit) = node.unit {
                add("unit", &unit.to_string());
            }
        }
        Group {
            targets: vec![address.to_owned()],
            labels,
        }
    })
    .collect()
}

pub(super) async fn prometheus(
    State(app): State<App>,
    query: Result<Query<RoleQuery>, QueryRejection>,
) -> Result<Json<Vec<Group>>, Failure> {
    let Query(query) =
        query.map_err(|error| Failure::bad_request(format!("{}; expected role=ROLE", error.body_text())))?;
    let role = query.role.as_deref();
    let groups = match role {
        Some("rack") => vec![app.discovery.rack.clone()],
        // The configuration knows all of them; a BMC that does not answer is a target whose page says so.
        Some("bmc") => app.discovery.bmcs.clone(),
        // An empty or half-known list would make Prometheus drop what it has; with 503 it keeps its list.
        Some("agent") if !app.first_look.is_over() => {
            app.own.discovery("agent", None);
            return Err(Failure::busy(
                "the nodes are still being looked at for the first time",
            ));
        }
        Some("agent") => agents(&app),
        other => {
            return Err(Failure::bad_request(format!(
                "there is no role {:?}; expected role=agent, role=bmc or role=rack",
                other.unwrap_or_default()
            )));
        }
    };
    app.own.discovery(role.unwrap_or_default(), Some(groups.len()));
    Ok(Json(groups))
}

fn agents(app: &App) -> Vec<Group> {
    let shown = app.desk.shown();
    let state = |name: &str| {
        let node = shown.rack.nodes.iter().find(|node| node.name == name);
        node.map_or_else(String::new, |node| node.state.clone())
    };
    app.discovery
        .agents
        .iter()
        .map(|(name, group)| {
            let mut group = group.clone();
            group.labels.insert("__meta_busbar_state".to_owned(), state(name));
            group
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_without_a_scheme() {
        let pair = |scheme: &str, address: &str| Some((scheme.to_owned(), address.to_owned()));
        assert_eq!(target("http://127.0.0.1:9711"), pair("http", "127.0.0.1:9711"));
        assert_eq!(target("https://n01"), pair("https", "n01:443"));
        assert_eq!(
            target("https://[2001:db8::1]:9711/"),
            pair("https", "[2001:db8::1]:9711")
        );
        assert_eq!(target("n01:9711"), None);
    }
}
