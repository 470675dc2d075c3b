//! The trait of a collector, and why one may say nothing.

use std::path::Path;
use std::time::Duration;

use facts::NoData;
use facts::observation::{Missing, Observation};

use crate::root::ReadError;

/// How much of a file's text an error shows.
const SHOWN_CHARACTERS: usize = 60;

/// One source of facts. It reads; it never decides and never writes.
pub trait Collector: Send {
    /// The source's name, as in `sources` and as the label of metrics.
    fn name(&self) -> &'static str;

    /// How often it is worth asking.
    fn beat(&self) -> Duration;

    /// Whether it reads nothing but the kernel's own memory, in well under a millisecond a hundred files: it is then asked
    /// again whenever somebody scrapes, so that its counters are as fresh as the scrape. Its beat keeps the inventory fresh.
    fn is_cheap(&self) -> bool {
        false
    }

    /// The subsystems of kernel uevents (`SUBSYSTEM=`) after which it is worth asking at once.
    fn subsystems(&self) -> &'static [&'static str] {
        &[]
    }

    /// Asks the source once.
    ///
    /// # Errors
    /// When it has nothing to say. `NoData::Absent` means that there are no such parts: what it said before is no longer true.
    fn collect(&mut self) -> Result<Observation, CollectError>;
}

/// Why a source said nothing.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CollectError {
    /// The reason in one word.
    pub reason: NoData,
    message: String,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CollectError {
    /// A reason and a sentence that names the path or the call.
    pub fn new(reason: NoData, message: impl Into<String>) -> CollectError {
        CollectError {
            reason,
            message: message.into(),
            cause: None,
        }
    }

    /// A file whose text is not what its kernel document says.
    pub fn garbled(path: &Path, expected: &str, found: &str) -> CollectError {
        let mut shown: String = found.chars().take(SHOWN_CHARACTERS).collect();
        if shown.len() < found.len() {
            shown.push('…');
        }
        let message = format!("{} holds {shown:?}; expected {expected}", path.display());
        CollectError::new(NoData::Garbled, message)
    }

    /// The same with a cause below it.
    #[must_use]
    pub fn because(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> CollectError {
        self.cause = Some(Box::new(cause));
        self
    }

    /// The whole chain in one line: what failed, and why.
    pub fn explain(&self) -> String {
        let mut line = self.message.clone();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            line = format!("{line}: {cause}");
            next = cause.source();
        }
        line
    }

    /// This as a part that said nothing while the rest of its source spoke.
    pub fn into_missing(self, name: &str) -> Missing {
        Missing {
            name: name.to_owned(),
            reason: self.reason,
            message: self.explain(),
        }
    }
}

impl From<ReadError> for CollectError {
    fn from(error: ReadError) -> CollectError {
        let (reason, message) = (error.reason(), error.to_string());
        CollectError {
            reason,
            message,
            cause: std::error::Error::source(&error).map(|cause| cause.to_string().into()),
        }
    }
}
