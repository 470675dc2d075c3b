//! Doubts that somebody knows of: they are still shown, and nobody is told of them again until they say something else.

use std::time::Duration;

use rack_api::v1::AckRequest;

use super::Refusal;
use super::settle::Course;
use crate::rack::event::What;
use crate::rack::person::Known;

/// The longest acknowledgement with an end, 90 days: whoever knows longer than that says so without one.
const LONGEST_KNOWN_SECONDS: u32 = 90 * 86_400;

pub(super) fn acknowledge(
    next: &mut Course<'_>,
    request: &AckRequest,
    message: Option<&str>,
) -> Result<(), Refusal> {
    let id = &request.id;
    if request.cancel {
        if !next.rack.kept.known.contains_key(id) {
            return Err(Refusal::NotFound(format!(
                "no doubt {id:?} is acknowledged; see: busbar doubts"
            )));
        }
        next.happen(What::DoubtUnknown { id: id.clone() });
        return Ok(());
    }
    let Some(message) = message else {
        return Err(Refusal::NotFound(format!(
            "there is no doubt {id:?}; expected the name of one, as `busbar doubts` lists them"
        )));
    };
    if next.reason().is_none() {
        return Err(Refusal::BadRequest(
            "an acknowledgement without a reason; expected why this is no trouble, as in \"spare bays\": it is journaled"
                .to_owned(),
        ));
    }
    let seconds = request.for_seconds;
    if seconds.is_some_and(|seconds| seconds == 0 || seconds > LONGEST_KNOWN_SECONDS) {
        return Err(Refusal::BadRequest(format!(
            "{} seconds; expected 1 to {LONGEST_KNOWN_SECONDS} for an acknowledgement, or none",
            seconds.unwrap_or_default()
        )));
    }
    let known = Known {
        id: id.clone(),
        message: message.to_owned(),
        at: next.now,
        until: seconds.map(|seconds| next.now.after(Duration::from_secs(u64::from(seconds)))),
        asked: next.asked.clone(),
    };
    next.happen(What::DoubtKnown(known));
    Ok(())
}
