//! Traffic of drives, as the kernel counts it (Documentation/admin-guide/iostats.rst).

pub mod families;

use std::time::Duration;

use facts::observation::Observation;
use facts::sheet::{Pad, Writing};

use crate::collector::{CollectError, Collector};
use crate::columns;
use crate::line_table::{Entry, LineTable};
use crate::node_names::disk as n;
use crate::root::Root;
use crate::roster::Wishes;
use families as f;

const DISKSTATS: &str = "proc/diskstats";
const CLASS: &str = "sys/class/block";

/// Columns behind the name: eleven, fifteen since 4.18 (discards), seventeen since 5.5 (flushes).
pub(crate) const COLUMNS: usize = 17;

/// The columns that every kernel has.
const FEWEST_COLUMNS: usize = 11;

/// A sector of this file, whatever the drive's own is.
pub(crate) const SECTOR: u64 = 512;

/// This file tells milliseconds.
pub(crate) const MILLISECONDS: f64 = 1000.0;

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line<'t> {
    major: u64,
    minor: u64,
    name: &'t str,
    counts: [u64; COLUMNS],
    columns: usize,
}

/// One device.
#[derive(Debug)]
struct Device {
    name: Box<str>,
    is_drive: bool,
    /// The labels of `node_disk_info`, where that is wished and the device is shown there.
    about: Option<n::About>,
    counts: [u64; COLUMNS],
    columns: usize,
}

/// Reads `/proc/diskstats`.
pub struct DiskIoCollector {
    root: Root,
    wishes: Wishes,
    devices: LineTable<Device>,
    pad: Pad,
}

fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut words = columns::words(line);
    let major = columns::whole(words.next()?)?;
    let minor = columns::whole(words.next()?)?;
    let name = columns::name(words.next()?)?;
    let mut counts = [0; COLUMNS];
    let mut seen = 0;
    for (place, word) in counts.iter_mut().zip(words) {
        *place = columns::whole(word)?;
        seen += 1;
    }
    (seen >= FEWEST_COLUMNS).then_some(Line {
        major,
        minor,
        name,
        counts,
        columns: seen,
    })
}

impl DiskIoCollector {
    /// Of this root.
    pub fn new(root: Root, wishes: &Wishes) -> DiskIoCollector {
        DiskIoCollector {
            wishes: wishes.clone(),
            devices: LineTable::new(&root, DISKSTATS),
            root,
            pad: Pad::default(),
        }
    }
}

impl Entry for Device {
    type Line<'t> = Line<'t>;
    const EXPECTED: &'static str = "lines as in \"8 0 sda 1 2 3 4 5 6 7 8 9 10 11\"";
    /// Above what a full rack of drives with all their partitions has.
    const MOST: usize = 8192;

    fn parse(line: &[u8]) -> Option<Line<'_>> {
        parse(line)
    }

    fn is(&self, line: &Line<'_>) -> bool {
        *self.name == *line.name
    }

    fn take(&mut self, line: &Line<'_>) {
        (self.counts, self.columns) = (line.counts, line.columns);
    }
}

impl Device {
    fn new(root: &Root, wishes: &Wishes, line: &Line<'_>) -> Device {
        let about = (wishes.node_names && n::is_shown(line.name))
            .then(|| n::About::read(root, line.major, line.minor));
        Device {
            name: line.name.into(),
            // Hardware behind it, and the whole of it: partitions, loops and mappings have no `device`.
            is_drive: root.has(&format!("{CLASS}/{}/device", line.name)),
            about,
            counts: line.counts,
            columns: line.columns,
        }
    }

    fn count(&self, at: usize) -> Option<u64> {
        self.counts.get(at).copied().filter(|_| at < self.columns)
    }

    fn seconds(&self, at: usize) -> Option<f64> {
        self.count(at).map(|count| columns::float(count) / MILLISECONDS)
    }

    fn write(&self, sheet: &mut Writing<'_>) {
        for (direction, at) in [("read", 0), ("write", 4)] {
            let labels = [&*self.name, direction];
            let sectors = self.count(at + 2);
            let bytes = sectors.and_then(|sectors| sectors.checked_mul(SECTOR));
            if sectors.is_some() && bytes.is_none() {
                sheet.invalid();
            }
            sheet.add(&f::OPERATIONS, &labels, self.count(at));
            sheet.add(&f::BYTES, &labels, bytes);
            sheet.add(&f::WAIT, &labels, self.seconds(at + 3));
        }
        sheet.add(&f::BUSY, &[&self.name], self.seconds(9));
    }
}

impl Collector for DiskIoCollector {
    fn name(&self) -> &'static str {
        "disk_io"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["block"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let (root, wishes) = (&self.root, &self.wishes);
        let invalid = self.devices.read(|line| Device::new(root, wishes, line))?;
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        for _ in 0..invalid {
            sheet.invalid();
        }
        for device in self.devices.entries() {
            if device.is_drive {
                device.write(&mut sheet);
            }
            if let Some(about) = &device.about {
                n::write(&device.name, about, |at| device.count(at), &mut sheet);
            }
        }
        let sheet = sheet.finish();
        self.pad = pad;
        Ok(Observation {
            sheet: Some(sheet),
            ..Observation::default()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kernels_differ_in_their_columns() {
        let old = parse(b"   8       0 sda 1 2 3 4 5 6 7 8 9 10 11").unwrap();
        assert_eq!((old.major, old.minor, old.name, old.columns), (8, 0, "sda", 11));
        let new = parse(b" 259 3 nvme3n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18").unwrap();
        assert_eq!((new.columns, new.counts[16]), (17, 17));
        for bad in [
            &b""[..],
            b"8 0 sda",
            b"8 0 sda 1 2 3 4 5 6 7 8 9 10",
            b"8 0 sda 1 2 3 4 5 6 7 8 -9 10 11",
            b"8 x sda 1 2 3 4 5 6 7 8 9 10 11",
            b"8 0 \xff 1 2 3 4 5 6 7 8 9 10 11",
        ] {
            assert_eq!(parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_drive_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_the_kernel_writes_is_read(name in "[a-z][a-z0-9!-]{0,14}", counts in proptest::collection::vec(any::<u64>(), 11..18)) {
            let numbers: Vec<String> = counts.iter().map(u64::to_string).collect();
            let line = format!("   8      16 {name} {}", numbers.join(" "));
            let line = parse(line.as_bytes()).unwrap();
            prop_assert_eq!(line.name, &*name);
            prop_assert_eq!(&line.counts[..line.columns], &counts[..]);
        }
    }
}
