//! Strangers that are fetched and unpacked below the build outputs: Prometheus, Alertmanager, node_exporter.

use std::path::PathBuf;

use super::can_fetch;
use crate::fetch;
use crate::place::{Place, on_path};
use crate::progress::{Screen, Verdict};

/// A program that is fetched and unpacked below the build outputs: installed, Debian's package would start a service.
struct Tool {
    package: &'static str,
    /// Its own binary below the folder that it is unpacked to.
    binary: &'static str,
    /// What it is called on a path.
    names: &'static [&'static str],
}

/// What discovers and scrapes both daemons.
const PROMETHEUS: Tool = Tool {
    package: "prometheus",
    binary: "usr/bin/prometheus",
    names: &["prometheus"],
};

/// What holds alerts back.
const ALERTMANAGER: Tool = Tool {
    package: "prometheus-alertmanager",
    binary: "usr/bin/prometheus-alertmanager",
    names: &["prometheus-alertmanager", "alertmanager"],
};

/// What the agent is compared with.
const NODE_EXPORTER: Tool = Tool {
    package: "prometheus-node-exporter",
    binary: "usr/bin/prometheus-node-exporter",
    names: &["prometheus-node-exporter", "node_exporter"],
};

/// Fetches Prometheus where it is neither here nor on the path. Answers why there is none.
pub fn prometheus(place: &Place, screen: &Screen, fetch: bool) -> Result<PathBuf, String> {
    let found = fetched(place, screen, fetch, &PROMETHEUS);
    if let Err(why) = &found {
        screen
            .begin(PROMETHEUS.package, None)
            .end(Verdict::Skip, &format!("{why}; the rack comes up without it"));
    }
    found
}

/// Fetches Alertmanager where it is neither here nor on the path. Answers why there is none.
pub fn alertmanager(place: &Place, screen: &Screen, fetch: bool) -> Result<PathBuf, String> {
    fetched(place, screen, fetch, &ALERTMANAGER)
}

/// Fetches node_exporter where it is neither here nor on the path. Answers why there is none.
pub fn node_exporter(place: &Place, screen: &Screen, fetch: bool) -> Result<PathBuf, String> {
    fetched(place, screen, fetch, &NODE_EXPORTER)
}

fn fetched(place: &Place, screen: &Screen, fetch: bool, tool: &Tool) -> Result<PathBuf, String> {
    let folder = place.tools().join(tool.package);
    let binary = folder.join(tool.binary);
    if binary.is_file() {
        return Ok(binary);
    }
    if let Some(found) = tool.names.iter().find_map(|name| on_path(name)) {
        return Ok(found);
    }
    if !fetch {
        return Err("--no-install: not fetched".to_owned());
    }
    if !can_fetch() {
        let name = tool.package;
        return Err(format!(
            "no {name} on the path, and it can only be fetched on Debian and Ubuntu"
        ));
    }
    fetch::unpack(place, screen, tool.package, &folder)?;
    if binary.is_file() {
        Ok(binary)
    } else {
        Err(format!("the package holds no {}", tool.binary))
    }
}
