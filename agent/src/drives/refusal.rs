//! Why an order about a drive is not obeyed.

/// Why an order about a drive is not obeyed, or how drives stand cannot be told. Each holds a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// What is ordered makes no sense.
    #[error("{0}")]
    BadOrder(String),
    /// It is about an earlier stay or a closed grant, or something speaks against it.
    #[error("{0}")]
    Conflict(String),
    /// The mode of this node forbids it.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such drive here.
    #[error("{0}")]
    NotHere(String),
    /// This node cannot do it at all.
    #[error("{0}")]
    Unsupported(String),
    /// Something is under way on this drive that does not end.
    #[error("{0}")]
    Busy(String),
    /// The host or the disk failed.
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    /// The error code of the HTTP API.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::BadOrder(_) => "bad_request",
            Refusal::Conflict(_) => "conflict",
            Refusal::Forbidden(_) => "refused",
            Refusal::NotHere(_) => "not_found",
            Refusal::Unsupported(_) => "unsupported",
            Refusal::Busy(_) => "busy",
            Refusal::Failed(_) => "internal",
        }
    }
}

/// An error with its causes, in one sentence.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // Some errors hold their cause's words already.
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}
