//! Network counters: bytes, packets, errors and drops of each interface (proc_pid_net(5), `dev`).

pub mod families;

use std::time::Duration;

use facts::observation::Observation;
use facts::sheet::{Pad, Writing};

use crate::collector::{CollectError, Collector};
use crate::columns;
use crate::line_table::{Entry, LineTable};
use crate::node_names::network as n;
use crate::root::Root;
use crate::roster::Wishes;
use families as f;

const DEV: &str = "proc/net/dev";
const CLASS: &str = "sys/class/net";

/// Columns of each interface: eight received, eight sent.
pub(crate) const COLUMNS: usize = 16;

/// Where the columns of ours stand: received and sent.
const OURS: [(&facts::Family, usize, usize); 4] = [
    (&f::BYTES, 0, 8),
    (&f::PACKETS, 1, 9),
    (&f::ERRORS, 2, 10),
    (&f::DROPS, 3, 11),
];

/// One interface.
#[derive(Debug)]
struct Device {
    name: Box<str>,
    has_hardware: bool,
    counts: [u64; COLUMNS],
}

impl Entry for Device {
    type Line<'t> = (&'t str, [u64; COLUMNS]);
    const EXPECTED: &'static str = "lines as in \"eth0: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0\"";
    /// A host of many containers has thousands of virtual ones, which are no hardware.
    const MOST: usize = 4096;

    fn is_heading(line: &[u8]) -> bool {
        line.contains(&b'|')
    }

    fn parse(line: &[u8]) -> Option<Self::Line<'_>> {
        parse(line)
    }

    fn is(&self, (name, _): &Self::Line<'_>) -> bool {
        *self.name == **name
    }

    fn take(&mut self, (_, counts): &Self::Line<'_>) {
        self.counts = *counts;
    }
}

/// Reads `/proc/net/dev`.
pub struct NetworkCollector {
    root: Root,
    wishes: Wishes,
    devices: LineTable<Device>,
    pad: Pad,
}

/// Name and counts of one line; `None` for the two headings and for what is broken.
fn parse(line: &[u8]) -> Option<(&str, [u64; COLUMNS])> {
    // The last colon: an alias has one in its name (`eth0:1`), numbers have none.
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let (name, rest) = line.split_at(colon);
    let mut counts = [0; COLUMNS];
    let seen = columns::fill(&mut counts, rest.strip_prefix(b":")?)?;
    let name = columns::name(name.trim_ascii())?;
    (seen == COLUMNS).then_some((name, counts))
}

impl NetworkCollector {
    /// Of this root.
    pub fn new(root: Root, wishes: &Wishes) -> NetworkCollector {
        NetworkCollector {
            wishes: wishes.clone(),
            devices: LineTable::new(&root, DEV),
            root,
            pad: Pad::default(),
        }
    }

    fn write(&self, sheet: &mut Writing<'_>) {
        let hardware = || self.devices.entries().iter().filter(|device| device.has_hardware);
        for (family, received, sent) in OURS {
            for device in hardware() {
                for (direction, at) in [("receive", received), ("transmit", sent)] {
                    sheet.add(family, &[&device.name, direction], device.counts.get(at).copied());
                }
            }
        }
        if self.wishes.node_names {
            let devices = self.devices.entries().iter();
            for device in devices.filter(|device| &*device.name != n::LEFT_OUT) {
                for (family, count) in n::TABLE.iter().zip(device.counts) {
                    sheet.add(family, &[&device.name], Some(count));
                }
            }
        }
    }
}

impl Collector for NetworkCollector {
    fn name(&self) -> &'static str {
        "network"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn is_cheap(&self) -> bool {
        true
    }

    fn subsystems(&self) -> &'static [&'static str] {
        &["net"]
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        let root = &self.root;
        let invalid = self.devices.read(|(name, counts)| Device {
            has_hardware: root.has(&format!("{CLASS}/{name}/device")),
            name: (*name).into(),
            counts: *counts,
        })?;
        let mut pad = std::mem::take(&mut self.pad);
        let mut sheet = pad.begin();
        for _ in 0..invalid {
            sheet.invalid();
        }
        self.write(&mut sheet);
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
    fn a_line_is_an_interface_or_nothing() {
        let line = b"  eth0: 11 12 13 14 15 16 17 18 21 22 23 24 25 26 27 28";
        let (name, counts) = parse(line).unwrap();
        assert_eq!((name, counts[0], counts[8], counts[15]), ("eth0", 11, 21, 28));
        // Old kernels leave no blank behind the colon.
        let (name, counts) = parse(b"eth0:1:99 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15").unwrap();
        assert_eq!((name, counts[0]), ("eth0:1", 99));
        for bad in [
            &b""[..],
            b"eth0:",
            b"eth0: 1 2 3",
            b": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            b"eth0: 1 2 3 4 5 6 7 8 -9 10 11 12 13 14 15 16",
            b"\xff: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            b"eth0: 18446744073709551616 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        ] {
            assert_eq!(parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_interface_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_the_kernel_writes_is_read(name in "[a-z][a-z0-9.@-]{0,14}", counts: [u64; 16]) {
            let numbers = counts.map(|count| count.to_string()).join(" ");
            let line = format!("{name:>6}: {numbers}");
            prop_assert_eq!(parse(line.as_bytes()), Some((&*name, counts)));
        }
    }
}
