//! Rules about names of files and folders, and about what stands at the top.

use crate::tree::Tree;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 10] = [
    "utils", "util", "common", "helpers", "helper", "misc", "base", "core", "manager", "impl",
];

/// What may stand at the top.
const TOP: [&str; 19] = [
    ".cargo",
    ".ci",
    ".gitattributes",
    ".gitignore",
    ".rustfmt.toml",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "NOTICE",
    "README.md",
    "agent",
    "collectors",
    "docs",
    "hw-fixtures",
    "isolators",
    "rack-controller",
    "rust-toolchain.toml",
    "tests",
];

/// Pages that every newcomer looks for.
const PAGES: [&str; 5] = [
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "docs/architecture.md",
    "docs/words.md",
];

/// Paths with a name that says nothing.
pub fn empty_names(tree: &Tree) -> Vec<String> {
    let empty = |path: &str| {
        path.split('/').any(|part| {
            let stem = part.split('.').next().unwrap_or(part);
            EMPTY_NAMES.contains(&stem)
        })
    };
    tree.leaves
        .iter()
        .filter(|leaf| empty(&leaf.path))
        .map(|leaf| leaf.path.clone())
        .collect()
}

/// Names at the top that do not belong there.
pub fn strange_top(tree: &Tree) -> Vec<String> {
    let mut strange: Vec<String> = tree
        .leaves
        .iter()
        .filter_map(|leaf| leaf.path.split('/').next())
        .filter(|name| !TOP.contains(name))
        .map(str::to_owned)
        .collect();
    strange.dedup();
    strange
}

/// Pages that are missing or empty.
pub fn missing_pages(tree: &Tree) -> Vec<String> {
    PAGES
        .iter()
        .filter(|page| tree.get(page).is_none_or(|leaf| leaf.text.trim().is_empty()))
        .map(|page| (*page).to_owned())
        .collect()
}

#[test]
fn planted_names_are_found() {
    let tree = Tree::planted(&[
        ("agent/src/utils.rs", ""),
        ("agent/src/core/mod.rs", ""),
        ("agent/src/place/core_kinds.rs", ""),
        ("model/src/lib.rs", ""),
    ]);
    assert_eq!(
        empty_names(&tree),
        ["agent/src/utils.rs", "agent/src/core/mod.rs"]
    );
    assert_eq!(strange_top(&tree), ["model"]);
    assert_eq!(missing_pages(&tree).len(), PAGES.len());
}
