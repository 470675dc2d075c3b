//! The first five minutes: what a stranger types after `cargo up`, driven through the real commands, down to Ctrl-C.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use house_tests::http::{self, Events};
use house_tests::raise::{Binaries, Scratch, Turn};
use house_tests::wait;

const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn the_first_five_minutes() -> anyhow::Result<()> {
    // busbar-up takes the turn itself; this only waits until nobody else has it.
    drop(Turn::wait()?);
    let scratch = Scratch::new("up")?;
    let binaries = Binaries::find()?;
    let up = Up::start(&binaries, &scratch, &["--fresh"])?;
    let said = up.until("Ctrl-C takes everything down.")?;
    introduction(&said)?;

    let drawn = up.shell("busbar show power")?;
    power(&text(&drawn))?;
    drain(&up)?;
    pull(&up)?;
    ctrl_c(up)?;
    again(&binaries, &scratch)
}

/// Step 1: this machine in one line, a URL, three commands to try.
fn introduction(said: &str) -> anyhow::Result<()> {
    let line = said.lines().find(|line| line.starts_with("this machine: "));
    let line = line.with_context(|| format!("no line about this machine:\n{said}"))?;
    for words in [
        " CPU",
        " NUMA node",
        "RAPL ",
        "BMC",
        "Real hardware: OBSERVE. Simulated rack: ENFORCE.",
    ] {
        ensure!(line.contains(words), "{words:?} is missing: {line}");
    }
    ensure!(said.contains("http://127.0.0.1:"), "no address:\n{said}");
    let commands = said.lines().filter(|line| line.starts_with("  busbar ")).count();
    ensure!(commands == 3, "three commands to try:\n{said}");
    Ok(())
}

/// Step 2: the picture.
fn power(drawn: &str) -> anyhow::Result<()> {
    for words in [
        "r-demo",
        "mode enforce (simulated)",
        "installed 18.0 kW",
        "surviving 15.0 kW",
        "firm held 12.4",
        "headroom 2.6",
    ] {
        ensure!(drawn.contains(words), "{words:?} is missing:\n{drawn}");
    }
    ensure!(
        drawn.matches("ok").count() >= 6,
        "six supplies are well:\n{drawn}"
    );
    Ok(())
}

/// Step 3: the interlock says no with its numbers; a claim is released; then it says yes.
fn drain(up: &Up) -> anyhow::Result<()> {
    let no = up.shell("busbar drain shelf/psu-3")?;
    let sentence = text(&no);
    ensure!(no.status.code() == Some(3), "{sentence}");
    ensure!(
        sentence.contains("12.4 kW firm > 12.0 kW after the pull")
            || sentence.contains("12.4 kW firm fits 15.0 kW that remain"),
        "{sentence}"
    );
    ensure!(sentence.contains("release \"batch\" (0.8 kW)"), "{sentence}");
    up.shell_ok("busbar release batch")?;
    let yes = up.shell_ok("busbar drain shelf/psu-3")?;
    ensure!(yes.contains("yes: PSU 4, feed B"), "{yes}");
    Ok(())
}

/// Step 4: pulled; the event stream, the picture and Prometheus agree.
fn pull(up: &Up) -> anyhow::Result<()> {
    let rack = up.value("BUSBAR_RACK")?;
    let head = http::get(&rack, "/v1/rack")?["journal_sequence"]
        .as_u64()
        .unwrap_or(0);
    let events = Events::open(&rack, &format!("/v1/events?after={head}"))?;
    up.shell_ok("hw-fixtures do pull shelf/psu-3")?;
    events.next("the pulled supply", PATIENCE, |event| {
        event.data["subject"] == "shelf/psu-3"
    })?;
    wait::until("the picture to agree", PATIENCE, || {
        let drawn = up.shell_ok("busbar show power")?;
        ensure!(drawn.contains("installed 15.0 kW"), "{drawn}");
        Ok(Some(()))
    })?;
    let prometheus = up.value("BUSBAR_PROMETHEUS")?;
    if prometheus.is_empty() {
        println!("skipped: Prometheus' part of the first five minutes: none was raised");
        return Ok(());
    }
    let query = http::query_text("busbar_rack_domain_installed_watts{domain=\"shelf\"}");
    wait::until("Prometheus to agree", PATIENCE, || {
        let answer = http::get(&prometheus, &format!("/api/v1/query?query={query}"))?;
        let value = answer["data"]["result"][0]["value"][1].as_str();
        ensure!(value == Some("15000"), "{answer}");
        Ok(Some(()))
    })
}

/// Step 5: Ctrl-C takes everything down and says what it removed.
fn ctrl_c(mut up: Up) -> anyhow::Result<()> {
    up.signal("INT")?;
    let said = up.ended()?;
    let line = said.lines().last().unwrap_or_default();
    ensure!(
        line.starts_with("removed: "),
        "the last line says what was removed:\n{said}"
    );
    ensure!(line.ends_with("; nothing left"), "{line}");
    ensure!(line.contains(" processes"), "{line}");
    Ok(())
}

/// A second run finds the claims, the release and the empty bay of the first.
fn again(binaries: &Binaries, scratch: &Scratch) -> anyhow::Result<()> {
    let mut up = Up::start(binaries, scratch, &[])?;
    let said = up.until("Ctrl-C takes everything down.")?;
    ensure!(said.contains("found again"), "{said}");
    wait::until("the state of the first run", PATIENCE, || {
        let drawn = up.shell_ok("busbar show power")?;
        ensure!(
            drawn.contains("installed 15.0 kW") && drawn.contains("firm held 11.6"),
            "{drawn}"
        );
        Ok(Some(()))
    })?;
    up.signal("TERM")?;
    let said = up.ended()?;
    ensure!(said.contains("nothing left"), "{said}");
    Ok(())
}

/// A running `busbar-up`.
struct Up {
    child: Child,
    state: PathBuf,
    out: PathBuf,
}

impl Up {
    fn start(binaries: &Binaries, scratch: &Scratch, words: &[&str]) -> anyhow::Result<Up> {
        let state = scratch.join("state");
        let out = scratch.join("out");
        let file = fs::File::create(&out)?;
        let child = Command::new(binaries.path("busbar-up"))
            .args([
                "--state",
                &state.display().to_string(),
                "--port-base",
                &free_ports()?.to_string(),
            ])
            .args(words)
            .stdin(Stdio::null())
            .stderr(file.try_clone()?)
            .stdout(file)
            .spawn()?;
        Ok(Up { child, state, out })
    }

    /// Everything it has printed, once that holds `words`.
    fn until(&self, words: &str) -> anyhow::Result<String> {
        wait::until(&format!("busbar-up to say {words:?}"), PATIENCE, || {
            let said = fs::read_to_string(&self.out)?;
            ensure!(said.contains(words), "it said:\n{said}");
            Ok(Some(said))
        })
    }

    /// A command in a shell that has read the file `env`, as a person would type it.
    fn shell(&self, line: &str) -> anyhow::Result<Output> {
        let script = format!(". '{}' && {line}", self.state.join("env").display());
        let output = Command::new("sh")
            .args(["-c", &script])
            .env("NO_COLOR", "1")
            .output();
        output.context("cannot start sh")
    }

    fn shell_ok(&self, line: &str) -> anyhow::Result<String> {
        let output = self.shell(line)?;
        ensure!(output.status.success(), "{line}: {}", text(&output));
        Ok(text(&output))
    }

    fn value(&self, name: &str) -> anyhow::Result<String> {
        Ok(self
            .shell_ok(&format!("printf %s \"${name}\""))?
            .trim()
            .to_owned())
    }

    fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()?;
        ensure!(status.success(), "cannot signal busbar-up");
        Ok(())
    }

    /// Everything it has said, once it has ended well.
    fn ended(&mut self) -> anyhow::Result<String> {
        let status = wait::until("busbar-up to end", PATIENCE, || Ok(self.child.try_wait()?))?;
        let said = fs::read_to_string(&self.out)?;
        if !status.success() {
            bail!("busbar-up ended with {status}:\n{said}");
        }
        Ok(said)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            // The story failed: it is asked to take down what it raised, and only then killed.
            let _ = self.signal("TERM");
            let _ = wait::until("busbar-up to end", PATIENCE, || Ok(self.child.try_wait()?));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The first of three ports that nobody has now.
fn free_ports() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port().min(u16::MAX - 3))
}
