//! `busbar top` against a real agent: one frame for programs, one as text, and the live view on a pseudo-terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::raise::{Agent, AgentPlan, Binaries, Group};
use house_tests::wait;
use nix::pty::{Winsize, openpty};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: Winsize = Winsize {
    ws_row: 50,
    ws_col: 120,
    ws_xpixel: 0,
    ws_ypixel: 0,
};
/// The terminal's other screen, entered and left (xterm's control sequences, DECSET 1049).
const ENTERED: &str = "\x1b[?1049h";
const LEFT: &str = "\x1b[?1049l";

#[test]
fn top_shows_a_real_agent() -> anyhow::Result<()> {
    let binaries = Binaries::find()?;
    let folder = std::env::temp_dir().join(format!("busbar-top-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let plan = AgentPlan::in_folder(&folder, "n01", "observe");
    let agent = Agent::start(
        &binaries,
        plan,
        &folder.join("agent.toml"),
        &folder.join("agent.log"),
        Group::Starters,
    )?;
    let busbar = binaries.folder().join("busbar");
    let node = agent.daemon.url().to_owned();

    let frame = wait::until("a frame with NUMA nodes or CPUs", PATIENCE, || {
        let ran = Command::new(&busbar)
            .args(["top", &node, "--interval", "0.3", "--output", "json"])
            .output()?;
        ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let frame: Value = serde_json::from_slice(&ran.stdout)?;
        let has_share = frame["busy"]["value"].is_number();
        Ok(has_share.then_some(frame))
    })?;
    let share = frame["busy"]["value"].as_f64().context("a number")?;
    ensure!((0.0..=1.0).contains(&share), "{share}");
    let sources = frame["sources"].as_array().context("a list")?;
    ensure!(
        sources
            .iter()
            .any(|source| source["name"] == "topology" && source["state"] == "ok"),
        "{sources:?}"
    );

    let socket = agent.plan.socket.display().to_string();
    let once = Command::new(&busbar)
        .args(["top", &socket, "--once", "--interval", "0.3"])
        .output()?;
    let text = String::from_utf8(once.stdout)?;
    ensure!(text.contains("sources") && !text.contains('\x1b'), "{text}");

    live(&busbar, &node)?;
    let nobody = Command::new(&busbar)
        .args(["top", "http://127.0.0.1:1", "--once"])
        .output()?;
    ensure!(nobody.status.code() == Some(4), "{nobody:?}");
    agent.daemon.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// On a terminal it takes the other screen, draws, hears q, and puts the terminal back.
fn live(busbar: &std::path::Path, node: &str) -> anyhow::Result<()> {
    let pty = openpty(Some(&SIZE), None)?;
    let end = || -> anyhow::Result<Stdio> { Ok(Stdio::from(OwnedFd::try_clone(&pty.slave)?)) };
    let mut child = Command::new(busbar)
        .args(["top", node, "--interval", "0.3"])
        .env("TERM", "xterm-256color")
        .stdin(end()?)
        .stdout(end()?)
        .stderr(end()?)
        .spawn()?;
    drop(pty.slave);
    let seen = Arc::new(Mutex::new(String::new()));
    let mut reader = File::from(pty.master.try_clone()?);
    let kept = seen.clone();
    let reading = std::thread::spawn(move || {
        let mut bytes = [0_u8; 4096];
        // The other end is gone with EIO.
        while let Ok(read) = reader.read(&mut bytes) {
            let Some(some) = bytes.get(..read).filter(|some| !some.is_empty()) else {
                return;
            };
            kept.lock().unwrap().push_str(&String::from_utf8_lossy(some));
        }
    });
    wait::until("the view to be drawn", PATIENCE, || {
        let seen = seen.lock().unwrap();
        Ok((seen.contains(ENTERED) && seen.contains("sources") && seen.contains("topology")).then_some(()))
    })?;
    File::from(pty.master.try_clone()?).write_all(b"jq")?;
    let status = wait::until("top to end", PATIENCE, || Ok(child.try_wait()?))?;
    ensure!(status.success(), "{status}");
    drop(pty.master);
    let _ = reading.join();
    let seen = seen.lock().unwrap();
    ensure!(seen.contains(LEFT), "the terminal was put back");
    Ok(())
}
