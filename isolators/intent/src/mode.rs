//! Modes: how much Busbar may do, as a whole and for each actuator. Trust is earned, so observe is the default.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much may be done. Ordered: observe is the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Read, compute, show what would be done; write nothing.
    #[default]
    Observe,
    /// Also raise events and tell masters; write nothing.
    Advise,
    /// Act.
    Enforce,
}

/// Why a text is no mode.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no mode; expected observe, advise or enforce")]
pub struct NotAMode(String);

impl Mode {
    /// The word, as in configuration files.
    pub const fn word(self) -> &'static str {
        match self {
            Mode::Observe => "observe",
            Mode::Advise => "advise",
            Mode::Enforce => "enforce",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Mode {
    type Err = NotAMode;

    fn from_str(text: &str) -> Result<Mode, NotAMode> {
        [Mode::Observe, Mode::Advise, Mode::Enforce]
            .into_iter()
            .find(|mode| mode.word() == text)
            .ok_or_else(|| NotAMode(text.to_owned()))
    }
}

/// What can be acted on. Each actuator has its own mode, never laxer than the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actuator {
    /// Power limits of nodes, packages and GPUs.
    PowerCap,
    /// A workload's cgroup: its cores and its memory.
    Cpu,
    /// Switching nodes on and off.
    NodePower,
    /// Attaching, detaching and erasing drives.
    Drives,
    /// Locate LEDs.
    Led,
}

impl Actuator {
    /// All of them.
    pub const ALL: [Actuator; 5] = [
        Actuator::PowerCap,
        Actuator::Cpu,
        Actuator::NodePower,
        Actuator::Drives,
        Actuator::Led,
    ];

    /// The word, as in configuration files.
    pub const fn word(self) -> &'static str {
        match self {
            Actuator::PowerCap => "power_cap",
            Actuator::Cpu => "cpu",
            Actuator::NodePower => "node_power",
            Actuator::Drives => "drives",
            Actuator::Led => "led",
        }
    }
}

impl fmt::Display for Actuator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The mode of the whole and of each actuator. The gate itself stands in `isolators::apply` and the rack's `act.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actuators {
    /// The mode of the whole.
    pub mode: Mode,
    /// Stricter modes of single actuators; one that is not named has the whole's mode.
    #[serde(default)]
    pub stricter: BTreeMap<Actuator, Mode>,
}

/// An actuator that was configured laxer than the whole.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "actuator {actuator} is set to {asked}, laxer than the mode {whole} of the whole; an actuator may only be stricter"
)]
pub struct TooLax {
    /// The actuator.
    pub actuator: Actuator,
    /// Its mode as configured.
    pub asked: Mode,
    /// The mode of the whole.
    pub whole: Mode,
}

impl Actuators {
    /// The modes as configured.
    ///
    /// # Errors
    /// An actuator may only be stricter than the whole.
    pub fn new(mode: Mode, stricter: BTreeMap<Actuator, Mode>) -> Result<Actuators, TooLax> {
        match stricter.iter().find(|(_, asked)| **asked > mode) {
            Some((actuator, asked)) => Err(TooLax {
                actuator: *actuator,
                asked: *asked,
                whole: mode,
            }),
            None => Ok(Actuators { mode, stricter }),
        }
    }

    /// The mode of one actuator.
    pub fn of(&self, actuator: Actuator) -> Mode {
        self.stricter
            .get(&actuator)
            .copied()
            .unwrap_or(self.mode)
            .min(self.mode)
    }

    /// Whether this actuator may act.
    pub fn may_act(&self, actuator: Actuator) -> bool {
        self.of(actuator) == Mode::Enforce
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn observe_is_the_default_for_everything() {
        let actuators = Actuators::default();
        assert!(
            Actuator::ALL
                .into_iter()
                .all(|actuator| !actuators.may_act(actuator))
        );
    }

    #[test]
    fn an_actuator_may_only_be_stricter() {
        let laxer = BTreeMap::from([(Actuator::Led, Mode::Enforce)]);
        assert!(Actuators::new(Mode::Observe, laxer.clone()).is_err());
        let stricter = BTreeMap::from([(Actuator::Led, Mode::Observe)]);
        let actuators = Actuators::new(Mode::Enforce, stricter).unwrap();
        assert!(!actuators.may_act(Actuator::Led));
        assert!(actuators.may_act(Actuator::Cpu));
        let smuggled = Actuators {
            mode: Mode::Observe,
            stricter: laxer,
        };
        assert!(!smuggled.may_act(Actuator::Led));
    }
}
