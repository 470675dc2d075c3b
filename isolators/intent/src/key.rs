//! A secret that two machines share for the connections between them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// How each begins that the kernel takes as it stands: version 1, no transformation (drivers/nvme/common/auth.c).
const BEGINS: &str = "DHHC-1:00:";
/// The longest that is taken: 64 bytes of key and 4 of check sum in base64 are 92.
const LONGEST: usize = 110;
/// The letters of base64 (RFC 4648, section 4).
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// CRC-32 as in IEEE 802.3, bits reversed.
const POLYNOMIAL: u32 = 0xEDB8_8320;

/// A key of NVMe in-band authentication (DH-HMAC-CHAP), as the kernel takes it: `DHHC-1:00:` and base64 of the key with its CRC-32.
/// No text for people shows it, and its memory is wiped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DriveKey(Zeroizing<String>);

/// A text is no such key. The text is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "that is no key of NVMe authentication; expected DHHC-1:00:, a key with its check sum in base64, and a colon"
)]
pub struct NotAKey;

impl DriveKey {
    /// A key of 32 bytes, which nobody can guess where they are random.
    pub fn of(bytes: &[u8; 32]) -> DriveKey {
        let mut all = Zeroizing::new(Vec::with_capacity(36));
        all.extend_from_slice(bytes);
        all.extend_from_slice(&crc32(bytes).to_le_bytes());
        // Made as long as it will be: nothing is left behind by one that grows.
        let mut text = Zeroizing::new(String::with_capacity(LONGEST));
        text.push_str(BEGINS);
        for three in all.chunks(3) {
            let at = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
            let bits = (at(0) << 16) | (at(1) << 8) | at(2);
            for place in 0..4 {
                let index = (bits >> (18 - 6 * place)) & 63;
                let index = usize::try_from(index).unwrap_or(0);
                let letter = LETTERS.get(index).copied().unwrap_or(b'=');
                text.push(if place <= three.len() {
                    char::from(letter)
                } else {
                    '='
                });
            }
        }
        text.push(':');
        DriveKey(text)
    }

    /// The key as the kernel takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ POLYNOMIAL
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

impl FromStr for DriveKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<DriveKey, NotAKey> {
        let key = text.strip_prefix(BEGINS).and_then(|rest| rest.strip_suffix(':'));
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let is_key = key.is_some_and(|key| !key.is_empty() && key.bytes().all(is_base64));
        if is_key && text.len() <= LONGEST {
            return Ok(DriveKey(Zeroizing::new(text.to_owned())));
        }
        Err(NotAKey)
    }
}

impl TryFrom<String> for DriveKey {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<DriveKey, NotAKey> {
        Zeroizing::new(text).parse()
    }
}

impl From<DriveKey> for String {
    fn from(key: DriveKey) -> String {
        key.as_str().to_owned()
    }
}

impl fmt::Debug for DriveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DriveKey(..)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_written_as_nvme_cli_writes_it_and_shown_to_nobody() {
        // The check sum of "123456789" is the one that every description of CRC-32 names.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        // Bytes 0 to 31 and their check sum 0x91267E8A, encoded by coreutils' base64.
        let mut bytes = [0; 32];
        for (at, byte) in (0_u8..).zip(bytes.iter_mut()) {
            *byte = at;
        }
        let key = DriveKey::of(&bytes);
        let text = "DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:";
        assert_eq!(key.as_str(), text);
        assert_eq!(text.parse(), Ok(key.clone()));
        assert!(!format!("{key:?}").contains("AAEC"));
        for bad in [
            "",
            "DHHC-1:00::",
            "DHHC-1:00:AA",
            "x",
            "DHHC-1:00:A A:",
            "DHHC-1:00:A,b=c:",
        ] {
            assert_eq!(bad.parse::<DriveKey>(), Err(NotAKey), "{bad}");
        }
    }
}
