//! `[actuators]` of the configuration: modes of single actuators.

use std::collections::BTreeMap;

use intent::{Actuator, Actuators, Mode};

use super::reader::{Faults, Reader};

/// The modes of single actuators, each stricter than the whole or equal to it.
pub(super) fn actuators(
    section: &Reader<'_>,
    whole: Mode,
    faults: &mut Faults<'_>,
) -> BTreeMap<Actuator, Mode> {
    section.only(&Actuator::ALL.map(Actuator::word), faults);
    let mut stricter = BTreeMap::new();
    for actuator in Actuator::ALL {
        let Some((text, place)) = section.text(actuator.word(), faults) else {
            continue;
        };
        let mode = match text.parse::<Mode>() {
            Ok(mode) => mode,
            Err(error) => {
                faults.add(place, format!("{actuator}: {error}"));
                continue;
            }
        };
        match Actuators::new(whole, BTreeMap::from([(actuator, mode)])) {
            Ok(_) => {
                stricter.insert(actuator, mode);
            }
            Err(error) => faults.add(place, error.to_string()),
        }
    }
    stricter
}
