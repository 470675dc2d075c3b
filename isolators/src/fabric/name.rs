//! Names on a fabric, checked before the kernel sees them: subsystems and hosts, and who a drive is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What all subsystems that we make begin with. Others' are left alone.
pub const OURS: &str = "nqn.2026-11.dev.busbar:";
/// How each NVMe qualified name begins (NVM Express Base 2.0, 4.5).
const BEGINS: &str = "nqn.";
/// The longest NVMe qualified name in bytes (the same).
const LONGEST_NQN: usize = 223;
/// Bytes of a serial number and of a model in Identify Controller (5.17.2.1).
const LONGEST_SERIAL: usize = 20;
const LONGEST_MODEL: usize = 40;
/// Digits of an NGUID, and of the identifier of a host: 16 bytes in hexadecimal.
const DIGITS: usize = 32;

/// Why a text is no name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{shown:?} is no {what}; expected {expected}")]
pub struct NotAName {
    /// What it was to be.
    what: &'static str,
    /// Its beginning.
    shown: String,
    /// What was expected.
    expected: &'static str,
}

fn no(what: &'static str, text: &str, expected: &'static str) -> NotAName {
    NotAName {
        what,
        shown: text.chars().take(64).collect(),
        expected,
    }
}

/// An NVMe qualified name, of a subsystem or of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nqn(String);

impl Nqn {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one that we made.
    pub fn is_ours(&self) -> bool {
        self.0.starts_with(OURS)
    }
}

impl FromStr for Nqn {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Nqn, NotAName> {
        // It becomes the name of a directory of configfs, and a word between commas for the initiator.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',' | b'"' | b'\\');
        if text.len() <= LONGEST_NQN && text.starts_with(BEGINS) && text.bytes().all(is_plain) {
            return Ok(Nqn(text.to_owned()));
        }
        Err(no(
            "NVMe qualified name",
            text,
            "nqn. and at most 223 bytes in all, without white space, commas, quotes and slashes",
        ))
    }
}

impl TryFrom<String> for Nqn {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Nqn, NotAName> {
        text.parse()
    }
}

impl From<Nqn> for String {
    fn from(name: Nqn) -> String {
        name.0
    }
}

impl fmt::Display for Nqn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host's identifier: a UUID, in lower case with dashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostId(String);

impl HostId {
    /// The UUID.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostId {
    type Error = NotAName;

    fn try_from(text: String) -> Result<HostId, NotAName> {
        dashed(&text).map(HostId).ok_or_else(|| {
            no(
                "host identifier",
                &text,
                "a UUID of 32 hexadecimal digits that are not all zero",
            )
        })
    }
}

impl From<HostId> for String {
    fn from(id: HostId) -> String {
        id.0
    }
}

/// 16 bytes in hexadecimal as the kernel prints them, in groups of 8, 4, 4, 4 and 12 digits; `None` where they are not 16, or say
/// nothing.
fn dashed(text: &str) -> Option<String> {
    let digits: String = text
        .chars()
        .filter(|letter| !matches!(letter, '-' | ':'))
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let is_hex = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || digits.bytes().all(|byte| byte == b'0') {
        return None;
    }
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| digits.get(range).unwrap_or_default());
    Some(parts.join("-"))
}

/// Who a drive is, for the pool, on the wire and on the node: the same three things everywhere, never a path of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Told", into = "Told")]
pub struct DriveIdentity {
    serial: String,
    model: Option<String>,
    nguid: Option<String>,
}

/// The same as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    serial: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nguid: Option<String>,
}

impl DriveIdentity {
    /// Checks and trims them.
    ///
    /// # Errors
    /// A serial number that is empty, all spaces or longer than NVMe has room for; a model or an NGUID that is none.
    pub fn new(serial: &str, model: Option<&str>, nguid: Option<&str>) -> Result<DriveIdentity, NotAName> {
        let is_text = |text: &str, most: usize| {
            !text.is_empty() && text.len() <= most && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e))
        };
        let trimmed = serial.trim();
        if !is_text(trimmed, LONGEST_SERIAL) {
            let expected = "1 to 20 printable ASCII characters that are not all spaces";
            return Err(no("serial number of a drive", serial, expected));
        }
        let model = model.map(str::trim);
        if let Some(wrong) = model.filter(|model| !is_text(model, LONGEST_MODEL)) {
            return Err(no(
                "model of a drive",
                wrong,
                "1 to 40 printable ASCII characters",
            ));
        }
        let nguid = nguid.map(|text| {
            dashed(text).ok_or_else(|| no("NGUID", text, "32 hexadecimal digits that are not all zero"))
        });
        Ok(DriveIdentity {
            serial: trimmed.to_owned(),
            model: model.map(str::to_owned),
            nguid: nguid.transpose()?,
        })
    }

    /// The serial number, without white space around it.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The model, where it is known.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The namespace's globally unique identifier in lower case with dashes, as the kernel prints it; `None` where it has none.
    pub fn nguid(&self) -> Option<&str> {
        self.nguid.as_deref()
    }
}

impl TryFrom<Told> for DriveIdentity {
    type Error = NotAName;

    fn try_from(told: Told) -> Result<DriveIdentity, NotAName> {
        DriveIdentity::new(&told.serial, told.model.as_deref(), told.nguid.as_deref())
    }
}

impl From<DriveIdentity> for Told {
    fn from(identity: DriveIdentity) -> Told {
        Told {
            serial: identity.serial,
            model: identity.model,
            nguid: identity.nguid,
        }
    }
}

impl fmt::Display for DriveIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.serial)?;
        match &self.model {
            Some(model) => write!(f, " ({model})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_would_lead_elsewhere_are_refused() {
        let long = format!("nqn.{}", "x".repeat(10 << 10));
        for bad in [
            "",
            "busbar",
            "nqn.a/../../b",
            "nqn.a,transport=rdma",
            "nqn.a b",
            "nqn.a\n",
            &long,
        ] {
            let error = bad.parse::<Nqn>().unwrap_err().to_string();
            assert!(
                error.contains("at most 223 bytes") && error.len() < 300,
                "{error}"
            );
        }
        assert!(format!("{OURS}r12:S1").parse::<Nqn>().unwrap().is_ours());
        assert!(
            !"nqn.2014-08.org.nvmexpress:uuid:1"
                .parse::<Nqn>()
                .unwrap()
                .is_ours()
        );
    }

    #[test]
    fn a_drive_is_known_by_what_it_says_of_itself_or_not_at_all() {
        for serial in ["", "    ", "S\n1", "123456789012345678901", "Sé"] {
            assert!(DriveIdentity::new(serial, None, None).is_err(), "{serial:?}");
        }
        let drive =
            DriveIdentity::new("  S1  ", Some("M "), Some("0025385B71B0AAAA0025385B71B0BBBB")).unwrap();
        assert_eq!((drive.serial(), drive.model()), ("S1", Some("M")));
        assert_eq!(drive.nguid(), Some("0025385b-71b0-aaaa-0025-385b71b0bbbb"));
        for nguid in ["00000000000000000000000000000000", "12", "x"] {
            assert!(DriveIdentity::new("S1", None, Some(nguid)).is_err(), "{nguid}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_an_error(text in ".*") {
            let _ = text.parse::<Nqn>();
            let _ = DriveIdentity::new(&text, Some(&text), Some(&text));
            let _ = HostId::try_from(text);
        }
    }
}
