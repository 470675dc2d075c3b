//! Where a BMC is, who we are to it, whom we trust there, and how long and how much we wait for.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::trust::Trust;

/// A credentials file is two short lines; a longer file is not one.
const MAX_CREDENTIALS_BYTES: u64 = 4096;
/// Permission bits of group and others: none may be set on a file with a secret.
const GROUP_AND_OTHERS: u32 = 0o077;

/// One BMC as we may reach it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `https://HOST[:PORT]`; `http://` only together with `Trust::Insecure`.
    pub url: String,
    /// Who we are; `None` reads only what is open to everybody.
    pub credentials: Option<Credentials>,
    /// Whose certificate we take.
    pub trust: Trust,
    /// Deadlines and sizes.
    pub limits: Limits,
}

impl Endpoint {
    /// An endpoint without credentials and with the ordinary limits.
    pub fn new(url: impl Into<String>, trust: Trust) -> Endpoint {
        Endpoint {
            url: url.into(),
            credentials: None,
            trust,
            limits: Limits::default(),
        }
    }

    /// The same with credentials.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Credentials) -> Endpoint {
        self.credentials = Some(credentials);
        self
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Endpoint {
        self.limits = limits;
        self
    }
}

/// How long and how much we wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To a finished TLS handshake. 5 s: a BMC that needs longer is of no use to power decisions.
    pub connect: Duration,
    /// For one whole request, body included. 10 s: recorded BMCs answer in 0.1 s on average, their slowest log pages in 18 s,
    /// and no supply stands in a log page.
    pub request: Duration,
    /// The longest body that is read. 8 MiB: the largest recorded resource has 1.6 MB.
    pub body_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(10),
            body_bytes: 8 << 20,
        }
    }
}

/// A user name and a password. Neither `Debug` nor an error ever shows the password.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Credentials {
    username: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read the credentials file {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Others may read or write the file.
    #[error("the credentials file {path} has mode {mode:04o}; expected 0600 (nobody else may read it)", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not say what it must. The parser's words are left out, because they quote the secret.
    #[error("the credentials file {path} {why}; expected the two lines username = \"...\" and password = \"...\"", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, without quoting the file.
        why: String,
    },
}

/// The file's grammar.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct CredentialsFile {
    username: String,
    password: String,
}

impl Credentials {
    /// From a user name and a password.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Credentials {
        Credentials {
            username: username.into(),
            password: password.into(),
        }
    }

    /// From a TOML file with `username` and `password` that nobody else may read.
    ///
    /// # Errors
    /// Where it cannot be read, is open to group or others, or says something else.
    pub fn load(path: &Path) -> Result<Credentials, CredentialsError> {
        let text = read_secret(path)?;
        let content = |why: String| CredentialsError::Content {
            path: path.to_owned(),
            why,
        };
        let file: CredentialsFile = toml::from_str(&text).map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| before.matches('\n').count() + 1);
            match line {
                Some(line) => content(format!("is wrong in line {line}")),
                None => content("is no such TOML".to_owned()),
            }
        })?;
        if file.username.is_empty() {
            return Err(content("has an empty username".to_owned()));
        }
        Ok(Credentials::new(file.username.clone(), file.password.clone()))
    }

    /// From a user name and a file whose first line is the password; the file must be nobody else's to read.
    ///
    /// # Errors
    /// As `load`.
    pub fn with_password_file(username: &str, path: &Path) -> Result<Credentials, CredentialsError> {
        let text = read_secret(path)?;
        let password = text.lines().next().unwrap_or_default();
        if password.is_empty() {
            return Err(CredentialsError::Content {
                path: path.to_owned(),
                why: "has an empty first line where the password was expected".to_owned(),
            });
        }
        Ok(Credentials::new(username, password))
    }

    /// The user name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password, for the places that send it or prove that we know it.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<String>, CredentialsError> {
    let read = |source| CredentialsError::Read {
        path: path.to_owned(),
        source,
    };
    // Opened first and asked afterwards, so that the file that is judged is the file that is read.
    let file = File::open(path).map_err(read)?;
    let meta = file.metadata().map_err(read)?;
    if !meta.is_file() {
        return Err(CredentialsError::Content {
            path: path.to_owned(),
            why: "is no ordinary file".to_owned(),
        });
    }
    let mode = meta.mode() & 0o7777;
    if mode & GROUP_AND_OTHERS != 0 {
        return Err(CredentialsError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_CREDENTIALS_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(read)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_CREDENTIALS_BYTES {
        return Err(CredentialsError::Content {
            path: path.to_owned(),
            why: format!("is longer than {MAX_CREDENTIALS_BYTES} bytes"),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(mode: u32, text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.as_file()
            .set_permissions(std::fs::Permissions::from_mode(mode))
            .unwrap();
        file
    }

    #[test]
    fn a_secret_is_read_and_never_shown() {
        let good = file(0o600, "username = \"busbar\"\npassword = \"hunter2\"\n");
        let credentials = Credentials::load(good.path()).unwrap();
        assert_eq!(credentials.username(), "busbar");
        assert_eq!(credentials.password(), "hunter2");
        assert!(!format!("{credentials:?}").contains("hunter2"));
        let endpoint = Endpoint::new("https://192.0.2.1", Trust::Insecure).with_credentials(credentials);
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        let lines = file(0o400, "hunter2\n");
        assert_eq!(
            Credentials::with_password_file("a", lines.path())
                .unwrap()
                .password(),
            "hunter2"
        );
    }

    #[test]
    fn a_file_open_to_others_is_refused_with_path_and_mode() {
        let open = file(0o640, "username = \"a\"\npassword = \"b\"\n");
        let message = Credentials::load(open.path()).unwrap_err().to_string();
        assert!(
            message.contains("mode 0640") && message.contains(open.path().to_str().unwrap()),
            "{message}"
        );
    }

    #[test]
    fn what_is_wrong_is_named_without_quoting_the_secret() {
        for (text, expected) in [
            ("username = \"a\"\npassword = hunter2\n", "line 2"),
            ("username = \"a\"\n", "expected the two lines"),
            ("username = \"\"\npassword = \"hunter2\"\n", "empty username"),
            (
                "username = \"a\"\npassword = \"hunter2\"\npasword = \"hunter2\"\n",
                "line 3",
            ),
        ] {
            let message = Credentials::load(file(0o600, text).path())
                .unwrap_err()
                .to_string();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        assert!(
            Credentials::load(Path::new("/nonexistent"))
                .unwrap_err()
                .to_string()
                .contains("/nonexistent")
        );
    }
}
