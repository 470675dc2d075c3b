//! Folders and rosters agree: adding a source is one folder and one line, and neither is forgotten.

use crate::scan::{code_only, without_tests};
use crate::tree::Tree;

/// Folders of a wing that belong to the file of their name and are no source, isolator or pool.
const PARTS_OF_A_FILE: [&str; 7] = [
    "isolators/src/apply",
    // What cannot be undone: done to a drive of the pool, and no part of an intent.
    "isolators/src/erase",
    // Drives for other nodes: no part of what a workload of this one is given, so planned apart.
    "isolators/src/fabric",
    // Whose a drive is: decided, and lent by nobody yet.
    "rack-controller/src/pools/drives",
    "collectors/src/fuzz",
    "collectors/src/root",
    // The kernel's events: nobody asks them, they tell whom to ask.
    "collectors/src/uevent",
];

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
        let (imports, rest) = apart(without_tests(&code));
        let entries = body_of_roster(&rest);
        for folder in folders {
            if PARTS_OF_A_FILE.contains(&format!("{wing}/{folder}").as_str()) {
                continue;
            }
            let names = imports.iter().flat_map(|import| names_from(import, folder));
            let mut times: Vec<usize> = names.map(|name| mentions(entries, &name)).collect();
            times.push(mentions(entries, &format!("{folder}::")));
            if times.iter().all(|times| *times == 0) {
                offenders.push(format!("{roster}: does not name {wing}/{folder}"));
            } else if times.iter().any(|times| *times > 1) {
                offenders.push(format!("{roster}: names a part of {wing}/{folder} twice"));
            }
        }
    }
    offenders
}

/// The `use …;` lines, each whole, and the rest of the code: an import alone is no entry.
fn apart(code: &str) -> (Vec<String>, String) {
    let (mut imports, mut rest) = (Vec::new(), String::new());
    let mut importing = false;
    for line in code.lines() {
        let start = line.trim_start();
        if !importing && (start.starts_with("use ") || start.starts_with("pub use ")) {
            importing = true;
            imports.push(String::new());
        }
        match imports.last_mut().filter(|_| importing) {
            Some(import) => import.push_str(start),
            None => {
                rest.push_str(line);
                rest.push('\n');
            }
        }
        importing = importing && !line.contains(';');
    }
    (imports, rest)
}

/// The names that an import takes from this folder: `use crate::cpu::{CpuCollector, Times};`
fn names_from(import: &str, folder: &str) -> Vec<String> {
    let from = ["crate::", "super::", "self::"]
        .iter()
        .find_map(|home| import.split_once(&format!("{home}{folder}::")));
    from.map(|(_, names)| names.split(|seen: char| !seen.is_alphanumeric() && seen != '_'))
        .into_iter()
        .flatten()
        .filter(|name| !name.is_empty() && *name != "self")
        .map(str::to_owned)
        .collect()
}

/// What stands in the braces of `fn roster`.
fn body_of_roster(code: &str) -> &str {
    let body = code
        .split_once("fn roster")
        .and_then(|(_, rest)| rest.split_once('{'))
        .map_or("", |(_, body)| body);
    let mut depth = 1_usize;
    let end = body.find(|seen: char| {
        match seen {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &body[..end.unwrap_or(body.len())]
}

/// How often this name stands in the code as the beginning of a path or of a value.
fn mentions(code: &str, name: &str) -> usize {
    let part_of_word = |seen: char| seen.is_alphanumeric() || seen == '_';
    code.match_indices(name)
        .filter(|(at, _)| {
            let (before, after) = (&code[..*at], &code[at + name.len()..]);
            let whole = name.ends_with(':') || !after.starts_with(part_of_word);
            let deep = before.ends_with("::") && !before.ends_with("crate::") && !before.ends_with("super::");
            whole && !deep && !before.ends_with(part_of_word)
        })
        .count()
}

#[test]
fn planted_disagreements_are_found() {
    let roster = "//! Roster.\nuse crate::block::Block;\nuse crate::{\n    cpu,\n    x\n};\nuse crate::pci::{Pci, Source};\npub fn roster(source: Source) -> Vec<Box<dyn Pci>> { vec![Box::new(cpu::Cpu::new()), Box::new(Pci::new()), Box::new(crate::nic::Nic), Box::new(nic::Nic)] }\nfn other() { Pci::new() }\n";
    let tree = Tree::planted(&[
        ("collectors/src/block/mod.rs", ""),
        ("collectors/src/cpu/mod.rs", ""),
        ("collectors/src/nic/mod.rs", ""),
        ("collectors/src/pci/mod.rs", ""),
        ("collectors/src/roster.rs", roster),
        ("isolators/src/cgroup/mod.rs", ""),
    ]);
    assert_eq!(
        disagreements(&tree),
        [
            "collectors/src/roster.rs: does not name collectors/src/block",
            "collectors/src/roster.rs: names a part of collectors/src/nic twice",
            "isolators/src/roster.rs: is missing, and isolators/src holds cgroup",
        ]
    );
}
