//! The rack of 64 real agents: what it costs, how soon it promises, answers, lowers, and is back.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use house_tests::raise::{Fleet, FleetPlan, Shape, may_unshare};
use house_tests::{http, wait};
use serde_json::{Value, json};

use crate::sample::{Sample, told};
use crate::{losses, process, proofs};

/// What each node has firm, and in all.
pub const FIRM: u64 = 234;
pub const WHOLE: u64 = 280;
pub const INSTALLED: u64 = 18_000;
/// What survives one loss: six supplies of 3 kW at n+1.
const SURVIVES: u64 = 15_000;
/// Left free for claims that are timed.
const FREE: u64 = 12;
const AGENTS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);
const CLAIMS: usize = 300;
const RESTARTS: usize = 5;
/// How often all nodes' watts are claimed, one claim right after the other.
const BURSTS: usize = 2;
/// How often they are claimed one by one, and the time between two claims. Here all agents share the controller's cores: what a node does
/// about its new cap would else be timed as the next claim.
const ROUNDS: usize = 4;
const BETWEEN: Duration = Duration::from_millis(50);
const IDLE: Duration = Duration::from_secs(20);

const SHAPE: Shape = Shape {
    packages: 1,
    package_watts: 360,
    rest_watts: 40,
    floor_watts: 120,
    idle_watts: 60,
};

fn plan(nodes: usize) -> FleetPlan {
    FleetPlan {
        nodes,
        shape: SHAPE,
        policy: "n+1".to_owned(),
        node_bmcs: false,
        // What the nodes' firm watts leave of what survives, less what the timed claims take.
        fixed_load_watts: SURVIVES - FREE - FIRM * nodes as u64,
        domain: "sell_revocable = true\ndetect_within = \"150ms\"\naccept_silence = true\n".to_owned(),
        poll_interval: "1s".to_owned(),
        overload_for: overload(),
        agents_in_memory: true,
    }
}

/// How long supplies ride an overload. `BUSBAR_OVERLOAD=60s` keeps a machine that is too slow for a second measuring.
fn overload() -> String {
    std::env::var("BUSBAR_OVERLOAD").unwrap_or_else(|_| "1s".to_owned())
}

/// A number in the environment.
pub fn number(name: &str, otherwise: usize) -> usize {
    let asked = std::env::var(name).ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

pub fn measured() -> anyhow::Result<()> {
    ensure!(may_unshare(), "this needs root and a mount namespace of its own");
    let agents = number("BUSBAR_AGENTS", AGENTS);
    let began = Instant::now();
    let mut fleet = Fleet::raise("prove", &plan(agents))?;
    told(
        "rack.agents_up_seconds",
        began.elapsed().as_secs_f64(),
        &format!("{agents} agents"),
    );
    let names: Vec<String> = fleet.nodes.iter().map(|node| node.name.clone()).collect();
    proofs::journal(&fleet.state_dir(), &names, FIRM, SHAPE.max_draw_watts())?;
    // The lessor says when each agent answered which order.
    fleet.log_filter = "info,rack_controller::pools::power::act::lessor=debug".to_owned();
    fleet.start_rack()?;
    installed(&fleet)?;
    all_become(&fleet, SHAPE.floor_watts)?;
    sold(&fleet, &names)?;
    costs(&fleet)?;
    claims(&fleet)?;
    interlock(&fleet)?;
    losses::measured(&fleet, number("BUSBAR_LOSSES", losses::LOSSES))?;
    restarts(&mut fleet)
}

/// Every node's watts, claimed; given back and claimed again, so that there are enough of them for the worst of a hundred.
fn sold(fleet: &Fleet, names: &[String]) -> anyhow::Result<()> {
    let mut in_a_burst = Sample::default();
    for _ in 0..BURSTS {
        claimed(fleet, names, Duration::ZERO, &mut in_a_burst)?;
        given_back(fleet, names)?;
    }
    in_a_burst.tell("claim.node_in_a_burst");
    let mut one_by_one = Sample::default();
    for round in 1..=ROUNDS {
        claimed(fleet, names, BETWEEN, &mut one_by_one)?;
        if round < ROUNDS {
            given_back(fleet, names)?;
        }
    }
    one_by_one.tell("claim.node");
    fleet.demand(SHAPE.max_draw_watts())
}

fn claimed(fleet: &Fleet, names: &[String], between: Duration, took: &mut Sample) -> anyhow::Result<()> {
    for name in names {
        let ask = json!({
            "for": format!("w-{name}"), "node": name, "watts": FIRM, "revocable_watts": WHOLE - FIRM,
        });
        let began = Instant::now();
        fleet.claim(&ask)?;
        took.add(began.elapsed());
        std::thread::sleep(between);
    }
    all_become(fleet, WHOLE)
}

fn given_back(fleet: &Fleet, names: &[String]) -> anyhow::Result<()> {
    for name in names {
        let path = format!("/v1/claims/w-{name}");
        let reply = http::ask("DELETE", fleet.url(), &path, None)?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.body);
    }
    all_become(fleet, SHAPE.floor_watts)
}

/// Until all files say this.
pub fn all_become(fleet: &Fleet, watts: u64) -> anyhow::Result<()> {
    wait::until(&format!("all nodes at {watts} W"), PATIENCE, || {
        let limits: Vec<u64> = fleet.nodes.iter().map(|node| node.limit()).collect();
        ensure!(limits.iter().all(|limit| *limit == watts), "{limits:?}");
        Ok(Some(()))
    })
    .with_context(|| explained(fleet))
}

/// What the rack says of itself, for whoever looks for the cause.
fn explained(fleet: &Fleet) -> String {
    let view = fleet.view().unwrap_or_default();
    format!("{} {}", view["domains"][0], view["nodes"][0])
}

fn installed(fleet: &Fleet) -> anyhow::Result<()> {
    wait::until("all supplies in service", PATIENCE, || {
        let view = fleet.view()?;
        Ok((view["domains"][0]["installed_watts"] == INSTALLED).then_some(()))
    })
}

/// What the whole costs while nothing happens but renewals.
fn costs(fleet: &Fleet) -> anyhow::Result<()> {
    let rack = fleet.rack.as_ref().context("a controller")?.daemon.pid();
    let agents: Vec<u32> = fleet
        .nodes
        .iter()
        .filter_map(|node| node.agent.as_ref())
        .map(|agent| agent.pid())
        .collect();
    let used =
        |pids: &[u32]| -> anyhow::Result<f64> { pids.iter().map(|pid| process::cpu_seconds(*pid)).sum() };
    let (began, rack_before, agents_before) = (Instant::now(), used(&[rack])?, used(&agents)?);
    std::thread::sleep(IDLE);
    let (rack_after, agents_after) = (used(&[rack])?, used(&agents)?);
    let seconds = began.elapsed().as_secs_f64();
    let share = |before: f64, after: f64| (after - before) * 100.0 / seconds;
    told(
        "idle.controller_percent_of_a_core",
        share(rack_before, rack_after),
        "",
    );
    let each = share(agents_before, agents_after) / agents.len() as f64;
    told(
        "idle.agent_percent_of_a_core",
        each,
        &format!("mean of {}", agents.len()),
    );
    let (mut own, mut all) = (0, 0);
    for pid in &agents {
        let (private, rss) = process::memory_kib(*pid)?;
        own += private;
        all += rss;
    }
    let count = agents.len() as u64;
    told(
        "idle.agent_own_mib",
        (own / count) as f64 / 1_024.0,
        &format!(
            "resident {:.1} MiB with what all share",
            (all / count) as f64 / 1_024.0
        ),
    );
    let (private, _) = process::memory_kib(rack)?;
    told("idle.controller_own_mib", private as f64 / 1_024.0, "");
    Ok(())
}

/// Claims over HTTP, acknowledged: connection, decision, fsync, view.
fn claims(fleet: &Fleet) -> anyhow::Result<()> {
    let (mut made, mut refused) = (Sample::default(), Sample::default());
    for number in 0..CLAIMS {
        let name = format!("t-{number}");
        let began = Instant::now();
        fleet.claim(&json!({ "for": name, "watts": 1 }))?;
        made.add(began.elapsed());
        let began = Instant::now();
        let reply = http::ask(
            "POST",
            fleet.url(),
            "/v1/claims",
            Some(&json!({ "for": "x", "watts": 900 })),
        )?;
        refused.add(began.elapsed());
        ensure!(
            reply.status == 409,
            "900 W are not there: {} {}",
            reply.status,
            reply.body
        );
        let path = format!("/v1/claims/{name}");
        let reply = http::ask("DELETE", fleet.url(), &path, None)?;
        ensure!(reply.status == 200, "{} {}", reply.status, reply.body);
    }
    made.tell("claim.acknowledged");
    refused.tell("claim.refused");
    Ok(())
}

fn interlock(fleet: &Fleet) -> anyhow::Result<()> {
    let mut took = Sample::default();
    let ask = json!({ "place": "shelf/psu-3", "dry_run": true });
    for _ in 0..CLAIMS {
        let began = Instant::now();
        let reply = http::ask("POST", fleet.url(), "/v1/drain", Some(&ask))?;
        took.add(began.elapsed());
        ensure!(reply.status == 200, "{} {}", reply.status, reply.body);
    }
    took.tell("interlock");
    Ok(())
}

/// kill -9, start: leases of all nodes renewed, supplies seen, and the same answer to the same ask as before.
fn restarts(fleet: &mut Fleet) -> anyhow::Result<()> {
    let mut took = Sample::default();
    for _ in 0..RESTARTS {
        let before = answers(fleet)?;
        let limits: Vec<u64> = fleet.nodes.iter().map(|node| node.limit()).collect();
        fleet.kill_rack();
        let began = Instant::now();
        fleet.start_rack()?;
        wait::until("the same answers as before", PATIENCE, || {
            let now = answers(fleet)?;
            ensure!(now == before, "{now:?} instead of {before:?}");
            Ok(Some(()))
        })?;
        took.add(began.elapsed());
        let after: Vec<u64> = fleet.nodes.iter().map(|node| node.limit()).collect();
        ensure!(limits == after, "a restart changed caps: {limits:?} {after:?}");
    }
    took.tell("restart");
    Ok(())
}

/// What the controller decides: a claim that does not fit, a supply that may be pulled, and how many nodes hold what was ordered.
fn answers(fleet: &Fleet) -> anyhow::Result<(String, String, usize)> {
    let ask = json!({ "for": "x", "watts": 900 });
    let claim = http::ask("POST", fleet.url(), "/v1/claims?dry_run=true", Some(&ask))?;
    let ask = json!({ "place": "shelf/psu-3", "dry_run": true });
    let drain = http::ask("POST", fleet.url(), "/v1/drain", Some(&ask))?;
    let view = fleet.view()?;
    let nodes = view["nodes"].as_array().context("nodes")?;
    let held = |node: &&Value| node["lease"]["applied"] == true && node["lease"]["silent_since"].is_null();
    Ok((claim.body, drain.body, nodes.iter().filter(held).count()))
}
