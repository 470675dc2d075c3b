//! A cpio archive in the kernel's format for an initramfs (`newc`; Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::path::Path;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// The console's device number: the kernel gives its own init standard streams only where this node exists.
const CONSOLE: (u32, u32) = (5, 1);

/// An archive that is being written.
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
    seen: BTreeSet<String>,
}

impl Archive {
    /// An archive with the console and nothing else.
    pub fn new() -> Archive {
        let mut archive = Archive {
            bytes: Vec::new(),
            entries: 0,
            seen: BTreeSet::new(),
        };
        archive.entry("dev", DIRECTORY, &[], (0, 0));
        archive.entry("dev/console", CHARACTER_DEVICE, &[], CONSOLE);
        archive
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
        if !self.seen.insert(path.to_owned()) {
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
}
