//! The BMC over Redfish, where the configuration names it: what it believes of the node, its supplies, its sensors, its draw.

use std::path::Path;

use bmc::{Bmc, Credentials, Endpoint, NodeFacts, Sensors, Trust};
use facts::NoData;
use facts::supply::Supplies;
use tokio::runtime::{Builder, Runtime};

use super::wish::{RedfishTrust, RedfishWish};
use crate::collector::CollectError;

/// What one turn saw.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) node: NodeFacts,
    pub(super) supplies: Supplies,
    pub(super) sensors: Sensors,
}

/// A kept client and its runtime.
pub(super) struct Eye {
    runtime: Runtime,
    wish: RedfishWish,
    bmc: Option<Bmc>,
}

impl Eye {
    /// Of this BMC. Nothing is sent yet.
    pub(super) fn new(wish: RedfishWish) -> std::io::Result<Eye> {
        Ok(Eye {
            runtime: Builder::new_current_thread().enable_all().build()?,
            wish,
            bmc: None,
        })
    }

    /// Asks once, in a session that is kept.
    pub(super) fn turn(&mut self) -> Result<Seen, CollectError> {
        let bmc = match &self.bmc {
            Some(bmc) => bmc.clone(),
            None => {
                let endpoint = endpoint(&self.wish)?;
                self.runtime.block_on(Bmc::connect(endpoint)).map_err(told)?
            }
        };
        self.bmc = Some(bmc.clone());
        let seen = self.runtime.block_on(async {
            let node = bmc::node(&bmc).await?;
            let supplies = bmc::supplies(&bmc).await?;
            let sensors = bmc::sensors(&bmc).await?;
            Ok(Seen {
                node,
                supplies,
                sensors,
            })
        });
        seen.map_err(told)
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        if let Some(bmc) = self.bmc.take() {
            // BMCs have few places for sessions.
            self.runtime.block_on(bmc.close());
        }
    }
}

fn told(error: bmc::BmcError) -> CollectError {
    CollectError::new(error.no_data(), error.whole())
}

/// The files are read again with each connection, so that a new password needs no restart.
fn endpoint(wish: &RedfishWish) -> Result<Endpoint, CollectError> {
    let refused = |message: String| CollectError::new(NoData::Refused, message);
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| refused(format!("cannot read {}: {error}", path.display())))
    };
    let trust = match &wish.trust {
        RedfishTrust::System => Trust::system().map_err(refused)?,
        RedfishTrust::CaFile(path) => Trust::Ca(read(path)?),
        RedfishTrust::Fingerprint(fingerprint) => Trust::Fingerprint(*fingerprint),
        RedfishTrust::Insecure => Trust::Insecure,
    };
    let endpoint = Endpoint::new(wish.url.clone(), trust);
    let Some(file) = &wish.credentials_file else {
        return Ok(endpoint);
    };
    let credentials = Credentials::load(file).map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        refused(format!("{error}{cause}"))
    })?;
    Ok(endpoint.with_credentials(credentials))
}
