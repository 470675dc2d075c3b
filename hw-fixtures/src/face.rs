//! The faces of the world: what programs outside can see and touch of it.

pub mod control;
pub mod desk;
pub mod door;
pub mod ipmi;
pub mod redfish;
pub mod reply;
pub mod tree;
pub mod trouble;
