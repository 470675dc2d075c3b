//! A small machine written into a directory, as sysfs and procfs show it: links and all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A machine in a directory of its own; gone when dropped.
pub struct Tree {
    keep: tempfile::TempDir,
}

impl Tree {
    /// Nothing but the two directories that make a root.
    pub fn empty() -> Tree {
        let keep = tempfile::tempdir().unwrap();
        fs::create_dir(keep.path().join("sys")).unwrap();
        fs::create_dir(keep.path().join("proc")).unwrap();
        Tree { keep }
    }

    pub fn path(&self) -> &Path {
        self.keep.path()
    }

    pub fn at(&self, relative: &str) -> PathBuf {
        self.keep.path().join(relative)
    }

    pub fn write(&self, relative: &str, text: impl AsRef<[u8]>) -> &Tree {
        let path = self.at(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Several files below one directory.
    pub fn files(&self, directory: &str, files: &[(&str, &str)]) -> &Tree {
        for (name, text) in files {
            self.write(&format!("{directory}/{name}"), text);
        }
        self
    }

    /// A link at `relative` that leads to `target`, given from the top of the machine, by as many `..` as it takes.
    pub fn link(&self, relative: &str, target: &str) -> &Tree {
        let up = "../".repeat(relative.matches('/').count());
        fs::create_dir_all(self.at(relative).parent().unwrap()).unwrap();
        symlink(format!("{up}{target}"), self.at(relative)).unwrap();
        self
    }

    /// A PCI function on a NUMA node.
    pub fn pci(&self, address: &str, class: &str, id: (&str, &str), numa_node: &str) -> String {
        let device = format!("sys/devices/pci0000:00/{address}");
        let attributes = [
            ("class", class),
            ("vendor", id.0),
            ("device", id.1),
            ("numa_node", numa_node),
        ];
        self.files(&device, &attributes);
        self.link(&format!("sys/bus/pci/devices/{address}"), &device);
        device
    }
}
