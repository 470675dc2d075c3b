//! Interrupts by CPU: `/proc/interrupts` and `/proc/softirqs`. Pure.

use std::collections::BTreeMap;

use facts::{CpuId, CpuSet};

/// The most rows that are read; a machine with 4,096 queues of devices stays below.
const MOST_ROWS: usize = 16_384;

/// Times each interrupt came, by CPU.
pub type Counts = BTreeMap<String, Row>;

/// One interrupt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// What the kernel calls it: the device's name, or a sentence of the kernel's own ones.
    pub about: String,
    /// Times it came, on each of the CPUs that were asked for.
    pub times: BTreeMap<CpuId, u64>,
}

/// Reads a table with a head of `CPU0 CPU1 …` and a row for each interrupt, of these CPUs only.
pub fn table(text: &str, cpus: &CpuSet) -> Counts {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let columns: Vec<Option<CpuId>> = head
        .split_whitespace()
        .map(|word| Some(CpuId(word.strip_prefix("CPU")?.parse().ok()?)))
        .collect();
    let mut counts = Counts::new();
    for line in lines.take(MOST_ROWS) {
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        let mut row = Row::default();
        let mut words = rest.split_whitespace();
        let mut about: Vec<&str> = Vec::new();
        for column in &columns {
            let Some(word) = words.next() else { break };
            let Ok(times) = word.parse() else {
                // A row such as ERR has one number for all CPUs.
                about.push(word);
                break;
            };
            if let Some(cpu) = column.filter(|cpu| cpus.contains(*cpu)) {
                row.times.insert(cpu, times);
            }
        }
        about.extend(words);
        row.about = about.join(" ");
        counts.insert(name.trim().to_owned(), row);
    }
    counts
}

/// What came between two readings: the CPUs where it came, and how many times. What did not come is left out.
pub fn between(before: &Counts, after: &Counts) -> BTreeMap<String, (CpuSet, u64, String)> {
    let mut came = BTreeMap::new();
    for (name, row) in after {
        let earlier = before.get(name);
        let (mut cpus, mut times) = (CpuSet::new(), 0_u64);
        for (cpu, count) in &row.times {
            let old = earlier.and_then(|row| row.times.get(cpu)).copied().unwrap_or(0);
            let more = count.saturating_sub(old);
            if more > 0 {
                cpus.insert(*cpu);
                times = times.saturating_add(more);
            }
        }
        if times > 0 {
            came.insert(name.clone(), (cpus, times, row.about.clone()));
        }
    }
    came
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BEFORE: &str = "           CPU0       CPU2\n 24:          1          5  IO-APIC   5-edge      ACPI:Ged\n\
                          LOC:    6781444    6741229   Local timer interrupts\nERR:          0\n";

    #[test]
    fn what_came_on_our_cpus_is_told_and_nothing_else() {
        let cpus: CpuSet = "2".parse().unwrap();
        let before = table(BEFORE, &cpus);
        let later = BEFORE.replace("6741229", "6741239").replace("6781444", "9781444");
        let came = between(&before, &table(&later, &cpus));
        let expected = (cpus, 10, "Local timer interrupts".to_owned());
        assert_eq!(came, BTreeMap::from([("LOC".to_owned(), expected)]));
        assert_eq!(before["24"].about, "IO-APIC 5-edge ACPI:Ged");
    }

    #[test]
    fn softirqs_have_the_same_form() {
        let text = "                    CPU0       CPU1\n          HI:          0          1\n      NET_RX:       1         2\n";
        let table = table(text, &"0-1".parse().unwrap());
        assert_eq!(table["NET_RX"].times[&CpuId(1)], 2);
    }
}
