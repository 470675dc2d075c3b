//! Why a rack controller could not be asked, or what it refused: each error with what was sent where.

use std::path::PathBuf;

use reqwest::Method;

use crate::v1::ErrorDetail;

/// Why the rack could not be asked, or what it refused.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used.
    #[error(
        "{url:?} is no address of a rack controller: {why}; expected http://HOST:PORT or https://HOST:PORT"
    )]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that is needed to connect cannot be used.
    #[error("cannot use {path}: {why}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        why: String,
    },
    /// The HTTP client could not be made.
    #[error("cannot make a client for {url}")]
    Setup {
        /// The rack controller.
        url: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// No connection, no answer in time, or the connection broke.
    #[error("{method} {url}: no rack controller answers there; is `busbar-rack serve` running?")]
    Unreachable {
        /// What was sent.
        method: Method,
        /// Where.
        url: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// The rack answered with an error of its own.
    #[error("{}", error.message)]
    Refused {
        /// Where it was sent.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        error: Box<ErrorDetail>,
    },
    /// Something answered that is no rack controller, or a stream that cannot be read.
    #[error("{method} {url}: {what}; expected the answer of a rack controller")]
    Garbled {
        /// What was sent.
        method: Method,
        /// Where.
        url: String,
        /// What came.
        what: String,
    },
}

impl ClientError {
    /// Whether nobody answered: the command line's exit code 4.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, ClientError::Unreachable { .. })
    }

    /// What the rack said, where it refused.
    pub fn detail(&self) -> Option<&ErrorDetail> {
        match self {
            ClientError::Refused { error, .. } => Some(error),
            ClientError::Address { .. }
            | ClientError::File { .. }
            | ClientError::Setup { .. }
            | ClientError::Unreachable { .. }
            | ClientError::Garbled { .. } => None,
        }
    }
}
