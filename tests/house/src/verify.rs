//! `cargo verify`: every check and every test, a table of what came of them, and one closing line.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::Wrong;
use crate::lab;
use crate::mutate;
use crate::packages;
use crate::place::Place;
use crate::progress::{Screen, Verdict, seconds};
use crate::shake;
use crate::steps::{self, Done};
use crate::suites;
use crate::totals::{Totals, closing_line};

const HELP: &str = "\
cargo verify: every check and every test of the house

  cargo verify [--quick | --long] [--no-install]

  packages, cargo fmt --check, cargo clippy -D warnings, build, every test (whole-house stories with
  real daemons and a real Prometheus included), cargo doc -D warnings, the DMTF's Redfish validators, a
  validator of OpenAPI, the lab's stories on a real kernel in a virtual machine, cargo deny where it is installed.
  Ends with a table and `N passed, N failed, N skipped`; a skip says why.

  --quick        without stories, documentation, validators and lab
  --long         also every parser under the fuzzer for a minute (cargo shake), every story of cargo lab, the
                 power pool's random days and the journal's kills at ten times their length, and the pool's mutants
                 (cargo mutate)
  --no-install   install nothing: checks that lack a tool are skipped
";

/// What strangers' tools judge, each by a script: the DMTF's validators the simulated rack, and a validator of OpenAPI the rack's API.
const VALIDATORS: [(&str, &str); 2] = [
    ("validators", "hw-fixtures/validate.sh"),
    ("openapi", "rack-controller/api/validate.sh"),
];

/// What a script exits with when it could not run here (its last line says why).
const SCRIPT_SKIPPED: &str = "skipped: ";

/// The configuration of cargo-deny.
const DENY: &str = ".cargo/deny.toml";

/// The last full run, for `cargo prove house`.
const RECORD: &str = "verify.json";

/// Steps that run tests: their tests are counted one by one.
const RUNNERS: [&str; 3] = ["test", "tidy", "lab"];

/// Everything that was found.
struct Found {
    steps: Vec<Done>,
    totals: Totals,
}

/// Runs `cargo verify`.
pub fn verify(words: &[String]) -> Result<ExitCode, Wrong> {
    let (mut quick, mut long, mut install) = (false, false, true);
    for word in words {
        match word.as_str() {
            "--quick" => quick = true,
            "--long" => long = true,
            "--no-install" => install = false,
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            other => {
                return Err(Wrong::Usage(format!(
                    "cargo verify: unknown word {other:?}\n\n{HELP}"
                )));
            }
        }
    }
    let started = Instant::now();
    let place = Place::find()?;
    let screen = Screen::new();
    packages::see_to(&place, &screen, install, true)?;
    if !quick {
        // Where there is none, the stories that need it say so and are counted as skipped.
        let _ = packages::prometheus(&place, &screen, install);
        let _ = packages::node_exporter(&place, &screen, install);
        let _ = packages::alertmanager(&place, &screen, install);
    }
    let mut found = checks(&place, &screen, (quick, long), install);
    if long {
        found.steps.push(shake::step(&place, &screen, install));
        found.steps.push(mutate::step(&place, &screen));
    }
    Ok(close(&place, &screen, &found, quick, started.elapsed()))
}

fn checks(place: &Place, screen: &Screen, (quick, long): (bool, bool), install: bool) -> Found {
    let whole = steps::crates_at_most(&place.root);
    let cargo = |name: &'static str, words: &[&str]| {
        steps::cargo_step(screen, name, place.cargo(words), &place.log(name), whole)
    };
    let mut found = Found {
        steps: vec![cargo("fmt", &["fmt", "--all", "--check"])],
        totals: Totals::default(),
    };
    found.steps.push(cargo(
        "clippy",
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    ));
    let build = cargo("build", &["build", "--workspace", "--bins"]);
    let built = build.verdict == Verdict::Pass;
    found.steps.push(build);
    if built {
        if quick {
            let tests = suites::quick(place, screen, &mut found.totals);
            found.steps.extend(tests);
        } else {
            let tests = suites::all(place, screen, long, &mut found.totals);
            found.steps.push(tests);
        }
    } else {
        found.steps.push(steps::skip(screen, "test", "the build failed"));
    }
    if !quick {
        let mut doc = place.cargo(&["doc", "--workspace", "--no-deps"]);
        doc.env("RUSTDOCFLAGS", "-D warnings");
        found
            .steps
            .push(steps::cargo_step(screen, "doc", doc, &place.log("doc"), whole));
        for (name, script) in VALIDATORS {
            found.steps.push(if built {
                validators(place, screen, name, script)
            } else {
                steps::skip(screen, name, "the build failed")
            });
        }
        found.steps.push(if built {
            lab(place, screen, install, long, &mut found.totals)
        } else {
            steps::skip(screen, "lab", "the build failed")
        });
    }
    found.steps.push(deny(place, screen));
    found
}

fn validators(place: &Place, screen: &Screen, name: &'static str, script: &str) -> Done {
    if !place.root.join(script).is_file() {
        return steps::skip(screen, name, &format!("there is no {script}"));
    }
    let mut command = place.command("bash");
    command
        .arg(script)
        .env("CARGO_TARGET_DIR", &place.target)
        .env("PATH", place.path_with_tools());
    let log = place.log(name);
    let mut running = screen.begin(name, None);
    let (mut skipped, mut last) = (None, String::new());
    let ran = steps::follow(command, &log, &mut running, |line, running| {
        running.advance(line);
        if let Some(why) = line.strip_prefix(SCRIPT_SKIPPED) {
            skipped = Some(why.to_owned());
        }
        if !line.trim().is_empty() {
            line.trim().clone_into(&mut last);
        }
    });
    match skipped.filter(|_| ran.ok) {
        Some(why) => {
            let took = running.end(Verdict::Skip, &why);
            Done {
                name,
                verdict: Verdict::Skip,
                took,
                detail: why,
            }
        }
        None => {
            let detail = if ran.ok { last.as_str() } else { "" };
            steps::finish(screen, name, running, &ran, &log, detail)
        }
    }
}

/// The stories on a real kernel; each of their checks counts like a test.
fn lab(place: &Place, screen: &Screen, install: bool, all: bool, totals: &mut Totals) -> Done {
    let mut checks = lab::Checks::default();
    let done = lab::step(place, screen, install, all, &mut checks);
    totals.passed += checks.passed;
    totals.failed += checks.failed;
    totals.skipped += checks.skipped;
    totals.failures.append(&mut checks.broken);
    if done.verdict == Verdict::Skip {
        totals.skipped += 1;
        totals.reasons.push(format!("lab: {}", done.detail));
    }
    done
}

/// Licences, bans and sources of every dependency; advisories need a database from outside and are left to whoever has it.
fn deny(place: &Place, screen: &Screen) -> Done {
    const NAME: &str = "deny";
    let installed = Command::new("cargo-deny")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        return steps::skip(screen, NAME, "cargo-deny is not installed");
    }
    let words = [
        "deny", "--locked", "--config", DENY, "check", "licenses", "bans", "sources",
    ];
    steps::cargo_step(screen, NAME, place.cargo(&words), &place.log(NAME), None)
}

/// Prints the table and the closing line, and keeps a record of a full run.
fn close(place: &Place, screen: &Screen, found: &Found, quick: bool, took: Duration) -> ExitCode {
    let (runners, checks): (Vec<&Done>, Vec<&Done>) =
        found.steps.iter().partition(|step| RUNNERS.contains(&step.name));
    let count = |verdict| checks.iter().filter(|step| step.verdict == verdict).count();
    // A runner counts as a check of its own only when no single test accounts for its failure (it did not build, say).
    let unbuilt = runners.iter().any(|step| step.verdict == Verdict::Fail) && found.totals.failed == 0;
    let passed = found.totals.passed + count(Verdict::Pass);
    let failed = found.totals.failed + count(Verdict::Fail) + usize::from(unbuilt);
    let skipped = found.totals.skipped + count(Verdict::Skip);
    screen.line("");
    for step in &found.steps {
        let word = screen.paint(step.verdict);
        screen.line(&format!(
            "{:12} {word} {:>11}  {}",
            step.name,
            seconds(step.took),
            step.detail
        ));
    }
    screen.line(&format!("{:12} {:>16}", "in all", seconds(took)));
    for reason in &found.totals.reasons {
        screen.line(&format!("skipped: {reason}"));
    }
    for failure in &found.totals.failures {
        screen.line(&format!("failed: {failure}"));
    }
    if !quick {
        let record = format!(
            "{{\"seconds\": {:.1}, \"passed\": {passed}, \"failed\": {failed}, \"skipped\": {skipped}}}\n",
            took.as_secs_f64()
        );
        if let Err(why) = steps::write_whole(&place.records.join(RECORD), &record) {
            screen.line(&format!("no record kept: {why}"));
        }
    }
    screen.line("");
    screen.line(&closing_line(passed, failed, skipped));
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
