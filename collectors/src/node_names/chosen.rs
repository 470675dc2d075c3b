//! A file of lines with a key and a number of which few are wanted: where those stand is remembered, and the others are not looked at.

use facts::Family;
use facts::sheet::Writing;

use crate::columns;

/// The most wanted lines of a file; there are ten of `/proc/vmstat`'s two hundred, and twenty of `/proc/net/snmp6`'s hundred.
const MOST_WANTED: usize = 256;

/// A wanted line: its place among the lines, its key, its family.
#[derive(Debug)]
struct Wanted {
    at: usize,
    key: Box<[u8]>,
    family: &'static Family,
}

/// What is remembered of one file.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    wanted: Vec<Wanted>,
    /// How many lines the file has.
    lines: usize,
    /// The numbers of this turn; none where it is no number.
    numbers: Vec<Option<u64>>,
}

impl Chosen {
    /// Writes the wanted lines of a file. `is_fixed` says that its keys are written by a kernel that runs, whose lines come and go
    /// with their number: of such a file, the wanted lines and how many there are tell whether it is laid out as before.
    pub(super) fn write(
        &mut self,
        text: &[u8],
        is_fixed: bool,
        find: impl Fn(&str) -> Option<&'static Family>,
        sheet: &mut Writing<'_>,
    ) {
        if !(is_fixed && self.take(text)) {
            self.learn(text, find);
            self.take(text);
        }
        for (wanted, number) in self.wanted.iter().zip(&self.numbers) {
            if number.is_none() {
                sheet.invalid();
            }
            sheet.add(wanted.family, &[], *number);
        }
    }

    /// Takes the numbers; false where the file is laid out in another way.
    fn take(&mut self, text: &[u8]) -> bool {
        self.numbers.clear();
        let mut wanted = self.wanted.iter();
        let mut next = wanted.next();
        let mut lines = 0;
        for line in columns::lines(text) {
            if let Some(known) = next.filter(|known| known.at == lines) {
                let mut words = columns::words(line);
                if words.next() != Some(&*known.key) {
                    return false;
                }
                self.numbers.push(words.next().and_then(columns::whole));
                next = wanted.next();
            }
            lines += 1;
        }
        next.is_none() && lines == self.lines
    }

    fn learn(&mut self, text: &[u8], find: impl Fn(&str) -> Option<&'static Family>) {
        self.wanted.clear();
        self.lines = 0;
        for line in columns::lines(text) {
            let key = columns::words(line).next().unwrap_or_default();
            if let Some(family) = columns::name(key).and_then(&find)
                && self.wanted.len() < MOST_WANTED
            {
                let (at, key) = (self.lines, Box::from(key));
                self.wanted.push(Wanted { at, key, family });
            }
            self.lines += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use facts::{Number, Pad};
    use proptest::prelude::*;

    use super::super::keyed::named;
    use super::super::netstat;
    use super::*;

    fn find(key: &str) -> Option<&'static Family> {
        named(netstat::TABLE, &format!("node_vmstat_{key}"))
    }

    fn rows(chosen: &mut Chosen, text: &[u8], is_fixed: bool) -> (Vec<(&'static str, Number)>, u64) {
        let mut pad = Pad::default();
        let mut sheet = pad.begin();
        chosen.write(text, is_fixed, find, &mut sheet);
        let sheet = sheet.finish();
        let rows = sheet.iter().map(|(row, number)| (row.family.name, number));
        (rows.collect(), sheet.invalid())
    }

    #[test]
    fn lines_are_found_again_where_they_stood_and_anew_where_they_do_not() {
        let mut chosen = Chosen::default();
        for (text, expected, invalid) in [
            ("a 1\npgfault 7\nb 2\npswpin 9\n", vec![7, 9], 0),
            ("a 1\npgfault 8\nb 2\npswpin 9\n", vec![8, 9], 0),
            // A line more, one less, another key in its place, none at all.
            ("new 0\na 1\npgfault 8\nb 2\npswpin 9\n", vec![8, 9], 0),
            ("pgfault 8\nb 2\npswpin 10\n", vec![8, 10], 0),
            ("pswpin 11\nb 2\npgfault 8\n", vec![11, 8], 0),
            ("pswpin x\nb 2\npgfault\n", vec![], 2),
            ("", vec![], 0),
        ] {
            let (rows, bad) = rows(&mut chosen, text.as_bytes(), true);
            let numbers: Vec<Number> = rows.into_iter().map(|(_, number)| number).collect();
            let shown: Vec<Number> = numbers
                .into_iter()
                .filter(|number| *number != Number::Nothing)
                .collect();
            assert_eq!(
                shown,
                expected.into_iter().map(Number::Whole).collect::<Vec<_>>(),
                "{text:?}"
            );
            assert_eq!(bad, invalid, "{text:?}");
        }
    }

    proptest! {
        /// What was remembered of another file changes nothing of a file that nobody said to be fixed.
        #[test]
        fn any_two_files_are_read_each_by_itself(one in "((pgfault|pswpin|x)( [0-9x]{0,3})?\n){0,6}", other in "((pgfault|pswpin|x)( [0-9x]{0,3})?\n){0,6}") {
            let mut chosen = Chosen::default();
            rows(&mut chosen, one.as_bytes(), false);
            prop_assert_eq!(rows(&mut chosen, other.as_bytes(), false), rows(&mut Chosen::default(), other.as_bytes(), true));
        }
    }
}
