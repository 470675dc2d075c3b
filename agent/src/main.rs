//! `busbar-agent`: reads the command line, and leaves the work to the library.

mod args;
mod orders;

use std::process::ExitCode;

use agent::config::{Config, ConfigError};
use agent::daemon::{self, DaemonError, Special};
use agent::doctor;
use agent::facts;
use agent::http::Guard;
use agent::record;
use clap::{CommandFactory, Parser};

use args::{Cli, Command, RunArgs};

/// Exit codes, as the manual page tells them.
const FAILED: u8 = 1;
const USAGE: u8 = 2;
const REFUSED: u8 = 3;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Facts(args) => facts::run(&args).map_err(|error| failed(FAILED, &error.into())),
        Command::Doctor(args) => doctor::run(&args).map_err(|error| failed(FAILED, &error.into())),
        Command::Record(args) => record::run(&args).map_err(|error| failed(FAILED, &error.into())),
        Command::Run(args) => run(args),
        Command::Plan(args) => orders::plan(&args),
        Command::CheckConfig { file } => check_config(&file),
        Command::Footprint(args) => orders::footprint(&args),
        Command::Leave(args) => orders::leave(&args),
        Command::TopologyOf { directory } => facts::print_topology_of(&directory)
            .map(|()| ExitCode::SUCCESS)
            .map_err(|error| failed(FAILED, &error.into())),
        Command::Man => {
            let page = clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout());
            page.map(|()| ExitCode::SUCCESS)
                .map_err(|error| failed(FAILED, &error.into()))
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "busbar-agent", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|code| code)
}

/// Says what failed, with its causes, and gives the exit code.
fn failed(code: u8, error: &anyhow::Error) -> ExitCode {
    eprintln!("busbar-agent: {error:#}");
    ExitCode::from(code)
}

/// A configuration's faults stand a line each, so that an editor can jump to them.
fn faulty(error: &ConfigError) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(USAGE)
}

fn run(args: RunArgs) -> Result<ExitCode, ExitCode> {
    let RunArgs {
        config,
        overrides,
        root,
        rehearse,
        cgroup,
    } = args;
    let config = Config::load(config.as_deref(), overrides.into()).map_err(|error| faulty(&error))?;
    let special = Special {
        root,
        rehearse,
        cgroup,
    };
    match daemon::run(config, &special) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            let code = if error.is_refusal() { REFUSED } else { FAILED };
            Err(failed(code, &error.into()))
        }
    }
}

fn check_config(file: &std::path::Path) -> Result<ExitCode, ExitCode> {
    let config = Config::load(Some(file), Default::default()).map_err(|error| faulty(&error))?;
    // The files that it names belong to it: a key that nobody can read is found here, not at the next restart.
    if let Err(error) = Guard::read(&config) {
        let error = anyhow::Error::from(DaemonError::from(error)).context(file.display().to_string());
        return Err(failed(USAGE, &error));
    }
    println!("{}: no fault found\n{config}", file.display());
    Ok(ExitCode::SUCCESS)
}
