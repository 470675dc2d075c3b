//! The power limit of a node behind IPMI: set, read, and never believed where exceeding it would switch the node off.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bmc::ipmi::act::{NewLimit, activate, set_limit};
use bmc::ipmi::observe::{self, ExceptionAction, PowerLimit, Refresh};
use bmc::ipmi::{Ipmi, IpmiError};
use facts::supply::Doubt;
use facts::{NoData, Power, Reading};

use super::Place;
use crate::eyes::chain;
use crate::eyes::line::Line;

/// A limit that we did not set ourselves is looked for this often.
const EVERY: Duration = Duration::from_secs(60);
/// Over how long a limit may be exceeded before the BMC logs it, and over how long it averages.
const CORRECTION: Duration = Duration::from_secs(1);
const SAMPLING: Duration = Duration::from_secs(1);

/// Whether the node is on; `None` where its BMC does not tell.
pub(super) fn is_on(refresh: &Refresh) -> Option<bool> {
    refresh.chassis.as_ref().map(|chassis| chassis.is_on)
}

/// The limit as it counts. One in force that would do harm where it is exceeded is not ours, and is set anew where one is wanted: that takes
/// its harm away (power.md, rule 12).
pub(super) fn cap_of(limit: &Reading<PowerLimit>) -> Reading<Power> {
    match limit {
        Reading::Value(limit) if limit.is_active && limit.exception.is_harmless() => {
            Reading::Value(Power::from_milliwatts(u64::from(limit.watts) * 1_000))
        }
        Reading::Value(limit) if limit.is_active => Reading::none(NoData::Refused),
        Reading::Value(_) => Reading::none(NoData::Off),
        none => Reading::none(none.reason().unwrap_or(NoData::Unsupported)),
    }
}

/// A limit in force that would switch its node off: somebody else has set it so.
pub(super) fn doubt(limit: &Reading<PowerLimit>) -> Option<Doubt> {
    let limit = limit
        .as_ref()
        .filter(|limit| limit.is_active && !limit.exception.is_harmless())?;
    Some(Doubt {
        kind: "limit".to_owned(),
        message: format!(
            "the exception action of the limit of {} W in force is {:?}: exceeding it for {} ms would do that to the machine",
            limit.watts,
            limit.exception,
            limit.correction.as_millis()
        ),
        resource: "DCMI power limit".to_owned(),
    })
}

/// Reads the limit where that is due.
///
/// # Errors
/// The BMC cannot be reached any more.
pub(super) async fn read(place: &Place, client: &Ipmi) -> Result<(), IpmiError> {
    let known = place.said().limit.as_ref().map(|(at, _)| at.elapsed());
    if known.is_some_and(|since| since < EVERY) {
        return Ok(());
    }
    let limit = match observe::power_limit(client).await {
        Ok(Some(limit)) => Reading::Value(limit),
        Ok(None) => Reading::none(NoData::Off),
        Err(error) if error.is_unreachable() => return Err(error),
        Err(error) => Reading::none(error.no_data()),
    };
    place.said().limit = Some((Instant::now(), limit));
    Ok(())
}

/// Sets the node's power limit and puts it in force; exceeding it is logged and switches nothing off.
///
/// # Errors
/// The BMC cannot be reached, says no, or shows another limit than was asked, in words.
pub(crate) async fn set_cap(line: &Line, watts: Power) -> Result<(), String> {
    let place = line.place();
    let client = place.client(line).await.map_err(|error| chain(&error))?;
    let whole = watts.milliwatts() / 1_000;
    let watts = u16::try_from(whole).map_err(|_| format!("{watts} is more than IPMI can say (65535 W)"))?;
    let new = NewLimit {
        watts,
        exception: ExceptionAction::LogEventOnly,
        correction: CORRECTION,
        sampling: SAMPLING,
    };
    place.writes.fetch_add(2, Ordering::Relaxed);
    place.said().limit = None;
    set_limit(&client, new).await.map_err(|error| error.whole())?;
    activate(&client, true).await.map_err(|error| error.whole())
}
