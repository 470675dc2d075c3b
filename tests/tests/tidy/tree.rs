//! The tree that tidy reads: every file of the house with its path from the top, or one planted by a test.

use std::fs;
use std::path::{Path, PathBuf};

/// One file: its path from the top with `/`, and its text (empty where it is no UTF-8).
pub struct Leaf {
    pub path: String,
    pub text: String,
}

/// All files, sorted by path.
pub struct Tree {
    pub leaves: Vec<Leaf>,
}

/// Names that are never part of the house: what git keeps, and what is built.
const NOT_OURS: [&str; 2] = [".git", "target"];

/// Marks a folder of build outputs.
const BUILD_MARK: &str = "CACHEDIR.TAG";

impl Tree {
    /// The house that this test was built from.
    pub fn house() -> Tree {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("tests/ stands in the house");
        let mut paths = Vec::new();
        walk(top, &mut paths);
        paths.sort();
        let leaf = |path: PathBuf| Leaf {
            text: fs::read_to_string(&path).unwrap_or_default(),
            path: path
                .strip_prefix(top)
                .expect("below the top")
                .display()
                .to_string(),
        };
        Tree {
            leaves: paths.into_iter().map(leaf).collect(),
        }
    }

    /// A tree planted by a test.
    pub fn planted(files: &[(&str, &str)]) -> Tree {
        let leaf = |(path, text): &(&str, &str)| Leaf {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Tree {
            leaves: files.iter().map(leaf).collect(),
        }
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(|leaf| leaf.path.ends_with(".rs"))
    }

    /// The file with this path.
    pub fn get(&self, path: &str) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.path == path)
    }

    /// Names of the folders directly below `folder`, each once.
    pub fn folders(&self, folder: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .leaves
            .iter()
            .filter_map(|leaf| leaf.path.strip_prefix(folder)?.strip_prefix('/')?.split_once('/'))
            .map(|(name, _)| name)
            .collect();
        names.dedup();
        names
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the house can be read") {
        let entry = entry.expect("a name in a folder of the house can be read");
        let (path, kind) = (entry.path(), entry.file_type().expect("a file has a kind"));
        if NOT_OURS.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_dir() && !path.join(BUILD_MARK).exists() {
            walk(&path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}

#[test]
fn folders_are_named_once() {
    let tree = Tree::planted(&[
        ("wing/src/a/mod.rs", ""),
        ("wing/src/a/x.rs", ""),
        ("wing/src/lib.rs", ""),
    ]);
    assert_eq!(tree.folders("wing/src"), ["a"]);
}
