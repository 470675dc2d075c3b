//! What the outside tells `busbar run` while its command runs: signals, each with who sent it, and how the command's own stops are shared.
//!
//! Who waits for `busbar run`, a shell as a rule, sees this process alone. So it stops where its command has stopped, by the same signal
//! and after it: a terminal's modes are put back by then. What lets it go on is passed on.

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;

use crate::born;

/// What is passed on to the command.
const PASSED_ON: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGCONT,
];
/// What a terminal sends for a key, to everybody in its foreground.
const OF_KEYS: [Signal; 3] = [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTSTP];

/// Hears signals; from its birth on they do nothing else to this process.
#[derive(Debug)]
pub struct Ear {
    heard: AsyncFd<SignalFd>,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which.
    pub signal: Signal,
    /// A terminal sent it for a key: the command, which is in the same foreground, has it already.
    pub is_of_key: bool,
}

impl Ear {
    /// Opens it. The thread that calls this must be the only one.
    ///
    /// # Errors
    /// When the kernel gives none.
    pub fn open() -> io::Result<Ear> {
        let all: SigSet = PASSED_ON.into_iter().collect();
        all.thread_block()?;
        let heard = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Ear {
            heard: born::heard(heard)?,
        })
    }

    /// The next signal.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub async fn next(&self) -> io::Result<Heard> {
        loop {
            let mut ready = self.heard.readable().await?;
            let Some(told) = self.heard.get_ref().read_signal()? else {
                ready.clear_ready();
                continue;
            };
            let number = i32::try_from(told.ssi_signo).unwrap_or_default();
            let Ok(signal) = Signal::try_from(number) else {
                continue;
            };
            let is_of_key = told.ssi_code == libc::SI_KERNEL && OF_KEYS.contains(&signal);
            return Ok(Heard { signal, is_of_key });
        }
    }
}

/// By what a child has stopped since this was last asked; nothing where it has not.
pub fn stopped(child: Pid) -> Option<Signal> {
    let ways = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
    match waitid(Id::Pid(child), ways) {
        Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
        // It runs, or has ended: whoever waits for that hears of it.
        Ok(_) | Err(_) => None,
    }
}

/// Stops this process as its command has stopped, and returns when it goes on. In a process group that nobody could let go on the kernel
/// stops no one by a key's signal; then this returns at once.
///
/// # Errors
/// When the kernel does not let us.
pub fn stop_too(by: Signal) -> Result<(), Errno> {
    raise(by)?;
    if !PASSED_ON.contains(&by) {
        return Ok(());
    }
    // It waits until it is let through; its own doing is to stop.
    let mut one = SigSet::empty();
    one.add(by);
    one.thread_unblock()?;
    one.thread_block()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use nix::sys::signal::kill;

    use super::*;

    #[test]
    fn who_sent_a_signal_is_known() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let ear = Ear::open().unwrap();
            // To this thread alone: the others of a test would end by it.
            raise(Signal::SIGTSTP).unwrap();
            let heard = ear.next().await.unwrap();
            assert_eq!((heard.signal, heard.is_of_key), (Signal::SIGTSTP, false));
        });
    }

    #[test]
    fn a_stop_is_told_once_and_an_end_is_none() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        assert_eq!(stopped(pid), None);
        kill(pid, Signal::SIGSTOP).unwrap();
        let begun = std::time::Instant::now();
        let mut by = None;
        while by.is_none() && begun.elapsed().as_secs() < 60 {
            by = stopped(pid);
            std::thread::yield_now();
        }
        assert_eq!(by, Some(Signal::SIGSTOP));
        assert_eq!(stopped(pid), None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(stopped(pid), None);
    }
}
