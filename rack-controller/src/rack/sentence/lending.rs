//! What becomes of unused watts, in sentences.

use crate::rack::event::{LendingChange, LendingTurn};

pub(super) const fn kind(turn: &LendingTurn) -> &'static str {
    match turn {
        LendingTurn::Lent { .. } => "watts_lent",
        LendingTurn::Recalled { .. } => "lent_watts_recalled",
        LendingTurn::Returned { .. } => "lent_watts_returned",
    }
}

pub(super) fn message(change: &LendingChange) -> String {
    let node = &change.node;
    match &change.turn {
        LendingTurn::Lent { watts, keeps, peak } => {
            format!("{node} lends {watts} of its firm watts and keeps {keeps}: it drew {peak} at the most")
        }
        LendingTurn::Recalled { watts, reason } => {
            format!("{node} takes back the {watts} that it lent: {reason}")
        }
        LendingTurn::Returned { took_millis } => {
            format!("{node} has back what it lent, {took_millis} ms after it was asked for")
        }
    }
}
