//! What is inspected, and how we may get in: the command line's options turned into an endpoint.

use std::path::{Path, PathBuf};

use bmc::ipmi::Endpoint as IpmiEndpoint;
use bmc::{Credentials, CredentialsError, Endpoint, Trust};

use crate::config::IPMI;

/// How an archive is called.
const ARCHIVE: &str = ".tar";

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// How we may get in. Without a word on trust, the certificate must be signed by an authority of this system.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Access {
    /// A file that only you can read, with the lines username = "..." and password = "..."
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "password_file"])]
    pub credentials: Option<PathBuf>,
    /// The user name
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub username: Option<String>,
    /// A file that only you can read, with the password in its first line
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// Trust certificates that these authorities signed (PEM)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fingerprint", "insecure"])]
    pub ca: Option<PathBuf>,
    /// Trust this one certificate: sha256: and 64 hexadecimal digits
    #[arg(long, value_name = "SHA256", conflicts_with = "insecure")]
    pub fingerprint: Option<String>,
    /// Trust whoever answers, also over plain HTTP
    #[arg(long)]
    pub insecure: bool,
}

/// An address, or a recording as a folder or an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Redfish.
    Url(String),
    /// IPMI, without its scheme.
    Ipmi(String),
    Dir(PathBuf),
    Archive(PathBuf),
}

/// What was asked for cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum WrongTarget {
    /// Neither address nor recording.
    #[error(
        "{0:?} is neither an address (https://HOST, ipmi://HOST) nor a folder or FILE.tar with a recorded BMC"
    )]
    Neither(String),
    /// IPMI proves both sides by the password.
    #[error("IPMI needs a user and a password; expected --credentials FILE")]
    NoCredentials,
    /// The credentials cannot be used.
    #[error("{}", whole(.0))]
    Credentials(#[source] CredentialsError),
    /// The CA file cannot be read.
    #[error("cannot read the CA file {path} ({cause}); expected PEM", path = path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The fingerprint is none.
    #[error("{0}")]
    Fingerprint(String),
    /// The system names no authorities.
    #[error("{0}; give --ca FILE, --fingerprint SHA256 or --insecure")]
    System(String),
}

fn whole(error: &CredentialsError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl Target {
    pub(crate) fn of(text: &str) -> Result<Target, WrongTarget> {
        if let Some(address) = text.strip_prefix(IPMI) {
            return Ok(Target::Ipmi(address.to_owned()));
        }
        if text.contains("://") {
            return Ok(Target::Url(text.to_owned()));
        }
        let path = PathBuf::from(text);
        match () {
            () if path.is_dir() => Ok(Target::Dir(path)),
            () if is_archive(&path) && path.is_file() => Ok(Target::Archive(path)),
            () => Err(WrongTarget::Neither(text.to_owned())),
        }
    }
}

/// Whether a recording of that name is an archive.
pub(crate) fn is_archive(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(ARCHIVE))
}

impl Access {
    /// Who we are, where it is said.
    ///
    /// # Errors
    /// Where a file cannot be used.
    fn who(&self) -> Result<Option<Credentials>, WrongTarget> {
        let credentials = match (&self.credentials, &self.username, &self.password_file) {
            (Some(file), _, _) => Some(Credentials::load(file)),
            (None, Some(name), Some(file)) => Some(Credentials::with_password_file(name, file)),
            (None, _, _) => None,
        };
        credentials.transpose().map_err(WrongTarget::Credentials)
    }

    /// The endpoint at this address.
    ///
    /// # Errors
    /// Where a file cannot be used, or an option is none.
    pub fn endpoint(&self, url: &str) -> Result<Endpoint, WrongTarget> {
        let endpoint = Endpoint::new(url, self.trust()?);
        match self.who()? {
            Some(credentials) => Ok(endpoint.with_credentials(credentials)),
            None => Ok(endpoint),
        }
    }

    /// The endpoint at this address over IPMI.
    ///
    /// # Errors
    /// Where a file cannot be used, or none says who we are.
    pub(crate) fn ipmi_endpoint(&self, address: &str) -> Result<IpmiEndpoint, WrongTarget> {
        let credentials = self.who()?.ok_or(WrongTarget::NoCredentials)?;
        Ok(IpmiEndpoint::new(address, credentials))
    }

    fn trust(&self) -> Result<Trust, WrongTarget> {
        if let Some(path) = &self.ca {
            let pem = std::fs::read_to_string(path).map_err(|cause| WrongTarget::Ca {
                path: path.clone(),
                cause,
            })?;
            return Ok(Trust::Ca(pem));
        }
        if let Some(text) = &self.fingerprint {
            let pin = text.parse();
            return pin
                .map(Trust::Fingerprint)
                .map_err(|not: bmc::redfish::trust::NotAFingerprint| {
                    WrongTarget::Fingerprint(not.to_string())
                });
        }
        if self.insecure {
            return Ok(Trust::Insecure);
        }
        Trust::system().map_err(WrongTarget::System)
    }
}
