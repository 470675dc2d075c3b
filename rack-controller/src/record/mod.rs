//! `busbar-rack record`: a picture of a BMC for a bug report, with nothing in it that names a machine; nothing is written at the BMC.

mod walk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bmc::Bmc;
use bmc::ipmi::{Dump, Endpoint, Ipmi};

use crate::config::IPMI;
use crate::inspect::Access;
use crate::inspect::mask::Mask;
use crate::inspect::save::{self, Listed};
use crate::inspect::target::{Target, WrongTarget};

/// Exit code of the command line: wrong usage.
const USAGE: u8 = 2;
/// Exit code of the command line: nobody answers.
const UNREACHABLE: u8 = 4;
const README: &str = "What `busbar-rack record` read from a BMC. Look through it before you give it away.\n\
    Redfish: `busbar-rack inspect THIS_FOLDER` and `hw-fixtures serve --tree THIS_FOLDER` read it again.\n\
    IPMI: one record, inventory or log entry a line or file, in hexadecimal digits.\n";

/// Reads a BMC over Redfish or IPMI and writes what it says into a new folder, masked. Changes nothing, sends nothing elsewhere.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// The BMC's address (https://HOST or ipmi://HOST:PORT), or a folder with a recorded tree
    #[arg(value_name = "URL|DIR")]
    pub target: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub access: Access,
    /// The new folder to write into
    #[arg(long, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Keep serial numbers, UUIDs, addresses and names as they are
    #[arg(long)]
    pub keep_serials: bool,
}

/// Runs it and prints what the recording holds; what fails is said on stderr.
///
/// # Errors
/// Where the recording cannot be written.
pub async fn run(args: RecordArgs) -> anyhow::Result<ExitCode> {
    if let Err(error) = save::check(&args.output) {
        eprintln!("busbar-rack record: {error}");
        return Ok(ExitCode::from(USAGE));
    }
    let listed = match args.target.strip_prefix(IPMI) {
        Some(address) => over_ipmi(&args, address).await?,
        None => over_redfish(&args).await?,
    };
    match listed {
        Ok(listed) => {
            shown(&args.output, &listed, args.keep_serials);
            Ok(ExitCode::SUCCESS)
        }
        Err(code) => Ok(code),
    }
}

fn usage(wrong: &WrongTarget) -> ExitCode {
    eprintln!("busbar-rack record: {wrong}");
    ExitCode::from(USAGE)
}

type Outcome = Result<Vec<Listed>, ExitCode>;

async fn over_redfish(args: &RecordArgs) -> anyhow::Result<Outcome> {
    let bmc = match Target::of(&args.target) {
        Ok(Target::Dir(dir)) => Bmc::open_tree(&dir),
        Ok(Target::Url(url)) => match args.access.endpoint(&url) {
            Ok(endpoint) => Bmc::connect(endpoint).await,
            Err(wrong) => return Ok(Err(usage(&wrong))),
        },
        Err(wrong) => return Ok(Err(usage(&wrong))),
    };
    let bmc = match bmc {
        Ok(bmc) => bmc,
        Err(error) => return Ok(Err(crate::inspect::failed(&error))),
    };
    bmc.record();
    walk::all(&bmc).await;
    bmc.close().await;
    let resources = bmc.recorded();
    let mask = (!args.keep_serials).then(|| Mask::of(resources.values()));
    begin(&args.output)?;
    let mut listed = save::tree(&args.output, &resources, mask.as_ref())?;
    listed.push(save::write(&args.output, Path::new("README"), README)?);
    Ok(Ok(listed))
}

async fn over_ipmi(args: &RecordArgs, address: &str) -> anyhow::Result<Outcome> {
    let credentials = match args.access.who() {
        Ok(Some(credentials)) => credentials,
        Ok(None) => {
            eprintln!("busbar-rack record: IPMI needs a user and a password; expected --credentials FILE");
            return Ok(Err(ExitCode::from(USAGE)));
        }
        Err(wrong) => return Ok(Err(usage(&wrong))),
    };
    let ipmi = Ipmi::new(Endpoint::new(address, credentials));
    let dump = match Dump::read(&ipmi).await {
        Ok(dump) => dump,
        Err(error) => {
            eprintln!("busbar-rack record: {}", error.whole());
            let code = if error.is_unreachable() {
                ExitCode::from(UNREACHABLE)
            } else {
                ExitCode::FAILURE
            };
            return Ok(Err(code));
        }
    };
    // A session that is not closed ends by itself after a minute.
    let _ = ipmi.close().await;
    let dump = if args.keep_serials { dump } else { dump.masked() };
    begin(&args.output)?;
    let mut listed = Vec::new();
    for (place, text) in dump.files() {
        listed.push(save::write(&args.output, Path::new(&place), &text)?);
    }
    listed.push(save::write(&args.output, Path::new("README"), README)?);
    Ok(Ok(listed))
}

fn begin(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir(folder).map_err(|error| {
        anyhow::Error::new(error).context(format!("cannot make the folder {}", folder.display()))
    })
}

fn shown(folder: &Path, listed: &[Listed], kept: bool) {
    for one in listed {
        println!("{:>8}  {}", one.bytes, one.file.display());
    }
    let bytes: usize = listed.iter().map(|one| one.bytes).sum();
    let masked = if kept {
        "serial numbers, UUIDs, addresses and names are KEPT"
    } else {
        "serial numbers, UUIDs, addresses and host names are masked, what a maker calls its sensors is not: look through it"
    };
    println!(
        "{} files, {bytes} bytes in {}; {masked}; nothing was sent anywhere",
        listed.len(),
        folder.display()
    );
}

#[cfg(test)]
mod tests;
