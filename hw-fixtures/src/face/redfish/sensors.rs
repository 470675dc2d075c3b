//! Sensors: every number that a BMC shows comes through a meter that errs a little.

use serde_json::{Value, json};

use super::service::{link, resource_with};
use super::types;
use crate::quantity::watts_json;
use crate::world::{Meter, World};

/// What a room's feed delivers, in millivolts.
const NOMINAL_MILLIVOLTS: u64 = 230_000;
/// Voltmeters err less than wattmeters: one per cent.
const VOLT_ERROR_PERMILLE: u64 = 10;

/// One sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gauge {
    /// What the shelf takes from all feeds.
    ShelfInput,
    /// What the shelf delivers to its busbar.
    ShelfOutput,
    /// What a supply takes from its feed.
    InputPower(String),
    /// What a supply delivers.
    OutputPower(String),
    /// The voltage at a supply's inlet.
    InputVoltage(String),
    /// What a node draws.
    NodePower(String),
}

impl Gauge {
    /// The sensors of the shelf.
    #[must_use]
    pub fn of_shelf(world: &World) -> Vec<Self> {
        let bays = world.supplies().iter().flat_map(|supply| {
            let bay = || supply.bay().to_owned();
            [
                Self::InputPower(bay()),
                Self::OutputPower(bay()),
                Self::InputVoltage(bay()),
            ]
        });
        [Self::ShelfInput, Self::ShelfOutput]
            .into_iter()
            .chain(bays)
            .collect()
    }

    /// Its Id within the chassis.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::ShelfInput => "input-power".to_owned(),
            Self::ShelfOutput => "output-power".to_owned(),
            Self::InputPower(bay) => format!("{bay}-input-power"),
            Self::OutputPower(bay) => format!("{bay}-output-power"),
            Self::InputVoltage(bay) => format!("{bay}-input-voltage"),
            Self::NodePower(_) => "power".to_owned(),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::ShelfInput => "Input power of the shelf".to_owned(),
            Self::ShelfOutput => "Output power of the shelf".to_owned(),
            Self::InputPower(bay) => format!("Input power of {bay}"),
            Self::OutputPower(bay) => format!("Output power of {bay}"),
            Self::InputVoltage(bay) => format!("Input voltage of {bay}"),
            Self::NodePower(node) => format!("Power of {node}"),
        }
    }

    fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::InputVoltage(_) => ("Voltage", "V"),
            Self::ShelfInput
            | Self::ShelfOutput
            | Self::InputPower(_)
            | Self::OutputPower(_)
            | Self::NodePower(_) => ("Power", "W"),
        }
    }

    /// The truth in thousandths of its unit; `None` where there is nothing to measure.
    fn truth(&self, world: &World) -> Option<u64> {
        let present = |bay: &String| world.supply(bay).filter(|supply| supply.part().is_some());
        match self {
            Self::ShelfInput => Some(
                world
                    .supplies()
                    .iter()
                    .map(|s| world.input_for(if s.input() { s.output() } else { 0 }))
                    .sum(),
            ),
            Self::ShelfOutput => Some(world.supplies().iter().map(crate::world::Supply::output).sum()),
            // A supply on its hold-up takes nothing from its feed.
            Self::InputPower(bay) => present(bay).map(|supply| {
                if supply.input() {
                    world.input_for(supply.output())
                } else {
                    0
                }
            }),
            Self::OutputPower(bay) => present(bay).map(crate::world::Supply::output),
            Self::InputVoltage(bay) => {
                present(bay).map(|supply| if supply.input() { NOMINAL_MILLIVOLTS } else { 0 })
            }
            Self::NodePower(node) => world.node(node).map(|node| node.draw(world.now_ms())),
        }
    }

    /// What the sensor shows, in its unit; null where there is nothing to measure.
    #[must_use]
    pub fn reading(&self, world: &World) -> Value {
        let name = match self {
            Self::NodePower(node) => format!("{node}/power"),
            Self::ShelfInput
            | Self::ShelfOutput
            | Self::InputPower(_)
            | Self::OutputPower(_)
            | Self::InputVoltage(_) => format!("shelf/{}", self.id()),
        };
        let error_permille = match self {
            Self::InputVoltage(_) => VOLT_ERROR_PERMILLE,
            Self::ShelfInput
            | Self::ShelfOutput
            | Self::InputPower(_)
            | Self::OutputPower(_)
            | Self::NodePower(_) => world.plan().meter_error.0,
        };
        let meter = Meter {
            seed: world.plan().seed,
            name: &name,
            error_permille,
        };
        // Thousandths of a volt are written like thousandths of a watt.
        self.truth(world).map_or(Value::Null, |truth| {
            watts_json(meter.shows(truth, world.now_ms()))
        })
    }

    /// The sensor as a resource.
    #[must_use]
    pub fn body(&self, world: &World, path: &str) -> Value {
        let (kind, units) = self.kind();
        let state = if self.truth(world).is_some() {
            json!({ "State": "Enabled", "Health": "OK" })
        } else {
            json!({ "State": "Absent" })
        };
        resource_with(
            path,
            types::SENSOR,
            &self.id(),
            &self.name(),
            json!({
                "ReadingType": kind,
                "ReadingUnits": units,
                "Reading": self.reading(world),
                "Status": state,
                "Links": { "AssociatedControls": [], "AssociatedControls@odata.count": 0 },
            }),
        )
    }
}

/// The sensor as it appears inside another resource.
pub(super) fn excerpt(world: &World, gauge: &Gauge, chassis: &str) -> Value {
    let source = link(&format!("{chassis}/Sensors/{}", gauge.id()))["@odata.id"].clone();
    json!({ "DataSourceUri": source, "Reading": gauge.reading(world) })
}
