//! What the kernel was built and started with: its configuration, where it shows one.

use std::collections::BTreeMap;
use std::io::Read;

use collectors::Root;
use flate2::read::GzDecoder;

const CONFIG_GZ: &str = "proc/config.gz";
const OSRELEASE: &str = "proc/sys/kernel/osrelease";
/// The longest configuration that is unpacked; those of distributions have 300 KiB.
const LONGEST_CONFIG: u64 = 8 << 20;

/// The options of the running kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where they were read; `None` where the kernel does not show them.
    pub file: Option<String>,
    set: BTreeMap<String, String>,
}

impl Options {
    /// Reads them: from `/proc/config.gz`, or what the distribution left in `/boot`.
    pub fn read(root: &Root) -> Options {
        let packed = root.read_bytes(CONFIG_GZ).ok().and_then(|bytes| {
            let mut text = String::new();
            let unpacked = GzDecoder::new(bytes.as_slice()).take(LONGEST_CONFIG);
            let mut unpacked = unpacked;
            unpacked.read_to_string(&mut text).ok()?;
            Some((CONFIG_GZ.to_owned(), text))
        });
        let beside = || {
            let file = format!("boot/config-{}", root.read(OSRELEASE).ok()?);
            let text = root.read(&file).ok()?;
            Some((file, text))
        };
        match packed.or_else(beside) {
            Some((file, text)) => Options {
                file: Some(file),
                set: parse(&text),
            },
            None => Options::default(),
        }
    }

    /// Whether an option is off for certain: the configuration is known and does not set it.
    pub fn is_off(&self, option: &str) -> bool {
        self.file.is_some() && !self.set.contains_key(option)
    }
}

/// `CONFIG_X=y` lines; `# CONFIG_X is not set` sets nothing.
pub(crate) fn parse(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        (name.starts_with("CONFIG_") && value != "n").then(|| (name.to_owned(), value.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn off_is_told_from_unknown() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("proc/sys/kernel")).unwrap();
        let root = Root::at(dir.path()).unwrap();
        assert!(!Options::read(&root).is_off("CONFIG_PSI"), "nothing is known");
        std::fs::write(dir.path().join("proc/sys/kernel/osrelease"), "6.1.0-21-amd64\n").unwrap();
        std::fs::create_dir(dir.path().join("boot")).unwrap();
        let text = "CONFIG_PSI=y\n# CONFIG_NUMA is not set\nCONFIG_EDAC=m\n";
        std::fs::write(dir.path().join("boot/config-6.1.0-21-amd64"), text).unwrap();
        let options = Options::read(&root);
        assert!(!options.is_off("CONFIG_PSI") && options.is_off("CONFIG_NUMA"));
        // What is no gzip is no configuration, and no end of us.
        std::fs::write(dir.path().join("proc/config.gz"), "\x1f\u{8b} no").unwrap();
        assert!(Options::read(&root).is_off("CONFIG_NUMA"));
    }

    proptest! {
        #[test]
        fn any_text_is_options(text in "\\PC*") {
            let _ = parse(&text);
        }
    }
}
