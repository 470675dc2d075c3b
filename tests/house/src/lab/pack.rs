//! What a guest has: our programs with their libraries, what its story asks for, and the modules that are loaded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::archive::Archive;
use super::kernel::Kernel;
use super::modules::Modules;
use super::story::Story;
use crate::place::{Place, on_path};

/// Programs of ours in the guest, where its story asks for no others.
const PROGRAMS: [&str; 2] = ["busbar-agent", "busbar"];

/// What a story is told by whoever runs it; it stands in the guest's `/given`.
const GIVEN: &str = "BUSBAR_LAB";
/// What the stop watch is called in the guest (`house prove-turns`).
const HOUSE: &str = "bin/house";
/// What of a package is only for people or for other languages.
const LEFT_OUT: [&str; 7] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bash-completion",
    "usr/share/zsh",
];

/// The archive for a story's guest; `packages` is where its packages were unpacked.
pub fn pack(
    place: &Place,
    kernel: &Kernel,
    story: &Story,
    packages: Option<&Path>,
) -> Result<Vec<u8>, String> {
    let mut archive = Archive::new();
    if packages.is_some() {
        archive.merge();
    }
    for folder in ["proc", "sys", "tmp", "run", "etc", "root"] {
        archive.directory(folder);
    }
    archive.copy(&kernel.busybox, "bin/busybox")?;
    archive.link("bin/sh", "busybox");
    archive.copy(&place.root.join("tests/lab/guest/init"), "init")?;
    archive.copy(&place.root.join("tests/lab/guest/words"), "words")?;
    archive.copy(&story.script, "story")?;
    let given = std::env::var(GIVEN).unwrap_or_default();
    archive.file("given", format!("{given}\n").as_bytes());
    for (from, to) in &story.files {
        archive.copy(&place.root.join(from), to)?;
    }
    if let Some(tree) = packages {
        archive.tree(tree, &|path| LEFT_OUT.contains(&path))?;
    }
    for (file, name) in programs(place, story)? {
        archive.file(&name, &bare(place, &file)?);
        for library in libraries(&file)? {
            let path = library.to_string_lossy().trim_start_matches('/').to_owned();
            archive.copy(&library, &path)?;
        }
    }
    pack_modules(&mut archive, kernel, story)?;
    Ok(archive.finish())
}

/// A program without what only a debugger reads, where binutils' `strip` is there: that is a third and more of a debug build, and an
/// emulated machine unpacks every byte of it before its first process starts.
fn bare(place: &Place, program: &Path) -> Result<Vec<u8>, String> {
    let small = place.records.join("lab-bare");
    let stripped = Command::new("strip")
        .arg("--strip-all")
        .arg("-o")
        .arg(&small)
        .arg(program)
        .output();
    let file = match stripped {
        Ok(output) if output.status.success() => &small,
        // It is as good as it is.
        Ok(_) | Err(_) => program,
    };
    std::fs::read(file).map_err(|err| format!("cannot read {}: {err}", file.display()))
}

/// The programs for the guest, and where it has them.
fn programs(place: &Place, story: &Story) -> Result<Vec<(PathBuf, String)>, String> {
    let mut files: Vec<PathBuf> = ours(place, story);
    let examples = place.binaries(false).join("examples");
    files.extend(story.examples.iter().map(|name| examples.join(name)));
    for name in &story.programs {
        files.push(on_path(name).ok_or_else(|| format!("the story needs {name}, which is not installed"))?);
    }
    let named = |file: PathBuf| {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        (file, format!("bin/{name}"))
    };
    let mut all: Vec<(PathBuf, String)> = files.into_iter().map(named).collect();
    if story.is_measured {
        let house = std::env::current_exe().map_err(|err| format!("cannot find this program: {err}"))?;
        all.push((house, HOUSE.to_owned()));
    }
    Ok(all)
}

/// Our programs: the optimised ones where something is measured.
pub fn ours(place: &Place, story: &Story) -> Vec<PathBuf> {
    let folder = place.binaries(story.is_measured);
    if story.ours.is_empty() {
        PROGRAMS.map(|program| folder.join(program)).to_vec()
    } else {
        story.ours.iter().map(|program| folder.join(program)).collect()
    }
}

/// The modules, and the list by which `init` loads them: a file and its parameters a line.
fn pack_modules(archive: &mut Archive, kernel: &Kernel, story: &Story) -> Result<(), String> {
    let mut list = String::new();
    if !story.modules.is_empty() {
        let modules = Modules::of(&kernel.folder)?;
        let mut loaded = BTreeSet::new();
        for (name, words) in &story.modules {
            let all = modules.with_needs(name, &mut loaded)?;
            let last = all.len().saturating_sub(1);
            for (at, module) in all.into_iter().enumerate() {
                let path = format!("modules/{}.ko", module.name);
                archive.file(&path, &module.bytes);
                let words = if at == last { words.as_str() } else { "" };
                list.push_str(&format!("/{path} {words}\n"));
            }
        }
    }
    archive.file("modules/list", list.as_bytes());
    Ok(())
}

/// The shared libraries of a program, as the loader finds them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let answer = Command::new("ldd")
        .arg(program)
        .output()
        .map_err(|err| format!("cannot start ldd: {err}"))?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    // A line is `libhwloc.so.15 => /usr/lib/…/libhwloc.so.15 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
    let paths = text
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}
