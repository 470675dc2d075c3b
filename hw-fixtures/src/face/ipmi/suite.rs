//! Cipher suites 3 and 17 (IPMI 2.0 table 22-20): HMAC with SHA-1 or SHA-256, and AES-CBC-128.

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockDecryptMut as _, BlockEncryptMut as _, KeyIvInit as _};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

/// Block and initialisation vector of AES.
const BLOCK: usize = 16;
/// What K1 and K2 are made of (IPMI 2.0 section 13.32).
const K1_CONSTANT: [u8; 20] = [1; 20];
const K2_CONSTANT: [u8; 20] = [2; 20];

/// A suite that this BMC speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128.
    Three,
    /// RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Seventeen,
}

impl Suite {
    /// Both, as Get Channel Cipher Suites lists them.
    pub const ALL: [Self; 2] = [Self::Three, Self::Seventeen];

    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Three => 3,
            Self::Seventeen => 17,
        }
    }

    /// Authentication, integrity and confidentiality algorithm.
    #[must_use]
    pub fn algorithms(self) -> [u8; 3] {
        match self {
            Self::Three => [1, 1, 1],
            Self::Seventeen => [3, 4, 1],
        }
    }

    /// The suite of these algorithms; nothing without authentication is a suite here.
    #[must_use]
    pub fn of(algorithms: [u8; 3]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.algorithms() == algorithms)
    }

    /// How many bytes of a hash stand behind packets and in RAKP message 4.
    #[must_use]
    pub fn check_length(self) -> usize {
        match self {
            Self::Three => 12,
            Self::Seventeen => 16,
        }
    }

    /// The whole HMAC over parts.
    #[must_use]
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        // HMAC takes keys of any length.
        match self {
            Self::Three => Hmac::<Sha1>::new_from_slice(key).map_or_else(
                |_| Vec::new(),
                |mut mac| {
                    parts.iter().for_each(|part| mac.update(part));
                    mac.finalize().into_bytes().to_vec()
                },
            ),
            Self::Seventeen => Hmac::<Sha256>::new_from_slice(key).map_or_else(
                |_| Vec::new(),
                |mut mac| {
                    parts.iter().for_each(|part| mac.update(part));
                    mac.finalize().into_bytes().to_vec()
                },
            ),
        }
    }

    /// As many bytes of it as stand behind packets.
    #[must_use]
    pub fn check(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut check = self.hmac(key, parts);
        check.truncate(self.check_length());
        check
    }
}

/// The keys of a session.
#[derive(Clone)]
pub struct Keys {
    suite: Suite,
    integrity: Vec<u8>,
    confidentiality: [u8; BLOCK],
}

impl Keys {
    /// From the session integrity key.
    #[must_use]
    pub fn of(suite: Suite, session_key: &[u8]) -> Self {
        let second = suite.hmac(session_key, &[&K2_CONSTANT]);
        let mut confidentiality = [0; BLOCK];
        confidentiality.copy_from_slice(&second[..BLOCK]);
        Self {
            suite,
            integrity: suite.hmac(session_key, &[&K1_CONSTANT]),
            confidentiality,
        }
    }

    /// The check behind a packet's bytes.
    #[must_use]
    pub fn check(&self, sealed: &[u8]) -> Vec<u8> {
        self.suite.check(&self.integrity, &[sealed])
    }

    /// How long that check is.
    #[must_use]
    pub fn check_length(&self) -> usize {
        self.suite.check_length()
    }

    /// Hides a message: the vector, the message, 1 2 3 … and how many those are.
    #[must_use]
    pub fn encrypt(&self, vector: [u8; BLOCK], message: &[u8]) -> Vec<u8> {
        let mut text = message.to_vec();
        let mut filled = 0_u8;
        while !(text.len() + 1).is_multiple_of(BLOCK) {
            filled += 1;
            text.push(filled);
        }
        text.push(filled);
        let cipher = cbc::Encryptor::<Aes128>::new(&self.confidentiality.into(), &vector.into());
        let length = text.len();
        let mut hidden = vector.to_vec();
        // Whole blocks need no padding, so that this fits.
        let text = cipher.encrypt_padded_mut::<NoPadding>(&mut text, length);
        hidden.extend_from_slice(text.unwrap_or_default());
        hidden
    }

    /// Shows a hidden message; `None` for what nobody hid with these keys.
    #[must_use]
    pub fn decrypt(&self, hidden: &[u8]) -> Option<Vec<u8>> {
        let (vector, text) = hidden.split_first_chunk::<BLOCK>()?;
        if text.is_empty() || !text.len().is_multiple_of(BLOCK) {
            return None;
        }
        let cipher = cbc::Decryptor::<Aes128>::new(&self.confidentiality.into(), vector.into());
        let mut message = text.to_vec();
        cipher.decrypt_padded_mut::<NoPadding>(&mut message).ok()?;
        let filled = usize::from(message.pop()?);
        let length = message.len().checked_sub(filled)?;
        message.truncate(length);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_hidden_is_shown_again_and_nothing_else_is() {
        let keys = Keys::of(Suite::Seventeen, b"a session key");
        for length in 0..40 {
            let message: Vec<u8> = (0..length).collect();
            assert_eq!(keys.decrypt(&keys.encrypt([7; 16], &message)).unwrap(), message);
        }
        assert!(keys.decrypt(&[0; 15]).is_none());
        assert!(keys.decrypt(&[0; 33]).is_none());
        assert_eq!(Suite::of([0, 0, 0]), None);
    }
}
