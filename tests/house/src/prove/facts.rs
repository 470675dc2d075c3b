//! Facts of this machine: how fast they are there, beside lstopo in the same run.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::ask::{self, Running};
use super::figure::{Figure, median, millis};
use crate::Wrong;
use crate::place::{Place, on_path};

/// Process starts of which the median is taken.
const STARTS: usize = 10;

/// `busbar-agent facts --output json`, from nothing (the house's promise).
const FACTS_WITHIN: Duration = Duration::from_millis(300);

/// A folder for what is measured here, empty at the start.
pub fn scratch(place: &Place, name: &str) -> Result<PathBuf, Wrong> {
    let folder = place.records.join(name);
    let wrong = |err| Wrong::Failed(format!("cannot empty {}: {err}", folder.display()));
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(wrong)?;
    }
    fs::create_dir_all(&folder).map_err(wrong)?;
    Ok(folder)
}

/// All facts as JSON, and the same topology by lstopo.
pub fn cold(place: &Place) -> Result<Vec<Figure>, Wrong> {
    let agent = place.binaries(true).join("busbar-agent");
    let took = starts(|| {
        let mut command = Command::new(&agent);
        command.args(["facts", "--output", "json"]);
        command
    })?;
    let mut figures = vec![Figure::at_most(
        "busbar-agent facts --output json, cold, median of 10",
        median(took),
        FACTS_WITHIN,
        "",
    )];
    if on_path("lstopo").is_some() {
        let took = starts(|| {
            let mut command = Command::new("lstopo");
            command.args(["--of", "xml"]);
            command
        })?;
        figures.push(Figure::told(
            "lstopo --of xml (topology alone), median of 10",
            millis(median(took)),
        ));
    }
    Ok(figures)
}

fn starts(command: impl Fn() -> Command) -> Result<Vec<Duration>, Wrong> {
    let mut took = Vec::new();
    for _ in 0..STARTS {
        let mut command = command();
        let begun = Instant::now();
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(Wrong::Failed(format!(
                "{} failed",
                command.get_program().display()
            )));
        }
        took.push(begun.elapsed());
    }
    Ok(took)
}

/// From the agent's start to its first answered scrape; it does not wait for hwloc.
pub fn first_scrape(place: &Place) -> Result<Vec<Figure>, Wrong> {
    let folder = scratch(place, "prove-agent")?;
    let config = folder.join("agent.toml");
    let text = format!(
        "[agent]\nname = \"n01\"\nmode = \"observe\"\nlisten_address = \"127.0.0.1:0\"\nsocket = {:?}\nstate_dir = {:?}\n",
        std::env::temp_dir().join(format!("busbar-prove-{}.sock", std::process::id())),
        folder.join("state"),
    );
    fs::write(&config, text).map_err(|err| Wrong::Failed(format!("{}: {err}", config.display())))?;
    let (mut scrapes, mut topologies, mut waited) = (Vec::new(), Vec::new(), 0_usize);
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut command = Command::new(place.binaries(true).join("busbar-agent"));
        command.args(["run", "--config"]).arg(&config);
        let mut agent = Running::start(command, &folder.join("agent.log"))?;
        let line = agent.line_with("ready busbar-agent ")?;
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        let (_, scraped) = ask::until("the first scrape", begun, || ask::get(&url, "/metrics").map(Some))?;
        let pending = is_topology_pending(&url);
        let (_, known) = ask::until("the topology", begun, || {
            Ok((!is_topology_pending(&url)).then_some(()))
        })?;
        scrapes.push(scraped);
        topologies.push(known);
        waited += usize::from(!pending);
        agent.stop()?;
    }
    let (scrape, topology) = (median(scrapes), median(topologies));
    Ok(vec![Figure {
        what: "agent: start → first scrape, median of 10".to_owned(),
        value: format!(
            "{} (topology known after {}; already known right after the scrape in {waited} of {STARTS})",
            millis(scrape),
            millis(topology)
        ),
        target: "does not wait for hwloc".to_owned(),
        verdict: Some(scrape < topology),
    }])
}

/// Whether hwloc has not told its part yet.
fn is_topology_pending(url: &str) -> bool {
    ask::get(url, "/v1/facts").map_or(true, |facts| {
        let flat: String = facts.split_whitespace().collect();
        flat.contains("\"name\":\"topology\",\"state\":\"pending\"") || flat.contains("\"cpus\":[]")
    })
}
