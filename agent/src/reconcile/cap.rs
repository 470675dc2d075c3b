//! The power cap of the CPU packages: who else sets limits is asked first, what was found is noted, and it comes back only on
//! an orderly release. A cap that nobody renews stands: silence frees nothing, and neither does the agent's end.

use std::time::Duration;

use agent_api::v1::Capped;
use facts::{Moment, Power};
use intent::Actuator;
use isolators::Step;
use isolators::powercap::{self, Cap};

use super::hand::{steps_of, unplanned};
use super::{Keeper, KeeperError};

/// The least that a package may be capped at: RAPL's units are parts of a watt, and below one nothing is told apart from zero.
const LEAST: Power = Power::from_milliwatts(1_000);
/// How long an order for a cap is worth following. It is followed at once.
const ORDER: Duration = Duration::from_secs(1);

impl Keeper {
    /// Caps all packages together: each gets the same part, never more than was found there.
    ///
    /// # Errors
    /// When no package takes a limit, somebody else sets them, the mode forbids it, or the hardware keeps another limit.
    pub fn cap(&mut self, watts: Power, now: Moment) -> Result<Capped, KeeperError> {
        let packages = powercap::packages(&self.host).map_err(unplanned)?;
        let count = u64::try_from(packages.len()).unwrap_or(u64::MAX);
        let Some(each) = watts.milliwatts().checked_div(count) else {
            return Err(KeeperError::Refused(
                "no CPU package here takes a power limit: /sys/class/powercap has no zone of one; the module \
                 intel_rapl_msr gives it on processors with RAPL, and a BMC may cap the whole node"
                    .to_owned(),
            ));
        };
        if each < LEAST.milliwatts() {
            return Err(KeeperError::BadAsk(format!(
                "asked a cap of {watts} for {count} CPU packages; expected at least {LEAST} for each"
            )));
        }
        if let Some(owner) = powercap::owner(&self.host) {
            return Err(KeeperError::Refused(owner));
        }
        let each = Power::from_milliwatts(each);
        let cap = Cap::Lease {
            packages: packages.into_iter().map(|package| (package, each)).collect(),
            until: now.after(ORDER),
        };
        let done = self.bring_power(&cap, now)?;
        Ok(told(Some(watts), &done))
    }

    /// Puts back what was found before the first cap.
    ///
    /// # Errors
    /// When the mode forbids it, or the hardware keeps another limit.
    pub fn uncap(&mut self, now: Moment) -> Result<Capped, KeeperError> {
        let done = self.bring_power(&Cap::Release, now)?;
        Ok(told(None, &done))
    }

    /// The steps of a cap, done.
    pub(super) fn bring_power(&mut self, cap: &Cap, now: Moment) -> Result<Vec<Step>, KeeperError> {
        let Some(record) = &self.layout.record else {
            return Err(KeeperError::Refused(format!(
                "an agent whose cgroup is called {:?} is not the host's own and caps nothing",
                self.config.cgroup_name
            )));
        };
        let steps = steps_of(powercap::steps(&self.host, record, cap, now).map_err(unplanned)?);
        if steps.is_empty() {
            return Ok(steps);
        }
        self.act_by(Actuator::PowerCap, &steps)
    }
}

fn told(watts: Option<Power>, done: &[Step]) -> Capped {
    Capped {
        watts,
        done: done.iter().map(Step::to_string).collect(),
    }
}
