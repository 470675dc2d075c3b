//! Sizes of drives, as they are printed on their labels: decimal units.

use facts::Bytes;

const UNITS: [(&str, u64); 4] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
];

/// A size as in 3TB, 3.84TB or 2TiB.
pub fn parse_size(text: &str) -> Result<Bytes, String> {
    let expected = || format!("{text:?} is no size; expected one as in 3TB, 3.84TB, 960GB or 2TiB");
    let trimmed = text.trim();
    let Some((number, unit)) = UNITS
        .into_iter()
        .find_map(|(word, unit)| Some((trimmed.strip_suffix(word)?.trim(), unit)))
    else {
        return trimmed.parse().map_err(|_| expected());
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_plain =
        |digits: &str| (1..=12).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_plain(whole) || !is_plain(part) {
        return Err(expected());
    }
    let scale = 10_u64.saturating_pow(u32::try_from(part.len()).unwrap_or(u32::MAX));
    let whole: u64 = whole.parse().map_err(|_| expected())?;
    let part: u64 = part.parse().map_err(|_| expected())?;
    let rest = u128::from(part) * u128::from(unit) / u128::from(scale);
    let bytes = u128::from(whole) * u128::from(unit) + rest;
    u64::try_from(bytes).map(Bytes::new).map_err(|_| expected())
}

/// `3.84 TB`: as its maker prints it, cut off and never rounded up.
pub fn decimal(size: Bytes) -> String {
    for (word, unit) in UNITS {
        if size.get() >= unit {
            let (whole, rest) = (size.get() / unit, size.get() % unit);
            let hundredths = u128::from(rest) * 100 / u128::from(unit);
            return match (hundredths, hundredths % 10) {
                (0, _) => format!("{whole} {word}"),
                (_, 0) => format!("{whole}.{} {word}", hundredths / 10),
                (_, _) => format!("{whole}.{hundredths:02} {word}"),
            };
        }
    }
    format!("{} B", size.get())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_stand_on_labels() {
        for (text, bytes) in [
            ("3TB", 3_000_000_000_000),
            ("3.84TB", 3_840_000_000_000),
            ("960 GB", 960_000_000_000),
            ("2TiB", 2 << 40),
            ("512", 512),
        ] {
            assert_eq!(parse_size(text), Ok(Bytes::new(bytes)), "{text}");
        }
        for bad in [
            "",
            "TB",
            "3,84TB",
            "-1TB",
            "3.TB",
            ".5TB",
            "1e3GB",
            "99999999999TB",
            "3 PB",
            "1.2.3TB",
        ] {
            assert!(parse_size(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn sizes_are_told_as_they_stand_on_labels_and_never_as_more() {
        for (bytes, text) in [
            (3_840_755_982_336, "3.84 TB"),
            (3_999_999_999_999, "3.99 TB"),
            (3_000_000_000_000, "3 TB"),
            (7_500_000_000_000, "7.5 TB"),
            (7_050_000_000_000, "7.05 TB"),
            (1_073_741_824, "1.07 GB"),
            (0, "0 B"),
        ] {
            assert_eq!(decimal(Bytes::new(bytes)), text);
        }
    }
}
