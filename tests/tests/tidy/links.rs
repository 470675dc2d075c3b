//! Links in pages: every relative link leads to a file of the house.

use std::collections::BTreeSet;

use crate::tree::Tree;

/// What begins a link that leaves the house.
const OUTSIDE: [&str; 3] = ["http://", "https://", "mailto:"];

/// Relative links that lead nowhere.
pub fn broken(tree: &Tree) -> Vec<String> {
    let mut known = BTreeSet::new();
    for leaf in &tree.leaves {
        let mut path = leaf.path.as_str();
        known.insert(path);
        while let Some((folder, _)) = path.rsplit_once('/') {
            known.insert(folder);
            path = folder;
        }
    }
    let mut offenders = Vec::new();
    for leaf in tree.leaves.iter().filter(|leaf| leaf.path.ends_with(".md")) {
        for (line, link) in links(&leaf.text) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || OUTSIDE.iter().any(|scheme| target.starts_with(scheme)) {
                continue;
            }
            let resolved = resolve(&leaf.path, target);
            if !resolved.as_deref().is_some_and(|path| known.contains(path)) {
                offenders.push(format!("{}:{line}: {target}", leaf.path));
            }
        }
    }
    offenders
}

/// Every link's line and target, outside fenced code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            if let Some((target, _)) = line[at + 2..].split_once(')') {
                let target = target.split(' ').next().unwrap_or_default();
                found.push((index + 1, target));
            }
        }
    }
    found
}

/// The path from the top that `target`, named on the page `page`, leads to; `None` when it leads out of the house.
fn resolve(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[test]
fn planted_broken_links_are_found() {
    let page = "[ok](../README.md#top) [folder](decisions/) [gone](gone.md)\n```\n[in code](nowhere.md)\n```\n[out](../../x.md) [web](https://example.org)\n";
    let tree = Tree::planted(&[
        ("docs/a.md", page),
        ("docs/decisions/1.md", ""),
        ("README.md", ""),
    ]);
    assert_eq!(broken(&tree), ["docs/a.md:1: gone.md", "docs/a.md:5: ../../x.md"]);
}
