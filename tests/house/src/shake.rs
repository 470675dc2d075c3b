//! `cargo shake`: every parser under a coverage-guided fuzzer (libFuzzer), each for a while.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::Wrong;
use crate::packages;
use crate::place::Place;
use crate::progress::{Screen, Verdict};
use crate::steps::{self, Done};

const HELP: &str = "\
cargo shake: every parser under a coverage-guided fuzzer

  cargo shake [--seconds N] [--list] [TARGET ...]

  Builds tests/fuzz with the compiler's coverage marks (no nightly toolchain is needed; a C++ compiler is) and
  feeds each parser for N seconds (60 unless told), as many at a time as there are CPUs. What made one fall is kept below
  target/house/fuzz/found, with the command that repeats it. Inputs that reached new code are kept and used again.
";

/// How long each parser is fed unless told otherwise.
const SECONDS: u64 = 60;

/// How many are fed at once where nobody says how many CPUs there are.
const AT_ONCE: usize = 2;

/// What makes the compiler leave marks that libFuzzer reads (LLVM's SanitizerCoverage); stable flags all of them.
const MARKS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Which parser the fuzzer feeds.
const VARIABLE: &str = "BUSBAR_FUZZ";

/// An input that takes longer than this hangs, and one that makes a parser hold more than this is greedy.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=1024"];

/// Runs `cargo shake`.
pub fn shake(words: &[String]) -> Result<ExitCode, Wrong> {
    let (mut seconds, mut list, mut names) = (SECONDS, false, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            "--list" => list = true,
            "--seconds" => {
                let number = words.next().and_then(|text| text.parse().ok());
                seconds =
                    number.ok_or_else(|| Wrong::Usage(format!("--seconds needs a number\n\n{HELP}")))?;
            }
            name if !name.starts_with('-') => names.push(name.to_owned()),
            other => {
                return Err(Wrong::Usage(format!(
                    "cargo shake: unknown word {other:?}\n\n{HELP}"
                )));
            }
        }
    }
    let place = Place::find()?;
    let screen = Screen::new();
    let fuzzer = Fuzzer::build(&place, &screen, true)?;
    let all = fuzzer.targets()?;
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        return Err(Wrong::Usage(format!(
            "no parser {unknown:?}; there are: {}",
            all.join(" ")
        )));
    }
    if list {
        println!("{}", all.join("\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let names = if names.is_empty() { all } else { names };
    let fallen = fuzzer.feed(&screen, &names, seconds)?;
    println!(
        "\n{} parsers fed for {seconds} s each, {} fell",
        names.len(),
        fallen.len()
    );
    Ok(if fallen.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All of them as a step of `cargo verify --long`.
pub fn step(place: &Place, screen: &Screen, install: bool) -> Done {
    const NAME: &str = "shake";
    let began = Instant::now();
    let fed = Fuzzer::build(place, screen, install).and_then(|fuzzer| {
        let all = fuzzer.targets()?;
        let fallen = fuzzer.feed(screen, &all, SECONDS)?;
        Ok((all.len(), fallen))
    });
    let (verdict, detail) = match fed {
        Ok((count, fallen)) if fallen.is_empty() => (
            Verdict::Pass,
            format!("{count} parsers fed for {SECONDS} s each, none fell"),
        ),
        Ok((_, fallen)) => (Verdict::Fail, format!("fell: {}", fallen.join(" "))),
        Err(Wrong::Usage(why) | Wrong::Failed(why)) => (Verdict::Fail, why),
    };
    Done {
        name: NAME,
        verdict,
        took: began.elapsed(),
        detail,
    }
}

/// The machine that the compiler builds for by itself, as in `x86_64-unknown-linux-gnu`.
fn machine(place: &Place) -> Result<String, Wrong> {
    let told = place.command("rustc").arg("-vV").output();
    let text = told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned());
    text.ok()
        .and_then(|text| {
            Some(
                text.lines()
                    .find_map(|line| line.strip_prefix("host: "))?
                    .to_owned(),
            )
        })
        .ok_or_else(|| Wrong::Failed("rustc -vV does not name its host".to_owned()))
}

/// The built fuzzer and where it keeps what it finds.
struct Fuzzer {
    binary: PathBuf,
    kept: PathBuf,
    seeds: PathBuf,
}

impl Fuzzer {
    fn build(place: &Place, screen: &Screen, install: bool) -> Result<Fuzzer, Wrong> {
        packages::see_to(place, screen, install, false)?;
        packages::fuzzer(place, screen, install)?;
        let (target, machine) = (place.target.join("fuzz"), machine(place)?);
        // With a target named, build scripts are built without the marks, as they must be.
        let words = [
            "build",
            "--release",
            "--manifest-path",
            "tests/fuzz/Cargo.toml",
            "--target",
            &machine,
        ];
        let mut cargo = place.cargo(&words);
        cargo.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", MARKS);
        let done = steps::cargo_step(screen, "fuzzer", cargo, &place.log("fuzzer"), None);
        if done.verdict != Verdict::Pass {
            return Err(Wrong::Failed(format!("cannot build the fuzzer: {}", done.detail)));
        }
        Ok(Fuzzer {
            binary: target.join(machine).join("release/fuzz"),
            kept: place.records.join("fuzz"),
            seeds: place.root.join("tests/fuzz/seeds"),
        })
    }

    fn targets(&self) -> Result<Vec<String>, Wrong> {
        let wrong = |why: String| Wrong::Failed(format!("the fuzzer does not name its parsers: {why}"));
        let listed = Command::new(&self.binary)
            .env(VARIABLE, "list")
            .output()
            .map_err(|err| wrong(err.to_string()))?;
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let names: Vec<String> = text.lines().map(str::to_owned).collect();
        if names.is_empty() {
            return Err(wrong(String::from_utf8_lossy(&listed.stderr).into_owned()));
        }
        Ok(names)
    }

    /// Feeds them, a few at once; those that fell.
    fn feed(&self, screen: &Screen, names: &[String], seconds: u64) -> Result<Vec<String>, Wrong> {
        let (next, fallen, told) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(screen));
        let at_once = thread::available_parallelism().map_or(AT_ONCE, usize::from);
        let one = || -> Result<(), Wrong> {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                let line = self.feed_one(name, seconds)?;
                let is_fallen = line.is_err();
                if let Ok(screen) = told.lock() {
                    screen.line(&line.unwrap_or_else(|line| line));
                }
                if let (true, Ok(mut fallen)) = (is_fallen, fallen.lock()) {
                    fallen.push(name.clone());
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let feeding: Vec<_> = (0..at_once).map(|_| scope.spawn(one)).collect();
            for thread in feeding {
                thread
                    .join()
                    .map_err(|_| Wrong::Failed("a thread that feeds broke".to_owned()))??;
            }
            Ok(())
        })?;
        Ok(fallen.into_inner().unwrap_or_default())
    }

    /// Feeds one; the line to show, as an error where it fell.
    fn feed_one(&self, name: &str, seconds: u64) -> Result<Result<String, String>, Wrong> {
        let (corpus, found) = (self.kept.join("corpus").join(name), self.kept.join("found"));
        let wrong = |err: std::io::Error| Wrong::Failed(format!("cannot feed {name}: {err}"));
        std::fs::create_dir_all(&corpus).map_err(wrong)?;
        std::fs::create_dir_all(&found).map_err(wrong)?;
        let mut command = Command::new(&self.binary);
        command
            .env(VARIABLE, name)
            .args(LIMITS)
            .arg(format!("-max_total_time={seconds}"))
            .arg("-print_final_stats=1")
            .arg(format!("-artifact_prefix={}/{name}-", found.display()))
            .arg(&corpus);
        let seeds = self.seeds.join(name);
        if seeds.is_dir() {
            command.arg(&seeds);
        }
        let ran = command.stdin(Stdio::null()).output().map_err(wrong)?;
        let log = String::from_utf8_lossy(&ran.stderr).into_owned();
        let number = |key: &str| {
            let line = log.lines().find(|line| line.starts_with(key));
            line.and_then(|line| line.rsplit(' ').next())
                .unwrap_or("?")
                .to_owned()
        };
        if ran.status.success() {
            let runs = number("stat::number_of_executed_units:");
            let fresh = number("stat::new_units_added:");
            return Ok(Ok(format!(
                "  {name:<24} {runs} inputs, {fresh} of them reached new code"
            )));
        }
        let said = log
            .lines()
            .find(|line| line.contains("panicked at") || line.contains("ERROR: libFuzzer"));
        let input = log
            .lines()
            .rev()
            .find_map(|line| line.split_once("Test unit written to "));
        let input = input.map_or("", |(_, path)| path.trim());
        Ok(Err(format!(
            "  {name:<24} FELL: {}\n    again: {VARIABLE}={name} {} {input}",
            said.unwrap_or("no word").trim(),
            self.binary.display()
        )))
    }
}
