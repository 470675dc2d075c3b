//! Who may import whom: the table of the house plan against every Cargo.toml.

use crate::tree::{Leaf, Tree};

/// Every crate of the house and what it may import of ours; tests and build scripts count like the rest.
const MAY_IMPORT: [(&str, &[&str]); 15] = [
    ("facts", &[]),
    ("bmc", &["facts"]),
    ("collectors", &["facts", "bmc"]),
    ("intent", &["facts"]),
    ("isolators", &["facts", "intent"]),
    ("agent-api", &["facts", "intent"]),
    ("page-gzip", &[]),
    (
        "agent",
        &[
            "facts",
            "intent",
            "collectors",
            "isolators",
            "agent-api",
            "page-gzip",
        ],
    ),
    ("rack-api", &["facts", "intent"]),
    (
        "rack-controller",
        &["facts", "intent", "bmc", "agent-api", "rack-api"],
    ),
    ("busbar-cli", &["facts", "intent", "agent-api", "rack-api"]),
    ("house", &[]),
    ("hw-fixtures", &[]),
    ("fake-nvml", &[]),
    (
        "house-tests",
        &[
            "facts",
            "bmc",
            "collectors",
            "intent",
            "isolators",
            "agent-api",
            "agent",
            "page-gzip",
            "rack-api",
            "rack-controller",
            "hw-fixtures",
        ],
    ),
];

/// `house` is built before anything else is there, so it imports nothing at all.
const STD_ONLY: &str = "house";

/// Crates whose own clippy.toml bans files, sockets, clocks and threads.
const PURE: [&str; 2] = ["collectors/facts", "isolators/intent"];

/// Imports that the table does not allow, and crates that it does not know.
pub fn forbidden(tree: &Tree) -> Vec<String> {
    let mut offenders = Vec::new();
    for leaf in manifests(tree) {
        let name = package_name(&leaf.text);
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == name) else {
            offenders.push(format!("{}: crate {name} is not in the table", leaf.path));
            continue;
        };
        for import in imports(&leaf.text) {
            let ours = MAY_IMPORT.iter().any(|(known, _)| *known == import);
            if (ours && !allowed.contains(&import.as_str())) || name == STD_ONLY {
                offenders.push(format!("{}: {name} imports {import}", leaf.path));
            }
        }
    }
    offenders
}

/// Crates that do not take the lints of the workspace, and pure crates without their own clippy.toml.
pub fn without_lints(tree: &Tree) -> Vec<String> {
    let obeys =
        |leaf: &&Leaf| section(&leaf.text, "lints").any(|line| line.replace(' ', "") == "workspace=true");
    let mut offenders: Vec<String> = manifests(tree)
        .filter(|leaf| !obeys(leaf))
        .map(|leaf| leaf.path.clone())
        .collect();
    for folder in PURE {
        let rules = tree.get(&format!("{folder}/clippy.toml"));
        if !rules.is_some_and(|leaf| leaf.text.contains("std::fs") && leaf.text.contains("std::net")) {
            offenders.push(format!("{folder}/clippy.toml: does not ban std::fs and std::net"));
        }
    }
    offenders
}

/// The fuzzer is a workspace of its own, outside of this one: it opens what the crates keep to themselves (docs/fuzz.md).
const OUTSIDE: &str = "tests/fuzz/";

/// The manifests of crates; the workspace's own has no package.
fn manifests(tree: &Tree) -> impl Iterator<Item = &Leaf> {
    tree.leaves.iter().filter(|leaf| {
        let is_crate = leaf.path.ends_with("Cargo.toml") && leaf.text.contains("[package]");
        is_crate && !leaf.path.starts_with(OUTSIDE)
    })
}

fn package_name(manifest: &str) -> String {
    section(manifest, "package")
        .find_map(|line| {
            line.strip_prefix("name")?
                .trim_start()
                .strip_prefix('=')
                .map(str::trim)
        })
        .unwrap_or_default()
        .trim_matches('"')
        .to_owned()
}

/// Every name in a table of dependencies, target tables and `[dependencies.NAME]` included.
fn imports(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside = header.ends_with("dependencies");
            if let Some((_, name)) = header.rsplit_once("dependencies.") {
                found.push(name.trim_matches('"').to_owned());
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            found.push(name.trim_matches('"').to_owned());
        }
    }
    found
}

/// The lines of one table of a manifest.
fn section<'a>(manifest: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let header = format!("[{name}]");
    manifest
        .lines()
        .map(str::trim)
        .skip_while(move |line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

#[test]
fn planted_edges_are_found() {
    let facts =
        "[package]\nname = \"facts\"\n[dependencies]\nserde.workspace = true\nbmc = { path = \"../bmc\" }\n";
    let fixtures = "[package]\nname = \"hw-fixtures\"\n[dev-dependencies.facts]\nworkspace = true\n";
    let house = "[package]\nname = \"house\"\n[lints]\nworkspace = true\n[dependencies]\nlibc = \"0.2\"\n";
    let tree = Tree::planted(&[
        ("collectors/facts/Cargo.toml", facts),
        ("hw-fixtures/Cargo.toml", fixtures),
        ("tests/house/Cargo.toml", house),
        ("model/Cargo.toml", "[package]\nname = \"model\"\n"),
    ]);
    let found = forbidden(&tree);
    assert_eq!(
        found,
        [
            "collectors/facts/Cargo.toml: facts imports bmc",
            "hw-fixtures/Cargo.toml: hw-fixtures imports facts",
            "tests/house/Cargo.toml: house imports libc",
            "model/Cargo.toml: crate model is not in the table",
        ]
    );
    let lax = without_lints(&tree);
    assert_eq!(lax.len(), 5, "three crates and two pure ones: {lax:?}");
}
