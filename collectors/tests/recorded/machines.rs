//! The recorded machines of the shared folder, and the program that reads one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use collectors::topology;
use facts::topology::Topology;

/// One recorded machine: an archive, and the environment that its description wants.
pub struct Machine {
    pub name: String,
    archive: PathBuf,
    pub env: Vec<(String, String)>,
}

/// An unpacked machine; gone when dropped.
pub struct Unpacked {
    _keep: tempfile::TempDir,
    pub directory: PathBuf,
}

/// The shared folder; says so where there is none.
pub fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("BUSBAR_SHARED").map_or_else(beside, PathBuf::from);
    if folder.join("machines").is_dir() {
        return Some(folder);
    }
    println!("skipped: no shared folder at {}", folder.display());
    None
}

/// The example `topology_of`. `cargo test --test recorded` alone would leave it as it is, so it is built once here.
pub fn reader() -> PathBuf {
    static READER: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--package",
                "collectors",
                "--example",
                "topology_of",
            ])
            .status()
            .unwrap();
        assert!(built.success());
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).unwrap();
        target.join("debug/examples/topology_of")
    };
    READER.get_or_init(build).clone()
}

pub fn recorded(shared: &Path) -> Vec<Machine> {
    let mut machines: Vec<Machine> = std::fs::read_dir(shared.join("machines"))
        .unwrap()
        .filter_map(|entry| {
            let archive = entry.unwrap().path();
            let name = archive
                .file_name()?
                .to_str()?
                .strip_suffix(".tar.bz2")?
                .to_owned();
            let described = std::fs::read_to_string(archive.with_file_name(format!("{name}.test")));
            Some(Machine {
                name,
                env: described.map(|text| env_of(&text)).unwrap_or_default(),
                archive,
            })
        })
        .collect();
    machines.sort_by(|one, other| one.name.cmp(&other.name));
    machines
}

pub fn exported(shared: &Path) -> Vec<(String, PathBuf)> {
    let mut files: Vec<(String, PathBuf)> = std::fs::read_dir(shared.join("machines/xml"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|file| {
            Some((
                file.file_name()?.to_str()?.strip_suffix(".xml")?.to_owned(),
                file.clone(),
            ))
        })
        .collect();
    files.sort();
    files
}

/// `env: NAME=VALUE` lines, as a shell would read them; `export NAME` has no meaning here.
fn env_of(described: &str) -> Vec<(String, String)> {
    described
        .lines()
        .filter_map(|line| {
            let (name, value) = line.strip_prefix("env:")?.trim().split_once('=')?;
            Some((name.to_owned(), value.trim_matches('"').to_owned()))
        })
        .collect()
}

impl Machine {
    pub fn unpack(&self) -> Unpacked {
        // Thousands of small files: in memory where there is such a place.
        let memory = Path::new("/dev/shm");
        let keep = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let keep = keep.unwrap();
        let status = Command::new("tar")
            .arg("-xjf")
            .arg(&self.archive)
            .arg("-C")
            .arg(keep.path())
            .status()
            .unwrap();
        assert!(status.success(), "cannot unpack {}", self.archive.display());
        let top = std::fs::read_dir(keep.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        Unpacked {
            directory: top.canonicalize().unwrap(),
            _keep: keep,
        }
    }

    /// The machine's own variables are the child's alone: the reader is called through `env`, so that tests may run side by side.
    pub fn topology(&self, reader: &Path, directory: &Path) -> Topology {
        if self.env.is_empty() {
            return topology::read_in_child(reader, directory)
                .unwrap_or_else(|error| panic!("{}: {}", self.name, error.explain()));
        }
        let scripts = tempfile::tempdir().unwrap();
        let script = scripts.path().join("with-env");
        let quoted: String = self
            .env
            .iter()
            .map(|(name, value)| format!(" '{name}={value}'"))
            .collect();
        let text = script.with_extension("text");
        std::fs::write(
            &text,
            format!("#!/bin/sh\nexec env{quoted} '{}' \"$@\"\n", reader.display()),
        )
        .unwrap();
        // Another process writes what is run: a file that this one had open to write would be busy (ETXTBSY) while a
        // child that another test is just starting still holds it open.
        let installed = std::process::Command::new("install")
            .args(["-m", "700"])
            .args([&text, &script])
            .status();
        assert!(installed.unwrap().success());
        topology::read_in_child(&script, directory)
            .unwrap_or_else(|error| panic!("{}: {}", self.name, error.explain()))
    }
}
