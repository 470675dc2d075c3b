//! Every test of the house, in two lanes beside each other.
//!
//! The stories of whole houses wait more than they work: daemons come up, leases run out, supplies ride an overload. So they run in a lane of
//! their own, one binary after the other (two raised houses wait for each other anyway), and all other tests run beside them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Wrong;
use crate::packages;
use crate::place::Place;
use crate::progress::{Running, Screen};
use crate::steps::{self, Done, Ran};
use crate::totals::Totals;

/// Where the tests that compare us with node_exporter find it.
const NODE_EXPORTER: &str = "BUSBAR_NODE_EXPORTER";

/// What is done more often in a long run: operations of the power pool's random days, and kills of a journal's writer.
const LONGER: [(&str, &str); 3] = [
    ("BUSBAR_OPERATIONS", "1000000"),
    ("BUSBAR_KILLS", "2000"),
    ("BUSBAR_DAMAGES", "200"),
];

/// The folder whose tests are the whole houses, below the workspace.
const HOUSES: &str = "tests/tests";

/// The step of all tests.
const NAME: &str = "test";

/// Lines with which cargo says what it builds.
const CARGO_NOISE: [&str; 5] = [
    "Compiling ",
    "Finished ",
    "Blocking ",
    "Downloaded ",
    "Downloading ",
];

/// Runs the tests of libraries and programs, and the house's own tidiness: what needs no story.
pub fn quick(place: &Place, screen: &Screen, totals: &mut Totals) -> Vec<Done> {
    let rounds: [(&'static str, &[&str]); 2] = [
        (NAME, &["--workspace", "--lib", "--bins"]),
        ("tidy", &["--package", "house-tests", "--test", "tidy"]),
    ];
    let mut steps = Vec::new();
    for (name, which) in rounds {
        let running = screen.begin(name, None);
        let lanes = vec![which.iter().map(|word| (*word).to_owned()).collect()];
        steps.push(in_lanes(place, screen, name, running, lanes, false, totals));
    }
    steps
}

/// Runs every test; what passing tests print stays in the log.
pub fn all(place: &Place, screen: &Screen, long: bool, totals: &mut Totals) -> Done {
    let mut running = screen.begin(NAME, steps::crates_at_most(&place.root));
    // Built first and once: two builds at the same time would wait for each other, and judge nothing meanwhile.
    let words = ["test", "--workspace", "--no-run"];
    let built = steps::follow(
        place.cargo(&words),
        &place.log(NAME),
        &mut running,
        steps::advance_by_cargo,
    );
    if !built.ok {
        return steps::finish(screen, NAME, running, &built, &place.log(NAME), "");
    }
    match lanes(&place.root) {
        Ok(lanes) => in_lanes(place, screen, NAME, running, lanes, long, totals),
        Err(Wrong::Failed(why) | Wrong::Usage(why)) => {
            let ran = Ran { ok: false, why };
            steps::finish(screen, NAME, running, &ran, &place.log(NAME), "")
        }
    }
}

/// What cargo is told in each lane: the whole houses; everything else.
fn lanes(root: &Path) -> Result<Vec<Vec<String>>, Wrong> {
    let houses = tests_of(&root.join(HOUSES))?;
    let mut rest = Vec::new();
    for folder in member_folders(root)? {
        let tests = folder.join("tests");
        if tests.is_dir() && tests != root.join(HOUSES) {
            rest.extend(tests_of(&tests)?);
        }
    }
    let named = |names: Vec<String>| names.into_iter().flat_map(|name| ["--test".to_owned(), name]);
    if let Some(both) = rest.iter().find(|name| houses.contains(name)) {
        return Err(Wrong::Failed(format!(
            "two tests are called {both}, one of them in {HOUSES}; expected another name, because cargo picks tests by name"
        )));
    }
    rest.sort();
    rest.dedup();
    let whole = || ["--workspace".to_owned()].into_iter();
    let small = ["--lib".to_owned(), "--bins".to_owned()];
    Ok(vec![
        whole().chain(named(houses)).collect(),
        whole().chain(small).chain(named(rest)).collect(),
        whole().chain(["--doc".to_owned()]).collect(),
    ])
}

/// Names of the tests in a folder as cargo finds them: `x.rs`, and folders with a `main.rs`.
fn tests_of(folder: &Path) -> Result<Vec<String>, Wrong> {
    let mut names = Vec::new();
    for path in entries(folder)? {
        let is_test = path.extension().is_some_and(|end| end == "rs") || path.join("main.rs").is_file();
        if let Some(name) = path.file_stem().filter(|_| is_test) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The folders of the workspace's members, as its Cargo.toml lists them.
fn member_folders(root: &Path) -> Result<Vec<PathBuf>, Wrong> {
    let file = root.join("Cargo.toml");
    let text = fs::read_to_string(&file)
        .map_err(|err| Wrong::Failed(format!("cannot read {}: {err}", file.display())))?;
    let list = text
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.ok_or_else(|| {
        Wrong::Failed(format!(
            "{} lists no members; expected members = [...]",
            file.display()
        ))
    })?;
    Ok(list
        .split(',')
        .map(|word| word.trim().trim_matches('"'))
        .filter(|word| !word.is_empty())
        .map(|word| root.join(word))
        .collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Wrong> {
    let said = |err: std::io::Error| Wrong::Failed(format!("cannot read {}: {err}", folder.display()));
    let entries = fs::read_dir(folder).map_err(said)?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(said))
        .collect()
}

/// One lane as it is read: its sums, and the lines of the binary that runs, so that lines of two binaries never mix.
#[derive(Default)]
struct Lane {
    totals: Totals,
    held: Vec<String>,
}

/// Runs the lanes; what each binary says is shown, and kept, when it ends.
fn in_lanes(
    place: &Place,
    screen: &Screen,
    name: &'static str,
    mut running: Running<'_>,
    lanes: Vec<Vec<String>>,
    long: bool,
    totals: &mut Totals,
) -> Done {
    let log = place.log(name);
    let mut kept = match File::create(&log) {
        Ok(file) => file,
        Err(err) => {
            let why = format!("cannot write {}: {err}", log.display());
            return steps::finish(screen, name, running, &Ran { ok: false, why }, &log, "");
        }
    };
    let mut read: Vec<Lane> = lanes.iter().map(|_| Lane::default()).collect();
    let commands = lanes.iter().map(|words| command(place, screen, words, long));
    let mut show = |lane: &mut Lane| {
        for line in lane.held.drain(..) {
            // A full disk must not end the step: the screen still has the lines.
            let _ = writeln!(kept, "{line}");
            if lane.totals.take(&line) && !is_cargo_noise(&line) {
                screen.line(&format!("  {line}"));
            }
        }
    };
    let ran = steps::follow_all(commands.collect(), &mut running, |number, line, running| {
        steps::advance_by_cargo(line, running);
        if let Some(lane) = read.get_mut(number) {
            lane.held.push(line.to_owned());
            if line.starts_with("test result: ") {
                show(lane);
            }
        }
    });
    let mut sums = Totals::default();
    for mut lane in read {
        show(&mut lane);
        sums.join(lane.totals);
    }
    let detail = format!("{} passed, {} failed", sums.passed, sums.failed);
    totals.join(sums);
    steps::finish(screen, name, running, &ran, &log, &detail)
}

fn command(place: &Place, screen: &Screen, which: &[String], long: bool) -> Command {
    let mut words = vec!["test", "--no-fail-fast"];
    words.extend(which.iter().map(String::as_str));
    words.extend(["--", "--show-output"]);
    let mut command = place.cargo(&words);
    command.env("PATH", place.path_with_tools());
    if long {
        command.envs(LONGER);
    }
    if let Ok(peer) = packages::node_exporter(place, screen, false) {
        command.env(NODE_EXPORTER, peer);
    }
    command
}

/// Lines with which cargo says what it builds.
fn is_cargo_noise(line: &str) -> bool {
    let line = line.trim_start();
    CARGO_NOISE.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[test]
    fn every_test_of_the_workspace_stands_in_one_lane() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let lanes = root.and_then(|root| lanes(root).ok()).unwrap_or_default();
        let [houses, rest, doc] = lanes.as_slice() else {
            panic!("{lanes:?}");
        };
        let has = |lane: &[String], name: &str| lane.iter().any(|word| word == name);
        assert!(has(houses, "house_of_agents") && has(houses, "tidy"));
        assert!(!has(houses, "daemon") && has(rest, "daemon") && has(rest, "--lib"));
        assert!(
            houses
                .iter()
                .all(|word| word.starts_with("--") || !has(rest, word))
        );
        assert_eq!(doc, &["--workspace", "--doc"]);
    }

    #[test]
    fn a_lane_without_a_folder_says_which() {
        let nowhere = Path::new("/nowhere");
        assert!(matches!(lanes(nowhere), Err(Wrong::Failed(why)) if why.contains("/nowhere/tests/tests")));
    }
}
