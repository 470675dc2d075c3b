//! The first story: this machine's facts, a pinned command, watts claimed, a supply pulled and put back, both daemons killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http::{self, Events};
use house_tests::raise::{Binaries, Group, House, Prometheus, find_prometheus};
use house_tests::wait;
use serde_json::{Value, json};

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
const PATIENCE: Duration = Duration::from_secs(60);

const BAY: &str = "shelf/psu-3";
const HEADROOM: &str = "busbar_rack_domain_headroom_watts{domain=\"shelf\"}";

#[test]
fn the_first_story() -> anyhow::Result<()> {
    let mut house = House::raise("first", "enforce")?;
    facts_of_this_machine(&house)?;
    let pinned = Pinned::start(&house)?;
    house.all_counted()?;
    claim_until_refused(&house)?;
    let prometheus = prometheus(&house)?;
    pull(&house, prometheus.as_ref())?;
    put_back(&house, prometheus.as_ref())?;
    drop(prometheus);
    kill_both_and_start_again(&mut house, pinned.as_ref())?;
    if let Some(pinned) = pinned {
        pinned.end(&house)?;
    }
    let said = house.take_down()?;
    ensure!(said.contains("nothing left"), "{said}");
    Ok(())
}

/// The daemon, the command and the kernel count the same CPUs.
fn facts_of_this_machine(house: &House) -> anyhow::Result<()> {
    let said = Command::new(house.binaries.path(Binaries::AGENT))
        .args(["facts", "--output", "json"])
        .output()?;
    ensure!(said.status.success(), "busbar-agent facts: {said:?}");
    let facts: Value = serde_json::from_slice(&said.stdout)?;
    let online = fs::read_to_string("/sys/devices/system/cpu/online")?;
    let cpus = cpus_in(online.trim());
    let shown = facts["cpus"].as_array().context("cpus is an array")?;
    let kept_away = facts["disallowed_cpus"]
        .as_str()
        .map_or(0, |list| cpus_in(list).len());
    ensure!(
        shown.len() + kept_away == cpus.len(),
        "{} CPUs shown, online: {online}",
        shown.len()
    );
    for list in
        "packages numa_nodes caches cores cpus gpus drives nics power_zones sensors sources".split(' ')
    {
        ensure!(facts[list].is_array(), "{list} is missing");
    }
    let agent = house.agent()?.daemon.url();
    wait::until("the agent's topology", PATIENCE, || {
        let served = http::get(agent, "/v1/facts")?;
        ensure!(
            served["cpus"] == facts["cpus"],
            "the agent shows {}",
            served["cpus"]
        );
        Ok(Some(()))
    })
}

/// A command that runs pinned for the length of the story.
struct Pinned {
    busbar: Child,
    pid: u32,
    cpu: String,
}

impl Pinned {
    /// Runs one, and proves by the kernel's word where it runs. `None` where this machine lets nobody make a cgroup.
    fn start(house: &House) -> anyhow::Result<Option<Pinned>> {
        let status = http::get(house.agent()?.daemon.url(), "/v1/status")?;
        if status["cgroup"]["mode"] == "none" || status["cgroup"]["exclusivity"] == "none" {
            println!("skipped: no cgroup can be made here: {}", status["cgroup"]["why"]);
            return Ok(None);
        }
        let said = house.busbar(&["run", "--cpus", "1", "--", "sh", "-c", "exit 7"])?;
        ensure!(said.code == 7, "the exit status is passed on: {said:?}");

        let file = house.folder.join("pid");
        let script = format!(
            "echo $$ > {0}.new && mv {0}.new {0}; exec sleep 600",
            file.display()
        );
        let words = [
            "run",
            "--name",
            "pinned",
            "--cpus",
            "1",
            "--exclusive",
            "--memory",
            "256M",
            "--",
            "sh",
            "-c",
        ];
        let busbar = house
            .command(&words)
            .arg(&script)
            .stdin(Stdio::null())
            .stderr(fs::File::create(house.folder.join("run.log"))?)
            .spawn()?;
        let pid = wait::until("the pinned command to write its process id", PATIENCE, || {
            let text = fs::read_to_string(&file)
                .with_context(|| fs::read_to_string(house.folder.join("run.log")).unwrap_or_default())?;
            Ok(Some(text.trim().parse::<u32>()?))
        })?;
        let workloads = http::get(house.agent()?.daemon.url(), "/v1/workloads")?;
        let workload = &workloads[0];
        ensure!(workload["id"] == "pinned", "{workloads}");
        let cpu = workload["cpus"].as_str().context("cpus is a list")?.to_owned();
        ensure!(cpus_in(&cpu).len() == 1, "one CPU was asked for: {workload}");
        let pinned = Pinned { busbar, pid, cpu };
        pinned.check()?;
        let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
        ensure!(cgroup.contains("busbar/pinned"), "{cgroup}");
        let facts = house.busbar_ok(&["show", "--output", "json"])?;
        ensure!(facts.contains("r-demo"), "{facts}");
        Ok(Some(pinned))
    }

    /// The kernel's own word: where this process may run.
    fn check(&self) -> anyhow::Result<()> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        ensure!(
            allowed.map(str::trim) == Some(&self.cpu),
            "promised CPU {}, the kernel says {allowed:?}",
            self.cpu
        );
        Ok(())
    }

    /// Ends the command; everything is undone by itself.
    fn end(mut self, house: &House) -> anyhow::Result<()> {
        let signal = Command::new("kill").arg(self.pid.to_string()).status()?;
        ensure!(signal.success(), "cannot end the pinned command");
        let status = self.busbar.wait()?;
        ensure!(
            status.code() == Some(128 + 15),
            "busbar run passes the signal on: {status}"
        );
        let agent = house.agent()?.daemon.url();
        wait::until("the workload to be undone", PATIENCE, || {
            let workloads = http::get(agent, "/v1/workloads")?;
            ensure!(workloads == json!([]), "{workloads}");
            Ok(Some(()))
        })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Over already where the story went well.
        let _ = self.busbar.kill();
        let _ = self.busbar.wait();
    }
}

/// Claims until the shelf is full; the refusal names what is missing.
fn claim_until_refused(house: &House) -> anyhow::Result<()> {
    // What is claimed on a node of the demonstration is paid for: its BMC caps it, and it counts with all that it can draw.
    for (name, watts, node) in [
        ("web", "2500", Some("n02")),
        ("db", "3100", Some("n03")),
        ("cache", "400", None),
    ] {
        let mut words = vec!["claim", "power", "--watts", watts, "--for", name];
        words.extend(node.map(|node| ["--node", node]).into_iter().flatten());
        house.busbar_ok(&words)?;
    }
    let refused = house.busbar(&["claim", "power", "--watts", "4000", "--for", "batch"])?;
    ensure!(refused.code == 3, "{refused:?}");
    for number in ["short by 1000 W", "asked 4000 W", "free 3000 W"] {
        ensure!(refused.err.contains(number), "{number} is missing: {refused:?}");
    }
    let rack = house.rack()?.daemon.url();
    let ask = json!({"watts": 4000, "for": "batch"});
    let answer = http::ask("POST", rack, "/v1/claims", Some(&ask))?;
    let shortfall = &answer.json()?["error"]["shortfall"];
    ensure!(answer.status == 409, "{answer:?}");
    ensure!(
        shortfall["headroom_watts"].as_f64() == Some(3000.0)
            && shortfall["short_watts"].as_f64() == Some(1000.0),
        "{answer:?}"
    );
    let shelf = house.shelf()?;
    ensure!(
        shelf["held_watts"].as_f64() == Some(12_000.0),
        "nothing of the refused claim is held: {shelf}"
    );
    Ok(())
}

/// A Prometheus that has seen the headroom as it is.
fn prometheus(house: &House) -> anyhow::Result<Option<Prometheus>> {
    let Some(program) = find_prometheus(house.binaries.target()) else {
        println!("skipped: Prometheus' part of the first story: it is neither fetched nor on the path");
        return Ok(None);
    };
    let prometheus = Prometheus::start(
        &program,
        &house.folder.join("prometheus"),
        house.rack()?.daemon.url(),
        0,
        "500ms",
        &house.folder.join("prometheus.log"),
        Group::Starters,
    )?;
    sees(&prometheus, 3000.0)?;
    Ok(Some(prometheus))
}

fn sees(prometheus: &Prometheus, watts: f64) -> anyhow::Result<()> {
    wait::until(
        &format!("Prometheus to see {watts} W of headroom"),
        PATIENCE,
        || {
            let value = prometheus.value(HEADROOM)?;
            ensure!(value == Some(watts), "it sees {value:?}");
            Ok(Some(()))
        },
    )
}

/// A pulled supply: an event, less headroom, a line in the journal, a lower value in Prometheus.
fn pull(house: &House, prometheus: Option<&Prometheus>) -> anyhow::Result<()> {
    let rack = house.rack()?.daemon.url();
    let head = journal_head(house)?;
    let events = Events::open(rack, &format!("/v1/events?after={head}"))?;
    house.world.act(&["pull", BAY])?;
    let lost = events.next("the supply's loss", PATIENCE, |event| {
        event.data["kind"] == "supply_lost" && event.data["subject"] == BAY
    })?;
    let shelf = house.shelf_until("one supply fewer", |shelf| {
        shelf["installed_watts"].as_f64() == Some(15_000.0)
    })?;
    ensure!(
        shelf["headroom_watts"].as_f64() == Some(0.0),
        "nothing more can be promised: {shelf}"
    );
    ensure!(
        shelf["held_watts"].as_f64() == Some(12_000.0),
        "promises stand: {shelf}"
    );
    ensure!(
        shelf["state"] == "redundant",
        "12 kW are what four of the five left can carry: {shelf}"
    );
    let journal = http::get(rack, &format!("/v1/events?after={head}"))?;
    let kept = journal
        .as_array()
        .into_iter()
        .flatten()
        .any(|event| event["sequence"] == lost.data["sequence"] && event["kind"] == "supply_lost");
    ensure!(kept, "the event of the stream is in the journal: {journal}");
    let text = house.busbar_ok(&["events", "--after", &head.to_string()])?;
    ensure!(text.contains("PSU 4"), "people read printed labels: {text}");
    prometheus.map_or(Ok(()), |prometheus| sees(prometheus, 0.0))
}

/// Put back: it settles, is on probation, and is counted again, in this order.
fn put_back(house: &House, prometheus: Option<&Prometheus>) -> anyhow::Result<()> {
    let rack = house.rack()?.daemon.url();
    let events = Events::open(rack, &format!("/v1/events?after={}", journal_head(house)?))?;
    house.world.act(&["insert", BAY])?;
    let mut last = 0;
    for kind in ["supply_inserted", "supply_on_probation", "supply_in_service"] {
        let event = events.next(kind, PATIENCE, |event| {
            event.data["kind"] == kind && event.data["subject"] == BAY
        })?;
        let sequence = event.data["sequence"].as_u64().context("events are numbered")?;
        ensure!(sequence > last, "{kind} comes in its turn: {:?}", event.data);
        last = sequence;
    }
    let shelf = house.all_counted()?;
    ensure!(shelf["headroom_watts"].as_f64() == Some(3000.0), "{shelf}");
    prometheus.map_or(Ok(()), |prometheus| sees(prometheus, 3000.0))
}

/// Both daemons die as in a crash and come back: claims stand, the pin stands, the agent knows its workload.
fn kill_both_and_start_again(house: &mut House, pinned: Option<&Pinned>) -> anyhow::Result<()> {
    let claims = http::get(house.rack()?.daemon.url(), "/v1/claims")?;
    let head = journal_head(house)?;
    let agent_url = house.agent()?.daemon.url().to_owned();
    house.rack.take().context("the rack runs")?.daemon.kill9();
    house.agent.take().context("the agent runs")?.daemon.kill9();
    if let Some(pinned) = pinned {
        pinned.check()?;
    }
    house.start_agent(agent_url.trim_start_matches("http://"))?;
    house.start_rack()?;
    let rack = house.rack()?.daemon.url();
    ensure!(http::get(rack, "/v1/claims")? == claims, "claims stand");
    ensure!(journal_head(house)? >= head, "the journal goes on where it was");
    if let Some(pinned) = pinned {
        pinned.check()?;
        let workloads = http::get(house.agent()?.daemon.url(), "/v1/workloads")?;
        ensure!(
            workloads[0]["id"] == "pinned" && workloads[0]["cpus"] == pinned.cpu.as_str(),
            "the restarted agent knows its workload: {workloads}"
        );
    }
    house.all_counted()?;
    Ok(())
}

fn journal_head(house: &House) -> anyhow::Result<u64> {
    let view = house.rack()?.view()?;
    view["journal_sequence"]
        .as_u64()
        .context("journal_sequence is a number")
}

/// The CPUs in a list as the kernel writes it: `0-3,7`.
fn cpus_in(list: &str) -> Vec<u32> {
    list.split(',')
        .filter(|part| !part.is_empty())
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            first.parse().unwrap()..=last.parse().unwrap()
        })
        .collect()
}
