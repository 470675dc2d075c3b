//! Lends this host's drives over NVMe/TCP, or uses those of another one, as root: made for stories in virtual machines.
//!
//! `fabric target OFFERED.json` and `fabric initiator WANTED.json` converge and print the steps; with `plan` behind it they only print them,
//! and with `observe` they ask the gate in that mode. `fabric standing` and `fabric attached` print what is read back, as JSON. It ends with
//! 0 when all of it was done, and with 3 when the host cannot do what is asked.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;

use intent::{Actuator, Actuators, Mode};
use isolators::fabric::{initiator, target};
use isolators::{Host, Phase, Step, apply};
use serde::de::DeserializeOwned;

/// Plan and apply alternate at most this often.
const MOST_ROUNDS: usize = 3;
/// What the host cannot do.
const REFUSED: u8 = 3;

type Done = Result<(), Box<dyn Error>>;
type Planned = Result<Vec<(Phase, Step)>, Box<dyn Error>>;

fn from_file<T: DeserializeOwned>(file: &str) -> Result<T, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    Ok(serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))?)
}

fn planned(host: &Host, side: &str, file: &str) -> Planned {
    Ok(match side {
        "target" => target::steps(host, &from_file::<target::Offered>(file)?)?,
        "initiator" => initiator::steps(host, &from_file::<Vec<initiator::Attachment>>(file)?)?,
        other => return Err(format!("{other:?} is no side; expected target or initiator").into()),
    })
}

fn converge(host: &Host, side: &str, file: &str, mode: Mode) -> Done {
    let gate = Actuators::new(mode, BTreeMap::new())?;
    for _ in 0..MOST_ROUNDS {
        let steps = planned(host, side, file)?;
        let steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
        if steps.is_empty() {
            println!("converged");
            return Ok(());
        }
        let outcome = apply(&gate, Actuator::Drives, host, &steps, &mut |step| {
            println!("{step}");
        });
        outcome.map_err(|error| format!("{error}: {}", error.cause))?;
        if mode != Mode::Enforce {
            println!("would do {} steps", steps.len());
            return Ok(());
        }
    }
    Err("never converges".into())
}

fn run(words: &[String]) -> Done {
    let host = Host::at("/");
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["standing"] => println!("{}", serde_json::to_string(&target::standing(&host)?)?),
        ["attached"] => println!("{}", serde_json::to_string(&initiator::attached(&host)?)?),
        [side, file, "plan"] => {
            for (phase, step) in planned(&host, side, file)? {
                println!("{phase} {step}");
            }
        }
        [side, file, "observe"] => converge(&host, side, file, Mode::Observe)?,
        [side, file] => converge(&host, side, file, Mode::Enforce)?,
        _ => {
            return Err(
                "fabric target|initiator FILE.json [plan | observe], fabric standing, fabric attached".into(),
            );
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fabric: {error}");
            ExitCode::from(REFUSED)
        }
    }
}
