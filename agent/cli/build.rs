//! Links what unwinds a panic into the program. As a library of its own (`libgcc_s.so.1`) it is searched, mapped and bound at each start
//! of a command that somebody waits for.

use std::path::Path;
use std::process::Command;

const ARCHIVE: &str = "libgcc_eh.a";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
    let (host, built_for) = (std::env::var("HOST"), std::env::var("TARGET"));
    if target != "gnu" || host != built_for {
        return;
    }
    // Part of every gcc. Where it is not found, the program loads the library as any other does.
    let asked = Command::new("cc")
        .arg(format!("-print-file-name={ARCHIVE}"))
        .output();
    let said = asked.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    let folder = said.ok().and_then(|file| {
        let file = Path::new(&file);
        file.is_file().then(|| file.parent().map(Path::to_owned))?
    });
    if let Some(folder) = folder {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}
