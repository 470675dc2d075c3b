//! What can go wrong between us and a BMC: each error names the URL or file, what was sent, what came and what was expected.

use std::path::PathBuf;
use std::time::Duration;

use facts::NoData;

/// Why a BMC could not be read or asked for something.
#[derive(Debug, thiserror::Error)]
pub enum BmcError {
    /// The address cannot be used.
    #[error("{url:?} is no address of a BMC: {why}; expected https://HOST[:PORT]")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The TLS settings cannot be used.
    #[error("cannot set up TLS for {url}: {why}")]
    Tls {
        /// The BMC.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The certificate is not the one that was pinned.
    #[error("{url} shows the certificate {seen}; expected {expected} (nothing was sent)")]
    WrongCertificate {
        /// The BMC.
        url: String,
        /// The pin.
        expected: String,
        /// What came instead.
        seen: String,
    },
    /// No connection, or it broke before an answer came.
    #[error("{method} {url}: {what}; expected an HTTP answer")]
    Unreachable {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// What happened.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// No answer, or not all of it, within the deadline.
    #[error("{method} {url}: timeout after {after:?} {phase}")]
    Timeout {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// The deadline.
        after: Duration,
        /// What was being waited for.
        phase: String,
    },
    /// The answer ended early.
    #[error("{method} {url}: cut off after {got} of {expected} bytes; expected the whole JSON object")]
    CutOff {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// How many bytes came.
        got: u64,
        /// How many were announced (`Content-Length`), or `unknown`.
        expected: String,
    },
    /// The answer is longer than we take.
    #[error("{method} {url}: the answer is longer than {limit} bytes; expected one resource")]
    TooLong {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The answer is no JSON object.
    #[error("{method} {url}: {got} bytes came that are no JSON object ({why}); expected one")]
    NotJson {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// How many bytes came.
        got: u64,
        /// The parser's words.
        why: String,
    },
    /// Another status than the expected one.
    #[error("{method} {url}: answered {status}{}; expected {expected}", said(message))]
    Status {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// The HTTP status that came.
        status: u16,
        /// The Redfish error message, where there was one.
        message: Option<String>,
        /// What was expected.
        expected: &'static str,
    },
    /// Our credentials were not taken.
    #[error(
        "{method} {url}: answered {status} to the user {user:?}{}; expected these credentials to be taken",
        said(message)
    )]
    Unauthorized {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// The HTTP status that came.
        status: u16,
        /// The user name that was sent; never the password.
        user: String,
        /// The Redfish error message, where there was one.
        message: Option<String>,
    },
    /// The BMC has no session left for us.
    #[error(
        "{method} {url}: answered {status}{}; expected a session (recorded BMCs hold 8 and free them after minutes)",
        said(message)
    )]
    Busy {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// The HTTP status that came.
        status: u16,
        /// The Redfish error message, where there was one.
        message: Option<String>,
    },
    /// A redirect that we do not follow.
    #[error("{method} {url}: answered {status} to {location:?}, which is not followed ({why})")]
    Redirect {
        /// What was sent.
        method: &'static str,
        /// Where it was sent.
        url: String,
        /// The HTTP status that came.
        status: u16,
        /// `Location`.
        location: String,
        /// Why it is not followed.
        why: &'static str,
    },
    /// A file of a recorded tree is missing or cannot be read.
    #[error("cannot read {path}; expected a recorded resource there", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of a recorded tree is no JSON object.
    #[error("{path} is no JSON object ({why}); expected the recorded resource", path = path.display())]
    FileNotJson {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        why: String,
    },
    /// A folder is no recorded tree.
    #[error("{path} is no recorded Redfish tree: {why}", path = path.display())]
    NotATree {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        why: String,
    },
    /// A resource does not offer what was asked of it, or asking would be dangerous.
    #[error("not done: {resource}: {why}")]
    Refused {
        /// The resource (URL path or file).
        resource: String,
        /// Why not.
        why: String,
    },
    /// What was written does not stand there when read back.
    #[error("{resource}: wrote {wanted}, read back {seen}")]
    NotTaken {
        /// The resource.
        resource: String,
        /// What was written.
        wanted: String,
        /// What is there.
        seen: String,
    },
    /// This client was closed.
    #[error("{url}: this client was closed")]
    Closed {
        /// The BMC.
        url: String,
    },
}

fn said(message: &Option<String>) -> String {
    message
        .as_ref()
        .map(|text| format!(" ({text})"))
        .unwrap_or_default()
}

impl BmcError {
    /// The message with all its causes, for where only one line is kept.
    pub fn whole(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let words = error.to_string();
            // Layers of HTTP libraries repeat each other.
            if !text.contains(&words) {
                text.push_str(": ");
                text.push_str(&words);
            }
            cause = error.source();
        }
        text
    }

    /// Whether it costs one resource only: the next one may well be read. What is not local makes the BMC as a whole blind.
    pub fn is_local(&self) -> bool {
        match self {
            BmcError::CutOff { .. }
            | BmcError::TooLong { .. }
            | BmcError::NotJson { .. }
            | BmcError::Status { .. }
            | BmcError::Redirect { .. }
            | BmcError::File { .. }
            | BmcError::FileNotJson { .. }
            | BmcError::Refused { .. }
            | BmcError::NotTaken { .. } => true,
            BmcError::Address { .. }
            | BmcError::Tls { .. }
            | BmcError::WrongCertificate { .. }
            | BmcError::Unreachable { .. }
            | BmcError::Timeout { .. }
            | BmcError::Unauthorized { .. }
            | BmcError::Busy { .. }
            | BmcError::NotATree { .. }
            | BmcError::Closed { .. } => false,
        }
    }

    /// Whether the resource is said not to be there at all.
    pub fn is_missing(&self) -> bool {
        if let BmcError::File { source, .. } = self {
            return source.kind() == std::io::ErrorKind::NotFound;
        }
        matches!(
            self,
            BmcError::Status {
                status: 404 | 410,
                ..
            }
        )
    }

    /// Whether the BMC did not answer at all, or its certificate was not trusted: the command line's exit code 4.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            BmcError::Unreachable { .. } | BmcError::Timeout { .. } | BmcError::WrongCertificate { .. }
        )
    }

    /// The reason in one word, for a reading that could not be had.
    pub fn no_data(&self) -> NoData {
        match self {
            BmcError::Unauthorized { .. } | BmcError::Refused { .. } => NoData::Refused,
            BmcError::Status {
                status: 401 | 403, ..
            } => NoData::Refused,
            BmcError::Status {
                status: 404 | 410, ..
            } => NoData::Absent,
            BmcError::Status {
                status: 405 | 501, ..
            } => NoData::Unsupported,
            BmcError::File { .. } => NoData::Absent,
            BmcError::Unreachable { .. }
            | BmcError::Timeout { .. }
            | BmcError::Busy { .. }
            | BmcError::Closed { .. } => NoData::Timeout,
            BmcError::Status { .. }
            | BmcError::Address { .. }
            | BmcError::Tls { .. }
            | BmcError::WrongCertificate { .. }
            | BmcError::CutOff { .. }
            | BmcError::TooLong { .. }
            | BmcError::NotJson { .. }
            | BmcError::Redirect { .. }
            | BmcError::FileNotJson { .. }
            | BmcError::NotATree { .. }
            | BmcError::NotTaken { .. } => NoData::Garbled,
        }
    }
}
