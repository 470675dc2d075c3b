//! The recording behind a tree: folders on disk, one `index.json` a resource, never written to.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::face::redfish::{ROOT, SESSIONS, decode};
use crate::face::trouble::Trouble;

/// One resource of a recorded tree.
const PAGE: &str = "index.json";
/// One document of a recorded tree that is not JSON, such as `$metadata`.
const DOCUMENT: &str = "index.xml";
/// A tree's root is looked for this many folders deep: archives wrap it in one or two.
const ROOT_DEPTH: usize = 4;

/// Why a folder cannot be served as a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is no such folder.
    #[error("cannot read the recorded tree {path}")]
    Read {
        /// The folder as it was named.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It holds no service root.
    #[error(
        "{path} holds no recorded Redfish tree; expected redfish/v1 in it, or index.json of the service root"
    )]
    NoRoot {
        /// The folder as it was named.
        path: PathBuf,
    },
}

/// Reads the whole of a resource and keeps its entity tag.
#[derive(Deserialize)]
struct Tagged {
    #[serde(rename = "@odata.etag")]
    etag: Option<String>,
}

/// A recorded tree on disk.
pub struct Recording {
    /// The folder of `/redfish/v1`.
    root: PathBuf,
}

/// Finds the folder of `/redfish/v1` in or below a folder.
fn find_root(dir: &Path) -> Result<PathBuf, TreeError> {
    let read = |source| TreeError::Read {
        path: dir.to_path_buf(),
        source,
    };
    let mut layer = vec![dir.canonicalize().map_err(read)?];
    for _ in 0..ROOT_DEPTH {
        let mut below = Vec::new();
        for folder in &layer {
            let inner = folder.join("redfish/v1");
            if inner.is_dir() {
                return Ok(inner);
            }
            if folder.join(PAGE).is_file() {
                return Ok(folder.clone());
            }
            let entries = std::fs::read_dir(folder).map_err(read)?.filter_map(Result::ok);
            below.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        below.sort();
        layer = below;
    }
    Err(TreeError::NoRoot {
        path: dir.to_path_buf(),
    })
}

impl Recording {
    /// Finds the recording in or below a folder.
    ///
    /// # Errors
    /// [`TreeError`] naming the folder.
    pub fn open(dir: &Path) -> Result<Self, TreeError> {
        find_root(dir).map(|root| Self { root })
    }

    /// Where this recording opens its sessions.
    #[must_use]
    pub fn sessions(&self) -> String {
        let root: Option<Value> = self
            .text(ROOT)
            .ok()
            .and_then(|(text, _)| serde_json::from_slice(&text).ok());
        let link = root
            .as_ref()
            .and_then(|root| root.pointer("/Links/Sessions/@odata.id"));
        let link = link.and_then(Value::as_str).unwrap_or(SESSIONS);
        link.trim_end_matches('/').to_owned()
    }

    /// A resource byte by byte as it was recorded, and its entity tag.
    ///
    /// # Errors
    /// [`Trouble`] 404 for a missing file, 500 for one that is no JSON; both name it.
    pub fn text(&self, path: &str) -> Result<(Vec<u8>, Option<String>), Trouble> {
        let Some(file) = self.file(path, PAGE) else {
            return Err(Trouble::not_found(path));
        };
        let shown = file
            .strip_prefix(&self.root)
            .unwrap_or(&file)
            .display()
            .to_string();
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let root = (path == ROOT).then(|| self.made_root()).flatten();
                let missing = || Trouble::not_found(&format!("{path} (no {shown} in the recorded tree)"));
                return root
                    .map(|root| (root.to_string().into_bytes(), None))
                    .ok_or_else(missing);
            }
            Err(e) => {
                return Err(Trouble::internal(&format!(
                    "cannot read {shown} of the recorded tree: {e}"
                )));
            }
        };
        match serde_json::from_slice::<Tagged>(&text) {
            Ok(tagged) => Ok((text, tagged.etag)),
            Err(e) => Err(Trouble::internal(&format!(
                "{shown} of the recorded tree is no JSON object: {e}"
            ))),
        }
    }

    /// A service root for a recording that lacks one: links to every folder that holds a resource.
    /// Every BMC has a service root; a recording without it would be reachable nowhere.
    fn made_root(&self) -> Option<Value> {
        let entries = std::fs::read_dir(&self.root).ok()?.filter_map(Result::ok);
        let recorded = entries.filter(|entry| entry.path().join(PAGE).is_file());
        let names: Vec<String> = recorded
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        if names.is_empty() {
            return None;
        }
        let mut root = json!({
            "@odata.id": ROOT,
            "@odata.type": "#ServiceRoot.v1_0_0.ServiceRoot",
            "Id": "RootService",
            "Name": "Root Service (not recorded, made from the folders)",
            "Links": { "Sessions": { "@odata.id": SESSIONS } },
        });
        for name in names {
            let link = json!({ "@odata.id": format!("{ROOT}/{name}") });
            root[name] = link;
        }
        Some(root)
    }

    /// A document that is not JSON, such as `$metadata`.
    #[must_use]
    pub fn document(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.file(path, DOCUMENT)?).ok()
    }

    /// The file of a path: as it was written, or percent-decoded; `None` when it would leave the tree.
    fn file(&self, path: &str, name: &str) -> Option<PathBuf> {
        let decoded = decode(path);
        let mut first = None;
        for path in [path, decoded.as_str()] {
            let below = path.strip_prefix(ROOT)?;
            let plain = |part: &&str| !part.is_empty() && *part != "." && *part != "..";
            let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
            if !parts.iter().all(plain) || below.contains('\0') {
                return None;
            }
            let file = parts
                .iter()
                .fold(self.root.clone(), |folder, part| folder.join(part))
                .join(name);
            if file.is_file() {
                return Some(file);
            }
            first.get_or_insert(file);
        }
        first
    }
}
