//! The credential that guards an agent beyond loopback: one bearer token in a file that only its owner can read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Permission bits of group and others: with any of them the secret is no secret.
const OTHERS_BITS: u32 = 0o077;

/// The longest token file that is read; a token is a line, not a document.
const LONGEST_FILE: u64 = 4_096;

/// The shortest token: 16 characters of hexadecimal are 64 bits, the least that cannot be guessed over a network.
const SHORTEST_TOKEN: usize = 16;

/// A bearer token. It is wiped from memory when dropped, and never shown.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file cannot be read.
    #[error("cannot read the token file {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Others can read the file.
    #[error(
        "token file {path} has mode {mode:04o}: group or others can reach it; expected 0600 (chmod 600 {path})"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no token.
    #[error(
        "token file {path} holds {found}; expected one line of 16 or more printable characters without spaces"
    )]
    NoToken {
        /// The file.
        path: PathBuf,
        /// What is in it, never the text itself.
        found: &'static str,
    },
}

impl Token {
    /// Reads a token from a file of one line, mode 0600.
    ///
    /// # Errors
    /// When the file cannot be read, when group or others can reach it, or when it holds no token.
    pub fn from_file(path: &Path) -> Result<Token, CredentialError> {
        let unreadable = |source| CredentialError::Unreadable {
            path: path.to_owned(),
            source,
        };
        // The mode is taken from the open file, so that it is the mode of what is read.
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
        if mode & OTHERS_BITS != 0 {
            return Err(CredentialError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let mut text = Zeroizing::new(String::new());
        file.take(LONGEST_FILE)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        Token::from_text(&text).map_err(|found| CredentialError::NoToken {
            path: path.to_owned(),
            found,
        })
    }

    fn from_text(text: &str) -> Result<Token, &'static str> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Err("nothing");
        }
        if line.contains('\n') {
            return Err("more than one line");
        }
        if !line.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("spaces or characters that no token has");
        }
        if line.len() < SHORTEST_TOKEN {
            return Err("a token that is too short");
        }
        Ok(Token(Zeroizing::new(line.to_owned())))
    }

    /// Whether this is the token that somebody presents. Takes the same time wherever the two differ.
    pub fn matches(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }

    /// The value of the `Authorization` header.
    pub(crate) fn header(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("Bearer {}", self.0.as_str()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(not shown)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    #[test]
    fn a_token_is_one_line_that_only_its_owner_reads() {
        let (_kept, path) = file("0123456789abcdef\n", 0o600);
        let token = Token::from_file(&path).unwrap();
        assert!(token.matches(b"0123456789abcdef"));
        assert!(!token.matches(b"0123456789abcdeF"));
        assert!(!token.matches(b""));
        assert_eq!(format!("{token:?}"), "Token(not shown)");
    }

    #[test]
    fn an_open_file_is_refused_with_its_path_and_mode() {
        let (_kept, path) = file("0123456789abcdef\n", 0o640);
        let error = Token::from_file(&path).unwrap_err().to_string();
        assert!(
            error.contains("0640") && error.contains(path.to_str().unwrap()),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_shown() {
        for text in [
            "",
            "\n",
            "abc",
            "two words are no token",
            "0123456789abcdef\nmore\n",
        ] {
            let (_kept, path) = file(text, 0o600);
            let error = Token::from_file(&path).unwrap_err().to_string();
            assert!(text.trim().is_empty() || !error.contains(text.trim()), "{error}");
        }
        assert!(Token::from_file(Path::new("/nowhere/token")).is_err());
    }
}
