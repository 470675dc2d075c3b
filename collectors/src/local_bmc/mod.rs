//! The BMC seen from inside: whether the kernel has an interface to it.

use std::time::Duration;

use facts::NoData;
use facts::observation::Observation;

use crate::collector::{CollectError, Collector};
use crate::root::Root;

/// Where the ipmi_devintf driver puts it; older names of the same device follow (IPMI driver document).
const DEVICES: [&str; 3] = ["dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0"];

/// Looks for `/dev/ipmi0`.
pub struct LocalBmcCollector {
    root: Root,
}

impl LocalBmcCollector {
    /// Of this root.
    pub fn new(root: Root) -> LocalBmcCollector {
        LocalBmcCollector { root }
    }
}

impl Collector for LocalBmcCollector {
    fn name(&self) -> &'static str {
        "bmc"
    }

    fn beat(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn collect(&mut self) -> Result<Observation, CollectError> {
        match DEVICES.iter().find(|device| self.root.has(device)) {
            Some(_) => Ok(Observation::default()),
            None => {
                let message = format!(
                    "{} is not there: no BMC, or the driver ipmi_devintf is not loaded",
                    self.root.shown(DEVICES[0]).display()
                );
                Err(CollectError::new(NoData::Absent, message))
            }
        }
    }
}
