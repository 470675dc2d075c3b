//! GPU library, BMC and drive of one node all hang: every other number goes on, each of the three says so, no thread is added.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{AgentPlan, Binaries, Daemon, Group, Scratch};
use house_tests::wait;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// Three periods of the slowest of the three are known to be less; a loaded machine takes its time.
const PATIENCE: Duration = Duration::from_secs(240);

/// What hangs.
const SICK: [&str; 3] = ["nvml", "bmc", "drive_health/nvme0"];

/// What must go on: sources that share nothing with the three but the process.
const WELL: [&str; 4] = ["cpu", "memory", "machine", "block"];

/// So many scrapes follow one another once all three are told.
const SCRAPES: usize = 200;

/// What the kernel of a small machine shows.
const MACHINE: [(&str, &str); 9] = [
    (
        "proc/stat",
        "cpu  100 2 30 4000\ncpu0 100 2 30 4000\nbtime 1700000000\n",
    ),
    (
        "proc/meminfo",
        "MemTotal: 1000 kB\nMemFree: 500 kB\nMemAvailable: 600 kB\n",
    ),
    ("sys/devices/system/cpu/online", "0\n"),
    ("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n"),
    ("sys/devices/system/cpu/cpu0/topology/core_id", "0\n"),
    ("sys/class/dmi/id/product_name", "Small Machine\n"),
    ("sys/class/block/sda/size", "1000\n"),
    ("sys/class/block/sda/device/type", "0\n"),
    ("sys/class/nvme/nvme0/model", "FAST\n"),
];

/// The GPU library, built beside this test.
fn library(binaries: &Binaries) -> Option<PathBuf> {
    let name = "libnvidia_ml.so";
    let places = [binaries.path(name), binaries.folder().join("deps").join(name)];
    let found = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        println!("skipped: no GPU library that hangs; cargo build --package fake-nvml");
    }
    found
}

/// The machine, with a health log that blocks whoever opens it.
fn write_machine(root: &Path) -> anyhow::Result<()> {
    for (path, text) in MACHINE {
        let path = root.join(path);
        fs::create_dir_all(path.parent().context("a folder")?)?;
        fs::write(path, text)?;
    }
    let pages = root.join("busbar/drives/nvme0");
    fs::create_dir_all(&pages)?;
    mkfifo(&pages.join("health_log"), Mode::S_IRWXU)?;
    Ok(())
}

/// The agent of that machine; `bmc` takes connections and says nothing.
fn start(
    scratch: &Scratch,
    binaries: &Binaries,
    library: &Path,
    bmc: &TcpListener,
) -> anyhow::Result<Daemon> {
    let root = scratch.join("root");
    write_machine(&root)?;
    let linked = scratch.join("libnvidia-ml.so.1");
    symlink(library, &linked)?;
    let gpu = scratch.join("nvml.toml");
    fs::write(
        &gpu,
        "driver_version = \"550.90.07\"\nfaults = { nvmlDeviceGetPowerUsage = \"hang\" }\n\
         [[gpu]]\nname = \"Large GPU\"\npci = \"0000:18:00.0\"\n",
    )?;
    let config = scratch.join("agent.toml");
    let plan = AgentPlan::in_folder(scratch.path(), "n01", "observe");
    let address = bmc.local_addr()?;
    let more = format!(
        "\n[metrics]\nprofile = \"alone\"\n\n[bmc]\ndevice = \"none\"\nredfish = \"http://{address}\"\ninsecure = true\n"
    );
    fs::write(&config, plan.toml() + &more)?;
    let mut command = Command::new(binaries.path(Binaries::AGENT));
    command
        .args(["run", "--config"])
        .arg(&config)
        .arg("--root")
        .arg(&root)
        .env("BUSBAR_NVML_LIBRARY", &linked)
        .env("BUSBAR_FAKE_NVML", &gpu);
    Daemon::start(
        "busbar-agent",
        command,
        &scratch.join("agent.log"),
        Group::Starters,
    )
}

fn has(page: &str, line: &str) -> bool {
    page.lines().any(|other| other == line)
}

fn is_up(page: &str, source: &str) -> bool {
    has(page, &format!("busbar_source_up{{source=\"{source}\"}} 1"))
}

fn is_told(page: &str, source: &str) -> bool {
    has(page, &format!("busbar_source_up{{source=\"{source}\"}} 0"))
        && has(
            page,
            &format!("busbar_source_status_info{{source=\"{source}\",reason=\"timeout\"}} 1"),
        )
}

/// Every number that has nothing to do with the three.
fn goes_on(page: &str) -> anyhow::Result<()> {
    for source in WELL {
        ensure!(is_up(page, source), "{source} is silent, too:\n{page}");
    }
    for family in [
        "busbar_cpu_time_seconds_total{",
        "busbar_memory_bytes{",
        "busbar_disk_info{",
    ] {
        ensure!(page.contains(family), "{family} is gone:\n{page}");
    }
    Ok(())
}

fn threads(agent: &Daemon) -> anyhow::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{}/task", agent.pid()))?.count())
}

#[test]
fn with_gpus_bmc_and_a_drive_hung_the_page_goes_on() -> anyhow::Result<()> {
    let binaries = Binaries::find()?;
    let Some(library) = library(&binaries) else {
        return Ok(());
    };
    let scratch = Scratch::new("threehang")?;
    // Connections are taken by the kernel and never by us.
    let bmc = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let agent = start(&scratch, &binaries, &library, &bmc)?;
    let page = || http::get_text(agent.url(), "/metrics");
    wait::until("the first numbers of all that is well", PATIENCE, || {
        goes_on(&page()?).map(Some)
    })?;
    let mut missing = Vec::new();
    wait::until("all three to be told", PATIENCE, || {
        let page = page()?;
        goes_on(&page)?;
        missing = SICK
            .into_iter()
            .filter(|source| !is_told(&page, source))
            .collect();
        Ok(missing.is_empty().then_some(()))
    })
    .with_context(|| format!("still not told: {missing:?}"))?;
    let before = threads(&agent)?;
    for _ in 0..SCRAPES {
        let page = page()?;
        goes_on(&page)?;
        for source in SICK {
            ensure!(is_told(&page, source), "{source} is told no more:\n{page}");
        }
        ensure!(
            !page.contains("busbar_disk_temperature_celsius{"),
            "nobody measured it:\n{page}"
        );
    }
    let after = threads(&agent)?;
    ensure!(after <= before, "{before} threads became {after}");
    ensure!(
        http::get(agent.url(), "/v1/facts")?.is_object(),
        "facts are told as before"
    );
    // It ends although three of its threads never will.
    agent.stop()
}
