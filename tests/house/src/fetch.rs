//! Packages that are fetched and unpacked below the build outputs: installed, some would start a service or a new kernel.

use std::fs;
use std::path::{Path, PathBuf};

use crate::packages::{as_root, may_install};
use crate::place::Place;
use crate::progress::{Screen, Verdict};
use crate::steps;

/// Fetches the newest version of a package and unpacks it below `folder`. Answers why it could not.
pub fn unpack(place: &Place, screen: &Screen, package: &str, folder: &Path) -> Result<(), String> {
    all(place, screen, package, &[package], folder)
}

/// Fetches the newest versions of packages and unpacks them below `folder`, as one step. Answers why it could not.
pub fn all(
    place: &Place,
    screen: &Screen,
    title: &str,
    packages: &[&str],
    folder: &Path,
) -> Result<(), String> {
    let downloads = place.tools().join("download");
    for needed in [downloads.as_path(), folder] {
        fs::create_dir_all(needed).map_err(|err| format!("cannot make {}: {err}", needed.display()))?;
    }
    let mut running = screen.begin(title, None);
    running.advance("apt-get download (unpacked, not installed)");
    let log = place.log("fetch");
    let fetch = |running: &mut _| {
        let mut command = place.command("apt-get");
        command.arg("download").args(packages).current_dir(&downloads);
        steps::follow(command, &log, running, |_, _| {})
    };
    let mut ran = fetch(&mut running);
    if !ran.ok && may_install() {
        let update = as_root(place, &["apt-get", "update"]);
        steps::follow(update, &log, &mut running, |_, _| {});
        ran = fetch(&mut running);
    }
    for package in packages {
        if ran.ok {
            let file = newest(&downloads, package)?;
            let mut command = place.command("dpkg");
            command.arg("-x").arg(&file).arg(folder);
            ran = steps::follow(command, &log, &mut running, |_, _| {});
        }
    }
    let (verdict, detail) = if ran.ok {
        (Verdict::Pass, "fetched, not installed".to_owned())
    } else {
        (Verdict::Fail, format!("{}; log: {}", ran.why, log.display()))
    };
    running.end(verdict, &detail);
    if ran.ok {
        Ok(())
    } else {
        Err(format!("cannot fetch {title} ({})", ran.why))
    }
}

fn newest(folder: &Path, package: &str) -> Result<PathBuf, String> {
    let start = format!("{package}_");
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .map_err(|err| format!("cannot read {}: {err}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            name.is_some_and(|name| name.starts_with(&start) && name.ends_with(".deb"))
        })
        .collect();
    found.sort_by_key(|path| fs::metadata(path).and_then(|about| about.modified()).ok());
    found
        .pop()
        .ok_or_else(|| format!("apt-get left no {start}*.deb in {}", folder.display()))
}
