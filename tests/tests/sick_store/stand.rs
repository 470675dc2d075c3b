//! The rack of these stories: four nodes, two of which hold large claims, and what is asked of it while its disk is sick.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Fleet, FleetPlan, Scratch, Shape, may_unshare};
use house_tests::wait;
use serde_json::Value;

use crate::disk;

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Long enough for a cap that wrongly rises to be seen.
pub const WHILE: Duration = Duration::from_secs(3);
/// Longer than a lease of five seconds: what is not renewed has ended.
const LEASE: Duration = Duration::from_secs(6);
/// What a node holds that has no claim.
pub const FLOOR: u64 = 400;
/// What each of the two large claims holds.
pub const LARGE: u64 = 4_000;

/// Where nothing can be mounted, these stories are skipped.
pub fn may_run() -> anyhow::Result<bool> {
    let scratch = Scratch::new("may-mount")?;
    let may = may_unshare() && disk::may_mount(scratch.path());
    if !may {
        println!("skipped: this needs root, loop devices, mkfs.ext4, fsck.ext4, fsfreeze and losetup");
    }
    Ok(may)
}

pub fn plan() -> FleetPlan {
    FleetPlan {
        nodes: 4,
        shape: Shape {
            packages: 2,
            package_watts: 1_950,
            rest_watts: 100,
            floor_watts: FLOOR,
            idle_watts: 100,
        },
        policy: "n+1".to_owned(),
        fixed_load_watts: 0,
        node_bmcs: false,
        // A second one that nobody has to be seen for: it promises from the first moment.
        domain:
            "[[domain]]\nname = \"contract\"\nsource = \"budget\"\nbudget_watts = 50000\nredundancy = \"n\"\n"
                .to_owned(),
        poll_interval: "1s".to_owned(),
        // How long a loss takes here is the test machine's; what is asked is order.
        overload_for: "600s".to_owned(),
        agents_in_memory: false,
    }
}

/// What `busbar WORDS` says where it is refused.
pub fn refused(fleet: &Fleet, words: &[&str]) -> anyhow::Result<String> {
    let said = fleet.busbar(words);
    let error = said
        .err()
        .with_context(|| format!("busbar {words:?} was not refused"))?;
    Ok(format!("{error:#}"))
}

pub fn says(text: &str, parts: &[&str]) -> anyhow::Result<()> {
    for part in parts {
        ensure!(text.contains(part), "no {part:?} in {text}");
    }
    Ok(())
}

pub fn installed(fleet: &Fleet, watts: u64) -> anyhow::Result<()> {
    wait::until(&format!("{watts} W to be installed"), PATIENCE, || {
        let view = fleet.view()?;
        let shelf = &view["domains"][0];
        let bays = shelf["bays"].as_array().context("bays")?;
        // A controller that has just started knows them from its journal, and promises nothing before it has seen them.
        let all_seen = bays.iter().all(|bay| bay["seen"] == true);
        Ok((shelf["installed_watts"] == watts && all_seen).then_some(()))
    })
}

pub fn limit_becomes(fleet: &Fleet, node: usize, watts: u64, why: &str) -> anyhow::Result<()> {
    fleet.nodes[node].limit_becomes(watts, PATIENCE, why)
}

/// Claims watts and remembers that it was acknowledged.
pub fn claim(fleet: &Fleet, had: &mut BTreeSet<String>, name: &str, words: &[&str]) -> anyhow::Result<()> {
    let mut all = vec!["claim", "power", "--for", name];
    all.extend(words);
    fleet.busbar(&all)?;
    had.insert(name.to_owned());
    Ok(())
}

/// The nodes at their floors, and then two large claims; what they are called.
pub fn claimed(fleet: &Fleet) -> anyhow::Result<BTreeSet<String>> {
    installed(fleet, 18_000)?;
    for node in 0..4 {
        limit_becomes(fleet, node, FLOOR, "its floor")?;
    }
    let mut had = BTreeSet::new();
    let watts = LARGE.to_string();
    for (name, node) in [("db", "n03"), ("cache", "n04")] {
        claim(fleet, &mut had, name, &["--node", node, "--watts", &watts])?;
    }
    for node in [2, 3] {
        limit_becomes(fleet, node, LARGE, "its claim")?;
    }
    claim(
        fleet,
        &mut had,
        "brief",
        &["--domain", "shelf", "--watts", "10", "--ttl", "10m"],
    )?;
    Ok(had)
}

/// All that was acknowledged stands.
pub fn stands(fleet: &Fleet, had: &BTreeSet<String>) -> anyhow::Result<()> {
    let claims = http::get(fleet.url(), "/v1/claims")?;
    let there: BTreeSet<String> = claims
        .as_array()
        .context("claims")?
        .iter()
        .filter_map(|claim| claim["for"].as_str().map(str::to_owned))
        .collect();
    let lost: Vec<&String> = had.difference(&there).collect();
    ensure!(lost.is_empty(), "lost: {lost:?} of {there:?}");
    Ok(())
}

fn metric(fleet: &Fleet, series: &str) -> anyhow::Result<f64> {
    let page = http::get_text(fleet.url(), "/metrics")?;
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {series} in {page}"))?.parse()?)
}

/// Why `/healthz` says 503; empty where it says that all is well.
pub fn health(fleet: &Fleet) -> anyhow::Result<String> {
    let reply = http::ask("GET", fleet.url(), "/healthz", None)?;
    Ok(if reply.status == 200 {
        String::new()
    } else {
        reply.body
    })
}

/// Health, doubts, the picture of the power and two metrics say the same.
pub fn is_told(fleet: &Fleet, parts: &[&str], metrics: &[(&str, f64)]) -> anyhow::Result<()> {
    wait::until("/healthz to say what is wrong", PATIENCE, || {
        says(&health(fleet)?, parts).map(Some)
    })?;
    says(&fleet.busbar(&["show", "power"])?, parts)?;
    says(&fleet.busbar(&["doubts"])?, parts)?;
    for (series, wanted) in metrics {
        let found = metric(fleet, series)?;
        ensure!(
            (found - wanted).abs() < 0.5,
            "{series} is {found}, expected {wanted}"
        );
    }
    Ok(())
}

/// All is well again, by itself.
pub fn is_well(fleet: &Fleet) -> anyhow::Result<()> {
    wait::until("/healthz to say that all is well", PATIENCE, || {
        let said = health(fleet)?;
        ensure!(said.is_empty(), "{said}");
        Ok(Some(()))
    })?;
    let doubts = fleet.busbar(&["doubts"])?;
    ensure!(!doubts.contains("journal"), "{doubts}");
    let writable = metric(fleet, "busbar_rack_journal_writable")?;
    ensure!((writable - 1.0).abs() < 0.5, "{writable}");
    Ok(())
}

/// What a node's agent says of its lease.
pub fn lease(fleet: &Fleet, node: &str) -> anyhow::Result<Value> {
    let socket = fleet.folder.join(node).join("sock");
    http::ask_unix("GET", &socket, "/v1/power/lease", None)?.json()
}

/// Each agent's lease ends later than it did, though more time has passed than one lasts.
pub fn leases_go_on(fleet: &Fleet) -> anyhow::Result<()> {
    let ends = |node: &str| {
        let view = lease(fleet, node)?;
        let lease = &view["lease"];
        ensure!(lease["expired"] == false, "{node}: {view}");
        lease["expires_millis"]
            .as_u64()
            .with_context(|| format!("{view}"))
    };
    let names: Vec<&str> = fleet.nodes.iter().map(|node| node.name.as_str()).collect();
    let before: Vec<u64> = names.iter().map(|node| ends(node)).collect::<Result<_, _>>()?;
    std::thread::sleep(LEASE);
    for (node, before) in names.iter().zip(before) {
        let now = ends(node)?;
        ensure!(
            now > before,
            "{node}: its lease ended at {before} and ends at {now}"
        );
    }
    Ok(())
}

/// Two supplies of six bear one of the two large claims: the later one goes down to its floor. Then they are back, and it does not go up.
pub fn a_loss_is_lowered_for(fleet: &Fleet) -> anyhow::Result<()> {
    const PULLED: [&str; 4] = ["shelf/psu-3", "shelf/psu-4", "shelf/psu-5", "shelf/psu-0"];
    for supply in PULLED {
        fleet.world.act(&["pull", supply])?;
    }
    limit_becomes(
        fleet,
        3,
        FLOOR,
        "the floor of the later claim's node after the loss",
    )?;
    ensure!(
        fleet.nodes[2].limit() == LARGE,
        "the first claim was lowered, too"
    );
    for supply in PULLED {
        fleet.world.act(&["insert", supply])?;
    }
    installed(fleet, 18_000)?;
    std::thread::sleep(WHILE);
    let limit = fleet.nodes[3].limit();
    ensure!(limit == FLOOR, "raised to {limit} W before the journal had it");
    Ok(())
}
