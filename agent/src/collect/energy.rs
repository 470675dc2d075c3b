//! Energy counters without wraps: RAPL's wrap within minutes on a large machine.

use std::collections::BTreeMap;

use facts::power::PowerZone;
use facts::{Energy, Reading};

/// What is remembered of one zone.
#[derive(Clone, Copy, Debug)]
struct Counter {
    /// What the kernel last said.
    raw: u64,
    /// What we say.
    total: u64,
}

/// The counters of all zones, by their device.
#[derive(Debug, Default)]
pub(super) struct Counters(BTreeMap<String, Counter>);

impl Counters {
    /// Takes the zones as they are now. A zone that is gone is forgotten: when it comes back, its counter starts anew.
    pub(super) fn take(&mut self, zones: &[PowerZone]) {
        let mut next = BTreeMap::new();
        for zone in zones {
            let Reading::Value(energy) = zone.energy_microjoules else {
                continue;
            };
            let raw = energy.microjoules();
            let total = match self.0.get(&zone.device) {
                None => raw,
                Some(last) => last
                    .total
                    .saturating_add(step(last.raw, raw, zone.wraps_at_microjoules)),
            };
            next.insert(zone.device.clone(), Counter { raw, total });
        }
        self.0 = next;
    }

    /// What we say of each zone.
    pub(super) fn totals(&self) -> BTreeMap<String, Energy> {
        self.0
            .iter()
            .map(|(device, counter)| (device.clone(), Energy::from_microjoules(counter.total)))
            .collect()
    }
}

/// How far a counter went: it wraps to zero after `max_energy_range_uj`; without that it was set back.
fn step(last: u64, now: u64, wraps_at: Option<Energy>) -> u64 {
    match now.checked_sub(last) {
        Some(step) => step,
        None => {
            let to_the_end = wraps_at
                .and_then(|end| end.microjoules().checked_sub(last))
                .map_or(0, |rest| rest + 1);
            now.saturating_add(to_the_end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(raw: u64, wraps_at: Option<u64>) -> PowerZone {
        PowerZone {
            device: "intel-rapl:0".to_owned(),
            name: "package-0".to_owned(),
            energy_microjoules: Reading::Value(Energy::from_microjoules(raw)),
            wraps_at_microjoules: wraps_at.map(Energy::from_microjoules),
            limits: Vec::new(),
        }
    }

    fn total(counters: &Counters) -> Option<u64> {
        counters
            .totals()
            .get("intel-rapl:0")
            .map(|energy| energy.microjoules())
    }

    #[test]
    fn a_wrap_is_no_step_back() {
        let mut counters = Counters::default();
        for (raw, expected) in [(900, 900), (999, 999), (10, 1_010), (5, 2_005)] {
            counters.take(&[zone(raw, Some(999))]);
            assert_eq!(total(&counters), Some(expected));
        }
    }

    #[test]
    fn a_counter_without_a_known_end_goes_on_from_where_it_was() {
        let mut counters = Counters::default();
        counters.take(&[zone(900, None)]);
        counters.take(&[zone(10, None)]);
        assert_eq!(total(&counters), Some(910));
        counters.take(&[]);
        assert_eq!(total(&counters), None);
    }
}
