//! `busbar-rack record`: a picture of a BMC for a bug report, with nothing in it that names a machine; nothing is written at the BMC.

mod walk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bmc::Bmc;
use bmc::ipmi::{Ipmi, IpmiError, Recording};

use crate::inspect::Access;
use crate::inspect::mask::Mask;
use crate::inspect::opened::{self, Failed, Opened};
use crate::inspect::save::{self, Listed};

/// Exit code of the command line: wrong usage.
const USAGE: u8 = 2;
/// Who speaks on stderr.
const WHO: &str = "busbar-rack record";
const README: &str = "What `busbar-rack record` read from a BMC. Look through it before you give it away.\n\
    `busbar-rack inspect THIS` reads it again, and `hw-fixtures serve --tree THIS_FOLDER` what came over Redfish.\n\
    IPMI: one record, inventory, log entry or answer a line, in hexadecimal digits.\n";
/// What the last line says of what is in it.
const KEPT: &str = "serial numbers, UUIDs, addresses and names are KEPT";
const MASKED_REDFISH: &str = "serial numbers, UUIDs, MAC and IP addresses, host names, asset tags and places are masked, \
    makers' models, versions and texts are not: look through it";
const MASKED_IPMI: &str = "serial numbers, asset tags, makers' own fields and bytes, and whatever looks like a serial number, \
    an address or a host's full name in a sensor's name are masked; models, part numbers, other names of sensors and \
    the log's entries of sensors are not: look through it";

/// Reads a BMC over Redfish or IPMI and writes what it says into a new folder or archive, masked. Changes nothing, sends nothing elsewhere.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// The BMC's address (https://HOST or ipmi://HOST:PORT), or a recording of one
    #[arg(value_name = "URL|DIR|FILE.tar")]
    pub target: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub access: Access,
    /// The new folder, or FILE.tar, to write into
    #[arg(long, value_name = "FOLDER|FILE.tar")]
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
        eprintln!("{WHO}: {error}");
        return Ok(ExitCode::from(USAGE));
    }
    let read = match opened::open(&args.target, &args.access).await {
        Ok(Opened::Redfish(bmc)) => over_redfish(&bmc, args.keep_serials).await?,
        Ok(Opened::Ipmi(ipmi)) => match over_ipmi(&ipmi, args.keep_serials).await {
            Ok(read) => read,
            Err(error) => return Ok(Failed::from(error).told(WHO)),
        },
        Err(failed) => return Ok(failed.told(WHO)),
    };
    let mut files = read.files;
    files.push(("README".to_owned(), README.to_owned()));
    let listed = save::write(&args.output, &files)?;
    shown(
        &args.output,
        &listed,
        if args.keep_serials { KEPT } else { read.masked },
    );
    Ok(ExitCode::SUCCESS)
}

/// What was read, as files, and what is masked in them and what is not.
struct Read {
    files: Vec<(String, String)>,
    masked: &'static str,
}

async fn over_redfish(bmc: &Bmc, keep_serials: bool) -> anyhow::Result<Read> {
    bmc.record();
    walk::all(bmc).await;
    bmc.close().await;
    let resources = bmc.recorded();
    let mask = (!keep_serials).then(|| Mask::of(resources.values()));
    Ok(Read {
        files: save::tree(&resources, mask.as_ref())?,
        masked: MASKED_REDFISH,
    })
}

async fn over_ipmi(ipmi: &Ipmi, keep_serials: bool) -> Result<Read, IpmiError> {
    let recording = Recording::read(ipmi).await?;
    // A session that is not closed ends by itself after a minute.
    let _ = ipmi.close().await;
    let recording = match keep_serials {
        true => recording,
        false => recording.masked(),
    };
    Ok(Read {
        files: recording.files(),
        masked: MASKED_IPMI,
    })
}

fn shown(output: &Path, listed: &[Listed], masked: &str) {
    for one in listed {
        println!("{:>8}  {}", one.bytes, one.file.display());
    }
    let bytes: usize = listed.iter().map(|one| one.bytes).sum();
    println!(
        "{} files, {bytes} bytes in {}; {masked}; nothing was sent anywhere",
        listed.len(),
        output.display()
    );
}

#[cfg(test)]
mod tests;
