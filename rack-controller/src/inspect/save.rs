//! A masked recording: the layout of the recorded trees, so that `inspect` and `hw-fixtures serve --tree` read it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use facts::archive::Archive;
use serde_json::Value;

use super::mask::Mask;
use super::target::is_archive;

/// The folder in an archive in which everything stands.
const TOP: &str = "busbar-record";

/// Why a recording cannot be kept there.
#[derive(Debug, thiserror::Error)]
#[error("{path}: something stands there already; expected a new name", path = .0.display())]
pub(crate) struct Taken(PathBuf);

/// Nothing is ever overwritten. Told before the BMC is asked anything.
pub(crate) fn check(folder: &Path) -> Result<(), Taken> {
    match folder.symlink_metadata() {
        Ok(_) => Err(Taken(folder.to_owned())),
        Err(_) => Ok(()),
    }
}

/// What a recording holds: one line a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The file, below the recording's folder.
    pub(crate) file: PathBuf,
    /// How long it is.
    pub(crate) bytes: usize,
}

/// Writes the recording, masked.
pub(super) fn save(folder: &Path, resources: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    const README: &str = "What `busbar-rack inspect --save` read from a BMC. Serial numbers, UUIDs, addresses, names and places \
        are masked, each by the same word everywhere. Look through it before you give it away.\n";
    let mut files = tree(resources, Some(&Mask::of(resources.values())))?;
    files.push(("README".to_owned(), README.to_owned()));
    write(folder, &files).map(|_| ())
}

/// Resources as files of a tree; without a mask as they are.
pub(crate) fn tree(
    resources: &BTreeMap<String, Value>,
    mask: Option<&Mask>,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for (path, value) in resources {
        let path = mask.map_or_else(|| path.clone(), |mask| mask.text(path));
        let Some(place) = bmc::redfish::place_in_tree(&path) else {
            continue;
        };
        let text = match mask {
            Some(mask) => serde_json::to_string_pretty(&mask.value(value))?,
            None => serde_json::to_string_pretty(value)?,
        };
        files.push((place.display().to_string(), text + "\n"));
    }
    Ok(files)
}

/// Writes the files of a recording into a new folder, or a new archive where it is called `.tar`. What was written.
pub(crate) fn write(to: &Path, files: &[(String, String)]) -> anyhow::Result<Vec<Listed>> {
    match is_archive(to) {
        true => pack(to, files).with_context(|| format!("cannot write {}", to.display()))?,
        false => unpacked(to, files)?,
    }
    let listed = files.iter().map(|(file, text)| Listed {
        file: PathBuf::from(file),
        bytes: text.len(),
    });
    Ok(listed.collect())
}

fn unpacked(folder: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    std::fs::create_dir(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (place, text) in files {
        let file = folder.join(place);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn pack(file: &Path, files: &[(String, String)]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(file)?;
    let mut archive = Archive::new(BufWriter::new(opened));
    let mut folders = BTreeSet::from([String::new()]);
    for (path, _) in files {
        folders.extend(
            path.match_indices('/')
                .filter_map(|(at, _)| Some(format!("/{}", path.get(..at)?))),
        );
    }
    for folder in folders {
        archive.folder(&format!("{TOP}{folder}"))?;
    }
    for (path, text) in files {
        archive.file(&format!("{TOP}/{path}"), text.as_bytes())?;
    }
    archive.end()?;
    Ok(())
}
