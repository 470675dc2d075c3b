//! What can go wrong between a client and an agent; each error names what was sent and what came.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a client has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("{url:?} is no address of an agent: {why}; expected http://HOST:PORT or https://HOST:PORT")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The certificates of the authority cannot be read.
    #[error("cannot read certificates from the CA file {path}: {why}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers there.
    #[error("{sent}: cannot connect to {target}; is busbar-agent running there?")]
    Unreachable {
        /// What was to be sent.
        sent: String,
        /// The socket or the address.
        target: String,
        /// What the kernel or the TLS handshake said.
        #[source]
        source: io::Error,
    },
    /// Something answers that speaks no HTTP/2.
    #[error("{sent}: {target} offers no HTTP/2 in its TLS handshake; expected an agent")]
    NoHttp2 {
        /// What was to be sent.
        sent: String,
        /// The address.
        target: String,
    },
    /// The answer took too long.
    #[error("{sent}: no answer within {deadline:?}")]
    Deadline {
        /// What was sent.
        sent: String,
        /// How long was waited.
        deadline: Duration,
    },
    /// The connection broke, or what came is no HTTP.
    #[error("{sent}: the connection broke before the whole answer came")]
    Broken {
        /// What was sent.
        sent: String,
        /// What broke.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The agent said no.
    #[error("{message}")]
    Refused {
        /// What was sent.
        sent: String,
        /// The HTTP status.
        status: u16,
        /// The code in one word, as in `shortfall`.
        code: String,
        /// The agent's sentence.
        message: String,
    },
    /// Something else than an agent answered.
    #[error("{sent}: status {status} without an error body of ours; {came:?} came; expected an agent's JSON")]
    Unexpected {
        /// What was sent.
        sent: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of what came.
        came: String,
    },
    /// The answer is not the JSON that was expected.
    #[error("{sent}: {came:?} came, which is not the expected JSON")]
    Garbled {
        /// What was sent.
        sent: String,
        /// The beginning of what came.
        came: String,
        /// Where and why it cannot be read.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is longer than any agent's.
    #[error("{sent}: the answer is longer than {limit} bytes")]
    TooLong {
        /// What was sent.
        sent: String,
        /// The most that is read.
        limit: usize,
    },
}

impl ClientError {
    /// Whether nobody, or nobody in time, answered: exit code 4 of a command line.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            ClientError::Unreachable { .. }
                | ClientError::Deadline { .. }
                | ClientError::Broken { .. }
                | ClientError::NoHttp2 { .. }
        )
    }

    /// Whether the agent said no: exit code 3 of a command line, except for what the agent calls its own failure.
    pub fn is_refused(&self) -> bool {
        matches!(self, ClientError::Refused { code, .. } if code != "internal" && code != "bad_request")
    }

    /// The agent's word for why it said no, where it said no.
    pub fn code(&self) -> Option<&str> {
        match self {
            ClientError::Refused { code, .. } => Some(code),
            ClientError::BadUrl { .. }
            | ClientError::CaFile { .. }
            | ClientError::Unreachable { .. }
            | ClientError::NoHttp2 { .. }
            | ClientError::Deadline { .. }
            | ClientError::Broken { .. }
            | ClientError::Unexpected { .. }
            | ClientError::Garbled { .. }
            | ClientError::TooLong { .. } => None,
        }
    }
}
