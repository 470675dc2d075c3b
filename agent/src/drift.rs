//! Hears who writes to our cgroups (inotify(7)), so that the keeper looks at once and not at its next turn.
//!
//! The kernel tells writes of others to any file of a cgroup, and its own changes of `cpuset.cpus.partition` and
//! `cgroup.events`. What is told is only a hint to look: the keeper compares the host with the intent as ever.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// The most directories that are heard: a thousand workloads in four hierarchies.
const MOST_WATCHES: usize = 4_096;
/// Files of which the kernel itself tells changes that are no drift, and often: `memory.events`, `pids.events` …
const COUNTERS: &str = ".events";
/// The one of them that matters: whether processes are left.
const CGROUP_EVENTS: &str = "cgroup.events";
/// After an error of reading the ears rest this long instead of spinning.
const REST: Duration = Duration::from_secs(1);

/// Hears some directories.
#[derive(Debug)]
pub struct Ears {
    inotify: Arc<Inotify>,
    heard: BTreeMap<PathBuf, WatchDescriptor>,
}

impl Ears {
    /// Starts to hear; `hint` is called, on a thread of its own, for each write until it says that nobody listens any more.
    ///
    /// # Errors
    /// When the kernel gives no inotify or no thread.
    pub fn open(hint: impl Fn() -> bool + Send + 'static) -> io::Result<Ears> {
        let inotify = Arc::new(Inotify::init(InitFlags::IN_CLOEXEC)?);
        let ear = Arc::clone(&inotify);
        let listen = move || {
            loop {
                match ear.read_events() {
                    Ok(events) => {
                        let mut names = events.iter().map(|event| event.name.as_deref());
                        let is_hint = names.any(|name| name.is_none_or(is_drift));
                        if is_hint && !hint() {
                            return;
                        }
                    }
                    Err(Errno::EINTR) => {}
                    Err(error) => {
                        tracing::warn!("cannot hear who writes to our cgroups: {error}");
                        std::thread::sleep(REST);
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("drift".to_owned())
            .spawn(listen)?;
        Ok(Ears {
            inotify,
            heard: BTreeMap::new(),
        })
    }

    /// Hears these directories too.
    pub fn hear_also(&mut self, dirs: impl Iterator<Item = PathBuf>) {
        let what = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_ONLYDIR;
        for dir in dirs.take(MOST_WATCHES.saturating_sub(self.heard.len())) {
            // Asked for anew each time: a directory that was removed and made again has no watch, and for one that has it
            // the kernel gives the same number.
            match self.inotify.add_watch(&dir, what) {
                Ok(watch) => {
                    self.heard.insert(dir, watch);
                }
                // The next turn of the keeper finds out what became of it.
                Err(error) => tracing::debug!("cannot hear {}: {error}", dir.display()),
            }
        }
    }

    /// From now on hears these directories and no others.
    pub fn hear(&mut self, dirs: impl Iterator<Item = PathBuf>) {
        let mut before = std::mem::take(&mut self.heard);
        self.hear_also(dirs.inspect(|dir| {
            before.remove(dir);
        }));
        for watch in before.into_values() {
            // Of a directory that is gone the kernel has taken the watch away by itself.
            let _ = self.inotify.rm_watch(watch);
        }
    }
}

/// Whether a change of this file may be drift.
fn is_drift(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == CGROUP_EVENTS || !name.ends_with(COUNTERS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_write_is_heard_in_the_directories_that_are_heard_and_in_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        for dir in [&one, &other] {
            fs::create_dir(dir).unwrap();
        }
        let (tell, told) = channel();
        let mut ears = Ears::open(move || tell.send(()).is_ok()).unwrap();
        ears.hear([one.clone()].into_iter());
        fs::write(one.join("cpuset.cpus"), "3").unwrap();
        told.recv_timeout(LONG).unwrap();
        ears.hear([other.clone()].into_iter());
        while told.try_recv().is_ok() {}
        fs::write(one.join("cpuset.cpus"), "4").unwrap();
        fs::write(other.join("memory.events"), "5").unwrap();
        fs::write(other.join("cpuset.mems"), "0").unwrap();
        told.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn counters_of_the_kernel_are_no_drift() {
        for (name, expected) in [
            ("cpuset.cpus.partition", true),
            ("cgroup.events", true),
            ("memory.events", false),
            ("pids.events", false),
        ] {
            assert_eq!(is_drift(OsStr::new(name)), expected, "{name}");
        }
    }
}
