//! The wire to baseboard management controllers: what they say, read leniently, and the few things we ask of them.

pub mod redfish;
pub mod redundancy;

pub use redfish::act;
pub use redfish::bmc::Bmc;
pub use redfish::endpoint::{Credentials, CredentialsError, Endpoint, Limits};
pub use redfish::error::BmcError;
pub use redfish::events::{Hint, Hints, events};
pub use redfish::observe::{NodeFacts, PowerLimit, node, supplies};
pub use redfish::trust::{Fingerprint, Trust};
