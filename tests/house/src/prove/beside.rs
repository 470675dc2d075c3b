//! The agent beside node_exporter: the same machine, the same large server, the same run.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::bighost;
use super::exporter::{Cost, Exporter, Measured, Used, in_turns};
use super::facts::scratch;
use super::figure::{Figure, millis};
use crate::Wrong;
use crate::packages;
use crate::place::Place;
use crate::progress::Screen;

/// The agent alone on a node: everything that it knows, and node_exporter's names beside its own.
const ALONE: &str = "[metrics]\nprofile = \"alone\"\nnames = [\"node\"]\nper_cpu = true\n";

/// Share of a core that an agent may take while nobody asks.
const IDLE_AT_MOST: f64 = 0.001;

const MEBIBYTE: f64 = 1_048_576.0;

/// Everything that is measured beside node_exporter.
pub fn node_exporter(place: &Place, screen: &Screen) -> Result<Vec<Figure>, Wrong> {
    let peer = match packages::node_exporter(place, screen, true) {
        Ok(peer) => peer,
        Err(why) => {
            return Ok(vec![Figure::told(
                "beside node_exporter",
                format!("not measured: {why}"),
            )]);
        }
    };
    let folder = scratch(place, "prove-facts")?;
    let large = folder.join("large");
    bighost::write(&large)?;
    let mut figures = Vec::new();
    for (name, root) in [("this machine", None), ("256 CPUs", Some(large.as_path()))] {
        let (ours, theirs) = (
            agent(place, &folder, ALONE, root)?,
            node_exporter_at(&peer, &folder, root),
        );
        let used = in_turns([&ours, &theirs])?;
        figures.extend(compare(
            name,
            &ours.measure()?,
            &theirs.measure()?,
            &used,
            root.is_none(),
        ));
    }
    Ok(figures)
}

/// The agent with this configuration, of this machine or of a tree of files.
pub fn agent(place: &Place, folder: &Path, config: &str, root: Option<&Path>) -> Result<Exporter, Wrong> {
    let binary = place.binaries(true).join("busbar-agent");
    let file = folder.join("agent.toml");
    // The path of a Unix socket may be 107 bytes long; build outputs may lie deeper than that.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let socket = std::env::temp_dir().join(format!("busbar-prove-{}-{number}.sock", std::process::id()));
    let text = format!(
        "[agent]\nname = \"prove\"\nmode = \"observe\"\nsocket = {socket:?}\nstate_dir = {:?}\n{config}",
        folder.join("state"),
    );
    fs::write(&file, text).map_err(|err| Wrong::Failed(format!("{}: {err}", file.display())))?;
    let root = root.map(Path::to_owned);
    Ok(Exporter {
        name: "busbar-agent",
        folder: folder.to_owned(),
        command: Box::new(move |address: SocketAddr| {
            let mut command = Command::new(&binary);
            command.arg("run").arg("--config").arg(&file);
            command.args(["--listen", &address.to_string()]);
            if let Some(root) = &root {
                command.arg("--root").arg(root);
            }
            command
        }),
    })
}

fn node_exporter_at(peer: &Path, folder: &Path, root: Option<&Path>) -> Exporter {
    let (peer, root) = (peer.to_owned(), root.map(Path::to_owned));
    Exporter {
        name: "node_exporter",
        folder: folder.to_owned(),
        command: Box::new(move |address: SocketAddr| {
            let mut command = Command::new(&peer);
            command.arg(format!("--web.listen-address={address}"));
            command.arg("--log.level=error");
            if let Some(root) = &root {
                command.arg(format!("--path.procfs={}", root.join("proc").display()));
                command.arg(format!("--path.sysfs={}", root.join("sys").display()));
            }
            command
        }),
    }
}

/// CPU time that a scrape adds; the whole in brackets.
fn cost(name: &str, what: &str, ours: Cost, theirs: Cost) -> Figure {
    let millis = |took: Duration| took.as_secs_f64() * 1000.0;
    let added = (millis(ours.added), millis(theirs.added));
    let mut figure = Figure::ratio(&format!("{name}: {what}"), "ms", added.0, added.1, 0.1);
    let (our, their) = (millis(ours.whole), millis(theirs.whole));
    let whole = format!(" ({our:.2} ms and {their:.2} ms with what each does anyway)");
    figure.value.push_str(&whole);
    figure
}

fn compare(name: &str, ours: &Measured, theirs: &Measured, used: &[Used; 2], is_small: bool) -> Vec<Figure> {
    let [our_use, their_use] = used;
    let time = |took: Duration| took.as_secs_f64() * 1000.0;
    let ratio = |what: &str, unit: &str, (our, their): (f64, f64), most: f64| {
        Figure::ratio(&format!("{name}: {what}"), unit, our, their, most)
    };
    let mut figures = vec![
        Figure::told(
            &format!("{name}: series"),
            format!("{} beside {} of node_exporter", ours.series, theirs.series),
        ),
        ratio(
            "start → first scrape, median of 10",
            "ms",
            (time(ours.first_scrape), time(theirs.first_scrape)),
            1.0,
        ),
        cost(name, "CPU a scrape", our_use.plain, their_use.plain),
        cost(
            name,
            "CPU a scrape, compressed",
            our_use.as_prometheus,
            their_use.as_prometheus,
        ),
    ];
    let (one, other) = (&ours.one, &theirs.one);
    figures.push(Figure::told(
        &format!("{name}: one scraper, p50 and p99"),
        format!(
            "{} and {} beside {} and {}",
            millis(one.percentile(50)),
            millis(one.percentile(99)),
            millis(other.percentile(50)),
            millis(other.percentile(99))
        ),
    ));
    let p99 = (time(ours.crowd.percentile(99)), time(theirs.crowd.percentile(99)));
    figures.push(ratio("16 scrapers, p99", "ms", p99, 0.2));
    figures.push(Figure::told(
        &format!("{name}: 16 scrapers, answered in 6 s"),
        format!("{} beside {}", ours.crowd.count(), theirs.crowd.count()),
    ));
    #[allow(clippy::as_conversions)] // Memory of a process is far below 2^53 bytes.
    let memory = |bytes: u64| bytes as f64 / MEBIBYTE;
    let pair = (memory(ours.memory), memory(theirs.memory));
    figures.push(ratio("memory after 100 scrapes", "MiB", pair, 0.5));
    let pair = (memory(ours.memory_after_crowd), memory(theirs.memory_after_crowd));
    // The third is of what node_exporter holds after sixteen scrapers of 7,300 series (metrics.md of the design, target 2: 77 MB);
    // of a small machine's few series it holds little more than after a hundred scrapes, so the half of those stands.
    let most = if is_small { 0.5 } else { 1.0 / 3.0 };
    figures.push(ratio("memory after 16 scrapers", "MiB", pair, most));
    figures.push(Figure::told(
        &format!("{name}: threads after 16 scrapers"),
        format!("{} beside {}", ours.threads, theirs.threads),
    ));
    let idle = our_use.idle;
    if is_small {
        figures.push(Figure {
            what: format!("{name}: share of a core while nobody asks"),
            value: format!("{:.3} %", idle * 100.0),
            target: format!("≤ {:.1} %", IDLE_AT_MOST * 100.0),
            verdict: Some(idle <= IDLE_AT_MOST),
        });
    }
    figures
}
