//! Meters: what they show is near the truth, and how near depends only on seed, name and moment.

use sha2::{Digest, Sha256};

/// A meter shows one reading for this long before it takes the next.
pub const METER_WINDOW_MS: u64 = 200;

/// A meter of a given name in a world with a given seed.
#[derive(Debug, Clone, Copy)]
pub struct Meter<'a> {
    /// The world's seed.
    pub seed: u64,
    /// The meter's name, so that no two meters err alike.
    pub name: &'a str,
    /// How far it may be off, in thousandths of the truth.
    pub error_permille: u64,
}

impl Meter<'_> {
    /// What the meter shows at a moment when the truth is `truth`.
    #[must_use]
    pub fn shows(&self, truth: u64, now_ms: u64) -> u64 {
        let span = truth / 1_000 * self.error_permille + truth % 1_000 * self.error_permille / 1_000;
        if span == 0 {
            return truth;
        }
        let window = (now_ms / METER_WINDOW_MS).to_le_bytes();
        let low = truth.saturating_sub(span);
        low + number(self.seed, self.name, &window) % (2 * span + 1)
    }
}

/// A number that depends on nothing but seed, name and salt.
#[must_use]
pub fn number(seed: u64, name: &str, salt: &[u8]) -> u64 {
    let digest = bytes(seed, name, salt);
    let mut eight = [0_u8; 8];
    eight.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(eight)
}

/// Thirty-two bytes that depend on nothing but seed, name and salt.
#[must_use]
pub fn bytes(seed: u64, name: &str, salt: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    hash.update([0]);
    hash.update(salt);
    hash.finalize().into()
}

/// A UUID that depends on nothing but seed, name and salt.
#[must_use]
pub fn uuid(seed: u64, name: &str, salt: &[u8]) -> String {
    let digest = bytes(seed, name, salt);
    let mut sixteen = [0_u8; 16];
    sixteen.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(sixteen).into_uuid().to_string()
}
