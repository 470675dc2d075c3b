//! `busbar-agent doctor`: what is missing on this node, what it costs and what would give it, who else has a hand on it, and
//! what is not proven on its kind of hardware.

mod checks;
mod draw;
mod expect;
pub(crate) mod kernel;
mod others;
pub mod proof;
mod seek;

pub use seek::fits;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use collectors::{Root, RootError};
use facts::Doubt;
use serde::Serialize;

use crate::facts::{FactsArgs, FactsError, read};

pub use checks::Missing;
pub use expect::Expected;
pub use others::Other;

/// The exit code with `--strict` where something is missing.
const INCOMPLETE: u8 = 1;

/// How the report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// Lines for people.
    Text,
    /// For programs.
    Json,
}

/// What `doctor` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct DoctorArgs {
    /// Look at a recorded machine: the directory that holds its sys/ and proc/
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Lines for people, or JSON
    #[arg(long, value_enum, default_value = "text")]
    pub output: Shape,
    /// Exit with 1 where something is missing
    #[arg(long)]
    pub strict: bool,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The machine cannot be read.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// `--root` names no recorded machine.
    #[error(transparent)]
    Root(#[from] RootError),
    /// Standard output takes nothing.
    #[error("cannot print the report")]
    Print(#[source] io::Error),
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The node's name.
    pub node: Option<String>,
    /// Whether this is a virtual machine.
    pub is_virtual: bool,
    /// Whether systemd keeps this host's units.
    pub is_systemd: bool,
    /// What is missing.
    pub missing: Vec<Missing>,
    /// Each source, whether it speaks, and its families.
    pub expected: Vec<Expected>,
    /// Who else has a hand on this machine.
    pub others: Vec<Other>,
    /// What is here and not proven on real hardware.
    pub unproven: Vec<proof::Kind>,
    /// What sources say and what cannot all be true.
    pub doubts: Vec<Doubt>,
}

/// Looks, and prints what was found.
///
/// # Errors
/// When the machine cannot be read or nothing can be printed.
pub fn run(args: &DoctorArgs) -> Result<ExitCode, DoctorError> {
    let report = examine(args)?;
    let mut stdout = io::stdout().lock();
    let written = match args.output {
        Shape::Text => {
            let colours =
                stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            stdout.write_all(draw::text(&report, colours).as_bytes())
        }
        Shape::Json => serde_json::to_writer_pretty(&mut stdout, &report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(stdout)),
    };
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(DoctorError::Print(error)),
        Ok(()) | Err(_) => {}
    }
    let is_incomplete = args.strict && !report.missing.is_empty();
    Ok(if is_incomplete {
        ExitCode::from(INCOMPLETE)
    } else {
        ExitCode::SUCCESS
    })
}

fn examine(args: &DoctorArgs) -> Result<Report, DoctorError> {
    let (inventory, root) = read(&FactsArgs::of_root(args.root.clone()))?;
    Ok(Report {
        node: inventory.machine.hostname.clone(),
        is_virtual: checks::is_virtual(&root),
        is_systemd: others::is_systemd(&root),
        missing: checks::missing(&root),
        expected: expect::expected(&inventory),
        others: others::others(&root),
        unproven: proof::unproven(&root),
        doubts: inventory.doubts,
    })
}

/// Looks at `root` without asking the sources: for tests of recorded machines.
pub fn unproven_and_missing(root: &Root) -> (Vec<proof::Kind>, Vec<Missing>) {
    (proof::unproven(root), checks::missing(root))
}
