//! A masked recording: the layout of the recorded trees, so that `inspect` and `hw-fixtures serve --tree` read it again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::mask::Mask;

/// Why a recording cannot be kept there.
#[derive(Debug, thiserror::Error)]
#[error("--save {path}: something stands there already; expected a name for a new folder", path = .0.display())]
pub(super) struct Taken(PathBuf);

/// Nothing is ever overwritten. Told before the BMC is asked anything.
pub(super) fn check(folder: &Path) -> Result<(), Taken> {
    match folder.symlink_metadata() {
        Ok(_) => Err(Taken(folder.to_owned())),
        Err(_) => Ok(()),
    }
}

/// Writes the recording.
pub(super) fn save(folder: &Path, resources: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    let mask = Mask::of(resources.values());
    std::fs::create_dir(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (path, value) in resources {
        let Some(place) = bmc::redfish::place_in_tree(&mask.text(path)) else {
            continue;
        };
        let file = folder.join(place);
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let text = serde_json::to_string_pretty(&mask.value(value))?;
        std::fs::write(&file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let readme = "What `busbar-rack inspect --save` read from a BMC. Serial numbers, UUIDs, addresses, names and places are \
        masked, each by the same word everywhere. Look through it before you give it away.\n";
    let file = folder.join("README");
    std::fs::write(&file, readme).with_context(|| format!("cannot write {}", file.display()))
}
