//! The energy of each package, read in the same moment as the CPU times that it is split by.

use std::collections::BTreeMap;

use facts::NoData;

use crate::attribute;
use crate::collector::CollectError;
use crate::root::Root;

const POWERCAP: &str = "sys/class/powercap";
/// RAPL's zones; the same package may stand there a second time through MMIO (`intel-rapl-mmio:0`).
const RAPL: &str = "intel-rapl:";
const NAME: &str = "name";
const PACKAGE: &str = "package-";
const ENERGY_UJ: &str = "energy_uj";
const MAX_ENERGY_RANGE_UJ: &str = "max_energy_range_uj";

/// What the meters said last.
#[derive(Debug, Default)]
pub struct Meters {
    last: BTreeMap<String, u64>,
}

impl Meters {
    /// Microjoules of each socket since the last reading; a socket whose meter is new is not there yet.
    ///
    /// # Errors
    /// When there is no meter of a package, or none may be read.
    pub fn step(&mut self, root: &Root) -> Result<BTreeMap<String, u64>, CollectError> {
        let mut now = BTreeMap::new();
        let mut steps: BTreeMap<String, u64> = BTreeMap::new();
        let mut refused = None;
        for zone in root.list(POWERCAP)?.into_iter().filter(|zone| is_package(zone)) {
            let file = |file: &str| format!("{POWERCAP}/{zone}/{file}");
            let name = attribute::name_if_any(root, &file(NAME)).unwrap_or_default();
            // `package-1`, or `package-1-die-0`.
            let Some(socket) = name.strip_prefix(PACKAGE).and_then(|rest| rest.split('-').next()) else {
                continue;
            };
            match attribute::number::<u64>(root, &file(ENERGY_UJ)) {
                Ok(energy) => {
                    let wraps_at = attribute::number::<u64>(root, &file(MAX_ENERGY_RANGE_UJ)).ok();
                    if let Some(step) = self
                        .last
                        .get(&zone)
                        .and_then(|last| step(*last, energy, wraps_at))
                    {
                        let sum = steps.entry(socket.to_owned()).or_default();
                        *sum = sum.saturating_add(step);
                    }
                    now.insert(zone, energy);
                }
                Err(error) => refused = Some(error),
            }
        }
        self.last = now;
        match refused {
            Some(error) if self.last.is_empty() => Err(error),
            _ if self.last.is_empty() => Err(CollectError::new(
                NoData::Absent,
                format!("{} holds no package", root.shown(POWERCAP).display()),
            )),
            _ => Ok(steps),
        }
    }
}

/// `intel-rapl:1`, and not the zones in it, `intel-rapl:1:0`.
fn is_package(zone: &str) -> bool {
    zone.strip_prefix(RAPL).is_some_and(|rest| !rest.contains(':'))
}

/// How far a counter went. One that went back wrapped at its end; without a known end nothing is known of that turn.
fn step(last: u64, now: u64, wraps_at: Option<u64>) -> Option<u64> {
    match now.checked_sub(last) {
        Some(step) => Some(step),
        None => wraps_at?.checked_sub(last)?.checked_add(now)?.checked_add(1),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn packages_are_read_once_and_through_wraps() {
        let directory = tempfile::tempdir().unwrap();
        let write = |zone: &str, file: &str, text: &str| {
            let zone = directory.path().join(POWERCAP).join(zone);
            fs::create_dir_all(&zone).unwrap();
            fs::write(zone.join(file), text).unwrap();
        };
        for (zone, name) in [
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:1", "package-1-die-0"),
            ("intel-rapl:2", "package-1-die-1"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:3", "psys"),
            ("intel-rapl-mmio:0", "package-0"),
        ] {
            write(zone, "name", &format!("{name}\n"));
            write(zone, "energy_uj", "900\n");
            write(zone, "max_energy_range_uj", "999\n");
        }
        let root = Root::at(directory.path()).unwrap();
        let mut meters = Meters::default();
        assert_eq!(meters.step(&root).unwrap(), BTreeMap::new());
        write("intel-rapl:0", "energy_uj", "950\n");
        write("intel-rapl:1", "energy_uj", "10\n");
        write("intel-rapl:2", "energy_uj", "901\n");
        let steps = meters.step(&root).unwrap();
        assert_eq!(
            steps,
            BTreeMap::from([("0".to_owned(), 50), ("1".to_owned(), 111)])
        );
        write("intel-rapl:0", "energy_uj", "N/A\n");
        assert_eq!(meters.step(&root).unwrap().get("0"), None);
    }

    #[test]
    fn without_a_meter_there_is_a_reason() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join(POWERCAP)).unwrap();
        let root = Root::at(directory.path()).unwrap();
        let error = Meters::default().step(&root).unwrap_err();
        assert_eq!(error.reason, NoData::Absent);
    }
}
