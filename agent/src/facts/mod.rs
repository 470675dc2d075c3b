//! `busbar-agent facts`: what this machine is, or a recorded one, as a tree for people or as JSON.

mod branches;
mod cores;
pub mod draw;
mod near;
mod parts;
pub(crate) mod style;
mod tree;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use collectors::roster::{Asked, ask_all};
use collectors::{CollectError, Root, RootError, TopologySource, topology};
use facts::{Inventory, SourceStatus};

use crate::metrics;
use style::Style;

/// This program, even after its file was replaced by an update.
const SELF: &str = "/proc/self/exe";

/// Why no facts were printed.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// `--root` names no recorded machine.
    #[error(transparent)]
    Root(#[from] RootError),
    /// hwloc reads no topology from what was named.
    #[error("{0}")]
    Topology(String),
    /// Standard output takes nothing.
    #[error("cannot print the facts")]
    Print(#[source] io::Error),
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// A tree for people.
    Text,
    /// The JSON that docs/facts.md describes.
    Json,
}

/// How facts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A tree for people.
    Text,
    /// The JSON that docs/facts.md describes.
    Json,
    /// Metrics of the machine in Prometheus' text format, for node_exporter's textfile collector.
    Prom,
}

/// What `busbar-agent facts` is asked.
#[derive(Clone, Debug, clap::Args)]
pub struct FactsArgs {
    /// Read a recorded machine: the directory that holds its sys/ and proc/
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Read the topology from an XML file that lstopo exported
    #[arg(long, value_name = "FILE")]
    pub hwloc_xml: Option<PathBuf>,
    /// A tree for people, JSON, or metrics for node_exporter's textfile collector
    #[arg(long, value_enum, default_value = "text")]
    pub output: Form,
}

/// Prints the facts.
///
/// # Errors
/// When the recorded machine or the exported topology cannot be read.
pub fn run(args: &FactsArgs) -> Result<ExitCode, FactsError> {
    let (Asked { inventory, sheets }, root) = ask(args)?;
    let mut stdout = io::stdout().lock();
    let written = match args.output {
        Form::Json => serde_json::to_writer_pretty(&mut stdout, &inventory)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(stdout)),
        Form::Prom => stdout.write_all(&metrics::of_machine(inventory, sheets)),
        Form::Text => {
            let colours =
                stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            stdout.write_all(draw::text(&inventory, root.directory(), Style { colours }).as_bytes())
        }
    };
    match written.and_then(|()| stdout.flush()) {
        // `busbar-agent facts | head` is no failure of ours.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(FactsError::Print(error)),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

impl FactsArgs {
    /// This machine, or the recorded one.
    pub fn of_root(root: Option<PathBuf>) -> FactsArgs {
        FactsArgs {
            root,
            hwloc_xml: None,
            output: Form::Json,
        }
    }
}

pub(crate) fn read(args: &FactsArgs) -> Result<(Inventory, Root), FactsError> {
    ask(args).map(|(asked, root)| (asked.inventory, root))
}

fn ask(args: &FactsArgs) -> Result<(Asked, Root), FactsError> {
    let root = match &args.root {
        Some(directory) => Root::at(directory)?,
        // An exported topology comes alone: this machine's drives are not that machine's.
        None if args.hwloc_xml.is_some() => Root::nothing(),
        None => Root::host(),
    };
    let source = match &args.hwloc_xml {
        Some(file) => TopologySource::Xml {
            file: file.clone(),
            reader: PathBuf::from(SELF),
        },
        None if root.is_host() => TopologySource::Live,
        None => TopologySource::Root {
            directory: root.directory().to_owned(),
            reader: PathBuf::from(SELF),
        },
    };
    let is_live = matches!(source, TopologySource::Live);
    let asked = ask_all(&root, source);
    let topology = asked
        .inventory
        .sources
        .iter()
        .find(|source| source.name == "topology");
    if let Some(SourceStatus::Down { message, .. }) = topology.map(|source| &source.status)
        && !is_live
    {
        // Whoever names a machine wants that one or none; on this one, the other facts are worth having.
        return Err(FactsError::Topology(message.clone()));
    }
    Ok((asked, root))
}

/// `busbar-agent topology-of PATH`: the child that reads a recorded machine, called with `HWLOC_FSROOT` set to it, or an exported
/// topology.
///
/// # Errors
/// When hwloc does not read it.
pub fn print_topology_of(path: &Path) -> Result<(), FactsError> {
    let failed = |error: CollectError| FactsError::Topology(error.explain());
    let stdout = io::stdout().lock();
    let printed = if path.is_dir() {
        let topology = topology::read_here(&Root::at(path)?).map_err(failed)?;
        serde_json::to_writer(stdout, &topology)
    } else {
        serde_json::to_writer(stdout, &topology::read_xml_file(path).map_err(failed)?)
    };
    printed.map_err(|cause| FactsError::Print(cause.into()))
}
