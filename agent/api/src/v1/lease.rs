//! Leases of power: what a rack grants a node for a while, and what the node falls to when nobody renews it.

use facts::Power;
use serde::{Deserialize, Serialize};

/// How far a rack's journal has come. Agents keep the highest that they have seen: a controller whose journal ends before that
/// raises nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The number of the journal's last entry.
    pub sequence: u64,
    /// The hash chain up to that entry, in hex; agents only compare it.
    pub chain: String,
}

/// What a rack grants a node for a while, and what the node falls to when nobody renews it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The rack that grants it; 1 to 64 characters.
    pub rack: String,
    /// Grows with each lease that differs from the one before; an older one is refused.
    pub sequence: u64,
    /// The boot of the node that is meant, as the agent's last [`LeaseView`] said.
    pub boot_id: String,
    /// The reading of the node's clock in that [`LeaseView`], in milliseconds: the lease is valid from there, however long it was on
    /// its way.
    pub heard_millis: u64,
    /// How long it is valid from that reading, in milliseconds; 1 to 60,000.
    pub valid_millis: u64,
    /// The cap of level 0: all CPU packages and GPUs of the node together, as in a request for a cap.
    pub cap_watts: Power,
    /// The contingency caps of level 1, 2 and so on, 1 to 8 of them: none above the one before, and none above the cap of level 0.
    pub levels: Vec<Power>,
    /// The level in force, 0 up to the number of levels.
    pub level: u32,
    /// How far the rack's journal has come.
    pub head: Head,
}

/// How an agent stands to its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseView {
    /// This boot of the node.
    pub boot_id: String,
    /// The node's name, as its agent is configured; `None` from an agent that does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The reading of the node's clock (`CLOCK_BOOTTIME`) when it answered, in milliseconds.
    pub now_millis: u64,
    /// The lease; `None` where no rack ever leased to this node, or the lease was ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseInForce>,
    /// The highest journal's head that this agent has seen and written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// Parts that take no limit and are not in the sums, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_capped: Vec<String>,
}

/// A lease, and what the hardware says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseInForce {
    /// The rack that granted it.
    pub rack: String,
    /// Its number.
    pub sequence: u64,
    /// The cap of level 0.
    pub cap_watts: Power,
    /// The contingency caps of level 1, 2 and so on.
    pub levels: Vec<Power>,
    /// The level that the rack put in force.
    pub level: u32,
    /// Whether nobody renewed it in time: level 1 is in force, or what was in force where that is less.
    pub expired: bool,
    /// The reading of the node's clock at which it ends, in milliseconds.
    pub expires_millis: u64,
    /// All limits together, as read back from the hardware; `None` where they cannot be read, or were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force_watts: Option<Power>,
    /// Whether what was read back is what the level wants.
    pub applied: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// The orderly end of a lease: what was found before the first cap comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseEnd {
    /// The rack that granted it.
    pub rack: String,
    /// The number of the last lease, or a later one.
    pub sequence: u64,
    /// The boot of the node that is meant.
    pub boot_id: String,
}
