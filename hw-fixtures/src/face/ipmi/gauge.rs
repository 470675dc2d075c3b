//! The sensors of a shelf and of a node: what each measures in the world, its factors, its thresholds, its states.

use super::Kind;
use crate::plan::Plan;
use crate::world::{Meter, Phase, World};

/// Sensor types (IPMI 2.0 table 42-3).
pub const TEMPERATURE: u8 = 0x01;
pub const VOLTAGE: u8 = 0x02;
pub const CURRENT: u8 = 0x03;
pub const FAN: u8 = 0x04;
pub const POWER_SUPPLY: u8 = 0x08;
pub const OTHER_UNITS: u8 = 0x0B;
/// Event types: thresholds, and states of the sensor's own type.
pub const THRESHOLD: u8 = 0x01;
pub const OWN_STATES: u8 = 0x6F;
/// Base units (table 43-15).
pub const CELSIUS: u8 = 1;
pub const VOLTS: u8 = 4;
pub const AMPERES: u8 = 5;
pub const WATTS: u8 = 6;
pub const RPM: u8 = 18;
/// Entities (table 43-13).
pub const PROCESSOR: u8 = 0x03;
pub const SYSTEM_BOARD: u8 = 0x07;
pub const SUPPLY: u8 = 0x0A;
pub const FAN_ENTITY: u8 = 0x1D;
pub const AIR_INLET: u8 = 0x37;
/// States of a supply: present, failed, input lost.
pub const PRESENT: u16 = 1 << 0;
pub const FAILED: u16 = 1 << 1;
pub const INPUT_LOST: u16 = 1 << 3;
/// Longest name of a sensor.
const NAME: usize = 16;
/// What a room's feed delivers, in millivolts.
const NOMINAL_MILLIVOLTS: u64 = 230_000;
/// The node's own rail, in millivolts.
const RAIL_MILLIVOLTS: u64 = 12_000;
/// The room's air, in thousandths of a degree; full load warms a package by so much more.
const INLET_MILLICELSIUS: u64 = 23_000;
const PACKAGE_RISE_MILLICELSIUS: u64 = 55_000;
/// Fans, in thousandths of a turn a minute: idle, and what full load adds.
const FAN_IDLE: u64 = 3_000_000;
const FAN_RISE: u64 = 6_000_000;
/// Voltmeters and thermometers err by one per cent.
const FINE_PERMILLE: u64 = 10;
/// A raw byte reaches this far above what a part is made for.
const ROOM_PERMILLE: u64 = 1_300;

/// What a sensor looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// How the supply of a bay is.
    Status(usize),
    /// What it takes from its feed.
    InputPower(usize),
    /// What it delivers.
    OutputPower(usize),
    /// The voltage at its inlet.
    InputVoltage(usize),
    /// What the shelf delivers to its busbar.
    ShelfOutput,
    /// The air before the front.
    Inlet,
    /// One package of the node.
    Package(u32),
    /// One fan of the node.
    Fan(u32),
    /// The node's 12 V.
    Rail,
    /// What flows on it.
    RailCurrent,
    /// What the node draws.
    NodePower,
}

/// One sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensor {
    /// Its number.
    pub number: u8,
    /// Its name.
    pub name: String,
    /// What it looks at.
    pub gauge: Gauge,
    /// Sensor type.
    pub kind: u8,
    /// Event type.
    pub event: u8,
    /// Base unit.
    pub unit: u8,
    /// What it belongs to, and which of them.
    pub entity: (u8, u8),
    /// M of its formula; B is zero.
    pub m: u8,
    /// The exponent of its result: 0 or -2.
    pub exponent: i8,
    /// Upper non-critical and critical threshold as raw bytes.
    pub upper: Option<(u8, u8)>,
}

/// What a sensor says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A raw byte, and the thresholds that it passes.
    Raw(u8, u8),
    /// States that are asserted.
    States(u16),
    /// Nothing: the part is not there or off.
    Unavailable,
}

fn cut(name: &str) -> String {
    name.chars().filter(char::is_ascii).take(NAME).collect()
}

/// M for a range that a byte must span, in watts or amperes; at least 1, at most 255.
fn span(most_milli: u64) -> u8 {
    let whole = most_milli.saturating_mul(ROOM_PERMILLE) / 1_000_000;
    u8::try_from(whole.div_ceil(255).max(1)).unwrap_or(u8::MAX)
}

struct List(Vec<Sensor>);

impl List {
    fn add(&mut self, name: &str, gauge: Gauge, what: (u8, u8), entity: (u8, u8), m: u8) -> &mut Sensor {
        let number = u8::try_from(self.0.len() + 1).unwrap_or(u8::MAX);
        let (kind, unit) = what;
        let event = if kind == POWER_SUPPLY {
            OWN_STATES
        } else {
            THRESHOLD
        };
        self.0.push(Sensor {
            number,
            name: cut(name),
            gauge,
            kind,
            event,
            unit,
            entity,
            m,
            exponent: 0,
            upper: None,
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}

/// The sensors of one BMC, numbered from 1; a BMC has at most 254.
#[must_use]
pub fn sensors(plan: &Plan, kind: Kind, name: &str) -> Vec<Sensor> {
    let mut list = List(Vec::new());
    match kind {
        Kind::Shelf => {
            for (at, bay) in plan.shelf.supplies.iter().enumerate() {
                let of = (SUPPLY, u8::try_from(at + 1).unwrap_or(u8::MAX));
                let bay_name = bay.bay.get_ref().as_str();
                let m = span(bay.rated.0);
                let title = |what: &str| {
                    let short: String = bay_name.chars().take(NAME - what.len() - 1).collect();
                    format!("{short} {what}")
                };
                list.add(&title("Status"), Gauge::Status(at), (POWER_SUPPLY, 0), of, 1);
                list.add(
                    &title("Input"),
                    Gauge::InputPower(at),
                    (OTHER_UNITS, WATTS),
                    of,
                    m,
                );
                list.add(
                    &title("Output"),
                    Gauge::OutputPower(at),
                    (OTHER_UNITS, WATTS),
                    of,
                    m,
                );
                list.add(&title("Inlet"), Gauge::InputVoltage(at), (VOLTAGE, VOLTS), of, 2);
            }
            let all: u64 = plan.shelf.supplies.iter().map(|bay| bay.rated.0).sum();
            let board = (SYSTEM_BOARD, 1);
            list.add(
                "Shelf Output",
                Gauge::ShelfOutput,
                (OTHER_UNITS, WATTS),
                board,
                span(all),
            );
            list.add(
                "Inlet Temp",
                Gauge::Inlet,
                (TEMPERATURE, CELSIUS),
                (AIR_INLET, 1),
                1,
            )
            .upper = Some((42, 47));
        }
        Kind::Node => {
            let Some(node) = plan.nodes.iter().find(|node| *node.name.get_ref() == name) else {
                return Vec::new();
            };
            node_sensors(&mut list, node.packages, node.max_draw.0);
        }
    }
    list.0.truncate(254);
    list.0
}

fn node_sensors(list: &mut List, packages: u32, max_draw: u64) {
    let board = (SYSTEM_BOARD, 1);
    list.add(
        "Inlet Temp",
        Gauge::Inlet,
        (TEMPERATURE, CELSIUS),
        (AIR_INLET, 1),
        1,
    )
    .upper = Some((42, 47));
    for package in 1..=packages.min(8) {
        let of = (PROCESSOR, u8::try_from(package).unwrap_or(u8::MAX));
        let name = format!("CPU{package} Temp");
        list.add(&name, Gauge::Package(package), (TEMPERATURE, CELSIUS), of, 1)
            .upper = Some((90, 95));
    }
    for fan in 1..=2_u32 {
        let of = (FAN_ENTITY, u8::try_from(fan).unwrap_or(u8::MAX));
        list.add(&format!("FAN{fan}"), Gauge::Fan(fan), (FAN, RPM), of, 100);
    }
    list.add("12V", Gauge::Rail, (VOLTAGE, VOLTS), board, 6).exponent = -2;
    let most = max_draw.saturating_mul(1_000) / RAIL_MILLIVOLTS;
    list.add(
        "12V Current",
        Gauge::RailCurrent,
        (CURRENT, AMPERES),
        board,
        span(most),
    );
    list.add(
        "Total Power",
        Gauge::NodePower,
        (OTHER_UNITS, WATTS),
        board,
        span(max_draw),
    );
}

fn share(part: u64, whole: u64, of: u64) -> u64 {
    let scaled = u128::from(part) * u128::from(of) / u128::from(whole.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// What it is in truth, in thousandths of its unit; `None` where it cannot be measured now.
fn truth(gauge: Gauge, world: &World, bmc: &str) -> Option<u64> {
    let supply = |at: usize| world.supplies().get(at).filter(|supply| supply.part().is_some());
    let node = || world.node(bmc);
    let load = || {
        let node = node()?;
        node.is_on().then(|| (node.draw(world.now_ms()), node.max_draw()))
    };
    Some(match gauge {
        Gauge::Status(_) => return None,
        Gauge::InputPower(at) => {
            let supply = supply(at)?;
            if supply.input() {
                world.input_for(supply.output())
            } else {
                0
            }
        }
        Gauge::OutputPower(at) => supply(at)?.output(),
        Gauge::InputVoltage(at) => {
            if supply(at)?.input() {
                NOMINAL_MILLIVOLTS
            } else {
                0
            }
        }
        Gauge::ShelfOutput => world.supplies().iter().map(crate::world::Supply::output).sum(),
        Gauge::Inlet => INLET_MILLICELSIUS,
        Gauge::Package(_) => {
            let (draw, most) = load()?;
            INLET_MILLICELSIUS + share(draw, most, PACKAGE_RISE_MILLICELSIUS)
        }
        Gauge::Fan(_) => {
            let (draw, most) = load()?;
            FAN_IDLE + share(draw, most, FAN_RISE)
        }
        Gauge::Rail => load().map(|_| RAIL_MILLIVOLTS)?,
        Gauge::RailCurrent => load()?.0.saturating_mul(1_000) / RAIL_MILLIVOLTS,
        Gauge::NodePower => node()?.draw(world.now_ms()),
    })
}

/// The states of a supply (IPMI 2.0 table 42-3, type 08h).
fn states(world: &World, at: usize) -> Option<u16> {
    let supply = world.supplies().get(at)?;
    Some(match supply.phase() {
        Phase::Absent => 0,
        Phase::Failed | Phase::Tripped => PRESENT | FAILED,
        Phase::HoldUp | Phase::NoInput => PRESENT | INPUT_LOST,
        Phase::Starting | Phase::Running => PRESENT,
    })
}

impl Sensor {
    /// One step of its raw byte, in thousandths of its unit.
    fn step(&self) -> u64 {
        let m = u64::from(self.m);
        if self.exponent == -2 { m * 10 } else { m * 1_000 }
    }

    /// What its meter shows now, in thousandths of its unit.
    #[must_use]
    pub fn milli(&self, world: &World, bmc: &str) -> Option<u64> {
        let truth = truth(self.gauge, world, bmc)?;
        let plan = world.plan();
        let error_permille = if self.unit == WATTS {
            plan.meter_error.0
        } else {
            FINE_PERMILLE
        };
        let meter = Meter {
            seed: plan.seed,
            name: &format!("{bmc} ipmi {}", self.name),
            error_permille,
        };
        Some(meter.shows(truth, world.now_ms()))
    }

    /// What it says now.
    #[must_use]
    pub fn reading(&self, world: &World, bmc: &str) -> Reading {
        if let Gauge::Status(at) = self.gauge {
            return states(world, at).map_or(Reading::Unavailable, Reading::States);
        }
        let Some(milli) = self.milli(world, bmc) else {
            return Reading::Unavailable;
        };
        let step = self.step();
        let raw = u8::try_from((milli + step / 2) / step).unwrap_or(u8::MAX);
        let passed = self.upper.map_or(0, |(noncritical, critical)| {
            (u8::from(raw >= noncritical) << 3) | (u8::from(raw >= critical) << 4)
        });
        Reading::Raw(raw, passed)
    }
}
