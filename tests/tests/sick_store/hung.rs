//! The journal's disk hangs while supplies are lost: caps fall all the same, nothing rises and nothing is promised, and
//! what happened meanwhile is journaled afterwards in its order.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Fleet, FleetPlan};
use house_tests::wait;

use crate::disk;
use crate::stand::{FLOOR, LARGE, PATIENCE, WHILE, installed, limit_becomes, may_run, plan, refused};

/// For how long the disk hangs at least.
const HANG: Duration = Duration::from_secs(30);

/// The disk hangs until this is dropped: who writes to it sleeps in the kernel, and cannot even be killed.
struct Frozen {
    disk: PathBuf,
    since: Instant,
}

impl Frozen {
    fn now(fleet: &Fleet) -> anyhow::Result<Frozen> {
        let disk = disk::mounted(fleet)?;
        disk::freeze(&disk)?;
        let since = Instant::now();
        Ok(Frozen { disk, since })
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Err(error) = disk::thaw(&self.disk) {
            println!("{error:#}");
        }
    }
}

/// One node has revocable watts, which are given to a cap that is known to bite.
fn drilled(fleet: &Fleet) -> anyhow::Result<()> {
    fleet.world.act(&["demand", "n01", "490"])?;
    installed(fleet, 18_000)?;
    let web = "claim power --for web --node n01 --watts 420 --revocable 60 --priority 9";
    fleet.busbar(&web.split(' ').collect::<Vec<_>>())?;
    limit_becomes(fleet, 0, 420, "firm watts alone")?;
    let said = fleet.busbar(&["calibrate", "n01"])?;
    ensure!(said.contains("n01 keeps its cap"), "{said}");
    limit_becomes(fleet, 0, 480, "firm and revocable watts")
}

#[test]
fn caps_fall_while_the_journals_disk_hangs() -> anyhow::Result<()> {
    if !may_run()? {
        return Ok(());
    }
    let revocable = FleetPlan {
        node_bmcs: true,
        domain: "sell_revocable = true\ndetect_within = \"1s\"\n".to_owned(),
        ..plan()
    };
    let mut fleet = Fleet::raise("hung-disk", &revocable)?;
    disk::make(&fleet)?;
    disk::start_rack(&mut fleet, "rw")?;
    drilled(&fleet)?;
    // One loss uses up what the policy covers. Two supplies bear the floors and one of the two large claims, and then n01's is shed, too.
    for node in ["n01", "n02", "n03", "n04"] {
        fleet.world.act(&["demand", node, "300"])?;
    }
    for (name, node) in [("db", "n03"), ("cache", "n04")] {
        let watts = LARGE.to_string();
        fleet.busbar(&["claim", "power", "--for", name, "--node", node, "--watts", &watts])?;
    }
    fleet.busbar(&["claim", "power", "--for", "stock", "--watts", "3190"])?;
    two_losses_while_it_hangs(&fleet)
}

fn two_losses_while_it_hangs(fleet: &Fleet) -> anyhow::Result<()> {
    let before = fleet.view()?["journal_sequence"].as_u64().context("a number")?;
    let frozen = Frozen::now(fleet)?;
    fleet.world.act(&["pull", "shelf/psu-3"])?;
    limit_becomes(fleet, 0, 420, "firm watts alone, while the disk hangs")?;
    for supply in ["shelf/psu-4", "shelf/psu-5", "shelf/psu-0"] {
        fleet.world.act(&["pull", supply])?;
    }
    limit_becomes(
        fleet,
        0,
        FLOOR,
        "its floor after the second loss, while the disk hangs",
    )?;
    let said = refused(fleet, &["claim", "power", "--for", "tardy", "--watts", "1"])?;
    ensure!(
        said.contains("nothing was done, because the journal cannot be written") || said.contains("short by"),
        "{said}"
    );
    wait::until("/healthz to say that the disk hangs", PATIENCE, || {
        let health = http::get_text(fleet.url(), "/healthz");
        let said = health.map_or_else(|error| format!("{error:#}"), |_| String::new());
        Ok(said.contains("has not answered for more than").then_some(()))
    })?;
    // All come back, and are counted; what rises for it waits.
    for supply in ["shelf/psu-3", "shelf/psu-4", "shelf/psu-5", "shelf/psu-0"] {
        fleet.world.act(&["insert", supply])?;
    }
    installed(fleet, 18_000)?;
    let said = refused(fleet, &["claim", "power", "--for", "later", "--watts", "1"])?;
    ensure!(
        said.contains("nothing was done, because the journal cannot be written"),
        "{said}"
    );
    std::thread::sleep(WHILE.max(HANG.saturating_sub(frozen.since.elapsed())));
    ensure!(
        fleet.nodes[0].limit() == FLOOR,
        "raised before the journal had it: {} W",
        fleet.nodes[0].limit()
    );
    drop(frozen);
    limit_becomes(fleet, 0, 480, "all its watts again, now that the journal has why")?;
    journaled_in_order(fleet, before)?;
    let claims = fleet.busbar(&["show", "claims"])?;
    ensure!(!claims.contains("tardy"), "{claims}");
    fleet.busbar(&["claim", "power", "--for", "tardy", "--watts", "1"])?;
    fleet.busbar(&["release", "tardy"])?;
    Ok(())
}

/// What happened while the disk hung stands in the journal as it happened.
fn journaled_in_order(fleet: &Fleet, before: u64) -> anyhow::Result<()> {
    let events = http::get(fleet.url(), &format!("/v1/events?after={before}"))?;
    let events = events.as_array().context("events")?;
    let numbers: Vec<u64> = events
        .iter()
        .filter_map(|event| event["sequence"].as_u64())
        .collect();
    let expected: Vec<u64> = (before + 1..).take(numbers.len()).collect();
    ensure!(numbers == expected, "{numbers:?}");
    let at = |kind: &str, subject: &str, words: &str| {
        let is = |event: &serde_json::Value| {
            event["kind"] == kind
                && event["subject"]
                    .as_str()
                    .is_some_and(|named| named.contains(subject))
                && event["message"]
                    .as_str()
                    .is_some_and(|message| message.contains(words))
        };
        let found = events.iter().position(is);
        found.with_context(|| format!("no {kind} {subject} {words:?} in {events:?}"))
    };
    let first = at("supply_lost", "shelf/psu-3", "")?;
    let taken = at("caps_ordered", "", "60 W revocable taken back")?;
    let second = at("supply_lost", "shelf/psu-4", "")?;
    let back = at("supply_inserted", "shelf/psu-3", "")?;
    ensure!(first < taken && taken < second && second < back, "{events:?}");
    Ok(())
}
