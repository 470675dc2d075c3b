//! Chosen columns of files that write a line of names above a line of numbers, as `/proc/net/snmp` does.

use facts::Family;
use facts::sheet::Writing;

use super::keyed::named;
use super::netstat;
use crate::columns;

/// The most pairs of lines that are remembered; the kernel writes a dozen.
const MOST_PAIRS: usize = 64;

/// One pair of lines: its names as they were, and which columns are ours.
#[derive(Debug)]
struct Pair {
    names: Box<[u8]>,
    columns: Vec<(usize, &'static Family)>,
}

/// What is remembered of one file.
#[derive(Debug, Default)]
pub(super) struct Select(Vec<Pair>);

impl Select {
    /// Writes the chosen columns of a file.
    pub(super) fn write(&mut self, text: &[u8], sheet: &mut Writing<'_>) {
        let mut lines = columns::lines(text);
        let mut at = 0;
        while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
            if let Some(pair) = self.pair(at, names) {
                pair.write(numbers, sheet);
            }
            at += 1;
        }
    }

    fn pair(&mut self, at: usize, names: &[u8]) -> Option<&Pair> {
        let is_known = self.0.get(at).is_some_and(|pair| *pair.names == *names);
        if !is_known {
            let pair = Pair::new(names);
            match self.0.get_mut(at) {
                Some(place) => *place = pair,
                None if at < MOST_PAIRS => self.0.push(pair),
                None => {}
            }
        }
        self.0.get(at)
    }
}

impl Pair {
    fn new(names: &[u8]) -> Pair {
        let mut words = columns::words(names);
        let protocol = words.next().and_then(columns::name).unwrap_or_default();
        let protocol = protocol.trim_end_matches(':').to_owned();
        let columns = words.enumerate().filter_map(|(at, name)| {
            let name = columns::name(name)?;
            let family = named(netstat::TABLE, &format!("node_netstat_{protocol}_{name}"))?;
            Some((at, family))
        });
        Pair {
            columns: columns.collect(),
            names: names.into(),
        }
    }

    fn write(&self, numbers: &[u8], sheet: &mut Writing<'_>) {
        let mut wanted = self.columns.iter();
        let Some(mut next) = wanted.next() else { return };
        // The first word is the protocol again.
        for (at, word) in columns::words(numbers).skip(1).enumerate() {
            if at != next.0 {
                continue;
            }
            let number = columns::signed(word).map(float);
            if number.is_none() {
                sheet.invalid();
            }
            sheet.add(next.1, &[], number);
            match wanted.next() {
                Some(more) => next = more,
                None => return,
            }
        }
    }
}

/// The nearest float of a number that may be negative (`Tcp: MaxConn -1`).
pub(super) fn float(number: i64) -> f64 {
    let size = columns::float(number.unsigned_abs());
    if number < 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use facts::Pad;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_found_by_their_names() {
        let mut select = Select::default();
        let mut pad = Pad::default();
        let mut turn = |text: &[u8]| {
            let mut sheet = pad.begin();
            select.write(text, &mut sheet);
            let sheet = sheet.finish();
            let rows = sheet.iter().map(|(row, number)| (row.family.name, number));
            (rows.collect::<Vec<_>>(), sheet.invalid())
        };
        let (rows, invalid) = turn(b"Tcp: MaxConn InSegs CurrEstab\nTcp: -1 7 x\nIp: Forwarding\nIp: 1\n");
        assert_eq!(
            rows,
            [
                ("node_netstat_Tcp_InSegs", facts::Number::Float(7.0)),
                ("node_netstat_Tcp_CurrEstab", facts::Number::Nothing),
                ("node_netstat_Ip_Forwarding", facts::Number::Float(1.0)),
            ]
        );
        assert_eq!(invalid, 1);
        let (rows, _) = turn(b"Tcp: InSegs\nTcp: 8 9\nIp: Forwarding\n");
        assert_eq!(rows, [("node_netstat_Tcp_InSegs", facts::Number::Float(8.0))]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "((Tcp|Ip|Udp): (InSegs|Forwarding|InErrors|[0-9-]{1,21}|\\PC)( [0-9]{1,3})*\\n){0,6}") {
            let mut pad = Pad::default();
            let mut select = Select::default();
            for _ in 0..2 {
                let mut sheet = pad.begin();
                select.write(text.as_bytes(), &mut sheet);
                sheet.finish();
            }
        }
    }
}
