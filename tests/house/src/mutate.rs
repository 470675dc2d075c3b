//! `cargo mutate`: breaks of the power pool's code, each of which the random days must see.

mod list;
mod tree;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Wrong;
use crate::place::Place;
use crate::progress::{Screen, Verdict, seconds};
use crate::steps::Done;

const HELP: &str = "\
cargo mutate: what the power pool's simulator is worth

  cargo mutate [--list] [--operations N] [MUTANT ...]

  Breaks one rule of the power pool at a time, in a copy of the tree below target/house/mutants, and lives random days with it
  (tests/tests/power_days, N operations at the most, 100,000 unless told). Prints one line a mutant: what was broken, and which rule
  on which day saw it. Ends with an error where a mutant was not caught, or where unbroken code was.
";

/// So many operations are enough for the rarest of them.
const OPERATIONS: u64 = 100_000;

/// What the days say when one of them ends in a broken promise.
const AGAIN: &str = "this day again: ";

/// How long the words of a day that ended take to come.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// Days that go on for longer than this hang.
const LONGEST: Duration = Duration::from_secs(900);

/// One break.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    name: &'static str,
    /// What it means.
    what: &'static str,
    edits: &'static [Edit],
}

/// One text that becomes another.
#[derive(Clone, Copy, Debug)]
struct Edit {
    file: &'static str,
    /// Stands in the file exactly once.
    find: &'static str,
    instead: &'static str,
}

/// What came of the days with one mutant.
enum Came {
    /// What was said, and the command that lives the day again.
    Caught(String, String),
    /// All promises were kept.
    Missed,
}

/// Runs `cargo mutate`.
pub fn mutate(words: &[String]) -> Result<ExitCode, Wrong> {
    let (mut list, mut operations, mut names) = (false, OPERATIONS, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            "--list" => list = true,
            "--operations" => {
                let number = words.next().and_then(|text| text.parse().ok());
                operations =
                    number.ok_or_else(|| Wrong::Usage(format!("--operations needs a number\n\n{HELP}")))?;
            }
            name if list::MUTANTS.iter().any(|mutant| mutant.name == name) => names.push(name),
            other => {
                return Err(Wrong::Usage(format!(
                    "cargo mutate: no mutant and no option {other:?}\n\n{HELP}"
                )));
            }
        }
    }
    if list {
        for mutant in list::MUTANTS {
            println!("{:<28} {}", mutant.name, mutant.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let screen = Screen::new();
    let missed = breed(&Place::find()?, &screen, &names, operations)?;
    println!("\n{}", summary(names.len(), &missed));
    Ok(if missed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All of them as a step of `cargo verify --long`.
pub fn step(place: &Place, screen: &Screen) -> Done {
    let began = Instant::now();
    let (verdict, detail) = match breed(place, screen, &[], OPERATIONS) {
        Ok(missed) if missed.is_empty() => (Verdict::Pass, summary(0, &missed)),
        Ok(missed) => (Verdict::Fail, summary(0, &missed)),
        Err(Wrong::Usage(why) | Wrong::Failed(why)) => (Verdict::Fail, why),
    };
    Done {
        name: "mutate",
        verdict,
        took: began.elapsed(),
        detail,
    }
}

fn summary(asked: usize, missed: &[&str]) -> String {
    let all = if asked == 0 { list::MUTANTS.len() } else { asked };
    let names = if missed.is_empty() {
        String::new()
    } else {
        format!(": {}", missed.join(" "))
    };
    format!("{all} mutants, {} not caught{names}", missed.len())
}

/// Lives days with each mutant, and with none; answers those that were not caught.
fn breed(
    place: &Place,
    screen: &Screen,
    names: &[&str],
    operations: u64,
) -> Result<Vec<&'static str>, Wrong> {
    let wrong: Vec<String> = list::MUTANTS
        .iter()
        .filter_map(|mutant| rotten(&place.root, mutant))
        .collect();
    if !wrong.is_empty() {
        return Err(Wrong::Failed(wrong.join("\n")));
    }
    let nursery = Nursery {
        place,
        tree: place.records.join("mutants"),
        operations,
    };
    tree::copy(&place.root, &nursery.tree, &place.target).map_err(Wrong::Failed)?;
    if let Came::Caught(said, again) = nursery.live()? {
        return Err(Wrong::Failed(format!(
            "unbroken code was caught: {said}\n  {again}\nmutants tell nothing until that is right"
        )));
    }
    let mut missed = Vec::new();
    let is_asked = |mutant: &&Mutant| names.is_empty() || names.contains(&mutant.name);
    for mutant in list::MUTANTS.iter().filter(is_asked) {
        let began = Instant::now();
        let whole = nursery.plant(mutant)?;
        let came = nursery.live();
        nursery.heal(&whole)?;
        let came = match came? {
            Came::Caught(said, again) => format!("{said}\n{:33}{again}", ""),
            Came::Missed => {
                missed.push(mutant.name);
                "NOT CAUGHT".to_owned()
            }
        };
        screen.line(&format!(
            "  {:<28} {} ({})\n{:33}{came}",
            mutant.name,
            mutant.what,
            seconds(began.elapsed()),
            ""
        ));
    }
    Ok(missed)
}

/// What is wrong with a mutant: a text of it does not stand in its file exactly once.
fn rotten(root: &Path, mutant: &Mutant) -> Option<String> {
    mutant.edits.iter().find_map(|edit| {
        let path = root.join(edit.file);
        let times = match std::fs::read_to_string(&path) {
            Ok(text) => text.matches(edit.find).count(),
            Err(err) => return Some(format!("{}: cannot read {}: {err}", mutant.name, path.display())),
        };
        (times != 1).then(|| {
            format!(
                "{}: its text stands {times} times in {}; expected once:\n{}",
                mutant.name, edit.file, edit.find
            )
        })
    })
}

/// Where mutants live.
struct Nursery<'a> {
    place: &'a Place,
    tree: PathBuf,
    operations: u64,
}

impl Nursery<'_> {
    /// Breaks what the mutant breaks; answers the files as they were.
    fn plant(&self, mutant: &Mutant) -> Result<Vec<(&'static str, String)>, Wrong> {
        let mut whole = Vec::new();
        for edit in mutant.edits {
            let path = self.tree.join(edit.file);
            let text = std::fs::read_to_string(&path)
                .map_err(|err| Wrong::Failed(format!("cannot read {}: {err}", path.display())))?;
            self.write(edit.file, &text.replacen(edit.find, edit.instead, 1))?;
            whole.push((edit.file, text));
        }
        Ok(whole)
    }

    /// Makes the files what they were, with a time of now: the next build must see that.
    fn heal(&self, whole: &[(&'static str, String)]) -> Result<(), Wrong> {
        whole
            .iter()
            .rev()
            .try_for_each(|(file, text)| self.write(file, text))
    }

    fn write(&self, file: &str, text: &str) -> Result<(), Wrong> {
        let path = self.tree.join(file);
        std::fs::write(&path, text)
            .map_err(|err| Wrong::Failed(format!("cannot write {}: {err}", path.display())))
    }

    /// Builds the days and lives them until one ends in a broken promise.
    fn live(&self) -> Result<Came, Wrong> {
        let binary = self.build()?;
        let mut days = Command::new(&binary)
            .args(["--nocapture", "--test-threads=2"])
            .env("BUSBAR_OPERATIONS", self.operations.to_string())
            .env("RUST_BACKTRACE", "0")
            .current_dir(&self.tree)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|err| Wrong::Failed(format!("cannot start {}: {err}", binary.display())))?;
        let said = listen(&mut days);
        let ended = days.wait();
        let again = said.iter().find_map(|line| line.split_once(AGAIN));
        match (again, ended) {
            (Some((_, again)), _) => Ok(Came::Caught(sentence(&said), again.to_owned())),
            (None, Ok(status)) if status.success() => Ok(Came::Missed),
            (None, ended) => Err(Wrong::Failed(format!(
                "the days ended without a word of why ({ended:?}): {}",
                said.join("\n")
            ))),
        }
    }

    /// The program that lives the days.
    fn build(&self) -> Result<PathBuf, Wrong> {
        let words = ["test", "-p", "house-tests", "--test", "power_days", "--no-run"];
        let mut cargo = self.place.cargo(&words);
        let built = cargo.current_dir(&self.tree).stdin(Stdio::null()).output();
        let built = built.map_err(|err| Wrong::Failed(format!("cannot start cargo: {err}")))?;
        let text = String::from_utf8_lossy(&built.stderr).into_owned();
        let path = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Executable ")?.split_once('('))
            .map(|(_, path)| PathBuf::from(path.trim_end_matches(')')));
        path.filter(|_| built.status.success())
            .ok_or_else(|| Wrong::Failed(format!("the days cannot be built:\n{text}")))
    }
}

/// Everything that is said until a day ends in a broken promise; then nothing more is waited for.
fn listen(days: &mut Child) -> Vec<String> {
    let (lines, heard) = mpsc::channel();
    let follow = |pipe: Box<dyn std::io::Read + Send>, lines: mpsc::Sender<String>| {
        thread::spawn(move || {
            let read = BufReader::new(pipe).lines().map_while(Result::ok);
            read.for_each(|line| drop(lines.send(line)));
        });
    };
    if let Some(pipe) = days.stdout.take() {
        follow(Box::new(pipe), lines.clone());
    }
    if let Some(pipe) = days.stderr.take() {
        follow(Box::new(pipe), lines.clone());
    }
    drop(lines);
    let (mut said, mut until) = (Vec::new(), Instant::now() + LONGEST);
    while let Ok(line) = heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
        if line.contains(AGAIN) {
            until = until.min(Instant::now() + LAST_WORDS);
        }
        said.push(line);
    }
    // It has said what there is to say, or it hangs.
    let _ = days.kill();
    said
}

/// The first sentence of a panic.
fn sentence(said: &[String]) -> String {
    let mut lines = said.iter();
    let found = lines.find(|line| line.contains("panicked at"));
    let words = found.and_then(|_| lines.next());
    words
        .map_or("no word", String::as_str)
        .chars()
        .take(160)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_every_mutant_stands_in_its_file_exactly_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let wrong: Vec<String> = list::MUTANTS
            .iter()
            .filter_map(|mutant| rotten(&root, mutant))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let mut names: Vec<&str> = list::MUTANTS.iter().map(|mutant| mutant.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), list::MUTANTS.len(), "two mutants of one name");
    }

    #[test]
    fn a_rotten_mutant_is_told() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let edit = |find: &'static str| Edit {
            file: "tests/house/Cargo.toml",
            find,
            instead: "",
        };
        for (find, times) in [("no such text", "0 times"), ("workspace", " times")] {
            let edits: &'static [Edit] = Box::leak(Box::new([edit(find)]));
            let mutant = Mutant {
                name: "one",
                what: "",
                edits,
            };
            let told = rotten(&root, &mutant).unwrap_or_default();
            assert!(told.contains(times), "{told}");
        }
    }
}
