//! `/proc/net/sockstat` and `sockstat6`: which family each of its numbers is, remembered by its place.

use facts::Family;
use facts::sheet::Writing;

use super::{netstat, timex};
use crate::columns;

/// The most numbers of a file that are remembered; the kernel writes a dozen.
const MOST_NUMBERS: usize = 64;

/// A number of the file: its protocol and its key, and its families: as it is, and in bytes.
#[derive(Debug)]
struct Known {
    protocol: Box<[u8]>,
    key: Box<[u8]>,
    families: [Option<&'static Family>; 2],
}

/// What is remembered of one file.
#[derive(Debug, Default)]
pub(super) struct Sockets(Vec<Known>);

impl Sockets {
    /// `TCP: inuse 5 orphan 0 tw 3 alloc 5 mem 161`.
    pub(super) fn write(&mut self, text: &[u8], sheet: &mut Writing<'_>) {
        let mut at = 0;
        for line in columns::lines(text) {
            let mut words = columns::words(line);
            let Some(protocol) = words.next().and_then(|word| word.strip_suffix(b":")) else {
                continue;
            };
            while let (Some(key), Some(number)) = (words.next(), words.next()) {
                let [plain, in_bytes] = self.families(at, protocol, key);
                at += 1;
                let Some(number) = columns::whole(number) else {
                    sheet.invalid();
                    continue;
                };
                if let Some(family) = plain {
                    sheet.add(family, &[], Some(number));
                }
                if let Some(family) = in_bytes {
                    sheet.add(family, &[], number.checked_mul(timex::page_bytes()));
                }
            }
        }
    }

    fn families(&mut self, at: usize, protocol: &[u8], key: &[u8]) -> [Option<&'static Family>; 2] {
        if let Some(known) = self.0.get(at)
            && *known.protocol == *protocol
            && *known.key == *key
        {
            return known.families;
        }
        let families = [&b""[..], b"_bytes"].map(|unit| found(protocol, key, unit));
        let known = Known {
            protocol: protocol.into(),
            key: key.into(),
            families,
        };
        match self.0.get_mut(at) {
            Some(place) => *place = known,
            None if at < MOST_NUMBERS => self.0.push(known),
            None => {}
        }
        families
    }
}

/// The family of a protocol's number, without putting its name together.
fn found(protocol: &[u8], key: &[u8], unit: &[u8]) -> Option<&'static Family> {
    netstat::TABLE.iter().copied().find(|family| {
        let name = family.name.as_bytes();
        let rest = name
            .strip_prefix(b"node_sockstat_")
            .and_then(|rest| rest.strip_prefix(protocol));
        let rest = rest.and_then(|rest| rest.strip_prefix(b"_")?.strip_prefix(key));
        rest == Some(unit)
    })
}

#[cfg(test)]
mod tests {
    use facts::{Number, Pad};
    use proptest::prelude::*;

    use super::*;

    fn rows(sockets: &mut Sockets, text: &[u8]) -> Vec<(&'static str, Number)> {
        let mut pad = Pad::default();
        let mut sheet = pad.begin();
        sockets.write(text, &mut sheet);
        let sheet = sheet.finish();
        sheet
            .iter()
            .map(|(row, number)| (row.family.name, number))
            .collect()
    }

    #[test]
    fn sockets_have_their_own_names() {
        let mut sockets = Sockets::default();
        let text = b"sockets: used 24\nTCP: inuse 5 mem 161\nTCP6: inuse x\nFRAG: inuse\n";
        let pages = timex::page_bytes();
        let expected = [
            ("node_sockstat_sockets_used", Number::Whole(24)),
            ("node_sockstat_TCP_inuse", Number::Whole(5)),
            ("node_sockstat_TCP_mem", Number::Whole(161)),
            ("node_sockstat_TCP_mem_bytes", Number::Whole(161 * pages)),
        ];
        for _ in 0..2 {
            assert_eq!(rows(&mut sockets, text), expected);
        }
        let other = rows(&mut sockets, b"UDP: inuse 2 mem 0\n");
        assert_eq!(
            other.first(),
            Some(&("node_sockstat_UDP_inuse", Number::Whole(2)))
        );
        assert_eq!(rows(&mut sockets, text), expected);
    }

    proptest! {
        #[test]
        fn what_is_remembered_changes_nothing(one in "((TCP|UDP|x):( (inuse|mem|y) [0-9x]{1,3}){0,3}\n){0,4}", other in "((TCP|UDP|x):( (inuse|mem|y) [0-9x]{1,3}){0,3}\n){0,4}") {
            let mut sockets = Sockets::default();
            rows(&mut sockets, one.as_bytes());
            prop_assert_eq!(rows(&mut sockets, other.as_bytes()), rows(&mut Sockets::default(), other.as_bytes()));
        }
    }
}
