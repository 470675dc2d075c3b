//! What `cargo prove power` measures: real daemons, real sockets, the simulated shelf. A line a figure, `figure KEY NUMBER NOTE`; the
//! numbers are milliseconds unless the key says otherwise. What they are compared with stands in `tests/house/src/prove/power.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

mod decisions;
mod losses;
mod many;
mod process;
#[path = "../../proofs.rs"]
mod proofs;
mod rack;
mod replay;
mod sample;
mod simulated;

use std::process::ExitCode;

fn main() -> ExitCode {
    let part = std::env::args().nth(1).unwrap_or_default();
    let done = match part.as_str() {
        "yield" => decisions::yields(),
        "decide" => decisions::timed(),
        "journal" => replay::million(),
        "rack" => rack::measured(),
        "many" => many::measured(),
        _ => {
            eprintln!("prove_power yield|decide|journal|rack|many");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prove_power {part}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
