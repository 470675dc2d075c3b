//! What came of an action.

use super::settle::Course;
use crate::rack::action::SwitchTo;
use crate::rack::event::{Action, Outcome, What};
use crate::rack::switch::{SwitchChange, SwitchTurn};

pub(super) fn done(next: &mut Course<'_>, action: &Action, outcome: &Outcome) {
    let before = next.rack.sight.attempts.get(action);
    let first = before.is_none_or(|attempt| attempt.outcome == Outcome::Done);
    next.happen(What::ActionTried {
        action: action.clone(),
        outcome: outcome.clone(),
    });
    match (outcome, action) {
        (Outcome::Failed(reason), _) if first => next.happen(What::ActionFailed {
            action: action.clone(),
            reason: reason.clone(),
        }),
        (Outcome::Done, Action::SetLed { place, on }) => {
            let label = next.label(place);
            next.happen(What::LedSet {
                place: place.clone(),
                label,
                on: *on,
            });
        }
        (Outcome::Done, Action::SetCap { node, watts }) => next.happen(What::CapSet {
            node: node.clone(),
            watts: *watts,
        }),
        (
            Outcome::Done,
            Action::SwitchNode {
                node,
                to: SwitchTo::Off,
            },
        ) => {
            let node = node.clone();
            let turn = SwitchTurn::IsOff;
            next.happen(What::SwitchChanged(Box::new(SwitchChange { node, turn })));
        }
        (
            Outcome::Done,
            Action::SwitchNode { .. }
            | Action::ReadSupplies { .. }
            | Action::OrderDrive { .. }
            | Action::DetachDrive { .. },
        )
        | (Outcome::Would | Outcome::Failed(_), _) => {}
    }
}
