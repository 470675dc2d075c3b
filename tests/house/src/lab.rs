//! `cargo lab`: stories on a real kernel of their own, in a small virtual machine.

mod archive;
mod companion;
mod guest;
mod kernel;
mod modules;
mod pack;
mod relay;
mod story;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::Wrong;
use crate::packages;
use crate::place::Place;
use crate::progress::{Screen, Verdict};
use crate::steps::{self, Done};

const HELP: &str = "\
cargo lab: stories on a real kernel of their own, in a small virtual machine.

Usage: cargo lab [--no-install] [--kernel FOLDER] [STORY...]

Stories stand in tests/lab, one file each; without a name all of them run.
The machine is emulated (TCG): no /dev/kvm, no network, nothing of the host is touched.
It needs qemu-system-x86 (installed where it is missing), and Debian's or Ubuntu's own kernel
and busybox, which are fetched and unpacked below the build outputs, never installed.
BUSBAR_LAB=WORDS in the environment gives a story words of its own: BUSBAR_LAB=10000 cargo lab storm.
--kernel FOLDER boots another kernel: a kernel package that was unpacked there (dpkg -x).
";

/// The binaries that go into the guest, as cargo calls their packages.
const PACKAGES: [&str; 3] = ["agent", "busbar-cli", "rack-controller"];
/// Examples that stories run, and their packages.
const EXAMPLES: [(&str, &str); 3] = [
    ("isolators", "isolate"),
    ("isolators", "fabric"),
    ("agent", "cri"),
];

/// What came of the checks of all stories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// How many held.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
    /// How many could not be made on this kernel or this emulated machine.
    pub skipped: usize,
    /// Whether a guest died in the middle of its story.
    pub is_cut: bool,
    /// Those that did not, each with its story.
    pub broken: Vec<String>,
    /// What was measured, as the stories say it.
    pub measured: Vec<String>,
}

/// `cargo lab`.
pub fn lab(words: &[String]) -> Result<ExitCode, Wrong> {
    let mut install = true;
    let mut other = None;
    let mut names = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            "--no-install" => install = false,
            "--kernel" => {
                let folder = words.next().map(PathBuf::from);
                other = Some(folder.ok_or_else(|| Wrong::Usage("--kernel needs a folder".to_owned()))?);
            }
            name if !name.starts_with('-') => names.push(name.to_owned()),
            other => return Err(Wrong::Usage(format!("unknown option {other:?}\n\n{HELP}"))),
        }
    }
    let place = Place::find()?;
    let screen = Screen::new();
    packages::see_to(&place, &screen, install, false)?;
    packages::emulator(&place, &screen, install)?;
    let kernel = kernel::fetch(&place, &screen, install)?;
    let kernel = match other {
        Some(folder) => kernel.instead(folder)?,
        None => kernel,
    };
    let stories = stories(&place, &names)?;
    for release in [false, true] {
        if stories.iter().any(|story| is_measured(story) == release) {
            build(&place, &screen, release)?;
        }
    }
    let checks = run(&place, &screen, &kernel, &stories, install)?;
    println!(
        "\n{} passed, {} failed, {} skipped",
        checks.passed, checks.failed, checks.skipped
    );
    Ok(if checks.failed == 0 && checks.passed + checks.skipped > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Stories that the short form leaves to `cargo lab` and `cargo verify --long`: what they show stands on the same isolators and the
/// same commands as the others, and minutes of every run are worth more than a second look.
const LEFT_TO_LAB: [&str; 20] = [
    "adopt",
    "antagonist",
    "cap",
    "cdi",
    "controllers-v1",
    "erase",
    "fabric",
    "gpus",
    "lent",
    "nri",
    "oci",
    "owners",
    "peers",
    "pooled",
    "pooled-hung",
    "pooled-keys",
    "power-loss",
    "rack-of-drives",
    "storm",
    "vm",
];

/// The stories as a step of `cargo verify`, which has built everything and says why where they cannot run; all of them, or the
/// short form.
pub fn step(place: &Place, screen: &Screen, install: bool, all: bool, checks: &mut Checks) -> Done {
    const NAME: &str = "lab";
    let ready =
        packages::emulator(place, screen, install).and_then(|()| kernel::fetch(place, screen, install));
    let kernel = match ready {
        Ok(kernel) => kernel,
        Err(Wrong::Usage(why) | Wrong::Failed(why)) => return steps::skip(screen, NAME, &why),
    };
    let began = Instant::now();
    let ran = stories(place, &[]).and_then(|mut stories| {
        if !all {
            stories.retain(|story| {
                story
                    .file_stem()
                    .is_some_and(|stem| !LEFT_TO_LAB.iter().any(|name| stem == *name))
            });
            screen.line(&format!("lab: left to cargo lab: {}", LEFT_TO_LAB.join(", ")));
        }
        run(place, screen, &kernel, &stories, install)
    });
    let (verdict, detail) = match ran {
        Ok(sum) => {
            let verdict = if sum.failed == 0 {
                Verdict::Pass
            } else {
                Verdict::Fail
            };
            let detail = format!("{} checks held, {} did not", sum.passed, sum.failed);
            *checks = sum;
            (verdict, detail)
        }
        Err(Wrong::Usage(why) | Wrong::Failed(why)) => (Verdict::Fail, why),
    };
    Done {
        name: NAME,
        verdict,
        took: began.elapsed(),
        detail,
    }
}

/// One story by its name, whose measurements are wanted: what it said, or why it could not run. Everything is built already.
pub fn measured(place: &Place, screen: &Screen, name: &str) -> Result<Checks, String> {
    let why = |wrong: Wrong| match wrong {
        Wrong::Usage(why) | Wrong::Failed(why) => why,
    };
    packages::emulator(place, screen, false).map_err(why)?;
    let kernel = kernel::fetch(place, screen, true).map_err(why)?;
    let stories = stories(place, &[name.to_owned()]).map_err(why)?;
    let story = stories.first().ok_or("there is no such story")?;
    match guest::run(place, screen, &kernel, story, true)? {
        guest::Told::Checks(checks) => Ok(checks),
        guest::Told::Skipped(why) => Err(why),
    }
}

/// Whether a story's own programs are the optimised ones.
fn is_measured(story: &Path) -> bool {
    story::Story::read(story).is_ok_and(|story| story.is_measured)
}

/// Builds what stories run: all of ours, optimised or not.
pub fn build(place: &Place, screen: &Screen, release: bool) -> Result<(), Wrong> {
    let mut command = place.cargo(if release {
        &["build", "--release"]
    } else {
        &["build"]
    });
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    command.arg("--bins");
    if !release {
        for (package, example) in EXAMPLES {
            command.args(["--package", package, "--example", example]);
        }
    }
    let done = steps::cargo_step(screen, "build", command, &place.log("lab-build"), None);
    match done.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail | Verdict::Skip => Err(Wrong::Failed(format!("cannot build: {}", done.detail))),
    }
}

/// The story files that were asked for; all without a name.
fn stories(place: &Place, names: &[String]) -> Result<Vec<PathBuf>, Wrong> {
    let folder = place.root.join("tests/lab");
    let entries = std::fs::read_dir(&folder)
        .map_err(|err| Wrong::Failed(format!("cannot read {}: {err}", folder.display())))?;
    let mut all: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "sh"))
        .collect();
    all.sort();
    if names.is_empty() {
        return Ok(all);
    }
    let known = all
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    let known: Vec<String> = known.collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(Wrong::Usage(format!(
            "no story {unknown:?} in tests/lab; there are: {}",
            known.join(" ")
        )));
    }
    all.retain(|path| {
        path.file_stem()
            .is_some_and(|stem| names.iter().any(|name| stem == name.as_str()))
    });
    Ok(all)
}

fn run(
    place: &Place,
    screen: &Screen,
    kernel: &kernel::Kernel,
    stories: &[PathBuf],
    may: bool,
) -> Result<Checks, Wrong> {
    let mut sum = Checks::default();
    for story in stories {
        let told = guest::run(place, screen, kernel, story, may).map_err(Wrong::Failed)?;
        if let guest::Told::Checks(checks) = told {
            sum.passed += checks.passed;
            sum.failed += checks.failed;
            sum.skipped += checks.skipped;
            sum.broken.extend(checks.broken);
            sum.measured.extend(checks.measured);
        }
    }
    Ok(sum)
}
