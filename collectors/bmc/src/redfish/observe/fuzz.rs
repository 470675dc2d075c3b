//! Resources of a Redfish service, for the fuzzer.

use serde_json::Value;

use super::{judge, list, sensors};
use crate::redfish::schema::Doubts;

/// A legacy `Power`: no supply may be worth more than what it says somewhere.
pub(crate) fn power(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let doubts = Doubts::default();
    let list = list::of_legacy(&value, "/redfish/v1/Chassis/1/Power", "any", &doubts);
    for said in &list.supplies {
        let _ = judge::state(said, "any", &doubts);
        let _ = judge::rated(said, "any", &doubts);
    }
    let _ = doubts.take();
}

/// A `Thermal`, a `Power` or a `Sensor`.
pub(crate) fn sensor(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        sensors::any(&value);
    }
}
