//! Why the keeper did not do what it was asked.

use intent::WorkloadId;

/// Why the keeper did not do what it was asked. `code` is the word that goes over the wire.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The ask makes no sense.
    #[error("{0}")]
    BadAsk(String),
    /// There is not enough of what was asked.
    #[error("{0}")]
    Shortfall(String),
    /// It was refused: by a mode, by another owner, by the host.
    #[error("{0}")]
    Refused(String),
    /// A workload of this name is here already, or the ledger is in use.
    #[error("{0}")]
    Conflict(String),
    /// There is no such workload.
    #[error("there is no workload {0}")]
    NotFound(WorkloadId),
    /// The host or the disk failed; what was begun was undone, as far as the message says.
    #[error("{0}")]
    Failed(String),
}

impl KeeperError {
    /// The error code of the HTTP API.
    pub const fn code(&self) -> &'static str {
        match self {
            KeeperError::BadAsk(_) => "bad_request",
            KeeperError::Shortfall(_) => "shortfall",
            KeeperError::Refused(_) => "refused",
            KeeperError::Conflict(_) => "conflict",
            KeeperError::NotFound(_) => "not_found",
            KeeperError::Failed(_) => "internal",
        }
    }
}
