//! The guest's kernel and its shell: the distribution's own packages, unpacked and never installed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Wrong;
use crate::fetch;
use crate::packages;
use crate::place::Place;
use crate::progress::{Screen, Verdict};
use crate::steps;

/// Packages that stand for the newest kernel: Debian's and Ubuntu's.
const NEWEST: [&str; 2] = ["linux-image-amd64", "linux-image-generic"];
/// A busybox that needs no library.
const SHELL: &str = "busybox-static";
/// Where a package has its kernel.
const BOOT: &str = "boot";

/// What a guest boots.
pub struct Kernel {
    /// The kernel image.
    pub image: PathBuf,
    /// A static busybox.
    pub busybox: PathBuf,
    /// Where its package was unpacked, with its modules.
    pub folder: PathBuf,
}

impl Kernel {
    /// The kernel of another package that was unpacked here, with the same shell.
    pub fn instead(self, folder: PathBuf) -> Result<Kernel, Wrong> {
        let image = image_in(&folder).ok_or_else(|| {
            Wrong::Usage(format!(
                "{} holds no boot/vmlinuz-*; expected a kernel package that was unpacked with dpkg -x",
                folder.display()
            ))
        })?;
        Ok(Kernel {
            image,
            folder,
            ..self
        })
    }
}

/// The kernel image of an unpacked package.
fn image_in(folder: &Path) -> Option<PathBuf> {
    fs::read_dir(folder.join(BOOT))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        })
}

/// What has been fetched already.
pub fn fetched(place: &Place) -> Option<Kernel> {
    let folder = place.tools().join("lab");
    let image = image_in(&folder)?;
    let busybox = ["bin/busybox", "usr/bin/busybox"].map(|path| folder.join(path));
    let busybox = busybox.into_iter().find(|path| path.is_file())?;
    Some(Kernel {
        image,
        busybox,
        folder,
    })
}

/// Fetches what is missing.
pub fn fetch(place: &Place, screen: &Screen, may: bool) -> Result<Kernel, Wrong> {
    if let Some(kernel) = fetched(place) {
        return Ok(kernel);
    }
    if !may || !packages::can_fetch() {
        let why = if may {
            "this is neither Debian nor Ubuntu"
        } else {
            "--no-install"
        };
        return Err(Wrong::Failed(format!("{why}: the guest's kernel is not fetched")));
    }
    let folder = place.tools().join("lab");
    let newest = NEWEST.into_iter().find_map(|package| behind(place, package));
    let Some(image) = newest else {
        return Err(Wrong::Failed(format!(
            "apt knows no kernel package (tried {}); try: apt-get update",
            NEWEST.join(", ")
        )));
    };
    for package in [image.as_str(), SHELL] {
        fetch::unpack(place, screen, package, &folder).map_err(Wrong::Failed)?;
    }
    fetched(place).ok_or_else(|| {
        Wrong::Failed(format!(
            "{image} and {SHELL} hold no kernel or no busybox: see {}",
            folder.display()
        ))
    })
}

/// The package with the real kernel that a package for the newest one stands for.
fn behind(place: &Place, package: &str) -> Option<String> {
    let answer = place
        .command("apt-cache")
        .args(["depends", package])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    names
        .map(str::to_owned)
        .find(|name| name.starts_with("linux-image-"))
}

/// The name of a kernel, for people: what follows `vmlinuz-`.
pub fn name(image: &Path) -> String {
    let file = image
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    file.trim_start_matches("vmlinuz-").to_owned()
}

/// A step of the lab that did not work, shown like any other.
pub fn failed(screen: &Screen, title: &str, why: &str) -> String {
    screen.begin(title, None).end(Verdict::Fail, why);
    why.to_owned()
}

/// The end of a log, for an error.
pub fn end_of(log: &Path) -> String {
    steps::tail(log).join("\n    ")
}
