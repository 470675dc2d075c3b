//! The times and counts of a bay's life; kinds of bays differ by these only.

use std::time::Duration;

/// How long a supply stays faulted after its first fault (Oxide's power shelf: fault-off 5 s).
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest wait between two tries; a person comes by more often than that.
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// Faults of one supply after which it is given up until it is pulled.
const MOST_FAULTS: u32 = 5;
/// A supply that was in service for as long as this is forgiven its earlier faults.
const FORGIVEN_AFTER: Duration = Duration::from_secs(3_600);
/// A supply that comes back within this time of an unprepared loss has bad contacts.
const FLAP_WINDOW: Duration = Duration::from_secs(60);
/// The longest settling of a bay whose contacts flap.
const LONGEST_SETTLE: Duration = Duration::from_secs(120);

/// The times and counts of a bay's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BayRules {
    /// How long contacts must be quiet after an insertion.
    pub settle: Duration,
    /// How long a part is on trial.
    pub probation: Duration,
    /// How long a part stays faulted after its first fault; doubles with each further one.
    pub first_retry: Duration,
    /// The longest wait between two tries.
    pub longest_retry: Duration,
    /// Faults after which a part is condemned.
    pub most_faults: u32,
    /// Service after which earlier faults are forgiven.
    pub forgiven_after: Duration,
    /// A part that comes back within this time of an unprepared loss flaps; settling doubles with each further flap.
    pub flap_window: Duration,
    /// The longest settling.
    pub longest_settle: Duration,
}

impl BayRules {
    /// The rules of a bay of supplies.
    pub const fn of_supplies(settle: Duration, probation: Duration) -> BayRules {
        BayRules {
            settle,
            probation,
            first_retry: FIRST_RETRY,
            longest_retry: LONGEST_RETRY,
            most_faults: MOST_FAULTS,
            forgiven_after: FORGIVEN_AFTER,
            flap_window: FLAP_WINDOW,
            longest_settle: LONGEST_SETTLE,
        }
    }
}
