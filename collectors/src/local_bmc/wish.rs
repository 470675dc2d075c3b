//! What a configuration may say of the node's own BMC: its device, and its Redfish service.

use std::path::PathBuf;

use bmc::Fingerprint;

/// The words of `[bmc]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BmcWish {
    /// Which device is asked.
    pub device: DeviceWish,
    /// The Redfish service that is asked, where one is named.
    pub redfish: Option<RedfishWish>,
}

/// Which device of the kernel is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceWish {
    /// `/dev/ipmi0` under one of its names, where it is there.
    #[default]
    Auto,
    /// None.
    None,
    /// This one.
    Path(PathBuf),
}

/// A Redfish service of the node's own BMC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedfishWish {
    /// `https://HOST[:PORT]`; `http://` only with `RedfishTrust::Insecure`.
    pub url: String,
    /// A TOML file with `username` and `password`, mode 0600.
    pub credentials_file: Option<PathBuf>,
    /// Whose certificate is taken.
    pub trust: RedfishTrust,
}

/// Whose certificate is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedfishTrust {
    /// One that the system's authorities signed.
    System,
    /// One that an authority in this file signed (PEM).
    CaFile(PathBuf),
    /// This one.
    Fingerprint(Fingerprint),
    /// Any.
    Insecure,
}

impl RedfishTrust {
    /// The certificate with this fingerprint.
    ///
    /// # Errors
    /// Where the text is none; the error says what was expected.
    pub fn fingerprint(text: &str) -> Result<RedfishTrust, String> {
        text.parse()
            .map(RedfishTrust::Fingerprint)
            .map_err(|error: bmc::redfish::trust::NotAFingerprint| error.to_string())
    }
}
