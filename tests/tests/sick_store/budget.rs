//! A controller of a budget alone: no BMC, no agent, nothing but promises and their journal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Binaries, Daemon, Group};
use serde_json::json;

/// Its configuration, with its journal in the folder `rack` below.
pub fn config(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join("rack.toml");
    let text = format!(
        "[rack]\nname = \"r-budget\"\nmode = \"enforce\"\nsimulated = true\nlisten_address = \"127.0.0.1:0\"\nstate_dir = {:?}\n\
         keep_events = 1000\n[[domain]]\nname = \"contract\"\nsource = \"budget\"\nbudget_watts = 16000\nredundancy = \"n\"\n",
        folder.join("rack")
    );
    std::fs::write(&file, text)?;
    Ok(file)
}

pub fn start(binaries: &Binaries, folder: &Path) -> anyhow::Result<Daemon> {
    let mut command = Command::new(binaries.path(Binaries::RACK));
    command.args(["serve", "--config"]).arg(config(folder)?);
    Daemon::start("busbar-rack", command, &folder.join("log"), Group::Starters)
}

/// What `busbar-rack WORDS` says, and whether it went well.
pub fn rack(binaries: &Binaries, words: &[&str]) -> anyhow::Result<(bool, String)> {
    let mut command = Command::new(binaries.path(Binaries::RACK));
    let done = command.args(words).output().context("cannot start busbar-rack")?;
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Ok((done.status.success(), said.concat()))
}

pub fn claim(daemon: &Daemon, name: &str) -> anyhow::Result<()> {
    let reply = http::ask(
        "POST",
        daemon.url(),
        "/v1/claims",
        Some(&json!({"for": name, "watts": 1})),
    )?;
    ensure!(reply.status == 201, "{name}: {} {}", reply.status, reply.body);
    Ok(())
}

pub fn claims(daemon: &Daemon) -> anyhow::Result<BTreeSet<String>> {
    let claims = http::get(daemon.url(), "/v1/claims")?;
    let claims = claims.as_array().context("claims")?;
    let name = |claim: &serde_json::Value| claim["for"].as_str().map(str::to_owned);
    Ok(claims.iter().filter_map(name).collect())
}
