//! `hw-fixtures do`: sends a deed to the served world and prints what came of it.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::call::{CallError, call};
use crate::cli::{Deed, Output};
use crate::picture;
use crate::state_dir::{StateDir, StateError};
use crate::world::Verb;

/// Why a deed was not done.
#[derive(Debug, thiserror::Error)]
pub enum DeedError {
    /// The state folder could not be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// No world was ever served from there.
    #[error("no world is served from {dir}; start one with `hw-fixtures serve racks/demo.toml`")]
    NoWorld {
        /// The folder.
        dir: String,
    },
    /// The world does not answer.
    #[error("the world of {dir} does not answer; start it with `hw-fixtures serve`")]
    Unreachable {
        /// The folder.
        dir: String,
        /// What went wrong.
        #[source]
        source: CallError,
    },
    /// The world refused.
    #[error("{0}")]
    Refused(String),
    /// The world failed.
    #[error("the world answered {status}: {message}")]
    Failed {
        /// The status.
        status: StatusCode,
        /// What it said.
        message: String,
    },
}

impl DeedError {
    /// The exit code of the command.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::State(_) | Self::Failed { .. } => 1,
            Self::Refused(_) => 3,
            Self::NoWorld { .. } | Self::Unreachable { .. } => 4,
        }
    }

    /// The error's code, as the house writes it in JSON.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::State(_) | Self::Failed { .. } => "internal",
            Self::Refused(_) => "refused",
            Self::NoWorld { .. } | Self::Unreachable { .. } => "unreachable",
        }
    }
}

/// A served world, as seen from outside.
pub struct Hand {
    control: String,
    dir: String,
}

impl Hand {
    /// Finds the world that is served from a state folder.
    ///
    /// # Errors
    /// [`DeedError`] when none is.
    pub fn find(dir: &StateDir) -> Result<Self, DeedError> {
        let shown = dir.path().display().to_string();
        let addresses = dir
            .addresses()?
            .ok_or_else(|| DeedError::NoWorld { dir: shown.clone() })?;
        Ok(Self {
            control: addresses.control,
            dir: shown,
        })
    }

    /// Does a deed; answers the world's JSON.
    ///
    /// # Errors
    /// [`DeedError`] when it was not done.
    pub async fn act(&self, verb: &Verb) -> Result<Value, DeedError> {
        let body = serde_json::to_value(verb).unwrap_or_default();
        self.call(Method::POST, "/do", Some(&body)).await
    }

    /// Looks at the world; answers its JSON.
    ///
    /// # Errors
    /// [`DeedError`] when it cannot be seen.
    pub async fn look(&self) -> Result<Value, DeedError> {
        self.call(Method::GET, "/status", None).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, DeedError> {
        let url = format!("{}{path}", self.control);
        let unreachable = |source| DeedError::Unreachable {
            dir: self.dir.clone(),
            source,
        };
        let (status, answer) = call(method, &url, body).await.map_err(unreachable)?;
        if status.is_success() {
            return Ok(answer);
        }
        let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) else {
            // The port of a world that is gone may belong to somebody else by now.
            let message = format!("{url} is no control face of hw-fixtures; is the world still served?");
            return Err(DeedError::Failed { status, message });
        };
        match status {
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => Err(DeedError::Refused(message.to_owned())),
            _ => Err(DeedError::Failed {
                status,
                message: message.to_owned(),
            }),
        }
    }
}

/// Runs one `do` and answers what to print on stdout.
///
/// # Errors
/// [`DeedError`] when it was not done.
pub async fn run(dir: &StateDir, deed: Deed, output: Output, colours: bool) -> Result<String, DeedError> {
    let hand = Hand::find(dir)?;
    let looked = deed.clone().verb().is_none();
    let answer = match deed.verb() {
        Some(verb) => hand.act(&verb).await?,
        None => hand.look().await?,
    };
    Ok(match output {
        Output::Json => format!("{answer}\n"),
        Output::Text if looked => picture::draw(&answer, colours),
        Output::Text => format!(
            "{}\n",
            answer.get("did").and_then(Value::as_str).unwrap_or_default()
        ),
    })
}

/// An error as the house writes it in JSON.
#[must_use]
pub fn error_json(error: &DeedError) -> String {
    json!({ "error": { "code": error.code(), "message": error.to_string() } }).to_string()
}
