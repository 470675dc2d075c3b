//! What was done, and what would be done if the modes let us.

use intent::Actuator;

use super::family::{Family, Kind};
use super::sheet::count;
use crate::rack::Action;

/// The families.
pub(super) static FAMILIES: &[Family] = &[
    Family {
        name: "busbar_rack_would_actions",
        kind: Kind::Gauge,
        labels: &["actuator"],
        help: "Actions that are wanted now and held back because the actuator is not in enforce",
        fill: |source, series| {
            for actuator in [Actuator::Led, Actuator::PowerCap, Actuator::NodePower] {
                let held_back = source.would.iter().filter(|would| would.actuator == actuator);
                series.put(&[actuator.word()], count(held_back.count()));
            }
        },
    },
    Family {
        name: "busbar_rack_would_led",
        kind: Kind::Gauge,
        labels: &["bay"],
        help: "1 where the bay's locate LED would be lit, 0 where it would be put out; absent where nothing is held back",
        fill: |source, series| {
            for would in source.would {
                if let Action::SetLed { place, on } = &would.action {
                    series.put(&[place], if *on { 1.0 } else { 0.0 });
                }
            }
        },
    },
    Family {
        name: "busbar_rack_would_power_limit_watts",
        kind: Kind::Gauge,
        labels: &["node"],
        help: "The limit that would be set at the node's BMC; absent where nothing is held back",
        fill: |source, series| {
            for would in source.would {
                if let Action::SetCap { node, watts } = &would.action {
                    series.put(&[node], watts.as_watts_f64());
                }
            }
        },
    },
    Family {
        name: "busbar_rack_actions_total",
        kind: Kind::Counter,
        labels: &["action", "outcome"],
        help: "Actions at BMCs (led, power_limit, node_power) by what came of them (done, failed, would)",
        fill: |source, series| series.put_gathered(source.gathered),
    },
];
