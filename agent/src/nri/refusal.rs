//! Why a runtime's call is answered with an error, in the codes of gRPC.

use super::message::NoMessage;
use crate::keeping::OrderError;
use crate::reconcile::KeeperError;

/// Codes of gRPC.
pub(super) const DEADLINE_EXCEEDED: i32 = 4;
pub(super) const INVALID_ARGUMENT: i32 = 3;
pub(super) const RESOURCE_EXHAUSTED: i32 = 8;
pub(super) const FAILED_PRECONDITION: i32 = 9;
pub(super) const UNIMPLEMENTED: i32 = 12;
pub(super) const INTERNAL: i32 = 13;
pub(super) const UNAVAILABLE: i32 = 14;

/// Why a call is answered with an error.
pub(super) struct No {
    pub(super) code: i32,
    pub(super) why: String,
}

impl From<NoMessage> for No {
    fn from(error: NoMessage) -> No {
        No {
            code: INVALID_ARGUMENT,
            why: error.to_string(),
        }
    }
}

impl From<OrderError> for No {
    fn from(error: OrderError) -> No {
        let code = match &error {
            OrderError::Keeper(KeeperError::BadAsk(_)) => INVALID_ARGUMENT,
            OrderError::Keeper(KeeperError::Shortfall(_)) => RESOURCE_EXHAUSTED,
            OrderError::Keeper(
                KeeperError::Refused(_) | KeeperError::Conflict(_) | KeeperError::NotFound(_),
            ) => FAILED_PRECONDITION,
            OrderError::Keeper(KeeperError::Failed(_)) => INTERNAL,
            OrderError::Busy | OrderError::Gone => UNAVAILABLE,
        };
        No {
            code,
            why: error.to_string(),
        }
    }
}
