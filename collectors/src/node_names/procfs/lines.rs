//! The small files' lines.

use facts::sheet::Writing;

use super::families as f;
use crate::columns;

/// Nanoseconds of a second: `/proc/schedstat` tells them since version 15.
const NANOSECONDS: f64 = 1e9;

/// The columns of `/proc/net/softnet_stat`; the CPU's number stands in the last of them since 5.10.
const SOFTNET_COLUMNS: usize = 13;

/// The most interfaces with neighbours.
const MOST_INTERFACES: usize = 4096;

/// `0.74 0.63 0.82 1/123 4567`.
pub(super) fn write_load(text: &[u8], sheet: &mut Writing<'_>) {
    let mut words = columns::words(text.trim_ascii());
    for family in [&f::LOAD1, &f::LOAD5, &f::LOAD15] {
        let load: Option<f64> = words
            .next()
            .and_then(columns::name)
            .and_then(|word| word.parse().ok());
        let load = load.filter(|load| *load >= 0.0);
        if load.is_none() {
            sheet.invalid();
        }
        sheet.add(family, &[], load);
    }
}

/// The queues of all sockets: `tx_queue:rx_queue` in hexadecimal is the fifth word.
pub(in super::super) fn write_udp(text: &[u8], ip: &str, sheet: &mut Writing<'_>) {
    let (mut sent, mut received) = (0_u64, 0_u64);
    for line in columns::lines(text).skip(1) {
        let queues = columns::words(line).nth(4);
        let colon = queues.and_then(|queues| queues.iter().position(|byte| *byte == b':'));
        let Some((tx, rx)) = queues.zip(colon).map(|(queues, colon)| queues.split_at(colon)) else {
            sheet.invalid();
            continue;
        };
        let rx = rx.strip_prefix(b":").and_then(columns::hexadecimal);
        sent = sent.saturating_add(columns::hexadecimal(tx).unwrap_or(0));
        received = received.saturating_add(rx.unwrap_or(0));
    }
    sheet.add(&f::UDP_QUEUES, &["tx", ip], Some(sent));
    sheet.add(&f::UDP_QUEUES, &["rx", ip], Some(received));
}

/// `cpu0 0 0 0 0 0 0 1234 567 89`: the last three of nine are nanoseconds run, nanoseconds waited, and turns.
pub(super) fn write_schedstat(text: &[u8], sheet: &mut Writing<'_>) {
    for line in columns::lines(text) {
        let mut words = columns::words(line);
        let cpu = words.next().and_then(|word| word.strip_prefix(b"cpu"));
        let Some(cpu) = cpu
            .filter(|cpu| columns::whole(cpu).is_some())
            .and_then(columns::name)
        else {
            continue;
        };
        let mut numbers = words.skip(6).map(columns::whole);
        let mut next = || numbers.next().flatten();
        let (running, waiting, turns) = (next(), next(), next());
        let seconds =
            |nanoseconds: Option<u64>| nanoseconds.map(|number| columns::float(number) / NANOSECONDS);
        if turns.is_none() {
            sheet.invalid();
        }
        sheet.add(&f::SCHED_RUNNING, &[cpu], seconds(running));
        sheet.add(&f::SCHED_WAITING, &[cpu], seconds(waiting));
        sheet.add(&f::SCHED_TIMESLICES, &[cpu], turns);
    }
}

/// Labels that are kept from turn to turn, so that no row costs an allocation.
#[derive(Debug, Default)]
pub(super) struct Labels {
    cpus: Vec<String>,
    neighbours: Vec<(String, u64)>,
}

impl Labels {
    /// A line a CPU, in hexadecimal: processed, dropped, squeezed, …
    pub(super) fn write_softnet(&mut self, text: &[u8], sheet: &mut Writing<'_>) {
        for (at, line) in columns::lines(text).enumerate() {
            let mut numbers = [0; SOFTNET_COLUMNS];
            let mut seen = 0;
            for (place, word) in numbers.iter_mut().zip(columns::words(line)) {
                let Some(number) = columns::hexadecimal(word) else {
                    break;
                };
                *place = number;
                seen += 1;
            }
            let [processed, dropped, squeezed, .., told] = numbers;
            if seen < 3 {
                sheet.invalid();
                continue;
            }
            let known = if seen == SOFTNET_COLUMNS {
                usize::try_from(told).ok()
            } else {
                None
            };
            let cpu = self.cpu(known.unwrap_or(at));
            sheet.add(&f::SOFTNET_PROCESSED, &[cpu], Some(processed));
            sheet.add(&f::SOFTNET_DROPPED, &[cpu], Some(dropped));
            sheet.add(&f::SOFTNET_SQUEEZED, &[cpu], Some(squeezed));
        }
    }

    fn cpu(&mut self, cpu: usize) -> &str {
        // A number that no CPU can have stays without a label of its own.
        const MOST: usize = 65_536;
        while self.cpus.len() <= cpu && self.cpus.len() < MOST {
            self.cpus.push(self.cpus.len().to_string());
        }
        self.cpus.get(cpu).map_or("unknown", String::as_str)
    }

    /// Entries by interface, the last word of each line; a heading first.
    pub(super) fn write_arp(&mut self, text: &[u8], sheet: &mut Writing<'_>) {
        for (_, count) in &mut self.neighbours {
            *count = 0;
        }
        for line in columns::lines(text).skip(1) {
            let Some(device) = columns::words(line).last().and_then(columns::name) else {
                continue;
            };
            let known = self.neighbours.len();
            match self.neighbours.iter_mut().find(|(known, _)| known == device) {
                Some((_, count)) => *count += 1,
                None if known < MOST_INTERFACES => self.neighbours.push((device.to_owned(), 1)),
                None => sheet.invalid(),
            }
        }
        self.neighbours.retain(|(_, count)| *count > 0);
        for (device, count) in &self.neighbours {
            sheet.add(&f::ARP, &[device], Some(*count));
        }
    }
}

#[cfg(test)]
mod tests {
    use facts::{Number, Pad};
    use proptest::prelude::*;

    use super::*;

    fn rows(write: impl FnOnce(&mut Writing<'_>)) -> Vec<(String, Number)> {
        let mut pad = Pad::default();
        let mut sheet = pad.begin();
        write(&mut sheet);
        let sheet = sheet.finish();
        let rows = sheet.iter().map(|(row, number)| {
            let labels: Vec<&str> = row.labels.iter().collect();
            (
                format!("{} {}", row.family.name, labels.join(" "))
                    .trim()
                    .to_owned(),
                number,
            )
        });
        rows.collect()
    }

    #[test]
    fn softnet_takes_the_number_of_the_cpu_where_it_stands() {
        let old = rows(|sheet| Labels::default().write_softnet(b"0000000a 00000001 00000002 0\n", sheet));
        assert_eq!(
            old.first(),
            Some(&("node_softnet_processed_total 0".to_owned(), Number::Whole(10)))
        );
        let new = rows(|sheet| {
            Labels::default()
                .write_softnet(b"0a 1 2 0 0 0 0 0 0 0 0 0 00000005\nffffffffffffffffff\n", sheet);
        });
        assert_eq!(
            new.first(),
            Some(&("node_softnet_processed_total 5".to_owned(), Number::Whole(10)))
        );
        assert_eq!(new.len(), 3);
    }

    #[test]
    fn neighbours_that_go_are_gone() {
        let mut labels = Labels::default();
        let text =
            b"IP HW Flags\n1.2.3.4 0x1 0x2 aa * eth0\n1.2.3.5 0x1 0x2 ab * eth0\n1.2.3.6 0x1 0x2 ac * eth1\n";
        let both = rows(|sheet| labels.write_arp(text, sheet));
        assert_eq!(
            both,
            [
                ("node_arp_entries eth0".to_owned(), Number::Whole(2)),
                ("node_arp_entries eth1".to_owned(), Number::Whole(1))
            ]
        );
        assert_eq!(rows(|sheet| labels.write_arp(b"IP HW Flags\n", sheet)), []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "((cpu[0-9]|TCP:|sockets:|sl) [0-9a-f: -]*\\n){0,5}") {
            for text in [&bytes[..], text.as_bytes()] {
                let mut labels = Labels::default();
                rows(|sheet| {
                    write_load(text, sheet);
                    write_udp(text, "v4", sheet);
                    write_schedstat(text, sheet);
                    labels.write_softnet(text, sheet);
                    labels.write_arp(text, sheet);
                });
            }
        }
    }
}
