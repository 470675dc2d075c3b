//! Prints a machine's topology as JSON: `topology_of topology-of DIRECTORY`, as `busbar-agent topology-of DIRECTORY` does.
//!
//! HWLOC_FSROOT must already name the directory, because hwloc takes its root from the environment. The tests of recorded
//! machines use this program as the child in which hwloc reads.

use std::path::PathBuf;
use std::process::ExitCode;

use collectors::{CollectError, Root, topology};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subcommand, directory] = arguments.as_slice() else {
        eprintln!("usage: topology_of topology-of DIRECTORY");
        return ExitCode::from(2);
    };
    if subcommand != "topology-of" {
        eprintln!("unknown subcommand {subcommand:?}; expected topology-of");
        return ExitCode::from(2);
    }
    match print(&PathBuf::from(directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn print(directory: &std::path::Path) -> Result<(), String> {
    let root = Root::at(directory).map_err(|error| error.to_string())?;
    let topology = topology::read_here(&root).map_err(|error: CollectError| error.explain())?;
    serde_json::to_writer(std::io::stdout(), &topology).map_err(|error| error.to_string())
}
