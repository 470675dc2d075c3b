//! A thousand simulated agents on one controller.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use house_tests::raise::{Binaries, Daemon, Group, Scratch};
use house_tests::{http, wait};

use crate::process;
use crate::rack::number;
use crate::sample::told;
use crate::simulated::Simulated;

const AGENTS: usize = 1_000;
const WATCHED: Duration = Duration::from_secs(40);
const PATIENCE: Duration = Duration::from_secs(120);

pub fn measured() -> anyhow::Result<()> {
    let agents = number("BUSBAR_MANY", AGENTS);
    let (binaries, folder) = (Binaries::find()?, Scratch::new("thousand")?);
    let facts = facts(&binaries)?;
    let simulated = Simulated::start(agents, folder.path(), &facts)?;
    let config = folder.join("rack.toml");
    std::fs::write(&config, rack_file(folder.path(), &simulated))?;
    let mut command = Command::new(binaries.path(Binaries::RACK));
    command.args(["serve", "--config"]).arg(&config);
    let began = Instant::now();
    let rack = Daemon::start("busbar-rack", command, &folder.join("rack.log"), Group::Starters)?;
    let held = || -> anyhow::Result<usize> {
        let view = http::get(rack.url(), "/v1/rack")?;
        let nodes = view["nodes"].as_array().context("nodes")?;
        Ok(nodes
            .iter()
            .filter(|node| node["lease"]["applied"] == true)
            .count())
    };
    wait::until("all leases in force", PATIENCE, || {
        let held = held()?;
        ensure!(held == agents, "{held} of {agents}");
        Ok(Some(()))
    })?;
    told(
        "many.all_held",
        began.elapsed().as_secs_f64() * 1_000.0,
        &format!("{agents} agents"),
    );
    // What the start needs is over.
    std::thread::sleep(Duration::from_secs(5));
    let (leases, expired) = (simulated.leases(), simulated.expired());
    let (before, began) = (process::cpu_seconds(rack.pid())?, Instant::now());
    std::thread::sleep(WATCHED);
    let seconds = began.elapsed().as_secs_f64();
    let renewed = (simulated.leases() - leases) as f64 / seconds;
    let used = (process::cpu_seconds(rack.pid())? - before) / seconds;
    let (private, _) = process::memory_kib(rack.pid())?;
    told(
        "many.cores",
        used,
        &format!(
            "{renewed:.0} renewals a second over {seconds:.0} s, {:.0} MiB, {} leases ended unrenewed",
            private as f64 / 1_024.0,
            simulated.expired() - expired
        ),
    );
    told("many.renewals_per_second", renewed, "");
    ensure!(
        held()? == agents,
        "{} of {agents} leases are in force afterwards",
        held()?
    );
    Ok(())
}

/// What a real agent says of this machine: each simulated one says the same.
fn facts(binaries: &Binaries) -> anyhow::Result<String> {
    let mut command = Command::new(binaries.path(Binaries::AGENT));
    let said = command.args(["facts", "--output", "json"]).output()?;
    ensure!(said.status.success(), "busbar-agent facts: {said:?}");
    Ok(String::from_utf8(said.stdout)?)
}

fn rack_file(folder: &Path, simulated: &Simulated) -> String {
    let mut text = format!(
        "[rack]\nname = \"r-thousand\"\nmode = \"enforce\"\nsimulated = true\nlisten_address = \"127.0.0.1:0\"\nstate_dir = {:?}\n\
         [[domain]]\nname = \"hall\"\nsource = \"budget\"\nbudget_watts = 400000\nredundancy = \"n\"\nmargin = 0.0\n\
         fixed_load_watts = 0\noverload_factor = 1.2\noverload_for = \"1s\"\n",
        folder.join("rack")
    );
    for (number, port) in simulated.ports.iter().enumerate() {
        let _ = write!(
            text,
            "[[node]]\nname = \"n{number:04}\"\ndomain = \"hall\"\nmax_draw_watts = 400\nfloor_watts = 120\nrest_watts = 40\n\
             agent = \"https://127.0.0.1:{port}\"\nagent_ca_file = {:?}\nagent_token_file = {:?}\n",
            folder.join("ca.pem"),
            folder.join("token")
        );
    }
    text
}
