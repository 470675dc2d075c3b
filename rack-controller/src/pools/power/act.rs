//! The only hand that writes to the rack's power, and the only place where its modes are asked: LEDs of bays, limits and switches of nodes.
//!
//! Level-triggered: an action that failed is wanted again later, with the back-off that the core keeps. Every write is read back
//! by the client before it counts as done.

pub mod lessor;

use std::sync::Arc;
use std::time::Duration;

use bmc::SystemPower;
use facts::Power;
use intent::{Actuator, Actuators};

use crate::config::RackConfig;
use crate::eyes::{Line, Lines, chain, ipmi};
use crate::metrics::Own;
use crate::rack::identity::same_machine;
use crate::rack::{Action, Outcome, SwitchTo};

/// For one action, its read-back included: the slowest recorded BMCs need 4 s for a PATCH.
const DEADLINE: Duration = Duration::from_secs(15);

/// An action that is wanted and that its actuator's mode does not allow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Would {
    /// The actuator that holds it back.
    pub actuator: Actuator,
    /// What would be done.
    pub action: Action,
}

/// The hand. Cheap to clone.
#[derive(Clone)]
pub struct Hand {
    actuators: Actuators,
    config: Arc<RackConfig>,
    lines: Lines,
    own: Own,
}

impl Hand {
    /// The hand of one rack, with the modes of its configuration.
    pub fn new(config: Arc<RackConfig>, lines: Lines, own: Own) -> Hand {
        Hand {
            actuators: config.actuators.clone(),
            config,
            lines,
            own,
        }
    }

    /// The gate: what would be done, where the mode does not let us do it.
    pub fn held_back(&self, action: &Action) -> Option<Would> {
        let actuator = match action {
            Action::SetLed { .. } => Actuator::Led,
            Action::SetCap { .. } => Actuator::PowerCap,
            Action::SwitchNode { .. } => Actuator::NodePower,
            Action::OrderDrive { .. } | Action::DetachDrive { .. } => Actuator::Drives,
            Action::ReadSupplies { .. } => return None,
        };
        let would = || Would {
            actuator,
            action: action.clone(),
        };
        (!self.actuators.may_act(actuator)).then(would)
    }

    /// Whether agents may be given caps.
    pub fn may_lease(&self) -> bool {
        self.actuators.may_act(Actuator::PowerCap)
    }

    /// Does one action, or says that it would.
    pub async fn act(&self, action: &Action) -> Outcome {
        if self.held_back(action).is_some() {
            self.own.action(word(action), "would");
            return Outcome::Would;
        }
        let done = match tokio::time::timeout(DEADLINE, self.do_it(action)).await {
            Ok(done) => done,
            Err(_) => Err(format!("not done and read back within {DEADLINE:?}")),
        };
        match done {
            Ok(()) => {
                self.own.action(word(action), "done");
                Outcome::Done
            }
            Err(why) => {
                self.own.action(word(action), "failed");
                Outcome::Failed(why)
            }
        }
    }

    async fn do_it(&self, action: &Action) -> Result<(), String> {
        match action {
            Action::SetLed { place, on } => self.set_led(place, *on).await,
            Action::SetCap { node, watts } => self.set_cap(node, *watts).await,
            Action::SwitchNode { node, to } => self.switch(node, *to).await,
            Action::ReadSupplies { bmc } => {
                self.line(bmc)?.look_now();
                Ok(())
            }
            // Agents are ordered by the other hand.
            Action::OrderDrive { .. } | Action::DetachDrive { .. } => {
                Err("what is about drives is not ordered of a BMC".to_owned())
            }
        }
    }

    async fn set_led(&self, place: &str, on: bool) -> Result<(), String> {
        let bay = self
            .config
            .bay(place)
            .ok_or_else(|| format!("{place} is not configured"))?;
        let line = self.line(&bay.bmc)?;
        let resource = line
            .resource(&bay.supply)
            .ok_or_else(|| format!("the BMC {} lists no {}", bay.bmc, bay.supply))?;
        let done = if line.is_ipmi() {
            ipmi::set_led(line, &bay.supply, on).await
        } else {
            let bmc = line.bmc().await.map_err(|error| chain(&error))?;
            bmc::act::set_led(&bmc, &resource, on)
                .await
                .map_err(|error| chain(&error))
        };
        // Whatever came of it, the eye shall see how it is now.
        line.look_now();
        done
    }

    async fn set_cap(&self, node: &str, watts: Power) -> Result<(), String> {
        let bmc = self.config.node(node).and_then(|node| node.bmc.as_deref());
        let line = self.line(bmc.ok_or_else(|| format!("{node} has no BMC"))?)?;
        let done = if line.is_ipmi() {
            ipmi::set_cap(line, watts).await
        } else {
            let bmc = line.bmc().await.map_err(|error| chain(&error))?;
            let done = bmc::act::set_power_limit(&bmc, watts).await;
            done.map(|_| ()).map_err(|error| chain(&error))
        };
        line.look_now();
        done
    }

    async fn switch(&self, node: &str, to: SwitchTo) -> Result<(), String> {
        let config = self.config.node(node);
        let bmc = config.and_then(|node| node.bmc.as_deref());
        let line = self.line(bmc.ok_or_else(|| format!("{node} has no BMC"))?)?;
        let uuid = config.and_then(|node| node.uuid.as_deref());
        let is_it = |told: &str| uuid.is_none_or(|uuid| same_machine(uuid, told));
        let done = if line.is_ipmi() {
            ipmi::switch(line, power(to), is_it).await
        } else {
            let bmc = line.bmc().await.map_err(|error| chain(&error))?;
            let done = bmc::act::switch(&bmc, power(to), is_it).await;
            done.map_err(|error| chain(&error))
        };
        line.look_now();
        done
    }

    fn line(&self, bmc: &str) -> Result<&Arc<Line>, String> {
        self.lines
            .get(bmc)
            .ok_or_else(|| format!("the BMC {bmc} is not configured"))
    }
}

const fn power(to: SwitchTo) -> SystemPower {
    match to {
        SwitchTo::ShutDown => SystemPower::ShutDown,
        SwitchTo::Off => SystemPower::Off,
        SwitchTo::On => SystemPower::On,
    }
}

const fn word(action: &Action) -> &'static str {
    match action {
        Action::SetLed { .. } => "led",
        Action::SetCap { .. } => "power_limit",
        Action::SwitchNode { .. } => "node_power",
        Action::OrderDrive { .. } | Action::DetachDrive { .. } => "drive",
        Action::ReadSupplies { .. } => "look",
    }
}
