//! The command line of `busbar-rack`, and what each subcommand is for.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::{journal, serve};

/// busbar-rack: one rack of servers as one machine, its watts first.
///
/// It reads the rack's BMCs and the nodes' agents, keeps what was promised in a journal that survives kill -9, and shows the
/// whole as one machine. It changes nothing in the rack unless its configuration says mode = "enforce".
#[derive(Debug, Parser)]
#[command(name = "busbar-rack", version, max_term_width = 100, after_help = AFTER)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Getting in:
  busbar-rack inspect https://MY-BMC            what one BMC says, and what is computed from it; 0 writes
  busbar-rack init --bmc-list FILE > rack.toml  a commented first configuration; changes nothing
  busbar-rack check-config rack.toml            the sums of each power domain, or every error with its line
  busbar-rack serve --config rack.toml          then: busbar show, busbar events -f, http://127.0.0.1:9712/

Logs go to stderr; RUST_LOG=debug shows more. Exit codes: 0 done, 1 failed, 2 wrong usage, 4 not reachable.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the rack: read BMCs and agents, admit claims, answer over HTTP
    ///
    /// Prints one line `ready busbar-rack URL` on stdout when it serves. SIGTERM or Ctrl-C stops it in order (a second one at
    /// once); claims stand in the journal, whatever ends it.
    Serve(serve::Args),
    /// Check a configuration and print the sums of each power domain
    ///
    /// Every error is shown with its file, its line and what was expected there.
    CheckConfig {
        /// The rack's configuration (rack.toml)
        #[arg(value_name = "FILE", default_value = "/etc/busbar/rack.toml")]
        file: PathBuf,
    },
    /// Write a first configuration from what the BMCs say; changes nothing
    Init(crate::init::InitArgs),
    /// Show what a BMC, or a recording of one, says of its supplies, and what is believed of it; changes nothing
    Inspect(crate::inspect::InspectArgs),
    /// Take a picture of a BMC for a bug report: Redfish or IPMI, masked; changes nothing
    Record(crate::record::RecordArgs),
    /// Check, rescue or list the journal while no controller runs on it
    #[command(subcommand)]
    Journal(Journal),
    /// Print the manual page
    #[command(hide = true)]
    Man,
    /// Print completions for a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
enum Journal {
    /// Check every event and the chain that holds them together
    Verify {
        /// The folder of the journal (state_dir in rack.toml)
        #[arg(value_name = "STATE_DIR")]
        state_dir: PathBuf,
    },
    /// Write the events before the first damage into a new journal; the damaged one stays as it is
    ///
    /// To go on with what was saved: keep the old folder, and put the new file into a new one as rack.sqlite.
    Salvage {
        /// The folder of the damaged journal
        #[arg(value_name = "STATE_DIR")]
        state_dir: PathBuf,
        /// The new file; must not exist yet
        #[arg(value_name = "TO_FILE")]
        to: PathBuf,
    },
    /// Print the events, one line each
    List {
        /// The folder of the journal (state_dir in rack.toml)
        #[arg(value_name = "STATE_DIR")]
        state_dir: PathBuf,
    },
}

/// Does what was asked; the exit code for it. Errors go to stderr with their causes.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve(args) => serve::run(&args).map(|()| ExitCode::SUCCESS),
        Command::CheckConfig { file } => serve::check_config(&file).map(|()| ExitCode::SUCCESS),
        Command::Init(args) => wait_for(crate::init::run(args)),
        Command::Inspect(args) => wait_for(crate::inspect::run(args)),
        Command::Record(args) => wait_for(crate::record::run(args)),
        Command::Journal(journal) => journal_command(&journal).map(|()| ExitCode::SUCCESS),
        Command::Man => man().map(|()| ExitCode::SUCCESS),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "busbar-rack", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        // A config's errors are a page of lines; a chain of causes is one line.
        eprintln!("busbar-rack: {}", crate::eyes::chain(error.as_ref()));
        ExitCode::FAILURE
    })
}

/// Runs a command that asks BMCs, on this thread.
fn wait_for(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    // The first caller in the process decides; that all of ours decide for ring makes a second call harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(command)
}

fn journal_command(command: &Journal) -> anyhow::Result<()> {
    match command {
        Journal::Verify { state_dir } => {
            let verified = journal::verify(state_dir)?;
            println!(
                "whole: {} events, head {}",
                verified.last.sequence,
                verified.last.hex()
            );
        }
        Journal::Salvage { state_dir, to } => {
            let saved = journal::salvage(state_dir, to)?;
            println!("saved: {} events in {}", saved.last.sequence, saved.to.display());
            match &saved.why {
                Some(why) => println!("the rest is not good: {why}"),
                None => println!("all of it was good"),
            }
            println!("{}", saved.advice);
        }
        Journal::List { state_dir } => journal::list(state_dir, &mut std::io::stdout().lock())?,
    }
    Ok(())
}

fn man() -> anyhow::Result<()> {
    clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
