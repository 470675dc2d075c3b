//! The journal's disk hangs while supplies are lost: caps fall all the same, nothing rises and nothing is promised, and
//! what happened meanwhile is journaled afterwards in its order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use house_tests::http;
use house_tests::raise::{Binaries, Daemon, Group, Rack};
use house_tests::wait;

use stand::{PATIENCE, Stand, may_unshare};

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

/// A disk of its own for the journal, mounted where only the controller sees it.
fn on_a_disk_of_its_own(binaries: &Binaries, config: &Path, folder: &Path) -> anyhow::Result<Rack> {
    let image = folder.join("disk");
    std::fs::File::create(&image)?.set_len(32 << 20)?;
    run("mkfs.ext4", &["-q", "-F", "-m", "0"], &image)?;
    std::fs::create_dir_all(folder.join("rack"))?;
    let script = "mount --make-rprivate / && mount -o loop \"$1/disk\" \"$1/rack\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", script, "sh"]).arg(folder);
    command
        .arg(binaries.path(Binaries::RACK))
        .args(["serve", "--config"])
        .arg(config);
    let log = folder.join("rack.log");
    Ok(Rack {
        daemon: Daemon::start("busbar-rack", command, &log, Group::Starters)?,
    })
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
fn disk(stand: &Stand) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", stand.rack.daemon.pid()));
    let folder = stand.folder.join("rack");
    root.join(folder.strip_prefix("/").unwrap_or(&folder))
}

/// The disk hangs until this is dropped: who writes to it sleeps in the kernel, and cannot even be killed.
struct Frozen {
    disk: PathBuf,
    since: Instant,
}

impl Frozen {
    fn now(stand: &Stand) -> anyhow::Result<Frozen> {
        let disk = disk(stand);
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
fn refused(stand: &Stand, words: &[&str]) -> anyhow::Result<String> {
    let said = stand.busbar(words);
    let error = said
        .err()
        .with_context(|| format!("busbar {words:?} was not refused"))?;
    Ok(format!("{error:#}"))
}

fn installed(stand: &Stand, watts: u64) -> anyhow::Result<()> {
    wait::until(&format!("{watts} W to be installed"), PATIENCE, || {
        let view = stand.rack.view()?;
        Ok((view["domains"][0]["installed_watts"] == watts).then_some(()))
    })
}

/// Nothing revocable is given to a cap of which nobody knows that it bites.
fn drilled(stand: &Stand) -> anyhow::Result<()> {
    let _wire = stand.wire();
    wait::until("the shelf to be counted", PATIENCE, || {
        let view = stand.rack.view()?;
        Ok((view["domains"][0]["installed_watts"] == 18_000).then_some(()))
    })?;
    let web = [
        "claim",
        "power",
        "--for",
        "web",
        "--node",
        "n01",
        "--watts",
        "420",
        "--revocable",
        "60",
        "--priority",
        "9",
    ];
    stand.busbar(&web)?;
    stand.nodes[0].limit_becomes(320, "firm watts alone")?;
    let why = stand.busbar(&["why", "web"])?;
    ensure!(why.contains("has none of its 60 W revocable"), "{why}");
    let said = stand.busbar(&["calibrate", "n01"])?;
    ensure!(said.contains("n01 keeps its cap"), "{said}");
    stand.nodes[0].limit_becomes(380, "firm and revocable watts")?;
    let why = stand.busbar(&["why", "web"])?;
    ensure!(why.contains("it has its 60 W revocable"), "{why}");
    Ok(())
}

#[test]
fn caps_fall_while_the_journals_disk_hangs() -> anyhow::Result<()> {
    let scratch = house_tests::raise::Scratch::new("may-mount")?;
    if !may_unshare() || !may_mount(scratch.path()) {
        println!("skipped: this needs root, loop devices, mkfs.ext4 and fsfreeze");
        return Ok(());
    }
    let stand = Stand::raise_with(on_a_disk_of_its_own)?;
    drilled(&stand)?;
    // One loss uses up what the policy covers. Two supplies bear the floors and one of the two large claims, and then n01's is shed, too.
    for node in ["n01", "n02", "n03", "n04"] {
        stand.world.act(&["demand", node, "300"])?;
    }
    for (name, node) in [("db", "n03"), ("cache", "n04")] {
        stand.busbar(&["claim", "power", "--for", name, "--node", node, "--watts", "4000"])?;
    }
    stand.busbar(&["claim", "power", "--for", "stock", "--watts", "3190"])?;
    two_losses_while_it_hangs(&stand)
}

fn two_losses_while_it_hangs(stand: &Stand) -> anyhow::Result<()> {
    let node = &stand.nodes[0];
    let before = stand.rack.view()?["journal_sequence"]
        .as_u64()
        .context("a number")?;
    let frozen = Frozen::now(stand)?;
    stand.world.act(&["pull", "shelf/psu-3"])?;
    node.limit_becomes(320, "firm watts alone, while the disk hangs")?;
    for supply in ["shelf/psu-4", "shelf/psu-5", "shelf/psu-0"] {
        stand.world.act(&["pull", supply])?;
    }
    node.limit_becomes(300, "its floor after the second loss, while the disk hangs")?;
    let said = refused(stand, &["claim", "power", "--for", "tardy", "--watts", "1"])?;
    ensure!(
        said.contains("nothing was done, because the journal cannot be written") || said.contains("short by"),
        "{said}"
    );
    wait::until("/healthz to say that the disk hangs", PATIENCE, || {
        let health = http::get_text(stand.rack.daemon.url(), "/healthz");
        let said = health.map_or_else(|error| format!("{error:#}"), |_| String::new());
        Ok(said.contains("has not answered for more than").then_some(()))
    })?;
    // All come back, and are counted; what rises for it waits.
    for supply in ["shelf/psu-3", "shelf/psu-4", "shelf/psu-5", "shelf/psu-0"] {
        stand.world.act(&["insert", supply])?;
    }
    installed(stand, 18_000)?;
    let said = refused(stand, &["claim", "power", "--for", "later", "--watts", "1"])?;
    ensure!(
        said.contains("nothing was done, because the journal cannot be written"),
        "{said}"
    );
    std::thread::sleep(WHILE.max(HANG.saturating_sub(frozen.since.elapsed())));
    ensure!(
        node.limit() == 300,
        "raised before the journal had it: {} W",
        node.limit()
    );
    drop(frozen);
    node.limit_becomes(380, "all its watts again, now that the journal has why")?;
    journaled_in_order(stand, before)?;
    let claims = stand.busbar(&["show", "claims"])?;
    ensure!(!claims.contains("tardy"), "{claims}");
    stand.busbar(&["claim", "power", "--for", "tardy", "--watts", "1"])?;
    stand.busbar(&["release", "tardy"])?;
    Ok(())
}

/// What happened while the disk hung stands in the journal as it happened.
fn journaled_in_order(stand: &Stand, before: u64) -> anyhow::Result<()> {
    let events = http::get(stand.rack.daemon.url(), &format!("/v1/events?after={before}"))?;
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
