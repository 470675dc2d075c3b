//! Cipher suites 3 and 17: which keyed hash proves a message, and how AES hides it. Suite 0 is refused by name.

use std::fmt;

use aes::Aes128;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::bytes::DecodeError;

/// Both hashes work on blocks of this many bytes; each of our keys is shorter and is filled up with zeros (RFC 2104).
const HASH_BLOCK: usize = 64;
/// One block of AES, and its initialisation vector.
pub(super) const AES_BLOCK: usize = 16;

/// A cipher suite that we speak (IPMI 2.0 table 22-20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// RAKP-HMAC-SHA1, HMAC-SHA1-96, AES-CBC-128: every BMC of the last fifteen years.
    Three,
    /// RAKP-HMAC-SHA256, HMAC-SHA256-128, AES-CBC-128.
    Seventeen,
}

/// Why a cipher suite is not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuiteError {
    /// Suite 0.
    #[error(
        "cipher suite 0 is refused: it proves neither the user nor the BMC (anybody may switch the node off); use 17 or 3, and disable 0 in the BMC"
    )]
    Zero,
    /// Another one.
    #[error("cipher suite {0} is not spoken; expected 17 or 3")]
    Other(u8),
}

impl TryFrom<u8> for Suite {
    type Error = SuiteError;

    fn try_from(number: u8) -> Result<Suite, SuiteError> {
        match number {
            0 => Err(SuiteError::Zero),
            3 => Ok(Suite::Three),
            17 => Ok(Suite::Seventeen),
            other => Err(SuiteError::Other(other)),
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cipher suite {}", self.number())
    }
}

impl Suite {
    /// Its number in the specification.
    pub const fn number(self) -> u8 {
        match self {
            Suite::Three => 3,
            Suite::Seventeen => 17,
        }
    }

    /// Authentication, integrity and confidentiality algorithm, by their numbers.
    pub(super) const fn algorithms(self) -> [u8; 3] {
        match self {
            Suite::Three => [1, 1, 1],
            Suite::Seventeen => [3, 4, 1],
        }
    }

    /// How long a whole hash is.
    pub(super) const fn hash_length(self) -> usize {
        match self {
            Suite::Three => 20,
            Suite::Seventeen => 32,
        }
    }

    /// How much of a hash stands behind a packet and in RAKP message 4.
    pub(super) const fn check_length(self) -> usize {
        match self {
            Suite::Three => 12,
            Suite::Seventeen => 16,
        }
    }

    /// The keyed hash of the parts, one after another.
    pub(super) fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut block = [0_u8; HASH_BLOCK];
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        match self {
            Suite::Three => fed(<Hmac<Sha1> as hmac::digest::KeyInit>::new((&block).into()), parts),
            Suite::Seventeen => fed(
                <Hmac<Sha256> as hmac::digest::KeyInit>::new((&block).into()),
                parts,
            ),
        }
    }

    /// Whether `came` is the keyed hash of the parts, cut to `length`, in a time that does not tell how much of it is right.
    pub(super) fn proves(self, key: &[u8], parts: &[&[u8]], length: usize, came: &[u8]) -> bool {
        let whole = self.hmac(key, parts);
        let Some(expected) = whole.get(..length) else {
            return false;
        };
        bool::from(expected.ct_eq(came))
    }
}

fn fed(mut mac: impl Mac, parts: &[&[u8]]) -> Vec<u8> {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// Hides a message: initialisation vector, then the blocks with their filling (IPMI 2.0 section 13.29).
pub(super) fn encrypt(key: &[u8; AES_BLOCK], iv: [u8; AES_BLOCK], message: &[u8]) -> Vec<u8> {
    let mut blocks = message.to_vec();
    let mut filled = 0_u8;
    while !(blocks.len() + 1).is_multiple_of(AES_BLOCK) {
        filled += 1;
        blocks.push(filled);
    }
    blocks.push(filled);
    let mut cipher = cbc::Encryptor::<Aes128>::new(key.into(), &iv.into());
    for block in blocks.chunks_exact_mut(AES_BLOCK) {
        cipher.encrypt_block_mut(block.into());
    }
    let mut whole = iv.to_vec();
    whole.extend_from_slice(&blocks);
    whole
}

/// Shows a message again, and checks its filling.
pub(super) fn decrypt(key: &[u8; AES_BLOCK], whole: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let shape = || {
        DecodeError::wrong(
            "the encrypted payload",
            format!("{} bytes long", whole.len()),
            "a vector and whole blocks of 16 bytes",
        )
    };
    let (iv, blocks) = whole.split_first_chunk::<AES_BLOCK>().ok_or_else(shape)?;
    let mut blocks = blocks.to_vec();
    let shown = cbc::Decryptor::<Aes128>::new(key.into(), iv.into())
        .decrypt_padded_mut::<NoPadding>(&mut blocks)
        .map_err(|_| shape())?;
    let (filled, message) = shown.split_last().ok_or_else(shape)?;
    let filling = || DecodeError::wrong("the filling of the encrypted payload", "wrong", "1, 2, 3 …");
    let at = message
        .len()
        .checked_sub(usize::from(*filled))
        .ok_or_else(filling)?;
    let (message, filling_bytes) = message.split_at(at);
    if !filling_bytes.iter().copied().eq(1..=*filled) {
        return Err(filling());
    }
    Ok(message.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_keyed_hashes_are_those_of_the_rfcs() {
        // RFC 2202 test case 2, RFC 4231 test case 2.
        let text: &[&[u8]] = &[b"what do ya want ", b"for nothing?"];
        assert_eq!(
            hex(&Suite::Three.hmac(b"Jefe", text)),
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
        );
        assert_eq!(
            hex(&Suite::Seventeen.hmac(b"Jefe", text)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        for suite in [Suite::Three, Suite::Seventeen] {
            let mut right = suite.hmac(b"Jefe", text);
            assert_eq!(right.len(), suite.hash_length());
            right.truncate(suite.check_length());
            assert!(suite.proves(b"Jefe", text, suite.check_length(), &right));
            assert!(!suite.proves(b"jefe", text, suite.check_length(), &right));
            assert!(!suite.proves(b"Jefe", text, suite.check_length(), &[]));
            assert!(!suite.proves(b"Jefe", text, 99, &right));
        }
    }

    #[test]
    fn aes_is_that_of_sp_800_38a() {
        // NIST SP 800-38A, F.2.1; the message is one byte short of two blocks, so that one byte of filling follows.
        let key: [u8; 16] = *b"\x2b\x7e\x15\x16\x28\xae\xd2\xa6\xab\xf7\x15\x88\x09\xcf\x4f\x3c";
        let iv: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let text = b"\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a";
        let hidden = encrypt(&key, iv, text);
        assert_eq!(
            hex(hidden.get(16..32).unwrap()),
            "7649abac8119b246cee98e9b12e9197d"
        );
        assert_eq!(decrypt(&key, &hidden).unwrap(), text);
        for length in 0..40 {
            let message: Vec<u8> = (0..length).collect();
            assert_eq!(decrypt(&key, &encrypt(&key, iv, &message)).unwrap(), message);
        }
    }

    #[test]
    fn suite_0_is_refused_by_name() {
        let words = Suite::try_from(0).unwrap_err().to_string();
        assert!(words.contains("cipher suite 0 is refused"), "{words}");
        assert_eq!(Suite::try_from(8), Err(SuiteError::Other(8)));
        assert_eq!(Suite::try_from(17), Ok(Suite::Seventeen));
    }
}
