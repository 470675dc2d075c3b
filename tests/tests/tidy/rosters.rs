//! Folders and rosters agree: adding a source is one folder and one line, and neither is forgotten.

use crate::scan::{code_only, without_tests};
use crate::tree::Tree;

/// Every wing whose folders are listed in a roster: the folder that holds them, and the roster.
const WINGS: [(&str, &str); 3] = [
    ("collectors/src", "collectors/src/roster.rs"),
    ("isolators/src", "isolators/src/roster.rs"),
    ("rack-controller/src/pools", "rack-controller/src/pools/roster.rs"),
];

/// Folders that their roster does not name, or names more than once.
pub fn disagreements(tree: &Tree) -> Vec<String> {
    let mut offenders = Vec::new();
    for (wing, roster) in WINGS {
        let folders = tree.folders(wing);
        let Some(leaf) = tree.get(roster) else {
            if !folders.is_empty() {
                offenders.push(format!(
                    "{roster}: is missing, and {wing} holds {}",
                    folders.join(", ")
                ));
            }
            continue;
        };
        let code = code_only(&leaf.text);
        let entries = without_imports(without_tests(&code));
        for folder in folders {
            match mentions(&entries, folder) {
                1 => {}
                times => offenders.push(format!("{roster}: names {wing}/{folder} {times} times")),
            }
        }
    }
    offenders
}

/// The code without its `use …;` lines: an import is no entry.
fn without_imports(code: &str) -> String {
    let mut kept = String::new();
    let mut importing = false;
    for line in code.lines() {
        let start = line.trim_start();
        importing = importing || start.starts_with("use ") || start.starts_with("pub use ");
        if !importing {
            kept.push_str(line);
            kept.push('\n');
        }
        importing = importing && !line.contains(';');
    }
    kept
}

/// How often a path begins with this folder's module: `cpu::`, also as `crate::cpu::`.
fn mentions(code: &str, folder: &str) -> usize {
    let needle = format!("{folder}::");
    code.match_indices(&needle)
        .filter(|(at, _)| {
            let before = &code[..*at];
            let own = !before.ends_with(|seen: char| seen.is_alphanumeric() || seen == '_');
            own && (!before.ends_with("::") || before.ends_with("crate::") || before.ends_with("super::"))
        })
        .count()
}

#[test]
fn planted_disagreements_are_found() {
    let roster = "//! Roster.\nuse crate::cpu::Extra;\nvec![Box::new(cpu::Cpu), Box::new(crate::nic::Nic), Box::new(nic::Nic)]\n";
    let tree = Tree::planted(&[
        ("collectors/src/block/mod.rs", ""),
        ("collectors/src/cpu/mod.rs", ""),
        ("collectors/src/nic/mod.rs", ""),
        ("collectors/src/roster.rs", roster),
        ("isolators/src/cgroup/mod.rs", ""),
    ]);
    assert_eq!(
        disagreements(&tree),
        [
            "collectors/src/roster.rs: names collectors/src/block 0 times",
            "collectors/src/roster.rs: names collectors/src/nic 2 times",
            "isolators/src/roster.rs: is missing, and isolators/src holds cgroup",
        ]
    );
}
