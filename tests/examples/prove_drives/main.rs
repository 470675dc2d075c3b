//! What `cargo prove drives` measures of the controller's decisions. A line a figure, `figure KEY NUMBER NOTE`, in milliseconds; what they
//! are compared with stands in `tests/house/src/prove/drives.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing
)]

mod claims;
mod pool;
#[path = "../prove_power/sample.rs"]
mod sample;

use std::process::ExitCode;

fn main() -> ExitCode {
    let part = std::env::args().nth(1).unwrap_or_default();
    let done = match part.as_str() {
        "decide" => claims::decided(),
        "journal" => claims::journaled(),
        _ => {
            eprintln!("prove_drives decide|journal");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prove_drives {part}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
