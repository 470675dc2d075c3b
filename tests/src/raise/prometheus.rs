//! A real Prometheus: Debian's binary, unpacked below the build outputs, that finds its targets at the rack.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::daemon::{Daemon, Group};
use crate::http;

/// Where `cargo up` and `cargo verify` unpack Debian's package, below the build outputs.
const FETCHED: &str = "tools/prometheus/usr/bin";

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    /// Its process.
    pub daemon: Daemon,
}

impl Prometheus {
    /// Starts Prometheus on `port` (0 for a free one); it discovers agent and rack through the rack controller.
    ///
    /// # Errors
    /// It does not come up.
    pub fn start(
        program: &Path,
        folder: &Path,
        rack_url: &str,
        port: u16,
        scrape_interval: &str,
        log: &Path,
        group: Group,
    ) -> anyhow::Result<Prometheus> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let config = folder.join("prometheus.yml");
        std::fs::write(&config, configuration(rack_url, scrape_interval))
            .with_context(|| format!("cannot write {}", config.display()))?;
        let port = if port == 0 { free_port()? } else { port };
        let url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let daemon = Daemon::start_until("prometheus", command, log, group, || {
            let reply = http::ask("GET", &url, "/-/ready", None)?;
            Ok((reply.status == 200).then(|| url.clone()))
        })?;
        Ok(Prometheus { daemon })
    }

    /// The result of an instant query: one entry a series.
    ///
    /// # Errors
    /// Prometheus does not answer, or refuses the query.
    pub fn query(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let path = format!("/api/v1/query?query={}", http::query_text(query));
        let answer = http::get(self.daemon.url(), &path)?;
        ensure!(answer["status"] == "success", "{query}: {answer}");
        Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
    }

    /// The one value of a query that gives one series; `None` while there is none.
    ///
    /// # Errors
    /// Prometheus does not answer, or there are several series.
    pub fn value(&self, query: &str) -> anyhow::Result<Option<f64>> {
        let series = self.query(query)?;
        ensure!(
            series.len() <= 1,
            "{query}: {} series where one was expected",
            series.len()
        );
        let value = series
            .first()
            .and_then(|one| one["value"][1].as_str()?.parse().ok());
        Ok(value)
    }
}

/// The binary: unpacked below the build outputs, or on the path.
pub fn find(target: &Path) -> Option<PathBuf> {
    tool(target, "prometheus")
}

/// promtool, which comes with it.
pub fn promtool(target: &Path) -> Option<PathBuf> {
    tool(target, "promtool")
}

fn tool(target: &Path, name: &str) -> Option<PathBuf> {
    on_path_or(&target.join(FETCHED), name)
}

/// A program in this folder, or on the path.
pub(super) fn on_path_or(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(folder.to_owned())
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn configuration(rack_url: &str, scrape_interval: &str) -> String {
    let mut text = format!(
        "global:\n  scrape_interval: {scrape_interval}\n  scrape_timeout: {scrape_interval}\nscrape_configs:\n"
    );
    for role in ["agent", "rack"] {
        text.push_str(&format!(
            "  - job_name: busbar-{role}\n    http_sd_configs:\n      - url: {rack_url}/sd/prometheus?role={role}\n        refresh_interval: 2s\n"
        ));
    }
    text
}

pub(super) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}
