//! Values that are typed the same on the command line and in a file of asks.

use agent_api::v1::HugepageAsk;
use facts::Power;

/// Watts, exactly.
pub fn parse_watts(text: &str) -> Result<Power, String> {
    let expected = || {
        format!("{text:?} is no number of watts; expected one as in 800 or 0.5, at most 18446744073709551")
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    if decimals.is_empty() || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return Err(expected());
    }
    let watts: u64 = whole.parse().map_err(|_| expected())?;
    let milliwatts: u64 = format!("{decimals:0<3}").parse().map_err(|_| expected())?;
    let power =
        Power::from_watts(watts).and_then(|power| power.checked_add(Power::from_milliwatts(milliwatts)));
    power.ok_or_else(expected)
}

/// Huge pages of one size, as in `2MiB=2GiB`.
pub fn parse_hugepages(text: &str) -> Result<HugepageAsk, String> {
    let expected =
        || format!("{text:?} is no amount of huge pages; expected SIZE=BYTES, as in 2MiB=2GiB or 1GiB=8GiB");
    let (page, bytes) = text.split_once('=').ok_or_else(expected)?;
    Ok(HugepageAsk {
        page_bytes: page.parse().map_err(|_| expected())?,
        bytes: bytes.parse().map_err(|_| expected())?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn watts_are_exact() {
        assert_eq!(parse_watts("800").unwrap(), Power::from_milliwatts(800_000));
        assert_eq!(parse_watts("0.5").unwrap(), Power::from_milliwatts(500));
        assert_eq!(parse_watts("0").unwrap(), Power::ZERO);
        for bad in [
            "",
            "-1",
            "1e3",
            "1.",
            "1.2345",
            "0x10",
            "99999999999999999999",
            "18446744073709552",
            "NaN",
        ] {
            assert!(parse_watts(bad).is_err(), "{bad} was taken");
        }
    }
}
