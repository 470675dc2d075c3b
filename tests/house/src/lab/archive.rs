//! A cpio archive in the kernel's format for an initramfs (`newc`; Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_000;
const RIGHTS: u32 = 0o7_777;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// The console's device number: the kernel gives its own init standard streams only where this node exists.
const CONSOLE: (u32, u32) = (5, 1);

/// Folders that are links into `usr` where a distribution has merged them (Debian, Ubuntu, Fedora).
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

/// An archive that is being written.
pub struct Archive {
    bytes: Vec<u8>,
    is_merged: bool,
    entries: u32,
    seen: BTreeSet<String>,
}

impl Archive {
    /// An archive with the console and nothing else.
    pub fn new() -> Archive {
        let mut archive = Archive {
            bytes: Vec::new(),
            is_merged: false,
            entries: 0,
            seen: BTreeSet::new(),
        };
        archive.entry("dev", DIRECTORY, &[], (0, 0));
        archive.entry("dev/console", CHARACTER_DEVICE, &[], CONSOLE);
        archive
    }

    /// From here on `bin`, `lib` and the like are links into `usr`, and what goes there goes to `usr`.
    pub fn merge(&mut self) {
        for name in MERGED {
            self.directory(&format!("usr/{name}"));
            self.link(name, &format!("usr/{name}"));
        }
        self.is_merged = true;
    }

    /// Where a path really is.
    fn real(&self, path: &str) -> String {
        let first = path.split('/').next().unwrap_or_default();
        if self.is_merged && first.len() < path.len() && MERGED.contains(&first) {
            format!("usr/{path}")
        } else {
            path.to_owned()
        }
    }

    /// An empty directory, with its parents.
    pub fn directory(&mut self, path: &str) {
        self.parents(path);
        self.entry(path, DIRECTORY, &[], (0, 0));
    }

    /// A program or any other file, from bytes.
    pub fn file(&mut self, path: &str, bytes: &[u8]) {
        self.parents(path);
        self.entry(path, PROGRAM, bytes, (0, 0));
    }

    /// A copy of a file of the host.
    pub fn copy(&mut self, from: &Path, path: &str) -> Result<(), String> {
        let bytes = std::fs::read(from).map_err(|err| format!("cannot read {}: {err}", from.display()))?;
        self.file(path, &bytes);
        Ok(())
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        self.entry(path, LINK, target.as_bytes(), (0, 0));
    }

    /// Everything below a folder, with its rights and its links as they are; what `skips` says of a path is left out.
    pub fn tree(&mut self, folder: &Path, skips: &dyn Fn(&str) -> bool) -> Result<(), String> {
        self.below(folder, "", skips)
            .map_err(|err| format!("cannot read {}: {err}", folder.display()))
    }

    fn below(&mut self, folder: &Path, at: &str, skips: &dyn Fn(&str) -> bool) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if at.is_empty() {
                name
            } else {
                format!("{at}/{name}")
            };
            if skips(&path) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.directory(&path);
                self.below(&entry.path(), &path, skips)?;
            } else if kind.is_symlink() {
                let target = std::fs::read_link(entry.path())?;
                self.link(&path, &target.to_string_lossy());
            } else if kind.is_file() {
                let rights = entry.metadata()?.permissions().mode() & RIGHTS;
                self.parents(&path);
                self.entry(&path, FILE | rights, &std::fs::read(entry.path())?, (0, 0));
            }
        }
        Ok(())
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[], (0, 0));
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        for (at, _) in path.match_indices('/') {
            if let Some(parent) = path.get(..at).filter(|parent| !parent.is_empty()) {
                self.entry(parent, DIRECTORY, &[], (0, 0));
            }
        }
    }

    /// One entry; a path that is there already is left as it is.
    fn entry(&mut self, path: &str, mode: u32, data: &[u8], device: (u32, u32)) {
        let path = self.real(path);
        if !self.seen.insert(path.clone()) {
            return;
        }
        self.entries += 1;
        let fields = [
            self.entries,
            mode,
            0,
            0,
            1,
            0,
            u32::try_from(data.len()).unwrap_or(u32::MAX),
            0,
            0,
            device.0,
            device.1,
            u32::try_from(path.len() + 1).unwrap_or(u32::MAX),
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_archive_holds_each_path_once_and_its_parents() {
        let mut archive = Archive::new();
        archive.file("usr/bin/a", b"12345");
        archive.file("usr/bin/b", b"");
        archive.link("bin", "usr/bin");
        let bytes = archive.finish();
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(
            text.matches("070701").count(),
            8,
            "console, dev, usr, usr/bin, a, b, bin, trailer"
        );
        assert!(bytes.len().is_multiple_of(4));
        assert!(text.contains("TRAILER!!!"));
    }

    #[test]
    fn a_tree_keeps_its_rights_and_links_and_what_was_there_first() {
        let folder = std::env::temp_dir().join(format!("busbar-tree-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("lib/doc")).unwrap();
        std::fs::write(folder.join("lib/plain"), "text").unwrap();
        std::fs::set_permissions(folder.join("lib/plain"), std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(folder.join("lib/doc/long"), "left out").unwrap();
        std::os::unix::fs::symlink("plain", folder.join("lib/link")).unwrap();
        let mut archive = Archive::new();
        archive.merge();
        archive.tree(&folder, &|path| path == "lib/doc").unwrap();
        let text = String::from_utf8_lossy(&archive.finish()).into_owned();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(
            text.contains(&format!("{:08X}", 0o100_640)),
            "the file's own rights"
        );
        assert!(!text.contains("left out") && text.contains("usr/lib/link"));
        let folders = text.matches(&format!("{DIRECTORY:08X}")).count();
        assert_eq!(
            folders,
            2 + MERGED.len(),
            "dev, usr and what is in it: lib is a link"
        );
    }
}
