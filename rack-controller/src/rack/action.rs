//! What can be done to a rack, as data. The gate and the hand stand in `pools/*/act.rs`.

use crate::pools::drives::{DriveId, Wish};
use facts::Power;
use serde::{Deserialize, Serialize};

/// One change to the rack, as data. The gate and the hand stand in `pools/*/act.rs`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Action {
    /// Light a bay's LED or put it out.
    SetLed {
        /// The bay.
        place: String,
        /// Lit or out.
        on: bool,
    },
    /// Limit a node at its BMC.
    SetCap {
        /// The node.
        node: String,
        /// The limit.
        watts: Power,
    },
    /// Switch a node at its BMC.
    SwitchNode {
        /// The node.
        node: String,
        /// To what.
        to: SwitchTo,
    },
    /// Order something about a pooled drive.
    OrderDrive {
        /// The drive.
        drive: DriveId,
        /// What.
        wish: Wish,
    },
    /// Have a node let go of a drive that is not lent to it any more.
    DetachDrive {
        /// The node.
        node: String,
        /// The drive's subsystem.
        nqn: String,
    },
    /// Read a BMC's supplies now: a deadline has passed that only a fresh look can settle. Writes nothing.
    ReadSupplies {
        /// The BMC.
        bmc: String,
    },
}

/// What a node is switched to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwitchTo {
    /// Its operating system is asked to end. Whether it does is seen later.
    ShutDown,
    /// Off at once.
    Off,
    /// On.
    On,
}

impl Action {
    /// The node that it switches; `None` where it switches none.
    pub fn switches(&self) -> Option<&str> {
        match self {
            Action::SwitchNode { node, .. } => Some(node),
            Action::SetLed { .. }
            | Action::SetCap { .. }
            | Action::OrderDrive { .. }
            | Action::DetachDrive { .. }
            | Action::ReadSupplies { .. } => None,
        }
    }
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done and read back as wanted.
    Done,
    /// Not done: the actuator's mode does not let us.
    Would,
    /// It failed, or was read back otherwise.
    Failed(String),
}
