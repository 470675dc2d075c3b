//! Names of drives that are one of a kind: world-wide name, NGUID, EUI-64. They look alike and never mix.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is no such name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no {kind}; expected {digits} hexadecimal digits that are not all alike")]
pub struct NotADriveName {
    kind: &'static str,
    digits: &'static str,
    text: String,
}

/// EUI-64 of an NVMe namespace (NVM Express Base Specification, Identify Namespace), in its order on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Eui64([u8; 8]);

/// NGUID of an NVMe namespace: a globally unique identifier of 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nguid([u8; 16]);

/// World-wide name of a SCSI or SATA drive (NAA, SPC-4 7.8.6.6): 64 bits, or 128 bits where its first digit is 6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wwn {
    /// NAA of 64 bits: IEEE (2), local (3), IEEE registered (5).
    Short([u8; 8]),
    /// NAA of 128 bits: IEEE registered extended (6).
    Long([u8; 16]),
}

/// The first digits of world-wide names of 64 bits, and of those of 128 bits.
const SHORT_NAA: [u8; 3] = [2, 3, 5];
const LONG_NAA: u8 = 6;

impl Eui64 {
    /// From the bytes on the wire; all zeros or all ones mean that the maker gave none.
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Eui64> {
        is_name(&bytes).then_some(Eui64(bytes))
    }
}

impl Nguid {
    /// From the bytes on the wire; all zeros or all ones mean that the maker gave none.
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Nguid> {
        is_name(&bytes).then_some(Nguid(bytes))
    }
}

impl Wwn {
    /// From bytes; `None` where their first digit says that they are no such name.
    pub fn from_bytes(bytes: &[u8]) -> Option<Wwn> {
        let kind = bytes.first()? >> 4;
        if !is_name(bytes) {
            return None;
        }
        if let Ok(short) = <[u8; 8]>::try_from(bytes) {
            return SHORT_NAA.contains(&kind).then_some(Wwn::Short(short));
        }
        let long = <[u8; 16]>::try_from(bytes).ok()?;
        (kind == LONG_NAA).then_some(Wwn::Long(long))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Wwn::Short(bytes) => bytes,
            Wwn::Long(bytes) => bytes,
        }
    }
}

fn is_name(bytes: &[u8]) -> bool {
    !bytes.iter().all(|byte| *byte == 0) && !bytes.iter().all(|byte| *byte == u8::MAX)
}

/// Digits of a text; what firmware, kernels and people put between them does not count.
fn digits(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let text = ["0x", "naa.", "eui.", "wwn-0x", "nvme-eui."]
        .iter()
        .find_map(|start| text.strip_prefix(start))
        .unwrap_or(text);
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | ':'))
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| (pair[0] << 4) | pair[1])
            .collect(),
    )
}

macro_rules! name {
    ($name:ident, $kind:literal, $digits:literal, $read:expr, $bytes:expr) => {
        impl FromStr for $name {
            type Err = NotADriveName;

            fn from_str(text: &str) -> Result<$name, NotADriveName> {
                let read: fn(&[u8]) -> Option<$name> = $read;
                digits(text)
                    .and_then(|bytes| read(&bytes))
                    .ok_or_else(|| NotADriveName {
                        kind: $kind,
                        digits: $digits,
                        text: text.to_owned(),
                    })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let bytes: fn(&$name) -> &[u8] = $bytes;
                bytes(self)
                    .iter()
                    .try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(de::Error::custom)
            }
        }
    };
}

name!(
    Eui64,
    "EUI-64",
    "16",
    |bytes| Eui64::from_bytes(bytes.try_into().ok()?),
    |name| &name.0
);
name!(
    Nguid,
    "NGUID",
    "32",
    |bytes| Nguid::from_bytes(bytes.try_into().ok()?),
    |name| &name.0
);
name!(
    Wwn,
    "world-wide name (NAA 2, 3, 5 or 6)",
    "16 or 32",
    Wwn::from_bytes,
    Wwn::bytes
);

/// The names of one drive. Each is empty where the maker gave none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct DriveNames {
    /// World-wide name of a SCSI or SATA drive.
    pub wwn: Option<Wwn>,
    /// NGUID of an NVMe namespace.
    pub nguid: Option<Nguid>,
    /// EUI-64 of an NVMe namespace.
    pub eui64: Option<Eui64>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_name_has_one_text_whoever_wrote_it() {
        for text in [
            "naa.5000c500a1b2c3d4",
            "0x5000C500A1B2C3D4",
            "wwn-0x5000c500a1b2c3d4",
        ] {
            assert_eq!(text.parse::<Wwn>().unwrap().to_string(), "5000c500a1b2c3d4");
        }
        let long = "naa.600605b00d9a4e1029c7b3e41a2b3c4d".parse::<Wwn>().unwrap();
        assert!(matches!(long, Wwn::Long(_)));
        for text in ["00 25 38 5b 71 b0 0c 5f", "eui.0025385b71b00c5f"] {
            assert_eq!(text.parse::<Eui64>().unwrap().to_string(), "0025385b71b00c5f");
        }
        let nguid = "36344730-5260-0f50-0025-384100000001".parse::<Nguid>().unwrap();
        assert_eq!(nguid.to_string(), "3634473052600f500025384100000001");
    }

    #[test]
    fn a_name_of_nothing_or_of_another_kind_is_none() {
        for text in [
            "",
            "0000000000000000",
            "ffffffffffffffff",
            "0025385b71b00c5f0",
            "zz25385b71b00c5f",
        ] {
            assert!(text.parse::<Eui64>().is_err(), "{text}");
        }
        // NAA begins with 2, 3, 5 or 6, and its first digit says how long it is.
        for text in [
            "1000c500a1b2c3d4",
            "6000c500a1b2c3d4",
            "500605b00d9a4e1029c7b3e41a2b3c4d",
        ] {
            assert!(text.parse::<Wwn>().is_err(), "{text}");
        }
        let error = "none".parse::<Nguid>().unwrap_err().to_string();
        assert!(error.contains("NGUID") && error.contains("\"none\""), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_an_error(text in ".*") {
            let _ = text.parse::<Wwn>();
            let _ = text.parse::<Nguid>();
            let _ = text.parse::<Eui64>();
        }

        #[test]
        fn a_name_reads_what_it_shows(bytes: [u8; 16]) {
            if let Some(name) = Nguid::from_bytes(bytes) {
                prop_assert_eq!(name.to_string().parse::<Nguid>(), Ok(name));
            }
        }
    }
}
