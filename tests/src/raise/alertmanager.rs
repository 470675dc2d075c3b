//! A real Alertmanager: Debian's binary, unpacked below the build outputs. It sends nothing to anybody.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::daemon::{Daemon, Group};
use super::prometheus::{free_port, on_path_or};
use crate::{http, wait};

/// Where `cargo verify` unpacks Debian's package, below the build outputs.
const FETCHED: &str = "tools/prometheus-alertmanager/usr/bin";
/// Its name in Debian, and its own.
const NAMES: [&str; 2] = ["prometheus-alertmanager", "alertmanager"];
/// Where its templates stand below `share`.
const TEMPLATES: &str = "prometheus/alertmanager";
/// An alert that was taken is judged within moments; a loaded machine needs longer.
const SETTLED: Duration = Duration::from_secs(20);

/// A running Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    daemon: Daemon,
}

/// The binary: unpacked below the build outputs, or on the path.
pub fn find(target: &Path) -> Option<PathBuf> {
    let folder = target.join(FETCHED);
    NAMES.iter().find_map(|name| on_path_or(&folder, name))
}

/// Debian's binary reads its templates at a fixed place. Where the package is only unpacked, that place is made in a mount namespace of
/// its own.
fn started_with_its_templates(program: &Path) -> Command {
    let share = program.ancestors().nth(2).map(|usr| usr.join("share"));
    let unpacked = share.filter(|share| share.join(TEMPLATES).is_dir());
    match unpacked.filter(|_| !Path::new("/usr/share").join(TEMPLATES).is_dir()) {
        None => Command::new(program),
        Some(share) => {
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "--map-root-user", "sh", "-c"])
                .arg("mount --bind \"$0\" /usr/share && exec \"$@\"")
                .arg(share)
                .arg(program);
            command
        }
    }
}

impl Alertmanager {
    /// Starts it with these inhibitions on a free port of loopback, and without a cluster.
    ///
    /// # Errors
    /// It does not take the configuration, or does not come up.
    pub fn start(program: &Path, folder: &Path, inhibitions: &str) -> anyhow::Result<Alertmanager> {
        let config = folder.join("alertmanager.yml");
        let text = format!("route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n{inhibitions}");
        std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let mut command = started_with_its_templates(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=");
        let log = folder.join("alertmanager.log");
        let daemon = Daemon::start_until("alertmanager", command, &log, Group::Own, || {
            let reply = http::ask("GET", &url, "/-/ready", None)?;
            Ok((reply.status == 200).then(|| url.clone()))
        })?;
        Ok(Alertmanager { daemon })
    }

    /// Lets these alerts fire together; the names of those that it does not hold back, sorted, as soon as they are the expected ones, else
    /// as they are when it has had its time. Then they end.
    ///
    /// # Errors
    /// It does not answer.
    pub fn told(&self, alerts: &[Vec<(&str, &str)>], expected: &[&str]) -> anyhow::Result<Vec<String>> {
        self.post(alerts, None)?;
        let mut last = Vec::new();
        let settled = wait::until("the expected alerts", SETTLED, || {
            last = self.active()?;
            Ok((last == expected).then_some(()))
        });
        // What it says stands in `last`, whether it was waited for in vain or not.
        drop(settled);
        self.post(alerts, Some("2001-01-01T00:00:01Z"))?;
        wait::until("the end of all alerts", SETTLED, || {
            Ok(self.listed()?.is_empty().then_some(()))
        })?;
        Ok(last)
    }

    fn post(&self, alerts: &[Vec<(&str, &str)>], ends: Option<&str>) -> anyhow::Result<()> {
        let each = alerts.iter().map(|labels| {
            let labels: serde_json::Map<String, Value> = labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)))
                .collect();
            let mut alert = json!({"labels": labels, "annotations": {}, "startsAt": "2001-01-01T00:00:00Z"});
            if let Some(ends) = ends {
                alert["endsAt"] = json!(ends);
            }
            alert
        });
        let body = Value::Array(each.collect());
        let reply = http::ask("POST", self.daemon.url(), "/api/v2/alerts", Some(&body))?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.body);
        Ok(())
    }

    fn listed(&self) -> anyhow::Result<Vec<Value>> {
        let answer = http::get(self.daemon.url(), "/api/v2/alerts")?;
        Ok(answer.as_array().cloned().unwrap_or_default())
    }

    fn active(&self) -> anyhow::Result<Vec<String>> {
        let mut names: Vec<String> = self
            .listed()?
            .iter()
            .filter(|alert| alert["status"]["state"] == "active")
            .filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned))
            .collect();
        names.sort_unstable();
        Ok(names)
    }
}
