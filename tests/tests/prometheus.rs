//! A real Prometheus finds agent and rack by itself, scrapes them, and sees a pulled supply; promtool has nothing to say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Group, House, Prometheus, find_prometheus, promtool};
use house_tests::wait;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn prometheus_finds_scrapes_and_sees() -> anyhow::Result<()> {
    let house = House::raise("prom", "enforce")?;
    let target = house.binaries.target().to_owned();
    let (Some(program), Some(promtool)) = (find_prometheus(&target), promtool(&target)) else {
        println!(
            "skipped: Prometheus is neither fetched below {} nor on the path",
            target.display()
        );
        return Ok(());
    };
    house.all_counted()?;
    let prometheus = Prometheus::start(
        &program,
        &house.folder.join("prometheus"),
        house.rack()?.daemon.url(),
        0,
        "500ms",
        &house.folder.join("prometheus.log"),
        Group::Starters,
    )?;
    for job in ["busbar-agent", "busbar-rack"] {
        wait::until(&format!("{job} to be up"), PATIENCE, || {
            let up = prometheus.value(&format!("up{{job=\"{job}\"}}"))?;
            ensure!(up == Some(1.0), "up is {up:?}");
            Ok(Some(()))
        })?;
    }
    let agents = prometheus.query("up{job=\"busbar-agent\"}")?;
    ensure!(
        agents[0]["metric"]["node"] == "n01",
        "the node is a target label: {agents:?}"
    );

    let headroom = "busbar_rack_domain_headroom_watts{domain=\"shelf\"}";
    let before = value(&prometheus, headroom, |watts| watts == 3_400.0)?;
    house.world.act(&["pull", "shelf/psu-3"])?;
    let after = value(&prometheus, headroom, |watts| watts < before)?;
    ensure!(
        after == 400.0,
        "five supplies, one of them to spare, and 11.6 kW that the nodes can draw: {after}"
    );
    let absent = "busbar_rack_psu_capacity_watts{psu=~\".*psu-3\"} or busbar_rack_psu_capacity_watts{bay=~\".*psu-3\"}";
    wait::until("the pulled supply's series to end", PATIENCE, || {
        let series = prometheus.query(absent)?;
        ensure!(series.is_empty(), "{series:?}");
        Ok(Some(()))
    })?;
    for (name, url) in [
        ("agent", house.agent()?.daemon.url()),
        ("rack", house.rack()?.daemon.url()),
    ] {
        let metrics = http::get_text(url, "/metrics")?;
        check_metrics(&promtool, &metrics).with_context(|| format!("promtool check metrics, {name}"))?;
    }
    drop(prometheus);
    house.take_down()?;
    Ok(())
}

fn value(prometheus: &Prometheus, query: &str, wanted: impl Fn(f64) -> bool) -> anyhow::Result<f64> {
    wait::until(query, PATIENCE, || {
        let value = prometheus.value(query)?;
        ensure!(value.is_some_and(&wanted), "it is {value:?}");
        Ok(value)
    })
}

/// `promtool check metrics` prints what it would do otherwise, and ends with 3 where it found anything.
fn check_metrics(promtool: &Path, metrics: &str) -> anyhow::Result<()> {
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("a pipe was asked for")?;
    input.write_all(metrics.as_bytes())?;
    drop(input);
    let said = child.wait_with_output()?;
    ensure!(
        said.status.success() && said.stderr.is_empty(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(())
}
