//! `cargo up`: packages, build, and then the program that raises the rack takes over this process.

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use crate::Wrong;
use crate::packages;
use crate::place::Place;
use crate::progress::{Screen, Verdict};
use crate::steps;

/// The program that raises the rack, built with everything else.
const RAISER: &str = "busbar-up";

const HELP: &str = "\
cargo up: this machine and a simulated rack, with one command and no question

  cargo up [--no-install] [--fresh] [--release] [--port-base N] [--once [SECONDS]]

What it does, in this order:
  1. packages   says which system packages the build needs and why, and installs what is missing
                (apt-get; with sudo where you are not root). Prometheus is fetched, never installed.
  2. build      the daemons, the command line and the simulated rack
  3. rack       a simulated rack of six 3 kW supplies and four nodes behind real Redfish services,
                the rack controller (ENFORCE: the hardware is simulated), this machine's agent
                (OBSERVE: it reads; only `busbar run` may pin what it starts itself), and Prometheus

Everything listens on this machine only and keeps its state below target/up: the next `cargo up`
finds its claims again. Ctrl-C takes everything down and says what it removed.

  --no-install      install nothing: print the command and stop where the build cannot do without
  --fresh           forget the state of earlier runs
  --release         build and run optimised binaries
  --port-base N     agent on N, rack on N+1, Prometheus on N+2 (default 9711; busy ports are replaced, and said)
  --once [SECONDS]  go down by itself after that long (default 0)
";

/// The command line of `cargo up`, read.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    help: bool,
    no_install: bool,
    release: bool,
    for_raiser: Vec<String>,
}

/// Runs `cargo up`.
pub fn up(words: &[String]) -> Result<ExitCode, Wrong> {
    let asked = read(words)?;
    if asked.help {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    let place = Place::find()?;
    let screen = Screen::new();
    packages::see_to(&place, &screen, !asked.no_install, false)?;
    // A rack without Prometheus is still a rack; the reason has been said.
    let prometheus = packages::prometheus(&place, &screen, !asked.no_install).ok();
    build(&place, &screen, asked.release)?;
    let raiser = place.binaries(asked.release).join(RAISER);
    let mut command = place.command(&raiser);
    command.args(&asked.for_raiser);
    if let Some(prometheus) = prometheus {
        command.arg("--prometheus").arg(prometheus);
    }
    let failed = command.exec();
    Err(Wrong::Failed(format!(
        "cannot start {}: {failed}",
        raiser.display()
    )))
}

/// Builds every binary of the house.
pub fn build(place: &Place, screen: &Screen, release: bool) -> Result<(), Wrong> {
    let mut words = vec!["build", "--workspace", "--bins"];
    if release {
        words.push("--release");
    }
    let whole = steps::crates_at_most(&place.root);
    let done = steps::cargo_step(screen, "build", place.cargo(&words), &place.log("build"), whole);
    match done.verdict {
        Verdict::Pass => Ok(()),
        Verdict::Fail | Verdict::Skip => Err(Wrong::Failed("the build failed".to_owned())),
    }
}

fn read(words: &[String]) -> Result<Asked, Wrong> {
    let mut asked = Asked::default();
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--help" | "-h" => asked.help = true,
            "--no-install" => asked.no_install = true,
            "--release" => asked.release = true,
            "--fresh" => asked.for_raiser.push(word.clone()),
            "--port-base" => {
                let port = words
                    .next()
                    .filter(|port| port.parse::<u16>().is_ok())
                    .ok_or_else(|| {
                        Wrong::Usage("--port-base wants a port, as in --port-base 9711".to_owned())
                    })?;
                asked.for_raiser.extend([word.clone(), port.clone()]);
            }
            "--once" => {
                let seconds = words.next_if(|next| next.parse::<u32>().is_ok());
                let seconds = seconds.map_or_else(|| "0".to_owned(), String::clone);
                asked.for_raiser.extend([word.clone(), seconds]);
            }
            other => {
                return Err(Wrong::Usage(format!(
                    "cargo up: unknown word {other:?}\n\n{HELP}"
                )));
            }
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(line: &str) -> Result<Asked, Wrong> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(&words)
    }

    #[test]
    fn the_command_line_is_read() {
        let all = asked("--no-install --fresh --release --port-base 9800 --once 5").unwrap();
        assert!(all.no_install && all.release);
        assert_eq!(all.for_raiser, ["--fresh", "--port-base", "9800", "--once", "5"]);
        let once = asked("--once --fresh").unwrap();
        assert_eq!(once.for_raiser, ["--once", "0", "--fresh"]);
    }

    #[test]
    fn what_it_does_not_know_is_a_usage_error() {
        for line in ["--frsh", "--port-base", "--port-base many", "now"] {
            assert!(matches!(asked(line), Err(Wrong::Usage(_))), "{line}");
        }
    }
}
