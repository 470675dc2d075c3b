//! The agent as a plugin of a container runtime (NRI, containerd 1.7 and CRI-O 1.26 and later): whoever asks for CPUs by annotation gets
//! them by our placement, and the runtime itself writes the container's cgroup. Off unless `[nri] socket` is set.

mod link;
mod message;
mod plugin;
mod refusal;
mod wire;
mod wish;
mod words;

use std::fmt;
use std::path::PathBuf;

pub use link::run;

/// How the agent speaks to a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nri {
    /// The runtime's socket.
    pub socket: PathBuf,
    /// Two digits: plugins are asked in this order.
    pub index: String,
    /// What the plugin is called there.
    pub name: String,
}

impl fmt::Display for Nri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "NRI of {} as {}-{}",
            self.socket.display(),
            self.index,
            self.name
        )
    }
}

/// Feeds any bytes to what reads a runtime's.
#[cfg(any(test, feature = "fuzz"))]
pub(crate) fn fuzz(data: &[u8]) {
    let mut splitter = wire::Splitter::default();
    // In two parts: what is cut must not matter.
    let (first, second) = data.split_at(data.len() / 2);
    let cut = splitter.take(first).and_then(|mut frames| {
        frames.extend(splitter.take(second)?);
        Ok(frames)
    });
    let whole = wire::Splitter::default().take(data);
    if let (Ok(cut), Ok(whole)) = (&cut, &whole) {
        assert_eq!(cut, whole, "a stream that is cut says something else");
    }
    for frame in whole.iter().flatten() {
        plugin::fuzz(&frame.data);
    }
    plugin::fuzz(data);
}
