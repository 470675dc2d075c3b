//! Words and units of configuration files: whiles, numbers, addresses, and the nearest known key.

use std::time::Duration;

use toml::de::DeValue;

/// The longest while that makes sense here: a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// A key that needs more changes than this was not a slip.
const MOST_SLIPS: usize = 3;
/// How much of a wrong value is shown.
const MOST_SHOWN: usize = 60;

/// A while, as in `250ms`, `5s`, `10m`, `24h`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let while_ = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        "h" => Duration::from_secs(number.checked_mul(3_600)?),
        _ => return None,
    };
    (while_ <= LONGEST).then_some(while_)
}

/// A whole number, 0 or more.
pub(super) fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A number times a scale, rounded to the nearest.
pub(super) fn scaled(value: &DeValue<'_>, scale: u64) -> Option<u64> {
    if let Some(number) = whole(value) {
        return number.checked_mul(scale);
    }
    let number: f64 = value.as_float()?.as_str().parse().ok()?;
    let factor: f64 = scale.to_string().parse().ok()?;
    let rounded = (number * factor).round();
    if !(0.0..9_000_000_000_000_000.0).contains(&rounded) {
        return None;
    }
    // Through text, because a float has no lossless conversion to an integer.
    format!("{rounded:.0}").parse().ok()
}

/// A value as it stands in the file, cut where it is long.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    let text = match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    };
    if text.chars().count() <= MOST_SHOWN {
        return text;
    }
    let mut cut: String = text.chars().take(MOST_SHOWN).collect();
    cut.push('\u{2026}');
    cut
}

/// An unknown key, and the nearest known one.
pub(super) fn unknown(key: &str, known: &[&'static str], title: &str) -> String {
    let mut names: Vec<&str> = known.to_vec();
    names.sort_unstable();
    names.dedup();
    let nearest = names
        .iter()
        .map(|name| (slips(key, name), *name))
        .min()
        .filter(|(slips, name)| *slips <= MOST_SLIPS && *slips < name.chars().count());
    match nearest {
        Some((_, nearest)) => format!("unknown key \"{key}\" in {title}; expected {nearest}?"),
        None => format!(
            "unknown key \"{key}\" in {title}; expected one of: {}",
            names.join(", ")
        ),
    }
}

/// How many letters must be put in, left out or changed to make one word of the other.
fn slips(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().take(MOST_SHOWN).enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        let mut next = vec![left];
        for (above, there) in row.iter().skip(1).zip(&other) {
            let changed = diagonal.saturating_add(usize::from(letter != *there));
            left = changed.min(left.saturating_add(1)).min(above.saturating_add(1));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// What is wrong with an address; `None` where it is one. Plain HTTP only on loopback.
pub(super) fn wrong_bmc_url(url: &str) -> Option<String> {
    let Some(rest) = url.strip_prefix(super::IPMI) else {
        return wrong_url(url);
    };
    let wrong = rest.is_empty() || rest.contains(['/', '@']) || rest.chars().any(char::is_whitespace);
    // What stands before an @ may be a secret: it is not shown.
    wrong.then(|| {
        "an address that begins with ipmi:// names HOST[:PORT] and nothing else; expected ipmi://HOST"
            .to_owned()
    })
}

/// What is wrong with an address that is spoken to over HTTP.
pub(super) fn wrong_url(url: &str) -> Option<String> {
    let expected = "expected https://HOST, or http:// on loopback only";
    let (secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Some(format!("{url:?} is no address; {expected}")),
    };
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty()
        || url
            .chars()
            .any(|letter| letter.is_whitespace() || letter.is_control())
    {
        return Some(format!("{url:?} names no host; {expected}"));
    }
    if host.contains('@') {
        return Some(format!(
            "the address of {} holds a password; expected it in credentials_file",
            host.rsplit('@').next().unwrap_or_default()
        ));
    }
    let loopback = host.starts_with("127.")
        || host.starts_with("[::1]")
        || host == "localhost"
        || host.starts_with("localhost:");
    (!secure && !loopback).then(|| format!("{url:?} is not encrypted and not on loopback; {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whiles_have_units() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("24h"), Some(Duration::from_secs(86_400)));
        for bad in [
            "5",
            "5 seconds",
            "s",
            "-5s",
            "5S",
            "99999999999999999999s",
            "9000h0",
            "1\u{e9}",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_nearest_key_is_named() {
        let known = ["listen_address", "name", "mode"];
        assert!(unknown("lissen_adress", &known, "[rack]").ends_with("expected listen_address?"));
        assert!(unknown("zzzzzz", &known, "[rack]").contains("listen_address, mode, name"));
        assert_eq!(slips("kitten", "sitting"), 3);
    }

    #[test]
    fn plain_http_stays_on_loopback() {
        assert_eq!(wrong_url("https://192.0.2.5"), None);
        assert_eq!(wrong_url("http://127.0.0.1:9711"), None);
        assert_eq!(wrong_bmc_url("ipmi://192.0.2.5:9623"), None);
        for bad in [
            "ipmi://",
            "ipmi://root:secret@192.0.2.5",
            "ipmi://a/b",
            "ipmi://a b",
            "lan://a",
        ] {
            let words = wrong_bmc_url(bad);
            assert!(words.is_some_and(|words| !words.contains("secret")), "{bad}");
        }
        for bad in [
            "192.0.2.5",
            "http://192.0.2.5",
            "https://",
            "https://a:b@host",
            "https://a b",
        ] {
            assert!(wrong_url(bad).is_some(), "{bad}");
        }
        assert!(
            !wrong_url("https://root:secret@host")
                .unwrap_or_default()
                .contains("secret")
        );
    }
}
