//! The bearer token that guards a rack controller beyond this machine.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::ClientError;

/// A token's file is short; a longer file is not one.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Permission bits of group and others: none may be set on a file with a secret.
const GROUP_AND_OTHERS: u32 = 0o077;

/// A bearer token. Never shown by `Debug` or by an error.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// From a file whose first line it is and that nobody else may read (mode 0600).
    ///
    /// # Errors
    /// Where the file cannot be read, is open to group or others, or holds no token.
    pub fn load(path: &Path) -> Result<Token, ClientError> {
        let bad = |why: String| ClientError::File {
            path: path.to_owned(),
            why,
        };
        let file = File::open(path).map_err(|error| bad(format!("{error}; expected the token's file")))?;
        let meta = file.metadata().map_err(|error| bad(error.to_string()))?;
        let mode = meta.mode() & 0o7777;
        if mode & GROUP_AND_OTHERS != 0 {
            return Err(bad(format!(
                "its mode is {mode:04o}; expected 0600 (nobody else may read it)"
            )));
        }
        let mut text = Zeroizing::new(String::new());
        file.take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| bad(error.to_string()))?;
        let line = text.lines().next().unwrap_or_default().trim();
        let usable = !line.is_empty() && line.chars().all(|c| c.is_ascii_graphic());
        if !usable {
            return Err(bad(
                "its first line is no token; expected one line of visible ASCII characters".to_owned(),
            ));
        }
        Ok(Token(Zeroizing::new(line.to_owned())))
    }

    /// Whether this is the token that somebody shows. The time it takes says nothing about where they differ.
    pub fn matches(&self, shown: &[u8]) -> bool {
        bool::from(self.0.as_bytes().ct_eq(shown))
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}
