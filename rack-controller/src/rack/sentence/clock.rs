//! What the wall's clock did, in a sentence.

use crate::rack::event::ClockFound;

pub(super) fn message(found: &ClockFound) -> String {
    let seconds = found.set_by_millis.unsigned_abs() / 1_000;
    match found.set_by_millis {
        0 if found.new_boot => {
            "the controller's machine has booted: how long it was away is told by the wall's clock alone"
                .to_owned()
        }
        0 => "the wall's clock has gone on as the machine's own has".to_owned(),
        by => format!(
            "the wall's clock was set {} by {seconds} s while the controller was away: claims, pauses and lights end by as much {}",
            if by > 0 { "forwards" } else { "backwards" },
            if by > 0 { "later" } else { "earlier" },
        ),
    }
}
