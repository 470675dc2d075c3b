//! `busbar-rack init`: a commented first rack.toml from what the BMCs say; nothing is changed anywhere.

mod list;
mod survey;
mod write;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

pub use list::{Line, ListError};
pub use survey::Survey;

/// Exit code of the command line: wrong usage.
const USAGE: u8 = 2;
/// The longest list of BMCs: a rack has a hundred parts at most, and a line is short.
const MAX_LIST_BYTES: u64 = 256 << 10;

/// Writes a commented first rack.toml from what the BMCs of a list say, and changes nothing.
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// A file with one BMC a line: NAME URL CREDENTIALS_FILE [ca=FILE|fingerprint=SHA256|insecure]; # begins a comment
    #[arg(long, value_name = "FILE")]
    pub bmc_list: PathBuf,
    /// Write to this new file instead of stdout; a file that is there is never overwritten
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The rack's name
    #[arg(long, value_name = "NAME", default_value = "rack")]
    pub name: String,
}

/// Runs it. A BMC that does not answer becomes a commented block with the reason, and no error.
///
/// # Errors
/// Where the list cannot be read, or the output cannot be written.
pub async fn run(args: InitArgs) -> anyhow::Result<ExitCode> {
    let text = match list::read(&args.bmc_list, MAX_LIST_BYTES) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("busbar-rack init: {error}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let lines = match list::parse(&text) {
        Ok(lines) => lines,
        Err(errors) => {
            for error in errors {
                eprintln!("busbar-rack init: {}:{error}", args.bmc_list.display());
            }
            return Ok(ExitCode::from(USAGE));
        }
    };
    // Made before the BMCs are asked: minutes of asking are not thrown away over a file that stands in the way.
    let file = args
        .output
        .as_ref()
        .map(|path| {
            let made = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(path);
            made.with_context(|| {
                format!(
                    "cannot make the new file {} (nothing is overwritten)",
                    path.display()
                )
            })
        })
        .transpose()?;
    let surveys = survey::all(&lines).await;
    let toml = write::rack_toml(&args.name, &surveys);
    match file {
        Some(mut file) => {
            file.write_all(toml.as_bytes())
                .context("cannot write the new rack.toml")?;
        }
        None => print!("{toml}"),
    }
    let writes: u64 = surveys.iter().map(|survey| survey.writes_made).sum();
    let silent = surveys.iter().filter(|survey| survey.found.is_err()).count();
    eprintln!(
        "{} BMCs read, {silent} silent; {writes} writes made",
        surveys.len() - silent
    );
    Ok(ExitCode::SUCCESS)
}

/// A list of BMCs, for the fuzzer: each refusal names a line of it.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz_list(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(faults) = list::parse(&text) {
        let lines = text.lines().count().max(1);
        assert!(
            faults.iter().all(|fault| (1..=lines).contains(&fault.line)),
            "{faults:?}"
        );
    }
}

#[cfg(test)]
mod tests;
