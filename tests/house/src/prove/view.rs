//! A BMC seen through the rack controller: its page for Prometheus from memory, beside prometheus-ipmi-exporter, and its cost in packets.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::ask::{self, Running};
use super::exporter::free_address;
use super::facts::scratch;
use super::figure::{Figure, millis};
use super::scrape::{self, Latencies, Wish};
use crate::Wrong;
use crate::fetch;
use crate::packages;
use crate::place::{Place, on_path};
use crate::progress::Screen;

/// The BMC that is looked at: a node of the simulated rack.
const BMC: &str = "n01";

/// A page from memory takes this at most, however many ask (metrics.md of the design, target 7).
const WITHIN: Duration = Duration::from_millis(2);

/// Packets of a refresh beyond one a sensor (target 8).
const BEYOND_SENSORS: f64 = 4.0;

/// Scrapes of one scraper, and of the peer, which talks to the BMC each time.
const SCRAPES: usize = 500;
const PEER_SCRAPES: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// How long the crowd asks, at what pace each of it, and how many.
const CROWD: usize = 16;
const ROUNDS: usize = 200;

/// By then a whole refresh has come after the first, which reads the repository too: a node's sensors are read every 30 s.
const REFRESHED: Duration = Duration::from_secs(35);

/// The packages of the peer, and what is in them.
const PEER: [&str; 6] = [
    "prometheus-ipmi-exporter",
    "freeipmi-tools",
    "libfreeipmi17",
    "libipmimonitoring6",
    "libipmidetect0",
    "freeipmi-common",
];
const PEER_BINARY: &str = "usr/bin/prometheus-ipmi-exporter";

/// Everything that is measured of a BMC.
pub fn bmc(place: &Place, screen: &Screen) -> Result<Vec<Figure>, Wrong> {
    let folder = scratch(place, "prove-bmc")?;
    let world = World::raise(place, &folder)?;
    let (rack, url) = world.rack(place, &folder)?;
    let path = format!("/ipmi?target={BMC}");
    let (_, first) = ask::until("the BMC's first page", Instant::now(), || {
        let page = ask::get(&url, &path)?;
        Ok(page.contains("ipmi_up{collector=\"ipmi\"} 1\n").then_some(()))
    })?;
    let seen_at = Instant::now();
    let address = host(&url)?;
    let wrong = |err: String| Wrong::Failed(format!("{url}{path}: {err}"));
    let one = scrape::paced(address, &path, Wish::Plain, SCRAPES, PAUSE).map_err(wrong)?;
    let crowd = crowd(address, &path)?;
    let mut figures = vec![
        Figure::told("BMC: first page after the controller's start", millis(first)),
        p99("BMC: its page from memory, one scraper", &one),
        p99("BMC: its page from memory, 16 scrapers", &crowd),
    ];
    figures.push(match peer(place, screen, &folder, &world) {
        Ok(peer) => Figure::told(
            "BMC: prometheus-ipmi-exporter, which asks the BMC each time, one scraper",
            format!(
                "p50 {}, p99 {}",
                millis(peer.percentile(50)),
                millis(peer.percentile(99))
            ),
        ),
        Err(why) => Figure::told(
            "BMC: beside prometheus-ipmi-exporter",
            format!("not measured: {why}"),
        ),
    });
    std::thread::sleep(REFRESHED.saturating_sub(seen_at.elapsed()));
    figures.push(packets(&url)?);
    rack.stop()?;
    world.running.stop()?;
    Ok(figures)
}

/// Sixteen that ask side by side, each with the same pause as the one: how long an answer takes, not how fast the machine is.
fn crowd(address: SocketAddr, path: &str) -> Result<Latencies, Wrong> {
    let wrong = |err: String| Wrong::Failed(format!("{address}{path}: {err}"));
    let all = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..CROWD)
            .map(|_| scope.spawn(|| scrape::paced(address, path, Wish::Plain, ROUNDS, PAUSE)))
            .collect();
        let ended = asking.into_iter().map(|one| {
            one.join()
                .map_err(|_| "a scraper broke".to_owned())
                .and_then(|latencies| latencies)
        });
        ended.collect::<Result<Vec<Latencies>, String>>()
    });
    Ok(Latencies::all(all.map_err(wrong)?))
}

fn p99(what: &str, latencies: &Latencies) -> Figure {
    let note = format!(" (p50 {})", millis(latencies.percentile(50)));
    Figure::at_most(&format!("{what}, p99"), latencies.percentile(99), WITHIN, &note)
}

/// What the last whole refresh cost, by the controller's own count of what it sent.
fn packets(url: &str) -> Result<Figure, Wrong> {
    let page = ask::get(url, "/metrics").map_err(Wrong::Failed)?;
    let number = |family: &str| {
        let series = format!("{family}{{bmc=\"{BMC}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&series));
        line.and_then(|number| number.trim().parse::<f64>().ok())
            .ok_or_else(|| Wrong::Failed(format!("{url}/metrics shows no {series}")))
    };
    let sent = number("busbar_rack_bmc_refresh_packets")?;
    let sensors = number("busbar_rack_bmc_sensors")?;
    Ok(Figure {
        what: "BMC: packets of a refresh".to_owned(),
        value: format!("{sent:.0} for {sensors:.0} sensors"),
        target: format!("≤ sensors + {BEYOND_SENSORS:.0}"),
        verdict: Some(sent <= sensors + BEYOND_SENSORS && sensors > 0.0),
    })
}

/// The simulated rack.
struct World {
    running: Running,
    /// Where the BMC listens for RMCP+.
    ipmi: String,
    credentials: PathBuf,
}

impl World {
    fn raise(place: &Place, folder: &Path) -> Result<World, Wrong> {
        let state = folder.join("world");
        let mut command = Command::new(place.binaries(true).join("hw-fixtures"));
        command
            .arg("serve")
            .arg(place.root.join("hw-fixtures/racks/demo.toml"))
            .arg("--state-dir")
            .arg(&state);
        let mut running = Running::start(command, &folder.join("world.log"))?;
        running.line_with("ready hw-fixtures ")?;
        let addresses = read(&state.join("addresses.json"))?;
        let about = addresses
            .split_once(&format!("\"name\": \"{BMC}\""))
            .map_or("", |(_, about)| about);
        let text = |key: &str| {
            let value = about
                .split_once(&format!("\"{key}\": \""))
                .map(|(_, value)| value);
            value
                .and_then(|value| Some(value.split_once('"')?.0.to_owned()))
                .ok_or_else(|| Wrong::Failed(format!("addresses.json names no {key} of {BMC}")))
        };
        Ok(World {
            ipmi: text("ipmi")?,
            credentials: PathBuf::from(text("credentials_file")?),
            running,
        })
    }

    fn rack(&self, place: &Place, folder: &Path) -> Result<(Running, String), Wrong> {
        let config = folder.join("rack.toml");
        let text = format!(
            "[rack]\nname = \"prove\"\nmode = \"observe\"\nsimulated = true\nlisten_address = \"127.0.0.1:0\"\n\
             [[domain]]\nname = \"room\"\nsource = \"budget\"\nbudget_watts = 8000\n\
             [[bmc]]\nname = \"{BMC}\"\nipmi = \"{}\"\ncredentials_file = {:?}\npoll_interval = \"1s\"\n\
             [[node]]\nname = \"{BMC}\"\ndomain = \"room\"\nbmc = \"{BMC}\"\nmax_draw_watts = 4000\n",
            self.ipmi, self.credentials,
        );
        fs::write(&config, text).map_err(|err| Wrong::Failed(format!("{}: {err}", config.display())))?;
        let mut command = Command::new(place.binaries(true).join("busbar-rack"));
        command.args(["serve", "--config"]).arg(&config);
        command.arg("--state-dir").arg(folder.join("state"));
        let mut rack = Running::start(command, &folder.join("rack.log"))?;
        let line = rack.line_with("ready busbar-rack ")?;
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.map(str::to_owned);
        let url = url.ok_or_else(|| Wrong::Failed(format!("no address in {line:?}")))?;
        Ok((rack, url))
    }
}

/// The peer at the same BMC.
fn peer(place: &Place, screen: &Screen, folder: &Path, world: &World) -> Result<Latencies, String> {
    let tools = place.tools().join(PEER[0]);
    if !is_whole(&tools) {
        if !packages::can_fetch() {
            return Err("it can only be fetched on Debian and Ubuntu".to_owned());
        }
        for package in PEER {
            fetch::unpack(place, screen, package, &tools)?;
        }
    }
    let config = folder.join("ipmi_exporter.yml");
    let credentials = fs::read_to_string(&world.credentials).map_err(|err| err.to_string())?;
    let secret = |key: &str| {
        let line = credentials.lines().find_map(|line| line.strip_prefix(key));
        line.map(|rest| rest.trim_matches([' ', '=', '"']).to_owned())
            .ok_or_else(|| format!("the credentials have no {key}"))
    };
    let text = format!(
        "modules:\n  default:\n    user: {:?}\n    pass: {:?}\n    driver: \"LAN_2_0\"\n    privilege: \"operator\"\n    collectors: [ipmi]\n",
        secret("username")?,
        secret("password")?,
    );
    fs::write(&config, text)
        .and_then(|()| fs::set_permissions(&config, fs::Permissions::from_mode(0o600)))
        .map_err(|err| format!("{}: {err}", config.display()))?;
    let address = free_address().map_err(|wrong| format!("{wrong:?}"))?;
    let mut command = Command::new(tools.join(PEER_BINARY));
    command
        .arg(format!("--web.listen-address={address}"))
        .arg(format!("--config.file={}", config.display()))
        .arg("--log.level=error");
    if on_path("ipmimonitoring").is_none() {
        command.arg(format!("--freeipmi.path={}", shim(&tools, folder)?.display()));
    }
    command.env("HOME", folder);
    let running =
        Running::start(command, &folder.join("ipmi_exporter.log")).map_err(|wrong| format!("{wrong:?}"))?;
    let path = format!("/ipmi?target={}", world.ipmi);
    let began = Instant::now();
    let url = format!("http://{address}");
    ask::until("the peer's first page", began, || {
        let page = ask::get(&url, &path)?;
        if page.contains("ipmi_up{collector=\"ipmi\"} 1") {
            return Ok(Some(()));
        }
        Err("it shows ipmi_up 0".to_owned())
    })
    .map_err(|wrong| format!("{wrong:?}"))?;
    let latencies = scrape::paced(address, &path, Wish::Plain, PEER_SCRAPES, PAUSE);
    running.stop().map_err(|wrong| format!("{wrong:?}"))?;
    latencies
}

/// Whether all packages are unpacked there: each brings a folder of its name.
fn is_whole(tools: &Path) -> bool {
    PEER.iter()
        .all(|package| tools.join("usr/share/doc").join(package).exists())
}

/// `ipmimonitoring` of an unpacked FreeIPMI, with its libraries.
fn shim(tools: &Path, folder: &Path) -> Result<PathBuf, String> {
    let bin = folder.join("bin");
    let libraries = fs::read_dir(tools.join("usr/lib")).map_err(|err| err.to_string())?;
    let libraries: Vec<String> = libraries
        .filter_map(|entry| Some(entry.ok()?.path().display().to_string()))
        .collect();
    let text = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH={:?} exec {:?} --output-sensor-state \"$@\"\n",
        libraries.join(":"),
        tools.join("usr/sbin/ipmi-sensors"),
    );
    let file = bin.join("ipmimonitoring");
    fs::create_dir_all(&bin)
        .and_then(|()| fs::write(&file, text))
        .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o755)))
        .map_err(|err| format!("{}: {err}", file.display()))?;
    Ok(bin)
}

fn host(url: &str) -> Result<SocketAddr, Wrong> {
    let text = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
    text.parse()
        .map_err(|err| Wrong::Failed(format!("{url} is no address: {err}")))
}

fn read(file: &Path) -> Result<String, Wrong> {
    fs::read_to_string(file).map_err(|err| Wrong::Failed(format!("{}: {err}", file.display())))
}
