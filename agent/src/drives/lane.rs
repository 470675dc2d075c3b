//! A lane for each drive: what is done to one drive is done one after the other, on a thread of its own, and waited for only so long. A
//! drive that hangs holds up its own lane, no other one, and not the page.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Refusal;

/// What a request waits for its turn, and then for its end. A connection has ten seconds to come up or to go.
const PATIENCE: Duration = Duration::from_secs(15);
/// After so long a drive that does not end what it was told counts as hung.
pub(super) const HUNG: Duration = Duration::from_secs(75);

/// One drive's lane.
#[derive(Debug)]
pub(super) struct Lane {
    patience: Duration,
    turn: Arc<tokio::sync::Mutex<()>>,
    since: Arc<Mutex<Option<Instant>>>,
}

impl Default for Lane {
    fn default() -> Lane {
        Lane {
            patience: PATIENCE,
            turn: Arc::default(),
            since: Arc::default(),
        }
    }
}

impl Lane {
    /// Whether something is under way for so long that the drive counts as hung.
    pub(super) fn is_hung(&self) -> bool {
        self.busy_for().is_some_and(|time| time >= HUNG)
    }

    /// Whether something is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.turn.try_lock().is_err()
    }

    fn busy_for(&self) -> Option<Duration> {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed())
    }

    fn slow(&self, of: &str) -> Refusal {
        let time = self.busy_for().unwrap_or_default().as_secs();
        Refusal::Busy(format!(
            "{of} does not end what it was told {time} s ago; it is waited for, and this was not begun"
        ))
    }

    /// Does something in its turn.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        of: &str,
        work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let turn = self.turn.clone().lock_owned();
        let Ok(turn) = tokio::time::timeout(self.patience, turn).await else {
            return Err(self.slow(of));
        };
        let (tell, told) = oneshot::channel();
        let since = self.since.clone();
        let mark = move |time| *since.lock().unwrap_or_else(PoisonError::into_inner) = time;
        let thread = std::thread::Builder::new().name("drive".to_owned());
        // A thread and not the runtime's own: nobody waits for one that hangs when the agent stops.
        let spawned = thread.spawn(move || {
            mark(Some(Instant::now()));
            let done = work();
            mark(None);
            drop(turn);
            // Fails only where nobody waits for it any more.
            let _ = tell.send(done);
        });
        spawned.map_err(|error| Refusal::Failed(format!("the kernel gives no thread for {of}: {error}")))?;
        match tokio::time::timeout(self.patience, told).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(Refusal::Failed(format!("what was done to {of} broke off"))),
            Err(_) => Err(Refusal::Busy(format!(
                "{of} does not end what it was told within {} s; it goes on, ask again how it stands",
                self.patience.as_secs()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn a_lane_that_hangs_says_so_and_holds_up_no_other_one() {
        let hung = Lane {
            patience: Duration::from_millis(20),
            ..Lane::default()
        };
        let free = Lane::default();
        let (release, wait) = channel::<()>();
        let work = move || {
            let _ = wait.recv();
            Ok(())
        };
        let error = hung.run("drive S1", work).await.unwrap_err();
        assert!(
            matches!(&error, Refusal::Busy(why) if why.contains("S1")),
            "{error:?}"
        );
        assert!(hung.is_busy());
        let error = hung.run("drive S1", || Ok(())).await.unwrap_err();
        assert!(
            matches!(&error, Refusal::Busy(why) if why.contains("not begun")),
            "{error:?}"
        );
        assert_eq!(free.run("drive S2", || Ok(7)).await, Ok(7));
        release.send(()).unwrap();
        while hung.is_busy() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(hung.run("drive S1", || Ok(8)).await, Ok(8));
    }
}
