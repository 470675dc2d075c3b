//! The ears: hears the kernel's uevents on a thread of its own and tells the hub which subsystems have changed.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::sync::mpsc::{SendError, SyncSender};
use std::time::{Duration, Instant};

use collectors::uevent::{Heard, UeventSocket};
use facts::NoData;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::beat::Silence;
use super::hub::News;

/// The source's name.
pub(super) const NAME: &str = "uevent";

/// A burst is over when nothing came for so long: one device that comes is some twenty events within a few milliseconds.
const QUIET: Duration = Duration::from_millis(20);

/// A burst that does not end is told after so long all the same.
const LONGEST_BURST: Duration = Duration::from_millis(100);

/// The user namespace that the machine started with (`PROC_USER_INIT_INO` in linux/proc_ns.h).
const OWN_USER_NAMESPACE: &str = "/proc/self/ns/user";
const FIRST_USER_NAMESPACE: &str = "user:[4026531837]";

/// What changed in a burst of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Burst {
    /// The subsystems whose devices came, went or changed.
    pub(super) subsystems: BTreeSet<String>,
    /// Events were lost: anything may have changed.
    pub(super) is_lossy: bool,
}

impl Burst {
    /// Takes what was heard; only what some source asked for counts.
    pub(super) fn take(&mut self, heard: Heard, asked_for: &BTreeSet<&'static str>) {
        match heard {
            Heard::Uevent(event) => {
                let subsystem = event.subsystem.filter(|name| asked_for.contains(name.as_str()));
                self.subsystems.extend(subsystem);
            }
            Heard::Lost => self.is_lossy = true,
            Heard::Nonsense(error) => tracing::debug!("{error}"),
            Heard::Stranger { port } => {
                tracing::debug!("the process at netlink port {port} is not the kernel")
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.subsystems.is_empty() && !self.is_lossy
    }
}

/// Starts the thread. It ends when the writer is dropped, or when nobody takes its news.
pub(super) fn start(asked_for: BTreeSet<&'static str>, news: SyncSender<News>) -> io::Result<PipeWriter> {
    let (end, hold) = io::pipe()?;
    std::thread::Builder::new()
        .name("uevent".to_owned())
        .spawn(move || run(&asked_for, &end, &news))?;
    Ok(hold)
}

fn run(asked_for: &BTreeSet<&'static str>, end: &PipeReader, news: &SyncSender<News>) {
    let mut socket = match UeventSocket::open() {
        Ok(socket) => socket,
        Err(error) => {
            let message = format!(
                "the kernel gives no socket for uevents: {error}; parts that come and go are found by looking"
            );
            let reason = if error.kind() == io::ErrorKind::PermissionDenied {
                NoData::Refused
            } else {
                NoData::Unsupported
            };
            // Fails only where the hub has ended.
            let _ = news.send(News::Ears(Err(Silence { reason, message })));
            return;
        }
    };
    if news.send(News::Ears(hears())).is_err() {
        return;
    }
    while let Ok(true) = wait(&socket, end, None) {
        let told = match burst(&mut socket, end, asked_for) {
            Ok(burst) if burst.is_empty() => Ok(()),
            Ok(burst) => news.send(News::Burst(burst)),
            Err(error) => {
                let silence = Silence {
                    reason: NoData::Refused,
                    message: format!("the socket for uevents broke: {error}"),
                };
                let _ = news.send(News::Ears(Err(silence)));
                return;
            }
        };
        if matches!(told, Err(SendError(_))) {
            return;
        }
    }
}

/// Whether uevents come here at all: the kernel tells them where the first user namespace owns the network namespace.
fn hears() -> Result<(), Silence> {
    let ours = std::fs::read_link(OWN_USER_NAMESPACE);
    match ours {
        Ok(ours) if ours.as_os_str() != FIRST_USER_NAMESPACE => Err(Silence {
            reason: NoData::Unsupported,
            message: format!(
                "we run in a user namespace of our own ({}), where the kernel may tell no uevents; parts that come and go \
                 are found by looking",
                ours.display()
            ),
        }),
        // Without /proc nobody can say; the socket is there.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Hears until a burst is over.
fn burst(
    socket: &mut UeventSocket,
    end: &PipeReader,
    asked_for: &BTreeSet<&'static str>,
) -> io::Result<Burst> {
    let mut burst = Burst::default();
    let until = Instant::now() + LONGEST_BURST;
    loop {
        // A storm may fill the socket faster than it is emptied: the clock ends the burst, not the silence.
        while let Some(heard) = socket.hear()? {
            burst.take(heard, asked_for);
            if Instant::now() >= until {
                return Ok(burst);
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || burst.is_empty() || !wait(socket, end, Some(QUIET.min(left)))? {
            return Ok(burst);
        }
    }
}

/// Waits until something can be heard; false after the time, or where the ears are to end.
fn wait(socket: &UeventSocket, end: &PipeReader, at_most: Option<Duration>) -> io::Result<bool> {
    let timeout = at_most.map_or(PollTimeout::NONE, |time| {
        PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX)
    });
    let mut both = [
        PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        PollFd::new(end.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut both, timeout) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let [socket, end] = both;
    let is_over = end.revents().is_some_and(|events| !events.is_empty());
    Ok(!is_over && socket.revents().is_some_and(|events| !events.is_empty()))
}
