//! Erases a drive of this host, as root: made for stories in virtual machines.
//!
//! `erase obstacles DEVICE` prints what speaks against it. `erase begin DEVICE SERIAL JOURNAL [overwrite] [lent] [observe]` erases it, and
//! `erase resume DEVICE SERIAL JOURNAL` takes up what a journal says; both print how it stands as JSON, a line each time that it came on.
//! `erase outcome JOURNAL` prints how it ended. 0: done, and every sample is clean; 3: refused, failed or dirty.
//! `erase locate SLOT [on | off]` says whether a bay's locate LED is lit, or sets it.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use intent::{Actuator, Actuators, Mode};
use isolators::erase::{Eraser, Options, State, obstacles};
use isolators::fabric::DriveIdentity;
use isolators::{Host, apply, locate};

/// What the host or the drive does not do.
const REFUSED: u8 = 3;

type Done = Result<(), Box<dyn Error>>;

fn to_the_end(mut eraser: Eraser) -> Done {
    let mut before = String::new();
    loop {
        let erasing = eraser.poll();
        let line = serde_json::to_string(&erasing)?;
        if line != before {
            println!("{line}");
            before = line;
        }
        match erasing.state {
            State::Running { .. } => std::thread::sleep(eraser.pause()),
            State::Done { dirty: 0, .. } => return Ok(()),
            State::Done { dirty, .. } => return Err(format!("{dirty} samples are dirty").into()),
            State::Failed { why } => return Err(why.into()),
        }
    }
}

fn run(words: &[&str]) -> Done {
    let host = Host::at("/");
    let identity = |serial: &str| DriveIdentity::new(serial, None, None);
    match words {
        ["obstacles", device] => {
            for sentence in obstacles(&host, device)? {
                println!("{sentence}");
            }
        }
        ["begin", device, serial, journal, how @ ..] => {
            let options = Options {
                overwrite: how.contains(&"overwrite"),
                was_lent: how.contains(&"lent"),
            };
            let mode = if how.contains(&"observe") {
                Mode::Observe
            } else {
                Mode::Enforce
            };
            let gate = Actuators::new(mode, BTreeMap::new())?;
            let journal = Path::new(journal);
            to_the_end(Eraser::begin(
                &gate,
                &host,
                device,
                &identity(serial)?,
                options,
                journal,
            )?)?;
        }
        ["resume", device, serial, journal] => {
            let gate = Actuators::new(Mode::Enforce, BTreeMap::new())?;
            let eraser = Eraser::resume(&gate, &host, device, &identity(serial)?, Path::new(journal))?;
            to_the_end(eraser.ok_or("nothing is under way")?)?;
        }
        ["outcome", journal] => {
            println!(
                "{}",
                serde_json::to_string(&Eraser::outcome("it", Path::new(journal))?)?
            );
        }
        ["locate", slot] => println!("{}", if locate::is_lit(&host, slot)? { "on" } else { "off" }),
        ["locate", slot, word] => {
            let steps = locate::steps(&host, slot, *word == "on")?;
            let gate = Actuators::new(Mode::Enforce, BTreeMap::new())?;
            let outcome = apply(&gate, Actuator::Led, &host, &steps, &mut |step| {
                println!("{step}")
            });
            outcome.map_err(|error| format!("{error}: {}", error.cause))?;
        }
        _ => return Err("erase obstacles | begin | resume | outcome | locate, as its source says".into()),
    }
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("erase: {error}");
            ExitCode::from(REFUSED)
        }
    }
}
