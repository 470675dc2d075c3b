//! A drain of the node: it takes no new workloads, and those that run go on until they end or are stopped. It stands in the
//! ledger, so neither the agent's end nor a reboot takes it back.

use agent_api::v1::{Drained, LONGEST_REASON, NodeDrain};
use facts::Moment;

use super::hand::told;
use super::{Keeper, KeeperError};
use crate::ledger::flush;

impl Keeper {
    /// Takes no new workloads from now on. A second drain keeps the moment of the first and takes the new reason.
    ///
    /// # Errors
    /// When the reason is too long, the mode forbids to act, or the ledger cannot be written.
    pub fn drain(&mut self, reason: &str, now: Moment) -> Result<NodeDrain, KeeperError> {
        if reason.chars().count() > LONGEST_REASON {
            return Err(KeeperError::BadAsk(format!(
                "the reason is longer than {LONGEST_REASON} characters"
            )));
        }
        let since = self.ledger.drained.as_ref().map_or(now, |drained| drained.since);
        let reason = reason.to_owned();
        self.set_drained(Some(Drained { since, reason }))
    }

    /// Takes workloads again.
    ///
    /// # Errors
    /// When the mode forbids to act, or the ledger cannot be written.
    pub fn undrain(&mut self) -> Result<NodeDrain, KeeperError> {
        self.set_drained(None)
    }

    fn set_drained(&mut self, drained: Option<Drained>) -> Result<NodeDrain, KeeperError> {
        if self.ledger.drained != drained {
            self.gate(&[])?;
            let before = std::mem::replace(&mut self.ledger.drained, drained);
            if let Err(error) = self.save() {
                self.ledger.drained = before;
                return Err(error);
            }
            // Unlike workloads, this outlives the machine's own end.
            flush(&self.config.state_dir).map_err(|error| KeeperError::Failed(told(&error)))?;
        }
        Ok(NodeDrain {
            drained: self.ledger.drained.clone(),
            running: self.workloads().into_iter().map(|workload| workload.id).collect(),
        })
    }

    /// The drain in force.
    pub fn drained(&self) -> Option<&Drained> {
        self.ledger.drained.as_ref()
    }

    /// Why nothing new starts here, where nothing does.
    pub(super) fn why_drained(&self) -> Option<String> {
        let Drained { since, reason } = self.drained()?;
        let why = if reason.is_empty() {
            String::new()
        } else {
            format!(" ({reason})")
        };
        Some(format!(
            "this node takes no new workloads since {since}{why}; busbar undrain takes that back"
        ))
    }
}
