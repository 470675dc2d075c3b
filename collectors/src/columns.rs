//! Columns of numbers in the kernel's text, read by hand: no allocation, and no number that is not whole and fits.

/// A whole number that is nothing but digits; `None` for a sign, a blank, a fraction or what does not fit in 64 bits.
pub fn whole(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut number: u64 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(number)
}

/// A hexadecimal number, with or without `0x`.
pub fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let digits = digits.strip_prefix(b"0x").unwrap_or(digits);
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut number: u64 = 0;
    for digit in digits {
        number = number << 4 | u64::from(char::from(*digit).to_digit(16)?);
    }
    Some(number)
}

/// A whole number with an optional sign.
pub fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => 0_i64.checked_sub_unsigned(whole(digits)?),
        None => i64::try_from(whole(text)?).ok(),
    }
}

/// The lines, without their ends.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at_checked(end)?;
            rest = after.get(1..).unwrap_or_default();
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

/// The words of a line: what stands between spaces and tabs.
pub fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
        .filter(|word| !word.is_empty())
}

/// Fills `places` from the words of `line` and gives how many there were; `None` where one is no number. Words beyond the places
/// are not looked at: a newer kernel may add columns.
pub fn fill(places: &mut [u64], line: &[u8]) -> Option<usize> {
    let mut seen = 0;
    for (place, word) in places.iter_mut().zip(words(line)) {
        *place = whole(word)?;
        seen += 1;
    }
    Some(seen)
}

/// A name in the kernel's text, as text; `None` where it is none.
pub fn name(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok().filter(|name| !name.is_empty())
}

/// The nearest float; exact up to 2^53.
pub fn float(number: u64) -> f64 {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    let (high, low) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    f64::from(high) * 4_294_967_296.0 + f64::from(low)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::as_conversions)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_whole_number_is_none() {
        for bad in [
            "",
            "-1",
            "+1",
            "1.5",
            "N/A",
            " 1",
            "1 ",
            "0x10",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            assert_eq!(whole(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(whole(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed(b"-9223372036854775809"), None);
        assert_eq!(signed(b"--1"), None);
        assert_eq!(hexadecimal(b"0x1f"), Some(31));
        assert_eq!(hexadecimal(b"0x"), None);
        assert_eq!(hexadecimal(b"11111111111111111"), None);
    }

    #[test]
    fn a_newer_kernels_columns_are_left_out() {
        let mut places = [0; 2];
        assert_eq!(fill(&mut places, b" 1\t2 3 x"), Some(2));
        assert_eq!(places, [1, 2]);
        assert_eq!(fill(&mut places, b"7"), Some(1));
        assert_eq!(fill(&mut places, b"7 -1"), None);
    }

    proptest! {
        #[test]
        fn numbers_are_as_the_standard_library_reads_them(number: u64, negative: i64) {
            prop_assert_eq!(whole(number.to_string().as_bytes()), Some(number));
            prop_assert_eq!(signed(negative.to_string().as_bytes()), Some(negative));
            prop_assert_eq!(hexadecimal(format!("{number:#x}").as_bytes()), Some(number));
            prop_assert_eq!(float(number), number as f64);
        }

        #[test]
        fn any_bytes_are_columns_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut places = [0; 4];
            for line in lines(&bytes) {
                let _ = fill(&mut places, line);
                let _ = (whole(line), signed(line), hexadecimal(line), name(line));
            }
        }
    }
}
