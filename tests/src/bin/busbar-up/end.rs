//! How it ends: Ctrl-C, SIGTERM or a closed terminal; a second one ends at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Watches for signals on a thread of its own.
pub struct Endings {
    asked: mpsc::Receiver<()>,
    times: Arc<AtomicU32>,
}

impl Endings {
    /// Begins to watch.
    pub fn watch() -> anyhow::Result<Endings> {
        let (ask, asked) = mpsc::channel();
        let (armed, is_armed) = mpsc::channel();
        let times = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&times);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            match runtime {
                Ok(runtime) => runtime.block_on(receive(&ask, &armed, &counted)),
                Err(error) => {
                    // The starter learns of it by the error that it receives.
                    let _ = armed.send(Err(error));
                }
            }
        });
        is_armed
            .recv()
            .context("the thread that waits for signals died")?
            .context("cannot wait for signals")?;
        Ok(Endings { asked, times })
    }

    /// Waits at most that long; says whether the end was asked for.
    pub fn wait(&self, at_most: Duration) -> bool {
        self.asked.recv_timeout(at_most).is_ok()
    }

    /// Whether the end was asked for already.
    pub fn is_asked(&self) -> bool {
        self.times.load(Ordering::Relaxed) > 0
    }

    /// Whether it was asked for a second time: nobody wants to wait any more.
    pub fn at_once(&self) -> bool {
        self.times.load(Ordering::Relaxed) > 1
    }
}

async fn receive(ask: &mpsc::Sender<()>, armed: &mpsc::Sender<std::io::Result<()>>, times: &AtomicU32) {
    let all = || {
        Ok((
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ))
    };
    let (mut interrupt, mut terminate, mut hangup) = match all() {
        Ok(signals) => {
            // Both receivers live as long as the program.
            let _ = armed.send(Ok(()));
            signals
        }
        Err(error) => {
            let _ = armed.send(Err(error));
            return;
        }
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        times.fetch_add(1, Ordering::Relaxed);
        if ask.send(()).is_err() {
            return;
        }
    }
}
