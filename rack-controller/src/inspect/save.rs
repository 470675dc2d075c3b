//! A masked recording: the layout of the recorded trees, so that `inspect` and `hw-fixtures serve --tree` read it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::mask::Mask;

/// Why a recording cannot be kept there.
#[derive(Debug, thiserror::Error)]
#[error("--save {path}: something stands there already; expected a name for a new folder", path = .0.display())]
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
    let mask = Mask::of(resources.values());
    std::fs::create_dir(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    write(folder, Path::new("README"), README)?;
    tree(folder, resources, Some(&mask)).map(|_| ())
}

/// Writes resources as a tree; without a mask as they are. What was written.
pub(crate) fn tree(
    folder: &Path,
    resources: &BTreeMap<String, Value>,
    mask: Option<&Mask>,
) -> anyhow::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for (path, value) in resources {
        let path = mask.map_or_else(|| path.clone(), |mask| mask.text(path));
        let Some(place) = bmc::redfish::place_in_tree(&path) else {
            continue;
        };
        let text = match mask {
            Some(mask) => serde_json::to_string_pretty(&mask.value(value))?,
            None => serde_json::to_string_pretty(value)?,
        };
        listed.push(write(folder, Path::new(&place), &(text + "\n"))?);
    }
    Ok(listed)
}

/// Writes one file of a recording, with the folders above it.
pub(crate) fn write(folder: &Path, place: &Path, text: &str) -> anyhow::Result<Listed> {
    let file = folder.join(place);
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(Listed {
        file: place.to_owned(),
        bytes: text.len(),
    })
}
