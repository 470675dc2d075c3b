//! Packages of the distribution for a guest, with the libraries that they depend on: unpacked below the build outputs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::fetch;
use crate::packages;
use crate::place::Place;
use crate::progress::Screen;

/// What `apt-cache depends` is to leave out.
const ONLY_NEEDS: [&str; 6] = [
    "--no-recommends",
    "--no-suggests",
    "--no-conflicts",
    "--no-breaks",
    "--no-replaces",
    "--no-enhances",
];
/// How its lines begin that name what a package cannot do without.
const NEEDS: [&str; 2] = ["Depends: ", "PreDepends: "];
/// What stands before such a line where the next one would do as well.
const OR: char = '|';
/// What a program is linked with comes in packages of such names; the rest of what a package depends on is for its installation.
const LIBRARY: &str = "lib";
/// Written when all of it is there.
const WHOLE: &str = "whole";

/// Fetches and unpacks what is not there yet; answers where it is, or why it is not.
pub fn fetch(place: &Place, screen: &Screen, names: &[String], may: bool) -> Result<PathBuf, String> {
    let folder = place.tools().join(format!("lab-{}", names.join("-")));
    let (tree, whole) = (folder.join("tree"), folder.join(WHOLE));
    if whole.is_file() {
        return Ok(tree);
    }
    if !may {
        return Err(format!("--no-install: {} are not fetched", names.join(", ")));
    }
    if !packages::can_fetch() {
        return Err(format!(
            "it needs {}, which can only be fetched on Debian and Ubuntu",
            names.join(", ")
        ));
    }
    let all = with_libraries(place, names)?;
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    fetch::all(place, screen, &names.join(", "), &all, &tree)?;
    fs::write(&whole, "").map_err(|err| format!("cannot write {}: {err}", whole.display()))?;
    Ok(tree)
}

/// The packages, and the libraries that they and these depend on.
fn with_libraries(place: &Place, names: &[String]) -> Result<BTreeSet<String>, String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    let mut next: BTreeSet<String> = names.iter().cloned().collect();
    while !next.is_empty() {
        let answer = place
            .command("apt-cache")
            .arg("depends")
            .args(ONLY_NEEDS)
            .args(&next)
            .output()
            .map_err(|err| format!("cannot start apt-cache: {err}"))?;
        if !answer.status.success() {
            let why = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            return Err(format!("apt-cache depends: {why}; try: apt-get update"));
        }
        all.append(&mut next);
        let needed = libraries_in(&String::from_utf8_lossy(&answer.stdout));
        next = needed.difference(&all).cloned().collect();
    }
    Ok(all)
}

/// The libraries that an answer of `apt-cache depends` names.
fn libraries_in(answer: &str) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    let mut is_other = false;
    for line in answer.lines().map(str::trim_start) {
        let plain = line.trim_start_matches(OR);
        if let Some(name) = NEEDS.iter().find_map(|start| plain.strip_prefix(start)) {
            if !is_other && name.starts_with(LIBRARY) {
                needed.insert(name.to_owned());
            }
            is_other = plain.len() < line.len();
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_told_from_what_an_installation_needs() {
        let answer = "systemd\n  PreDepends: libc6\n  Depends: libmount1\n |Depends: libsystemd0\n  Depends: libelogind0\n  \
                      Depends: mount\n    libc6\n  Depends: <default-dbus>\n";
        let libraries: Vec<String> = libraries_in(answer).into_iter().collect();
        assert_eq!(libraries, ["libc6", "libmount1", "libsystemd0"]);
    }
}
