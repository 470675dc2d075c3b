//! A recorded tree in a directory or an archive: one `index.json` a resource, read as if a BMC had answered it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::BmcError;

/// Where every Redfish service begins.
pub(super) const SERVICE_ROOT: &str = "/redfish/v1";
/// The file that holds a recorded resource.
const INDEX: &str = "index.json";
/// The longest recorded resource that is read; as long as what is taken from a BMC.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// What stands right below `/redfish/v1` in every recording.
const FOLDERS: [&str; 5] = [
    "Chassis",
    "Systems",
    "Managers",
    "SessionService",
    "PowerEquipment",
];
/// Why something is no tree.
const EXPECTED: &str =
    "expected redfish/v1 in it, or folders such as Chassis and Systems with an index.json each";

/// A recorded tree, read-only.
#[derive(Debug)]
pub(super) struct Tree {
    /// What stands for `/redfish/v1`: a folder, or its name within an archive.
    root: PathBuf,
    /// The archive and its files, where it is one.
    archive: Option<(PathBuf, BTreeMap<String, Vec<u8>>)>,
}

impl Tree {
    /// Finds the folder that stands for `/redfish/v1`: this one, or `redfish/v1` or `v1` below it.
    pub(super) fn open(dir: &Path) -> Result<Tree, BmcError> {
        let not = |why: &str| BmcError::NotATree {
            path: dir.to_owned(),
            why: why.to_owned(),
        };
        if !dir.is_dir() {
            return Err(not("there is no such folder"));
        }
        let below = [dir.join("redfish/v1"), dir.join("v1"), dir.to_owned()];
        let root = below
            .into_iter()
            .find(|root| FOLDERS.iter().any(|folder| root.join(folder).is_dir()));
        match root {
            Some(root) => Ok(Tree { root, archive: None }),
            None => Err(not(EXPECTED)),
        }
    }

    /// The same in the files of an archive, wherever in it the tree begins.
    pub(super) fn of_archive(path: &Path, files: BTreeMap<String, Vec<u8>>) -> Result<Tree, BmcError> {
        let root_of = |file: &String| {
            let mut parts = file.split('/').scan(0, |at, part| {
                let begins = *at;
                *at += part.len() + 1;
                Some((begins, part))
            });
            let (begins, folder) = parts.find(|(_, part)| FOLDERS.contains(part))?;
            let is_within = file.len() > begins + folder.len();
            is_within.then(|| file.get(..begins).map(str::to_owned)).flatten()
        };
        let root = files.keys().filter_map(root_of).min_by_key(String::len);
        match root {
            Some(root) => Ok(Tree {
                root: PathBuf::from(root),
                archive: Some((path.to_owned(), files)),
            }),
            None => Err(BmcError::NotATree {
                path: path.to_owned(),
                why: EXPECTED.to_owned(),
            }),
        }
    }

    /// The file in which a resource would stand; `None` for a path that leads out of the tree.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let place = place_in_tree(path)?;
        let below = place
            .strip_prefix(SERVICE_ROOT.trim_start_matches('/'))
            .unwrap_or(&place);
        Some(self.root.join(below))
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, BmcError> {
        let Some(file) = self.file(path) else {
            return Err(BmcError::Refused {
                resource: path.to_owned(),
                why: "the link leads out of the recorded tree".to_owned(),
            });
        };
        let not = |why: String| BmcError::FileNotJson {
            path: file.clone(),
            why,
        };
        let failed = |source| BmcError::File {
            path: file.clone(),
            source,
        };
        let mut text = Vec::new();
        match &self.archive {
            None => std::fs::File::open(&file)
                .and_then(|open| open.take(MAX_FILE_BYTES + 1).read_to_end(&mut text))
                .map(|_| ()),
            Some((_, files)) => match file.to_str().and_then(|file| files.get(file)) {
                Some(found) => found
                    .as_slice()
                    .take(MAX_FILE_BYTES + 1)
                    .read_to_end(&mut text)
                    .map(|_| ()),
                None => Err(std::io::ErrorKind::NotFound.into()),
            },
        }
        .map_err(failed)?;
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
            return Err(not(format!("longer than {MAX_FILE_BYTES} bytes")));
        }
        let value: Value = serde_json::from_slice(&text).map_err(|error| not(error.to_string()))?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(not("it is JSON, but no object".to_owned()))
        }
    }

    /// How a resource is named in errors: its file, and the part of it that is meant.
    pub(super) fn name(&self, path: &str) -> String {
        let fragment = path
            .split_once('#')
            .map_or_else(String::new, |(_, part)| format!("#{part}"));
        self.file(path)
            .map_or_else(|| path.to_owned(), |file| format!("{}{fragment}", file.display()))
    }

    /// The folder, or the archive.
    pub(super) fn place(&self) -> &Path {
        match &self.archive {
            None => &self.root,
            Some((path, _)) => path,
        }
    }
}

/// Where a resource stands in a recorded tree, `redfish/v1/…/index.json`; `None` for a path that would lead out of it.
pub fn place_in_tree(path: &str) -> Option<PathBuf> {
    let path = path.split('#').next().unwrap_or_default();
    let mut place = PathBuf::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part == "." || part == ".." || part.contains('\0') || part.contains('\\') {
            return None;
        }
        place.push(part);
    }
    place.push(INDEX);
    Some(place)
}
