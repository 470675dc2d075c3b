//! Which drive: what it says of itself, never where it sits nor what an operating system calls it today.

use std::fmt;
use std::sync::Arc;

use facts::Identity;
use serde::{Deserialize, Serialize};

/// The longest serial number and model that NVMe and SCSI have room for (Identify Controller: 20 and 40 bytes; SCSI VPD page 80h gives
/// serial numbers of up to 32 in practice).
const LONGEST: usize = 64;

/// A pooled drive, by what it says of itself. The same serial number of two models is two drives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DriveId {
    // Shared: each decision copies the names of all drives.
    #[serde(with = "shared")]
    serial: Arc<str>,
    #[serde(default, with = "shared_or_none")]
    model: Option<Arc<str>>,
}

/// Why a drive cannot be told from another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    /// It says no serial number, or spaces.
    #[error(
        "it tells no serial number; expected one of its own, because a drive that cannot be told from another is never lent"
    )]
    NoSerial,
    /// What it says is no text that people could compare.
    #[error(
        "its {what} {shown:?} is no plain text of at most {LONGEST} characters; expected what is printed on its label"
    )]
    NotPlain {
        /// The serial number or the model.
        what: &'static str,
        /// Its beginning.
        shown: String,
    },
}

impl DriveId {
    /// Who it is, without white space around what its maker wrote.
    ///
    /// # Errors
    /// Where it cannot be told from another drive.
    pub fn of(identity: &Identity) -> Result<DriveId, NoIdentity> {
        let serial = plain("serial number", identity.serial.as_deref())?.ok_or(NoIdentity::NoSerial)?;
        let model = plain("model", identity.model.as_deref())?;
        Ok(DriveId {
            serial: serial.into(),
            model: model.map(Arc::from),
        })
    }

    /// The serial number.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The model, where it tells one.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
}

impl fmt::Display for DriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.serial)?;
        match &self.model {
            Some(model) => write!(f, " ({model})"),
            None => Ok(()),
        }
    }
}

fn plain(what: &'static str, text: Option<&str>) -> Result<Option<String>, NoIdentity> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let is_plain = text.len() <= LONGEST && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    if is_plain {
        return Ok(Some(text.to_owned()));
    }
    let shown = text.chars().take(LONGEST).collect();
    Err(NoIdentity::NotPlain { what, shown })
}

/// Written down as if it were not shared.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(deserializer).map(Arc::from)
    }
}

/// The same, where it may be none.
mod shared_or_none {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
        text.as_deref().serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<str>>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Arc::from))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn told(serial: &str) -> Identity {
        Identity {
            maker: None,
            model: Some("M1 ".to_owned()),
            serial: Some(serial.to_owned()),
        }
    }

    #[test]
    fn a_drive_that_cannot_be_told_from_another_is_none() {
        for nothing in ["", "   ", "\t"] {
            assert_eq!(
                DriveId::of(&told(nothing)),
                Err(NoIdentity::NoSerial),
                "{nothing:?}"
            );
        }
        for strange in ["S\u{7f}1", "Sé", &"x".repeat(65)] {
            assert!(DriveId::of(&told(strange)).is_err(), "{strange:?}");
        }
        let drive = DriveId::of(&told("  S1  ")).unwrap();
        assert_eq!((drive.serial(), drive.model()), ("S1", Some("M1")));
        assert_eq!(drive.to_string(), "S1 (M1)");
    }

    proptest! {
        #[test]
        fn whatever_a_drive_says_it_is_one_or_an_error(serial in ".*", model in ".*") {
            let told = Identity { maker: None, model: Some(model), serial: Some(serial) };
            let _ = DriveId::of(&told);
        }
    }
}
