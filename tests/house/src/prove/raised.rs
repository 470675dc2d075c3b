//! The raised rack: how soon it can be used, how soon a pulled supply is noticed, how soon both daemons are back after a crash.

use std::fs;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::ask::{self, Running};
use super::facts::scratch;
use super::figure::{Figure, median, millis};
use crate::Wrong;
use crate::place::Place;

/// Pulls of which the slowest counts.
const PULLS: usize = 5;

/// A pulled supply is noticed within this (the house's promise).
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// Correct decisions again after kill -9 of the controller (power.md).
const RACK_BACK_WITHIN: Duration = Duration::from_secs(2);

/// The agent answers again after kill -9 and knows its workloads; the same bound as the rack's.
const AGENT_BACK_WITHIN: Duration = Duration::from_secs(2);

/// A rack that takes longer to come up than this is not the rack of the first five minutes.
const UP_WITHIN: Duration = Duration::from_secs(30);

/// No event by then means that none comes.
const EVENT_WITHIN: Duration = Duration::from_secs(30);

const BAY: &str = "shelf/psu-5";

/// Everything that is measured on a raised rack.
pub fn house(place: &Place) -> Result<Vec<Figure>, Wrong> {
    let state = scratch(place, "prove-up")?;
    let begun = Instant::now();
    let mut command = Command::new(place.binaries(true).join("busbar-up"));
    command
        .args(["--fresh", "--port-base", "19711", "--state"])
        .arg(&state);
    let mut up = Running::start(command, &state.join("up.log"))?;
    up.line_with("Ctrl-C takes everything down.")?;
    let usable = begun.elapsed();
    let mut figures = vec![Figure::at_most(
        "busbar-up: start → usable rack with its claims, nothing asked",
        usable,
        UP_WITHIN,
        "",
    )];
    let raised = Raised::find(place, &state)?;
    figures.extend(raised.pulls()?);
    figures.push(raised.agent_back()?);
    figures.push(raised.rack_back()?);
    up.stop()?;
    Ok(figures)
}

/// A raised rack, as the files in its state tell.
struct Raised {
    binaries: PathBuf,
    state: PathBuf,
    rack: String,
    agent: String,
}

impl Raised {
    fn find(place: &Place, state: &Path) -> Result<Raised, Wrong> {
        let env = read(&state.join("env"))?;
        Ok(Raised {
            binaries: place.binaries(true),
            state: state.to_owned(),
            rack: exported(&env, "BUSBAR_RACK")?,
            agent: exported(&env, "BUSBAR_AGENT_URL")?,
        })
    }

    /// Pulls a supply again and again: how long until the event stream tells, and until the metrics show it.
    fn pulls(&self) -> Result<Vec<Figure>, Wrong> {
        let (mut events, mut metrics) = (Vec::new(), Vec::new());
        for _ in 0..PULLS {
            let before = self.installed_metric()?;
            let stream = self.events()?;
            let begun = Instant::now();
            self.world(&["pull", BAY])?;
            let told = wait_for(&stream, "supply_lost", begun)?;
            let (_, shown) = ask::until("the metrics to show the pull", begun, || {
                let now = self.installed_metric().map_err(|_| "no metric".to_owned())?;
                Ok((now != before).then_some(()))
            })?;
            events.push(told);
            metrics.push(shown);
            self.world(&["insert", BAY])?;
            wait_for(&stream, "supply_in_service", Instant::now())?;
        }
        let worst = |all: &[Duration]| all.iter().max().copied().unwrap_or_default();
        let note = |all: &[Duration]| format!(" (median {})", millis(median(all.to_vec())));
        Ok(vec![
            Figure::at_most(
                "supply pulled → told by the event stream, slowest of 5",
                worst(&events),
                NOTICED_WITHIN,
                &note(&events),
            ),
            Figure::at_most(
                "supply pulled → shown in /metrics, slowest of 5",
                worst(&metrics),
                NOTICED_WITHIN,
                &note(&metrics),
            ),
        ])
    }

    /// kill -9 of the controller, start again: claims as before, supplies seen again.
    fn rack_back(&self) -> Result<Figure, Wrong> {
        let claims = self.get(&self.rack, "/v1/claims")?;
        let installed = self.installed_metric()?;
        kill9(self.process("busbar-rack")?)?;
        let begun = Instant::now();
        let (rack, url) = self.start_again("busbar-rack", "serve", "rack.toml")?;
        let (_, took) = ask::until("the rack to be as before", begun, || {
            let same = ask::get(&url, "/v1/claims")? == claims;
            let metrics = ask::get(&url, "/metrics")?;
            Ok((same && installed_in(&metrics).as_deref() == Some(installed.as_str())).then_some(()))
        })?;
        rack.stop()?;
        Ok(Figure::at_most(
            "rack: kill -9, start → same claims, supplies seen again",
            took,
            RACK_BACK_WITHIN,
            "",
        ))
    }

    /// kill -9 of the agent, start again: it answers.
    fn agent_back(&self) -> Result<Figure, Wrong> {
        let workloads = self.get(&self.agent, "/v1/workloads")?;
        kill9(self.process("busbar-agent")?)?;
        let begun = Instant::now();
        let (agent, url) = self.start_again("busbar-agent", "run", "agent.toml")?;
        let (_, took) = ask::until("the agent to answer", begun, || {
            Ok((ask::get(&url, "/v1/workloads")? == workloads).then_some(()))
        })?;
        agent.stop()?;
        Ok(Figure::at_most(
            "agent: kill -9, start → same workloads",
            took,
            AGENT_BACK_WITHIN,
            "",
        ))
    }

    fn start_again(&self, name: &str, verb: &str, config: &str) -> Result<(Running, String), Wrong> {
        let mut command = Command::new(self.binaries.join(name));
        command.args([verb, "--config"]).arg(self.state.join(config));
        let mut daemon = Running::start(command, &self.state.join(format!("{name}-again.log")))?;
        let line = daemon.line_with(&format!("ready {name} "))?;
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Ok((daemon, url))
    }

    /// The process of a daemon, as busbar-up wrote it down: `PID START NAME URL LOG`.
    fn process(&self, name: &str) -> Result<u32, Wrong> {
        let text = read(&self.state.join("processes"))?;
        text.lines()
            .find_map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                (words.get(2) == Some(&name)).then(|| words.first()?.parse().ok())?
            })
            .ok_or_else(|| Wrong::Failed(format!("{name} is not among the processes:\n{text}")))
    }

    fn world(&self, words: &[&str]) -> Result<(), Wrong> {
        let done = Command::new(self.binaries.join("hw-fixtures"))
            .arg("do")
            .args(words)
            .arg("--state-dir")
            .arg(self.state.join("world"))
            .stdin(Stdio::null())
            .output();
        match done {
            Ok(done) if done.status.success() => Ok(()),
            Ok(done) => Err(Wrong::Failed(format!(
                "hw-fixtures do {}: {}",
                words.join(" "),
                String::from_utf8_lossy(&done.stderr)
            ))),
            Err(err) => Err(Wrong::Failed(format!("cannot start hw-fixtures: {err}"))),
        }
    }

    fn get(&self, url: &str, path: &str) -> Result<String, Wrong> {
        ask::get(url, path).map_err(Wrong::Failed)
    }

    fn installed_metric(&self) -> Result<String, Wrong> {
        let metrics = self.get(&self.rack, "/metrics")?;
        installed_in(&metrics)
            .ok_or_else(|| Wrong::Failed("no installed watts in the rack's metrics".to_owned()))
    }

    /// The event stream from now on: each line of data and when it arrived.
    fn events(&self) -> Result<mpsc::Receiver<(String, Instant)>, Wrong> {
        let view = self.get(&self.rack, "/v1/status")?;
        let flat: String = view.split_whitespace().collect();
        let head: String = flat
            .split_once("\"journal_sequence\":")
            .map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect())
            .ok_or_else(|| Wrong::Failed(format!("no journal_sequence in {view}")))?;
        let reader = ask::open(
            &self.rack,
            &format!("/v1/events?after={head}"),
            "text/event-stream",
        );
        let reader = reader.map_err(Wrong::Failed)?;
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                if line.starts_with("data:") && tell.send((line, Instant::now())).is_err() {
                    return;
                }
            }
        });
        Ok(told)
    }
}

/// Waits for the bay's event of this kind; how long after `begun` it arrived.
fn wait_for(
    stream: &mpsc::Receiver<(String, Instant)>,
    kind: &str,
    begun: Instant,
) -> Result<Duration, Wrong> {
    loop {
        match stream.recv_timeout(EVENT_WITHIN) {
            Ok((data, arrived)) if data.contains(kind) && data.contains(BAY) => {
                return Ok(arrived.saturating_duration_since(begun));
            }
            Ok(_) => {}
            Err(err) => return Err(Wrong::Failed(format!("no event {kind} of {BAY}: {err}"))),
        }
    }
}

fn installed_in(metrics: &str) -> Option<String> {
    let line = metrics
        .lines()
        .find(|line| line.starts_with("busbar_rack_domain_installed_watts{"))?;
    line.rsplit(' ').next().map(str::to_owned)
}

fn kill9(process: u32) -> Result<(), Wrong> {
    let done = Command::new("kill").args(["-9", &process.to_string()]).status();
    if done.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(Wrong::Failed(format!("cannot kill process {process}")))
    }
}

fn read(path: &Path) -> Result<String, Wrong> {
    fs::read_to_string(path).map_err(|err| Wrong::Failed(format!("cannot read {}: {err}", path.display())))
}

/// The value of `export NAME='value'`.
fn exported(env: &str, name: &str) -> Result<String, Wrong> {
    let value = env.lines().find_map(|line| {
        line.strip_prefix("export ")?
            .strip_prefix(name)?
            .strip_prefix('=')
    });
    value
        .map(|value| value.trim_matches('\'').to_owned())
        .ok_or_else(|| Wrong::Failed(format!("{name} is not exported in:\n{env}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_busbar_up_leaves_is_read() {
        let env = "# words\nexport BUSBAR_RACK='http://127.0.0.1:9712'\nexport BUSBAR_AGENT='/s'\n";
        assert_eq!(exported(env, "BUSBAR_RACK").unwrap(), "http://127.0.0.1:9712");
        assert!(exported(env, "BUSBAR_WORLD").is_err());
        let metrics = "# HELP x\nbusbar_rack_domain_installed_watts{domain=\"shelf\"} 18000\n";
        assert_eq!(installed_in(metrics).unwrap(), "18000");
    }
}
