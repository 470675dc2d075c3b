//! The journal's own thread: whoever decides never waits for a disk. What came while one write lasted goes with the next, in one transaction.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Batch, Journal, JournalError, Link};

/// Batches in one transaction: an fsync for each thousand is cheap, and one that fails is repeated whole.
const MOST_AT_ONCE: usize = 1_000;
/// The rest after a write that failed: a full disk is looked at once a second.
const RETRY: Duration = Duration::from_secs(1);

/// How long a head may be only written and not on the disk while more is written without a pause.
const HEAD_WITHIN: Duration = Duration::from_secs(1);

/// How far the journal is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last event that is on the disk.
    pub durable: Link,
    /// Why the next one is not, where it was tried.
    pub trouble: Option<String>,
}

/// Gives events to the journal's thread, and tells how far it has come. The thread ends after this is dropped, when all is written.
#[derive(Debug)]
pub struct Writer {
    send: Sender<Batch>,
    progress: watch::Receiver<Progress>,
}

impl Writer {
    /// Starts the thread. `timed` is told how long each transaction took until it was on the disk.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(
        journal: Journal,
        timed: impl Fn(Duration) + Send + 'static,
    ) -> Result<Writer, JournalError> {
        let (send, batches) = channel();
        let (tell, progress) = watch::channel(Progress {
            durable: journal.last(),
            trouble: None,
        });
        let path = journal.path().to_owned();
        std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                // The journal is closed before the end is told: who waits for it finds the lock free.
                write(journal, &batches, &tell, timed);
                drop(tell);
            })
            .map_err(|cause| JournalError::file("start the thread that writes", &path, cause))?;
        Ok(Writer { send, progress })
    }

    /// Events to be appended after all that were given before. Nobody waits.
    pub fn give(&self, batch: Batch) {
        // A thread that is gone is seen in the progress.
        let _ = self.send.send(batch);
    }

    /// How far it has come, and a notice of each step.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Takes nothing more, and waits so long for what was given to be written.
    pub async fn close(self, limit: Duration) {
        let Writer { send, mut progress } = self;
        drop(send);
        let ended = async { while progress.changed().await.is_ok() {} };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!("the journal's disk does not answer; what it has not taken yet is forgotten");
        }
    }
}

fn write(
    mut journal: Journal,
    batches: &Receiver<Batch>,
    tell: &watch::Sender<Progress>,
    timed: impl Fn(Duration),
) {
    let mut waiting: Vec<Batch> = Vec::new();
    let mut next = batches.recv().ok();
    let mut synced = Instant::now();
    while next.is_some() || !waiting.is_empty() {
        waiting.extend(next);
        while waiting.len() < MOST_AT_ONCE
            && let Ok(more) = batches.try_recv()
        {
            waiting.push(more);
        }
        let began = Instant::now();
        let trouble = match journal.append_all(&waiting) {
            Ok(_) => {
                timed(began.elapsed());
                waiting.clear();
                None
            }
            Err(error) => Some(crate::eyes::chain(&error)),
        };
        let failed = trouble.is_some();
        tell.send_replace(Progress {
            durable: journal.last(),
            trouble,
        });
        next = if failed {
            match batches.recv_timeout(RETRY) {
                Ok(more) => Some(more),
                Err(RecvTimeoutError::Timeout) => None,
                // Nobody waits for it any more.
                Err(RecvTimeoutError::Disconnected) => return,
            }
        } else {
            // Whoever waits has been told; the head follows when nobody waits, and at least so often.
            let at_once = batches.try_recv().ok();
            if at_once.is_none() || synced.elapsed() >= HEAD_WITHIN {
                journal.sync_head();
                synced = Instant::now();
            }
            at_once.or_else(|| batches.recv().ok())
        };
    }
}
