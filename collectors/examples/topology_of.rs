//! Prints a topology as JSON: `topology_of topology-of PATH`, as `busbar-agent topology-of PATH` does.
//!
//! PATH is a recorded machine's directory, which HWLOC_FSROOT must name too, because hwloc takes its root from the environment;
//! or the file of an exported topology. The tests use this program as the child in which hwloc reads.

use std::path::Path;
use std::process::ExitCode;

use collectors::{CollectError, Root, topology};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [subcommand, path] = arguments.as_slice() else {
        eprintln!("usage: topology_of topology-of PATH");
        return ExitCode::from(2);
    };
    if subcommand != "topology-of" {
        eprintln!("unknown subcommand {subcommand:?}; expected topology-of");
        return ExitCode::from(2);
    }
    match print(Path::new(path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn print(path: &Path) -> Result<(), String> {
    let explained = |error: CollectError| error.explain();
    let text = if path.is_dir() {
        let root = Root::at(path).map_err(|error| error.to_string())?;
        serde_json::to_string(&topology::read_here(&root).map_err(explained)?)
    } else {
        serde_json::to_string(&topology::read_xml_file(path).map_err(explained)?)
    };
    println!("{}", text.map_err(|error| error.to_string())?);
    Ok(())
}
