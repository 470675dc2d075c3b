//! Nodes that the controller switches off and on: what is wanted of each, and how that went on.

use facts::{Moment, Power};
use serde::{Deserialize, Serialize};

/// What is wanted of a node's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// Off, because what is installed does not bear even floors. It comes back when all that it can draw fits.
    Off,
    /// On, when all that it can draw fits and it is its turn.
    Waits,
    /// On, now.
    On,
}

/// What is wanted of a node's power, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// What.
    pub wanted: Wanted,
    /// Since when.
    pub since: Moment,
}

/// One node's switching went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchChange {
    /// The node.
    pub node: String,
    /// How.
    pub turn: SwitchTurn,
}

/// How a node's switching goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "turn")]
pub enum SwitchTurn {
    /// It shall be off: the last in rank of those that may, in a domain whose floors do not fit what is installed.
    Shed {
        /// The domain.
        domain: String,
        /// By how much the floors exceed what is installed, margin and fixed load kept.
        missing: Power,
        /// What the node counts with until it is off.
        frees: Power,
    },
    /// It need not be off any more, and it is on: its BMC has not done it yet, or somebody has switched it on.
    Spared,
    /// Its BMC says that it is off, after we asked for that.
    IsOff,
    /// Somebody wants it on.
    Asked,
    /// It is its turn: all that it can draw fits.
    GoesOn {
        /// What it counts with from now on.
        max_draw: Power,
    },
    /// It is on, and what it counts with is known: the next may come.
    IsUp {
        /// How that is known.
        how: String,
    },
    /// It did not come: nobody waits for it any more.
    GivenUp {
        /// Why.
        why: String,
    },
}
