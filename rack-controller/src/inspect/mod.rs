//! `busbar-rack inspect`: what a BMC says of its supplies, what is computed from it, what is doubted; nothing is written there.

mod draw;
pub(crate) mod mask;
mod report;
pub(crate) mod save;
pub(crate) mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use bmc::{Bmc, BmcError};

pub use report::Report;
pub use target::{Access, Output};

use target::{Target, WrongTarget};

/// Exit code of the command line: wrong usage.
const USAGE: u8 = 2;
/// Exit code of the command line: nobody answers, or somebody else does.
const UNREACHABLE: u8 = 4;

/// Reads a BMC, or a recorded tree of one, and shows its supplies, its redundancy computed beside the one claimed, and doubts.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// The BMC's address (https://HOST) or a folder with a recorded tree
    #[arg(value_name = "URL|DIR")]
    pub target: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub access: Access,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Keep what was read in this new folder, with serial numbers, UUIDs, addresses and names masked
    #[arg(long, value_name = "FOLDER")]
    pub save: Option<PathBuf>,
}

/// Runs it and prints to stdout; what fails is said on stderr.
///
/// # Errors
/// Where stdout or the recording cannot be written.
pub async fn run(args: InspectArgs) -> anyhow::Result<ExitCode> {
    let target = match Target::of(&args.target) {
        Ok(target) => target,
        Err(wrong) => return Ok(usage(&wrong)),
    };
    if let Some(folder) = &args.save
        && let Err(error) = save::check(folder)
    {
        eprintln!("busbar-rack inspect: {error}");
        return Ok(ExitCode::from(USAGE));
    }
    let bmc = match target {
        Target::Dir(dir) => Bmc::open_tree(&dir),
        Target::Url(url) => match args.access.endpoint(&url) {
            Ok(endpoint) => Bmc::connect(endpoint).await,
            Err(wrong) => return Ok(usage(&wrong)),
        },
    };
    let read = match bmc {
        Ok(bmc) => {
            if args.save.is_some() {
                bmc.record();
            }
            let read = Report::read(&bmc).await;
            bmc.close().await;
            read.map(|report| (report.counted(&bmc), bmc))
        }
        Err(error) => Err(error),
    };
    let (mut report, bmc) = match read {
        Ok(read) => read,
        Err(error) => return Ok(failed(&error)),
    };
    if let Some(folder) = &args.save {
        save::save(folder, &bmc.recorded())?;
        report.saved = Some(folder.clone());
    }
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Output::Text => print!("{}", draw::text(&report, draw::Paint::of_stdout())),
    }
    Ok(ExitCode::SUCCESS)
}

fn usage(wrong: &WrongTarget) -> ExitCode {
    eprintln!("busbar-rack inspect: {wrong}");
    ExitCode::from(USAGE)
}

pub(crate) fn failed(error: &BmcError) -> ExitCode {
    eprintln!("busbar-rack inspect: {}", error.whole());
    if let BmcError::WrongCertificate { seen, .. } = error {
        eprintln!(
            "Compare {seen} with what the BMC's own page shows; then give --fingerprint {seen}, or --ca FILE, or --insecure."
        );
    }
    if error.is_unreachable() {
        ExitCode::from(UNREACHABLE)
    } else if matches!(error, BmcError::Address { .. }) {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests;
