//! The wall's clock jumps by an hour, forwards and backwards, under the controller and all agents, and in front of those that start after it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use facts::Moment;
use house_tests::raise::Scratch;
use house_tests::wait;

use crate::dead::{kill, start};
use crate::house::{House, INSTALLED, SUPPLY};
use crate::stand::PATIENCE;

/// What is loaded into the daemons.
const SHIM: &str = include_str!("wall.c");
/// How far the clock jumps: further than a claim of the house stands (`house::LAST_CLAIM_STANDS`). A controller that starts after it must
/// not take that for the time for which it was down.
const HOUR: i64 = 3_600;
/// Less than any of these by more than any machine is slow.
const NEARLY: Duration = Duration::from_secs(1_000);
/// Longer than a lease of five seconds: whoever measures it by the wall's clock has lost it by then.
const LEASE_AND_MORE: Duration = Duration::from_secs(7);

/// A clock on the wall that can be set.
pub struct Wall {
    folder: Scratch,
}

impl Wall {
    /// Compiles what answers the daemons.
    pub fn build() -> anyhow::Result<Wall> {
        let folder = Scratch::new("wall")?;
        let source = folder.join("wall.c");
        fs::write(&source, SHIM)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
        let done = compiler.arg(folder.join("wall.so")).arg(&source).output();
        let done = done.context("cannot start cc, which links this very program too")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "cc wall.c: {said}");
        Ok(Wall { folder })
    }

    /// What the daemons need to look at this clock.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.display().to_string();
        vec![
            ("LD_PRELOAD".to_owned(), text(self.folder.join("wall.so"))),
            ("BUSBAR_WALL_SHIFT".to_owned(), text(self.folder.join("shift"))),
        ]
    }

    /// Sets it so many seconds off what is right.
    fn set(&self, seconds: i64) -> anyhow::Result<()> {
        // Renamed, so that nobody reads half a number.
        let (new, file) = (self.folder.join("shift.new"), self.folder.join("shift"));
        fs::write(&new, seconds.to_string())?;
        fs::rename(new, file)?;
        Ok(())
    }
}

/// Nothing expires, rises, falls or goes dark by it; a loss after it is answered as ever.
pub fn the_clock_jumps(house: &mut House, wall: &Wall) -> anyhow::Result<()> {
    for (seconds, at_start) in [(HOUR, HOUR), (-HOUR, -HOUR)] {
        let before = house.overloads()?;
        house.watch.begin();
        wall.set(seconds)?;
        std::thread::sleep(LEASE_AND_MORE);
        nothing_happened(house).context("under daemons that run")?;
        house.fleet.kill_rack();
        wall.set(at_start)?;
        house.fleet.start_rack()?;
        is_felt(&house.fleet.log(), at_start)?;
        house.installed_becomes(INSTALLED)?;
        kill(house, 0)?;
        start(house, 0)?;
        is_felt(&house.fleet.nodes[0].log(), at_start)?;
        let sequence = house.mark()?;
        wait::until("every agent to be heard", PATIENCE, || heard(house))?;
        std::thread::sleep(LEASE_AND_MORE);
        nothing_happened(house).with_context(|| format!("after starts, from event {sequence} on"))?;
        ensure!(house.overloads()? == before, "more was drawn than what is there");
    }
    house.watch.begin();
    house.pull(4)?;
    house.installed_becomes(INSTALLED - SUPPLY)?;
    house.all_become(house.policy.firm, "what is firm")?;
    house.watch.only_falls()?;
    house.put_in(4)?;
    wall.set(0)?;
    house.whole_again()
}

fn nothing_happened(house: &House) -> anyhow::Result<()> {
    house.watch.nothing_moved()?;
    house.promises_stand()?;
    let shelf = house.shelf()?;
    ensure!(shelf["state"] == "redundant", "{shelf}");
    ensure!(shelf["revocable_reason"].is_null(), "{shelf}");
    Ok(())
}

fn heard(house: &House) -> anyhow::Result<Option<()>> {
    let view = house.fleet.view()?;
    let nodes = view["nodes"].as_array().context("nodes")?;
    Ok(nodes
        .iter()
        .all(|node| node["lease"]["applied"] == true)
        .then_some(()))
}

/// The last line of a daemon's log was written at a time that is this far off: it looks at the clock that was set.
fn is_felt(log: &Path, seconds: i64) -> anyhow::Result<()> {
    let text = fs::read_to_string(log)?;
    let mut words = text
        .lines()
        .rev()
        .filter_map(|line| line.split_whitespace().next());
    let told: Moment = words
        .find_map(|word| word.parse().ok())
        .context("a line with its time")?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let now = Moment::from_millis(u64::try_from(now.as_millis())?);
    let (early, late) = if seconds > 0 { (now, told) } else { (told, now) };
    ensure!(
        late.since(early) > NEARLY,
        "{} goes by the right clock: {told}, and it is {now}",
        log.display()
    );
    Ok(())
}
