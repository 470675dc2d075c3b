//! The journal's disk hangs while supplies are lost: caps fall all the same, nothing rises and nothing is promised, and
//! what happened meanwhile is journaled afterwards in its order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Binaries, Fleet, FleetPlan, Scratch, Shape, may_unshare};
use house_tests::wait;

/// Long enough for a loaded machine; nothing here judges how long a thing takes.
const PATIENCE: Duration = Duration::from_secs(90);
/// For how long the disk hangs at least.
const HANG: Duration = Duration::from_secs(30);
/// Long enough for a cap that wrongly rises to be seen.
const WHILE: Duration = Duration::from_secs(3);

fn run(program: &str, words: &[&str], path: &Path) -> anyhow::Result<()> {
    let done = Command::new(program).args(words).arg(path).output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.success(),
        "{program} {words:?} {}: {said}",
        path.display()
    );
    Ok(())
}

/// Four nodes, two of which can hold large claims.
fn plan() -> FleetPlan {
    FleetPlan {
        nodes: 4,
        shape: Shape {
            packages: 2,
            package_watts: 1_950,
            rest_watts: 100,
            floor_watts: 400,
            idle_watts: 100,
        },
        policy: "n+1".to_owned(),
        fixed_load_watts: 0,
        node_bmcs: true,
        domain: "sell_revocable = true\ndetect_within = \"1s\"\n".to_owned(),
        poll_interval: "1s".to_owned(),
        // How long a loss takes here is the test machine's; what is asked is order.
        overload_for: "600s".to_owned(),
        agents_in_memory: false,
    }
}

/// A disk of its own for the journal, mounted where only the controller sees it.
fn start_on_a_disk_of_its_own(fleet: &mut Fleet) -> anyhow::Result<()> {
    let folder = fleet.folder.path().to_owned();
    let image = folder.join("disk");
    std::fs::File::create(&image)?.set_len(32 << 20)?;
    run("mkfs.ext4", &["-q", "-F", "-m", "0"], &image)?;
    std::fs::create_dir_all(fleet.state_dir())?;
    let script = "mount --make-rprivate / && mount -o loop \"$1/disk\" \"$1/rack\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(&folder);
    command.arg(fleet.binaries.path(Binaries::RACK));
    fleet.start_rack_within(command)
}

fn may_mount(folder: &Path) -> bool {
    let script = "mount --make-rprivate / && mkdir -p \"$1/try\" && truncate -s 8M \"$1/try.img\" && mkfs.ext4 -q -F \"$1/try.img\" && \
                  mount -o loop \"$1/try.img\" \"$1/try\" && fsfreeze -f \"$1/try\" && fsfreeze -u \"$1/try\"";
    let mut command = Command::new("unshare");
    let done = command
        .args(["-m", "sh", "-c", script, "sh"])
        .arg(folder)
        .output();
    done.is_ok_and(|done| done.status.success())
}

/// The disk as the controller sees it.
fn disk(fleet: &Fleet) -> anyhow::Result<PathBuf> {
    let rack = fleet.rack.as_ref().context("the controller is down")?;
    let root = PathBuf::from(format!("/proc/{}/root", rack.daemon.pid()));
    let folder = fleet.state_dir();
    Ok(root.join(folder.strip_prefix("/").unwrap_or(&folder)))
}

/// The disk hangs until this is dropped: who writes to it sleeps in the kernel, and cannot even be killed.
struct Frozen {
    disk: PathBuf,
    since: Instant,
}

impl Frozen {
    fn now(fleet: &Fleet) -> anyhow::Result<Frozen> {
        let disk = disk(fleet)?;
        run("fsfreeze", &["-f"], &disk)?;
        let since = Instant::now();
        Ok(Frozen { disk, since })
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        if let Err(error) = run("fsfreeze", &["-u"], &self.disk) {
            println!("{error:#}");
        }
    }
}

/// What `busbar WORDS` says where it is refused.
fn refused(fleet: &Fleet, words: &[&str]) -> anyhow::Result<String> {
    let said = fleet.busbar(words);
    let error = said
        .err()
        .with_context(|| format!("busbar {words:?} was not refused"))?;
    Ok(format!("{error:#}"))
}

fn installed(fleet: &Fleet, watts: u64) -> anyhow::Result<()> {
    wait::until(&format!("{watts} W to be installed"), PATIENCE, || {
        let view = fleet.view()?;
        Ok((view["domains"][0]["installed_watts"] == watts).then_some(()))
    })
}

fn limit_becomes(fleet: &Fleet, watts: u64, why: &str) -> anyhow::Result<()> {
    fleet.nodes[0].limit_becomes(watts, PATIENCE, why)
}

/// One node has revocable watts, which are given to a cap that is known to bite.
fn drilled(fleet: &Fleet) -> anyhow::Result<()> {
    fleet.world.act(&["demand", "n01", "490"])?;
    installed(fleet, 18_000)?;
    let web = "claim power --for web --node n01 --watts 420 --revocable 60 --priority 9";
    fleet.busbar(&web.split(' ').collect::<Vec<_>>())?;
    limit_becomes(fleet, 420, "firm watts alone")?;
    let said = fleet.busbar(&["calibrate", "n01"])?;
    ensure!(said.contains("n01 keeps its cap"), "{said}");
    limit_becomes(fleet, 480, "firm and revocable watts")
}

#[test]
fn caps_fall_while_the_journals_disk_hangs() -> anyhow::Result<()> {
    let scratch = Scratch::new("may-mount")?;
    if !may_unshare() || !may_mount(scratch.path()) {
        println!("skipped: this needs root, loop devices, mkfs.ext4 and fsfreeze");
        return Ok(());
    }
    let mut fleet = Fleet::raise("hung-disk", &plan())?;
    start_on_a_disk_of_its_own(&mut fleet)?;
    drilled(&fleet)?;
    // One loss uses up what the policy covers. Two supplies bear the floors and one of the two large claims, and then n01's is shed, too.
    for node in ["n01", "n02", "n03", "n04"] {
        fleet.world.act(&["demand", node, "300"])?;
    }
    for (name, node) in [("db", "n03"), ("cache", "n04")] {
        fleet.busbar(&["claim", "power", "--for", name, "--node", node, "--watts", "4000"])?;
    }
    fleet.busbar(&["claim", "power", "--for", "stock", "--watts", "3190"])?;
    two_losses_while_it_hangs(&fleet)
}

fn two_losses_while_it_hangs(fleet: &Fleet) -> anyhow::Result<()> {
    let before = fleet.view()?["journal_sequence"].as_u64().context("a number")?;
    let frozen = Frozen::now(fleet)?;
    fleet.world.act(&["pull", "shelf/psu-3"])?;
    limit_becomes(fleet, 420, "firm watts alone, while the disk hangs")?;
    for supply in ["shelf/psu-4", "shelf/psu-5", "shelf/psu-0"] {
        fleet.world.act(&["pull", supply])?;
    }
    limit_becomes(
        fleet,
        400,
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
        fleet.nodes[0].limit() == 400,
        "raised before the journal had it: {} W",
        fleet.nodes[0].limit()
    );
    drop(frozen);
    limit_becomes(fleet, 480, "all its watts again, now that the journal has why")?;
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
