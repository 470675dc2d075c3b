//! What a node can be switched to, over Redfish and over IPMI.

/// What a node is switched to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemPower {
    /// Its operating system is asked to end; whether it does is seen later.
    ShutDown,
    /// Off at once.
    Off,
    /// On.
    On,
}
