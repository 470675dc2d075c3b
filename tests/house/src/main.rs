//! `cargo up`, `cargo verify`, `cargo prove`, `cargo lab`, `cargo shake`, `cargo mutate`: the commands of the house, on the standard library alone.

mod fetch;
mod lab;
mod mutate;
mod packages;
mod place;
mod progress;
mod prove;
mod shake;
mod steps;
mod suites;
mod totals;
mod up;
mod verify;

use std::process::ExitCode;

const HELP: &str = "\
Busbar's commands. Each says what it does and asks nothing.

  cargo up          this machine and a simulated rack, raised whole      (cargo up --help)
  cargo verify      every check and every test                           (cargo verify --help)
  cargo prove NAME  measurements against their targets                   (cargo prove --help)
  cargo lab         stories on a real kernel of their own                (cargo lab --help)
  cargo shake       every parser under a fuzzer                          (cargo shake --help)
  cargo mutate      breaks that the power pool's simulator must see      (cargo mutate --help)
";

/// Exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rest = words.get(1..).unwrap_or_default();
    let came_of = match words.first().map(String::as_str) {
        Some("up") => up::up(rest),
        Some("verify") => verify::verify(rest),
        Some("prove") => prove::prove(rest),
        Some("lab") => lab::lab(rest),
        Some("shake") => shake::shake(rest),
        Some("mutate") => mutate::mutate(rest),
        // What `cargo prove isolation` starts of itself.
        Some("prove-burn") => Ok(prove::burn()),
        Some("prove-latency") => prove::measure(rest),
        // What the lab's guest starts where a story measures.
        Some("prove-turns") => prove::turns(rest),
        Some("prove-storm") => prove::storm(rest),
        None | Some("help" | "--help" | "-h") => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        Some(other) => Err(Wrong::Usage(format!("unknown command {other:?}\n\n{HELP}"))),
    };
    match came_of {
        Ok(code) => code,
        Err(Wrong::Usage(text)) => {
            eprintln!("{text}");
            ExitCode::from(USAGE)
        }
        Err(Wrong::Failed(text)) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Why a command came to nothing.
#[derive(Debug)]
pub enum Wrong {
    /// The command line says something that the command does not know.
    Usage(String),
    /// Something failed; the sentence says what and what to do.
    Failed(String),
}
