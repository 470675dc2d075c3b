//! `busbar-rack inspect`: what a BMC says of its supplies, what is computed from it, what is doubted; nothing is written there.

mod draw;
mod ipmi;
pub(crate) mod mask;
pub(crate) mod opened;
mod report;
pub(crate) mod save;
pub(crate) mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use bmc::Bmc;
use bmc::ipmi::Ipmi;

pub use report::Report;
pub use target::{Access, Output};

use opened::{Failed, Opened};

/// Exit code of the command line: wrong usage.
const USAGE: u8 = 2;
/// Who speaks on stderr.
const WHO: &str = "busbar-rack inspect";

/// Reads a BMC, or a recording of one, and shows its supplies, its redundancy computed beside the one claimed, and doubts.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// The BMC's address (https://HOST or ipmi://HOST), or a recording: a folder or FILE.tar
    #[arg(value_name = "URL|DIR|FILE.tar")]
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
    if let Some(folder) = &args.save
        && let Err(error) = save::check(folder)
    {
        eprintln!("{WHO}: {error}");
        return Ok(ExitCode::from(USAGE));
    }
    let report = match opened::open(&args.target, &args.access).await {
        Ok(Opened::Redfish(bmc)) => over_redfish(&args, bmc).await?,
        Ok(Opened::Ipmi(_)) if args.save.is_some() => {
            eprintln!("{WHO}: --save keeps what Redfish says; `busbar-rack record` keeps what IPMI says");
            return Ok(ExitCode::from(USAGE));
        }
        Ok(Opened::Ipmi(bmc)) => over_ipmi(&bmc).await,
        Err(failed) => Err(failed),
    };
    let report = match report {
        Ok(report) => report,
        Err(failed) => return Ok(failed.told(WHO)),
    };
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
        Output::Text => print!("{}", draw::text(&report, draw::Paint::of_stdout())),
    }
    Ok(ExitCode::SUCCESS)
}

async fn over_redfish(args: &InspectArgs, bmc: Bmc) -> anyhow::Result<Result<Report, Failed>> {
    if args.save.is_some() {
        bmc.record();
    }
    let read = Report::read(&bmc).await;
    bmc.close().await;
    let mut report = match read {
        Ok(report) => report.counted(&bmc),
        Err(error) => return Ok(Err(error.into())),
    };
    if let Some(folder) = &args.save {
        save::save(folder, &bmc.recorded())?;
        report.saved = Some(folder.clone());
    }
    Ok(Ok(report))
}

async fn over_ipmi(bmc: &Ipmi) -> Result<Report, Failed> {
    let report = ipmi::read(bmc).await?;
    // A session that is not closed ends by itself after a minute.
    let _ = bmc.close().await;
    Ok(report.counted_over_ipmi(bmc))
}

#[cfg(test)]
mod tests;
