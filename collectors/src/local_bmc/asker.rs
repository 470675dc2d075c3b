//! One thread that asks a BMC, so that a BMC that hangs holds up nobody: it is asked again only once it has answered.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// What came of asking.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// An answer.
    Came(T),
    /// None in time. The question is still out, and nothing else is asked meanwhile.
    Late,
    /// The thread has ended: something broke in it.
    Broke,
}

/// The thread, and whether a question is out. It ends when this is dropped and its question is answered.
#[derive(Debug)]
pub(super) struct Asker<T> {
    ask: Sender<()>,
    answers: Receiver<T>,
    is_out: bool,
}

impl<T: Send + 'static> Asker<T> {
    /// Starts the thread; `turn` asks once.
    ///
    /// # Errors
    /// Where the kernel gives no thread.
    pub(super) fn start(name: &str, mut turn: impl FnMut() -> T + Send + 'static) -> io::Result<Asker<T>> {
        let (ask, asked) = channel();
        let (answer, answers) = channel();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while let Ok(()) = asked.recv() {
                if answer.send(turn()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Asker {
            ask,
            answers,
            is_out: false,
        })
    }

    /// Asks, unless a question is still out, and waits so long for the answer.
    pub(super) fn ask(&mut self, patience: Duration) -> Answer<T> {
        if !self.is_out && self.ask.send(()).is_err() {
            return Answer::Broke;
        }
        self.is_out = true;
        match self.answers.recv_timeout(patience) {
            Ok(answer) => {
                self.is_out = false;
                Answer::Came(answer)
            }
            Err(RecvTimeoutError::Timeout) => Answer::Late,
            Err(RecvTimeoutError::Disconnected) => Answer::Broke,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;

    #[test]
    fn one_that_hangs_is_asked_once_until_it_answers() {
        let (go, gate) = mpsc::channel::<()>();
        let turns = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&turns);
        let mut asker = Asker::start("hangs", move || {
            let turn = counted.fetch_add(1, Ordering::SeqCst);
            gate.recv().unwrap();
            turn
        })
        .unwrap();
        for _ in 0..3 {
            assert!(matches!(asker.ask(Duration::from_millis(5)), Answer::Late));
        }
        go.send(()).unwrap();
        assert!(matches!(asker.ask(Duration::from_secs(30)), Answer::Came(0)));
        assert_eq!(turns.load(Ordering::SeqCst), 1);
        go.send(()).unwrap();
        assert!(matches!(asker.ask(Duration::from_secs(30)), Answer::Came(1)));
        drop(go);
        assert!(matches!(asker.ask(Duration::from_secs(30)), Answer::Broke));
    }
}
