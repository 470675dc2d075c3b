//! What shall be: isolations and caps under one generation, and who may bring them about.

pub mod hold;
pub mod intent;
pub mod isolation;
pub mod key;
pub mod limit;
pub mod mode;
pub mod part;
mod workload;

pub use hold::{Hold, Squeeze};
pub use intent::{Generation, Intent};
pub use isolation::{Isolation, WorkloadId};
pub use key::{DriveKey, NotAKey};
pub use limit::{CpuWeight, IoWeight, Priority, Share};
pub use mode::{Actuator, Actuators, Mode};
pub use part::{CacheShare, DeviceKind, DeviceWish, HugepageShare, IoLimit, NumaShare, PartitionWish};
