//! The command line of `busbar-rack`, and what each subcommand is for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::RackConfig;
use crate::journal::Telling;
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
    /// Tell a journal as a story: when, what, about what, and the sums after it
    ///
    /// Reads a state directory, or a copy of its rack.sqlite alone, also beside a controller that writes it. Changes nothing. Where the
    /// journal is damaged, it is told as far as it is good, and the damage is the error.
    Replay {
        /// The folder of the journal (state_dir in rack.toml), or a copy of its rack.sqlite
        #[arg(value_name = "JOURNAL")]
        journal: PathBuf,
        /// Begin with this event; those before it are replayed and not told
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        from: u64,
        /// How to tell it
        #[arg(long, value_enum, default_value_t)]
        output: Output,
        /// Only count events, and tell how long that took
        #[arg(long)]
        quiet: bool,
    },
    /// Say what a damaged journal lacks and how to go on; with --yes, go on
    ///
    /// Nothing is written without --yes. With it, the damaged files are kept in a folder beside, and a new journal begins with what can
    /// still be read. Exit code 1 where something has to be done and was not.
    Recover {
        /// The folder of the journal (state_dir in rack.toml)
        #[arg(value_name = "STATE_DIR")]
        state_dir: PathBuf,
        /// Ask the agents of this rack.toml too how far the journal had come
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
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

/// How something is printed.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Output {
    /// Lines for people
    #[default]
    Text,
    /// A JSON object a line
    Json,
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
        Command::Replay {
            journal,
            from,
            output,
            quiet,
        } => replay(&journal, from, output, quiet).map(|()| ExitCode::SUCCESS),
        Command::Recover {
            state_dir,
            config,
            yes,
        } => wait_for(recover(state_dir, config, yes)),
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

fn replay(path: &Path, from: u64, output: Output, quiet: bool) -> anyhow::Result<()> {
    let telling = match (quiet, output) {
        (true, _) => Telling::Quiet,
        (false, Output::Text) => Telling::Lines,
        (false, Output::Json) => Telling::Json,
    };
    let told = journal::replay(path, from, telling, &mut std::io::stdout().lock())?;
    if quiet {
        let seconds = told.took.as_secs_f64();
        let micros = told.took.as_micros().max(1);
        let a_second = u128::from(told.events).saturating_mul(1_000_000) / micros;
        println!(
            "{} events in {seconds:.3} s ({a_second} a second), head {} {}",
            told.events,
            told.last.sequence,
            told.last.hex()
        );
    }
    match told.damage {
        Some(damage) => anyhow::bail!(
            "the journal {} is good up to event {}, and then damaged: {damage}",
            path.display(),
            told.last.sequence
        ),
        None => Ok(()),
    }
}

async fn recover(state_dir: PathBuf, config: Option<PathBuf>, yes: bool) -> anyhow::Result<ExitCode> {
    let mut heads = Vec::new();
    if let Some(file) = config {
        let config = RackConfig::load(&file)?;
        for node in config.nodes.iter().filter(|node| node.agent.is_some()) {
            match crate::pools::power::act::lessor::head_at(node).await {
                Ok(Some(head)) => heads.push((node.name.clone(), head.sequence, head.chain)),
                Ok(None) => {}
                Err(error) => eprintln!(
                    "{}: its agent cannot be asked: {}",
                    node.name,
                    crate::eyes::chain(&error)
                ),
            }
        }
    }
    let advice = journal::advice(&state_dir, &heads)?;
    if !yes || !advice.is_needed() {
        print!("{advice}");
        return Ok(if advice.is_needed() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        });
    }
    let kept = journal::recover(&advice, crate::clock::Clock::start(facts::Moment::EPOCH).now())?;
    println!("done: the damaged files are in {}", kept.display());
    println!(
        "start busbar-rack; claims that were made after event {} must be made again",
        advice.good.sequence
    );
    Ok(ExitCode::SUCCESS)
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
