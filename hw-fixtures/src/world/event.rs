//! What happened in the world, as data; a BMC face turns it into Redfish events.

use serde::Serialize;

/// Something that happened, with its moment in the world's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Milliseconds since the world began.
    pub at_ms: u64,
    /// What it was.
    #[serde(flatten)]
    pub happening: Happening,
}

/// The kinds of things that happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "happening", rename_all = "snake_case")]
pub enum Happening {
    /// A supply left its bay.
    Pulled {
        /// The bay.
        bay: String,
    },
    /// A supply was put into a bay.
    Inserted {
        /// The bay.
        bay: String,
        /// Serial number of the supply.
        serial: String,
    },
    /// A supply's output came up.
    Started {
        /// The bay.
        bay: String,
    },
    /// A supply broke.
    Failed {
        /// The bay.
        bay: String,
    },
    /// A broken or tripped supply is whole again.
    Repaired {
        /// The bay.
        bay: String,
    },
    /// A supply's inlet lost its power.
    InputLost {
        /// The bay.
        bay: String,
    },
    /// A supply's inlet has power again.
    InputRestored {
        /// The bay.
        bay: String,
    },
    /// A supply switched itself off because it carried too much.
    Tripped {
        /// The bay.
        bay: String,
        /// What it was asked to carry, in milliwatts.
        load_milliwatts: u64,
    },
    /// Nothing feeds the busbar any more; every node lost its power.
    Dark {
        /// What the rack drew in its last moment, in milliwatts.
        draw_milliwatts: u64,
        /// What was available then, in milliwatts.
        available_milliwatts: u64,
    },
    /// The busbar has power again.
    Lit,
    /// A node's BMC was told a new power limit.
    LimitSet {
        /// The node.
        node: String,
        /// The limit in milliwatts; `None` for no limit.
        limit_milliwatts: Option<u64>,
    },
    /// A node was switched on or off.
    Power {
        /// The node.
        node: String,
        /// Whether it is on now.
        on: bool,
    },
    /// The locate light of a bay was switched.
    BayLight {
        /// The bay.
        bay: String,
        /// Whether it is lit now.
        on: bool,
    },
    /// The locate light of the shelf was switched.
    ShelfLight {
        /// Whether it is lit now.
        on: bool,
    },
    /// The locate light of a node was switched.
    NodeLight {
        /// The node.
        node: String,
        /// Whether it is lit now.
        on: bool,
    },
    /// A workload wants another amount of power.
    Demand {
        /// The node.
        node: String,
        /// What it wants, in milliwatts.
        demand_milliwatts: u64,
    },
    /// A BMC answers in another way from now on.
    Answers {
        /// The BMC.
        bmc: String,
        /// How.
        answer: super::Answer,
    },
    /// Something about a bay of drives is another: its drive, its light, its erasure.
    DriveChanged {
        /// The enclosure.
        jbof: String,
        /// The bay.
        bay: String,
    },
    /// A BMC started anew: its sessions and subscriptions are gone.
    Rebooted {
        /// The BMC.
        bmc: String,
    },
}
