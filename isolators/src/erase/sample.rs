//! Samples of a drive: where they are taken, what stood there before, and whether it is gone. Pure.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Method, nvme};

/// How long a sample is: no drive's block is longer.
pub(crate) const SAMPLE_BYTES: u64 = 4_096;
/// How many are read back: the first, the last, and others between them. A proof needs sixteen.
pub(crate) const SAMPLES: usize = 64;
/// Fewer show nothing.
pub(crate) const FEWEST: usize = 16;
/// How many places are looked at beforehand, so that samples are taken where something stands: most of a large drive is often empty, and
/// an empty place that is read back empty shows little.
pub(crate) const CANDIDATES: usize = 1_024;

/// One place, and what stood there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    /// Bytes from the beginning of the drive.
    pub(crate) at: u64,
    /// SHA-256 in hexadecimal of what stood there before the erasure; `None` where it was blank, or could not be read.
    pub(crate) before: Option<String>,
}

/// Places to look at on a drive of this size, each once, the first and the last among them. `random` brings any numbers.
pub(crate) fn candidates(size: u64, mut random: impl FnMut() -> u64) -> Vec<u64> {
    let blocks = size / SAMPLE_BYTES;
    let Some(last) = blocks.checked_sub(1) else {
        return Vec::new();
    };
    let most = u64::try_from(CANDIDATES).unwrap_or(u64::MAX);
    let mut all: Vec<u64> = if blocks <= most {
        (0..blocks).collect()
    } else {
        let between = (0..CANDIDATES.saturating_sub(2)).map(|_| random() % blocks);
        [0, last].into_iter().chain(between).collect()
    };
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(|block| block * SAMPLE_BYTES).collect()
}

/// The samples among the places that were looked at: the first and the last, then those where something stands, then others. `random` brings
/// any numbers.
pub(crate) fn chosen(mut looked_at: Vec<Sample>, mut random: impl FnMut() -> u64) -> Vec<Sample> {
    let ends = [0, looked_at.len().saturating_sub(1)];
    let mut ranked: Vec<(bool, bool, u64, Sample)> = looked_at
        .drain(..)
        .enumerate()
        .map(|(index, sample)| (!ends.contains(&index), sample.before.is_none(), random(), sample))
        .collect();
    ranked.sort_by_key(|one| (one.0, one.1, one.2));
    let mut all: Vec<Sample> = ranked
        .into_iter()
        .take(SAMPLES)
        .map(|(.., sample)| sample)
        .collect();
    all.sort_by_key(|sample| sample.at);
    all
}

/// Whether one byte stands everywhere: zeros, ones, or what a drive shows where nothing is kept.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| Some(byte) == bytes.first())
}

/// What stands there, as it is remembered; `None` where it is blank.
pub(crate) fn fingerprint(bytes: &[u8]) -> Option<String> {
    (!is_blank(bytes)).then(|| nvme::hex(&Sha256::digest(bytes)))
}

/// Whether a place still holds something after this method. Who throws a key away leaves noise, and an enhanced ATA erase writes patterns
/// of its maker's: there, whatever reads as before is still there. All others leave one byte everywhere.
pub(crate) fn is_dirty(method: Method, before: Option<&str>, bytes: &[u8]) -> bool {
    match method {
        Method::SanitizeCrypto | Method::FormatCrypto | Method::AtaEnhanced => {
            let now = fingerprint(bytes);
            now.is_some() && now.as_deref() == before
        }
        Method::SanitizeBlock | Method::FormatBlock | Method::Ata => !is_blank(bytes),
        Method::Overwrite => bytes.iter().any(|byte| *byte != 0),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_gone_depends_on_the_method() {
        let text = [b"secret ".as_slice(), &[0; 9]].concat();
        let before = fingerprint(&text);
        let cases = [
            (Method::SanitizeCrypto, before.as_deref(), text.as_slice(), true),
            (Method::SanitizeCrypto, before.as_deref(), b"noise", false),
            (Method::SanitizeCrypto, None, b"noise", false),
            (Method::AtaEnhanced, before.as_deref(), &text, true),
            (Method::SanitizeBlock, None, b"noise", true),
            (Method::SanitizeBlock, before.as_deref(), &[0xff; 8], false),
            (Method::FormatBlock, before.as_deref(), &[0; 8], false),
            (Method::Overwrite, None, &[0xff; 8], true),
            (Method::Overwrite, before.as_deref(), &[0; 8], false),
        ];
        for (method, before, bytes, dirty) in cases {
            assert_eq!(is_dirty(method, before, bytes), dirty, "{method:?} {bytes:?}");
        }
        assert_eq!(fingerprint(&[7; 4096]), None, "blank");
    }

    #[test]
    fn samples_are_taken_where_something_stands() {
        let mut next = 0_u64;
        let mut random = move || {
            next = next
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            next >> 16
        };
        let size = 3_840_755_982_336;
        let places = candidates(size, &mut random);
        assert!(places.len() > 1_000);
        let held = |at: u64| (at != 0 && at < size / 50).then(|| "x".to_owned());
        let looked_at = places
            .iter()
            .map(|at| Sample {
                at: *at,
                before: held(*at),
            })
            .collect();
        let samples = chosen(looked_at, &mut random);
        assert_eq!(samples.len(), SAMPLES);
        assert_eq!(samples.first().map(|sample| sample.at), Some(0));
        let last = (size / SAMPLE_BYTES - 1) * SAMPLE_BYTES;
        assert_eq!(samples.last().map(|sample| sample.at), Some(last));
        let all_held = places.iter().filter(|at| held(**at).is_some()).count();
        let taken = samples.iter().filter(|sample| sample.before.is_some()).count();
        assert!(
            taken == all_held.min(SAMPLES - 2) && taken > 5,
            "{taken} of {all_held}"
        );
    }

    proptest! {
        #[test]
        fn places_are_aligned_within_the_drive_and_never_twice(size in 0_u64..1 << 50, seed in any::<u64>()) {
            let mut next = seed;
            let places = candidates(size, || { next = next.wrapping_mul(31).wrapping_add(7); next });
            prop_assert!(places.windows(2).all(|two| two[0] < two[1]));
            prop_assert!(places.iter().all(|at| at % SAMPLE_BYTES == 0 && at + SAMPLE_BYTES <= size));
            prop_assert_eq!(places.is_empty(), size < SAMPLE_BYTES);
        }
    }
}
