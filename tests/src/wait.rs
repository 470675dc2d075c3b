//! Waiting for something to become true, with a deadline and the last reason why it is not.

use std::thread;
use std::time::{Duration, Instant};

/// How often is looked: short against everything that is waited for, long against the cost of a look.
const LOOK: Duration = Duration::from_millis(25);

/// Looks until `look` answers something, or until the deadline; then the error says what was waited for and what was seen last.
///
/// # Errors
/// The deadline has passed.
pub fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        let last = match look() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if started.elapsed() >= deadline {
            let waited = format!("waited {} s for: {what}", deadline.as_secs());
            return Err(match last {
                Some(error) => error.context(waited),
                None => anyhow::anyhow!(waited),
            });
        }
        thread::sleep(LOOK);
    }
}
