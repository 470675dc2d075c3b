//! What is wrong with a rack.toml: file, line, what was found, what was expected.

use std::fmt;
use std::path::{Path, PathBuf};

/// The most errors that one answer lists; a file with more is wrong as a whole, and nobody reads on.
const MOST_ERRORS: usize = 50;

/// One error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, from 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// What was found and what was expected.
    pub message: String,
}

/// Everything that is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors {
    /// The file.
    pub file: PathBuf,
    /// The errors in the order of their lines; at least one.
    pub errors: Vec<ConfigError>,
    /// Why the file could not be read, where that was it.
    #[source]
    pub cause: Option<std::io::Error>,
}

impl ConfigErrors {
    pub(super) fn unreadable(file: &Path, cause: std::io::Error) -> ConfigErrors {
        ConfigErrors {
            file: file.to_owned(),
            errors: vec![ConfigError {
                line: None,
                message: "cannot be read; expected a rack configuration (TOML)".to_owned(),
            }],
            cause: Some(cause),
        }
    }

    pub(super) fn new(file: &Path, mut errors: Vec<ConfigError>) -> ConfigErrors {
        errors.sort_by_key(|error| error.line);
        errors.dedup();
        ConfigErrors {
            file: file.to_owned(),
            errors,
            cause: None,
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().take(MOST_ERRORS).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match error.line {
                Some(line) => write!(f, "{}:{line}: {}", self.file.display(), error.message)?,
                None => write!(f, "{}: {}", self.file.display(), error.message)?,
            }
        }
        match self.errors.len().checked_sub(MOST_ERRORS) {
            Some(more @ 1..) => write!(f, "\n{}: and {more} more", self.file.display()),
            Some(0) | None => Ok(()),
        }
    }
}
