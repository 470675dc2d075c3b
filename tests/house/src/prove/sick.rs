//! A node whose GPU library, BMC and drive all hang, beside the same node in health: what a scrape costs, and what is told.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::beside;
use super::bighost;
use super::exporter::{Exporter, Started};
use super::facts::scratch;
use super::figure::{Figure, millis};
use super::scrape::{Latencies, Scraper, Wish};
use crate::Wrong;
use crate::place::Place;
use crate::progress::{Screen, Verdict};
use crate::steps;

/// Scrapes of each of both, one after the other, and the pause between two of them.
const SCRAPES: usize = 1_500;
const PAUSE: Duration = Duration::from_millis(10);

/// Scrapes are compared in rounds; the middle round counts, so that one hiccup of the machine does not.
const ROUNDS: usize = 15;

/// How much longer a scrape may take at the sick node.
const WITHIN: f64 = 1.10;

/// Every source has told by then: three periods of the slowest of them, a minute each.
const TOLD_WITHIN: Duration = Duration::from_secs(180);

/// The sources that hang, and the longest that each may go on saying nothing: three of its periods.
const SICK: [(&str, u64); 3] = [("nvml", 15), ("bmc", 45), ("drive_health/nvme0", 180)];

/// A drive of the large server.
const DRIVE: &str = "nvme0";

/// The GPU of the large server.
const GPU: &str = "[[gpu]]\nname = \"Large GPU\"\npci = \"0000:18:00.0\"\npower_milliwatts = 350000\n";

/// An NVMe health log: 323 kelvins, all spare left, a little wear (NVM Express base specification, log page 02h).
fn health_log() -> [u8; 512] {
    let mut log = [0; 512];
    log[1..6].copy_from_slice(&[0x43, 0x01, 100, 10, 3]);
    log
}

/// Measures it.
pub fn node(place: &Place) -> Result<Vec<Figure>, Wrong> {
    let folder = scratch(place, "prove-sick")?;
    // Nobody ever accepts: a BMC that takes the connection and never answers.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| Ok((listener.local_addr()?, listener)))
        .map_err(|err| Wrong::Failed(format!("no port on loopback: {err}")))?;
    let healthy = Node::raise(place, &folder.join("healthy"), None)?;
    let begun = Instant::now();
    let sick = Node::raise(place, &folder.join("sick"), Some(listener.0))?;
    let told = sick.until_told(begun)?;
    let (before, mut figures) = (sick.started.threads()?, told);
    let (ours, theirs) = compare(healthy.started.address, sick.started.address)?;
    let after = sick.started.threads()?;
    figures.extend(judge(&ours, &theirs));
    figures.push(Figure {
        what: "three hung sources: threads, after they were told and after the scrapes".to_owned(),
        value: format!("{before}, then {after}; {} in health", healthy.started.threads()?),
        target: "no more".to_owned(),
        verdict: Some(after <= before),
    });
    healthy.started.stop()?;
    sick.started.stop()?;
    drop(listener);
    Ok(figures)
}

/// One of both nodes: the same large server with a GPU, a drive that keeps a health log, and a BMC.
struct Node {
    started: Started,
}

impl Node {
    fn raise(place: &Place, folder: &Path, hung: Option<SocketAddr>) -> Result<Node, Wrong> {
        let wrong =
            |err: std::io::Error| Wrong::Failed(format!("cannot write below {}: {err}", folder.display()));
        let root = folder.join("root");
        bighost::write(&root)?;
        let logs = root.join("busbar/drives").join(DRIVE);
        fs::create_dir_all(&logs).map_err(wrong)?;
        let library = folder.join("libnvidia-ml.so.1");
        symlink(built(place)?, &library).map_err(wrong)?;
        let gpu = folder.join("nvml.toml");
        let mut config = String::new();
        let world = match hung {
            Some(address) => {
                fifo(&logs.join("health_log"))?;
                config =
                    format!("[bmc]\ndevice = \"none\"\nredfish = \"http://{address}\"\ninsecure = true\n");
                format!("faults = {{ nvmlDeviceGetPowerUsage = \"hang\" }}\n{GPU}")
            }
            None => {
                fs::write(logs.join("health_log"), health_log()).map_err(wrong)?;
                GPU.to_owned()
            }
        };
        fs::write(&gpu, format!("driver_version = \"550.90.07\"\n{world}")).map_err(wrong)?;
        let exporter = beside::agent(place, folder, &config, Some(&root))?;
        let command = exporter.command;
        let exporter = Exporter {
            command: Box::new(move |address| {
                let mut command: Command = command(address);
                command
                    .env("BUSBAR_NVML_LIBRARY", &library)
                    .env("BUSBAR_FAKE_NVML", &gpu);
                command
            }),
            ..exporter
        };
        Ok(Node {
            started: exporter.start()?,
        })
    }

    /// Waits until each sick source says that it is, with the reason.
    fn until_told(&self, begun: Instant) -> Result<Vec<Figure>, Wrong> {
        let mut figures = Vec::new();
        let mut waiting: Vec<(&str, u64)> = SICK.to_vec();
        let mut page = String::new();
        while !waiting.is_empty() && begun.elapsed() < TOLD_WITHIN {
            let scraped = Scraper::connect(self.started.address, "/metrics", Wish::Plain)
                .and_then(|mut scraper| scraper.scrape().map(<[u8]>::to_vec))
                .map_err(Wrong::Failed)?;
            page = String::from_utf8_lossy(&scraped).into_owned();
            waiting.retain(|(name, most)| {
                let up = format!("busbar_source_up{{source=\"{name}\"}} 0");
                let why = format!("busbar_source_status_info{{source=\"{name}\",reason=\"timeout\"}} 1");
                let is_told = [up, why]
                    .iter()
                    .all(|wanted| page.lines().any(|line| line == wanted));
                if is_told {
                    let what = format!("{name} hangs → its source is 0 with the reason timeout");
                    figures.push(Figure::at_most(
                        &what,
                        begun.elapsed(),
                        Duration::from_secs(*most),
                        "",
                    ));
                }
                !is_told
            });
            thread::sleep(Duration::from_millis(100));
        }
        for (name, _) in waiting {
            let about = page
                .lines()
                .filter(|line| line.contains(&format!("\"{name}\"")))
                .collect::<Vec<_>>();
            figures.push(Figure {
                what: format!("{name} hangs → its source is 0 with the reason timeout"),
                value: format!("not told: {}", about.join("; ")),
                target: "told".to_owned(),
                verdict: Some(false),
            });
        }
        Ok(figures)
    }
}

/// Scrapes both, one after the other: what disturbs the machine disturbs both.
fn compare(healthy: SocketAddr, sick: SocketAddr) -> Result<(Vec<Duration>, Vec<Duration>), Wrong> {
    let connect = |address| Scraper::connect(address, "/metrics", Wish::Plain).map_err(Wrong::Failed);
    let (mut first, mut second) = (connect(healthy)?, connect(sick)?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..SCRAPES {
        // Whoever comes first finds the caches cold; they take turns in that too.
        for is_first in [turn % 2 == 0, turn % 2 != 0] {
            let (scraper, took) = if is_first {
                (&mut first, &mut ours)
            } else {
                (&mut second, &mut theirs)
            };
            let begun = Instant::now();
            scraper.scrape().map_err(Wrong::Failed)?;
            took.push(begun.elapsed());
        }
        thread::sleep(PAUSE);
    }
    Ok((ours, theirs))
}

fn judge(healthy: &[Duration], sick: &[Duration]) -> Vec<Figure> {
    let each = SCRAPES / ROUNDS;
    let percentiles = |percent| {
        let of = |all: &[Duration]| Latencies::of(all.to_vec()).percentile(percent);
        let mut rounds: Vec<(f64, Duration, Duration)> = healthy
            .chunks(each)
            .zip(sick.chunks(each))
            .map(|(healthy, sick)| {
                (
                    of(sick).as_secs_f64() / of(healthy).as_secs_f64(),
                    of(healthy),
                    of(sick),
                )
            })
            .collect();
        rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    };
    [50, 99]
        .map(|percent| {
            let (ratio, healthy, sick) = percentiles(percent);
            Figure {
                what: format!("three hung sources: scrape p{percent} beside the same node in health, middle of {ROUNDS} rounds"),
                value: format!("{} beside {}: {ratio:.2} of it", millis(sick), millis(healthy)),
                target: format!("≤ {WITHIN:.2} of it"),
                verdict: Some(ratio <= WITHIN),
            }
        })
        .into()
}

/// Builds the GPU library that hangs when it is told to.
pub fn build(place: &Place, screen: &Screen) -> Result<(), Wrong> {
    let cargo = place.cargo(&["build", "--release", "--package", "fake-nvml"]);
    let done = steps::cargo_step(screen, "library", cargo, &place.log("library"), None);
    match done.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail | Verdict::Skip => Err(Wrong::Failed("the library cannot be built".to_owned())),
    }
}

fn built(place: &Place) -> Result<PathBuf, Wrong> {
    let library = place.binaries(true).join("libnvidia_ml.so");
    if library.is_file() {
        return Ok(library);
    }
    Err(Wrong::Failed(format!(
        "there is no {}; without --no-build it is built",
        library.display()
    )))
}

/// A file that blocks whoever opens it, for as long as nobody writes to it.
fn fifo(path: &Path) -> Result<(), Wrong> {
    let made = Command::new("mkfifo").arg(path).status();
    if made.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(Wrong::Failed(format!("cannot make a FIFO at {}", path.display())))
    }
}
