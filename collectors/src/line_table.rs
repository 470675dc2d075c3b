//! A file of the kernel with one line a device: its lines are taken into entries that stay until another device stands there.

use crate::collector::CollectError;
use crate::columns;
use crate::root::{Kept, Root};

/// One device of such a file.
pub(crate) trait Entry: Sized {
    /// A line as it was read.
    type Line<'t>;
    /// What a line looks like.
    const EXPECTED: &'static str;
    /// The most entries that are kept; lines beyond are counted as invalid.
    const MOST: usize;

    /// Whether a line speaks of no device and is none that is broken.
    fn is_heading(_line: &[u8]) -> bool {
        false
    }

    /// Reads a line; `None` for one that is broken.
    fn parse(line: &[u8]) -> Option<Self::Line<'_>>;

    /// Whether a line is of this device.
    fn is(&self, line: &Self::Line<'_>) -> bool;

    /// Takes its numbers.
    fn take(&mut self, line: &Self::Line<'_>);
}

/// The file, kept open, and its devices in the order of their lines.
pub(crate) struct LineTable<E> {
    file: Kept,
    buffer: Vec<u8>,
    entries: Vec<E>,
}

impl<E: Entry> LineTable<E> {
    /// Of this file.
    pub(crate) fn new(root: &Root, path: &str) -> LineTable<E> {
        LineTable {
            file: Kept::new(root, path),
            buffer: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// The devices as they were read last.
    pub(crate) fn entries(&self) -> &[E] {
        &self.entries
    }

    /// Reads the file. `new` looks at a device that was not there before, or not in this place. Gives how many lines were broken.
    ///
    /// # Errors
    /// When the file cannot be read, or holds nothing but broken lines.
    pub(crate) fn read(&mut self, new: impl Fn(&E::Line<'_>) -> E) -> Result<u64, CollectError> {
        let text = self.file.read(&mut self.buffer)?;
        let (mut seen, mut invalid) = (0, 0);
        for line in columns::lines(text) {
            if E::is_heading(line) {
                continue;
            }
            let Some(line) = E::parse(line).filter(|_| seen < E::MOST) else {
                invalid += 1;
                continue;
            };
            match self.entries.get_mut(seen).filter(|entry| entry.is(&line)) {
                Some(entry) => entry.take(&line),
                None => {
                    self.entries.truncate(seen);
                    self.entries.push(new(&line));
                }
            }
            seen += 1;
        }
        self.entries.truncate(seen);
        if seen == 0 && invalid > 0 {
            let found = String::from_utf8_lossy(text);
            return Err(CollectError::garbled(&self.file.shown(), E::EXPECTED, &found));
        }
        Ok(invalid)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `NAME NUMBER`, and how often it was looked at anew.
    struct Two(String, u64);

    impl Entry for Two {
        type Line<'t> = (&'t str, u64);
        const EXPECTED: &'static str = "a name and a number";
        const MOST: usize = 3;

        fn is_heading(line: &[u8]) -> bool {
            line.starts_with(b"#")
        }

        fn parse(line: &[u8]) -> Option<(&str, u64)> {
            let (name, number) = std::str::from_utf8(line).ok()?.split_once(' ')?;
            Some((name, number.parse().ok()?))
        }

        fn is(&self, (name, _): &(&str, u64)) -> bool {
            self.0 == *name
        }

        fn take(&mut self, (_, number): &(&str, u64)) {
            self.1 = *number;
        }
    }

    #[test]
    fn entries_stay_until_another_device_stands_in_their_place() {
        let machine = tempfile::tempdir().unwrap();
        std::fs::create_dir(machine.path().join("proc")).unwrap();
        let root = Root::at(machine.path()).unwrap();
        let mut table = LineTable::<Two>::new(&root, "proc/two");
        assert!(table.read(|_| Two(String::new(), 0)).is_err(), "there is no file");
        let looked = std::cell::Cell::new(0);
        for (text, expected, invalid, anew) in [
            ("# name\na 1\nb 2\n", &[("a", 1), ("b", 2)][..], 0, 2),
            ("# name\na 3\nb 4", &[("a", 3), ("b", 4)], 0, 0),
            ("# name\na 5\nbroken\nc 6\n", &[("a", 5), ("c", 6)], 1, 1),
            ("c 7\n", &[("c", 7)], 0, 1),
            ("", &[], 0, 0),
            ("a 1\nb 2\nc 3\nd 4\ne 5\n", &[("a", 1), ("b", 2), ("c", 3)], 2, 3),
        ] {
            std::fs::write(machine.path().join("proc/two"), text).unwrap();
            looked.set(0);
            let broken = table.read(|(name, number)| {
                looked.set(looked.get() + 1);
                Two((*name).to_owned(), *number)
            });
            assert_eq!((broken.unwrap(), looked.get()), (invalid, anew), "{text:?}");
            let seen: Vec<(&str, u64)> = table.entries().iter().map(|two| (&*two.0, two.1)).collect();
            assert_eq!(seen, expected, "{text:?}");
        }
        std::fs::write(machine.path().join("proc/two"), "N/A\n").unwrap();
        let error = table.read(|(name, number)| Two((*name).to_owned(), *number));
        assert!(error.unwrap_err().to_string().contains("a name and a number"));
        assert!(table.entries().is_empty(), "what was read before is gone");
    }
}
