//! Query parameters: `only` and `$expand`.

use serde_json::Value;

use super::{Bmc, Page};
use crate::face::trouble::Trouble;

/// Links are followed this deep at most, as the service root says.
pub const MAX_LEVELS: u8 = 3;
/// One answer holds this many resources at most: a rack's BMC has fewer.
const MAX_PAGES: usize = 500;

/// Which links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// `*`: all.
    All,
    /// `.`: all but those in `Links`.
    Subordinate,
    /// `~`: only those in `Links`.
    Links,
}

impl Bmc {
    /// Applies the query of a request to a resource.
    pub(super) fn query(&self, mut page: Page, query: &str) -> Result<Page, Trouble> {
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let (name, value) = (decode(name), decode(value));
            match name.as_str() {
                "only" => page = self.only(page, &value)?,
                "$expand" => {
                    let (which, levels) = asked(&value)?;
                    let mut room = MAX_PAGES;
                    self.follow(&mut page.body, which, levels, false, &mut room);
                }
                unknown if unknown.starts_with('$') => return Err(Trouble::query_unsupported(unknown)),
                _ => {}
            }
        }
        Ok(page)
    }

    /// The only member of a collection instead of the collection.
    fn only(&self, page: Page, value: &str) -> Result<Page, Trouble> {
        if !value.is_empty() {
            return Err(Trouble::query_value("only", value));
        }
        let Some(Value::Array(members)) = page.body.get("Members") else {
            return Err(Trouble::query_value(
                "only",
                "on a resource that is no collection",
            ));
        };
        let [member] = members.as_slice() else {
            return Ok(page);
        };
        let path = member
            .get("@odata.id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        Ok(self.page(&path).unwrap_or(page))
    }

    fn follow(&self, value: &mut Value, which: Which, levels: u8, in_links: bool, room: &mut usize) {
        match value {
            Value::Object(map) => {
                for (key, child) in map.iter_mut() {
                    let in_links = in_links || key == "Links";
                    let wanted = match which {
                        Which::All => true,
                        Which::Subordinate => !in_links,
                        Which::Links => in_links,
                    };
                    if !self.replace(child, wanted, which, levels, room) {
                        self.follow(child, which, levels, in_links, room);
                    }
                }
            }
            Value::Array(list) => {
                let wanted = match which {
                    Which::All => true,
                    Which::Subordinate => !in_links,
                    Which::Links => in_links,
                };
                for child in list {
                    if !self.replace(child, wanted, which, levels, room) {
                        self.follow(child, which, levels, in_links, room);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Puts a resource in the place of a link to it; answers whether it did.
    fn replace(&self, link: &mut Value, wanted: bool, which: Which, levels: u8, room: &mut usize) -> bool {
        let target = match link {
            Value::Object(map) if map.len() == 1 => map.get("@odata.id").and_then(Value::as_str),
            Value::Object(_)
            | Value::Array(_)
            | Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_) => None,
        };
        let Some(target) = target.filter(|_| wanted && levels > 0 && *room > 0) else {
            return false;
        };
        let Some(page) = self.page(target) else {
            return false;
        };
        *room = room.saturating_sub(1);
        *link = super::tagged(&page.body, &page.etag());
        if levels > 1 {
            self.follow(link, which, levels - 1, false, room);
        }
        true
    }
}

/// Reads the value of `$expand`: `.`, `*` or `~`, and how deep.
fn asked(value: &str) -> Result<(Which, u8), Trouble> {
    let wrong = || Trouble::query_value("$expand", value);
    let mut chars = value.chars();
    let which = match chars.next() {
        Some('*') => Which::All,
        Some('.') => Which::Subordinate,
        Some('~') => Which::Links,
        Some(_) | None => return Err(wrong()),
    };
    let rest = chars.as_str();
    if rest.is_empty() {
        return Ok((which, 1));
    }
    let levels = rest
        .strip_prefix("($levels=")
        .and_then(|rest| rest.strip_suffix(')'));
    let levels: u8 = levels.and_then(|levels| levels.parse().ok()).ok_or_else(wrong)?;
    if (1..=MAX_LEVELS).contains(&levels) {
        Ok((which, levels))
    } else {
        Err(wrong())
    }
}

/// Undoes percent-encoding; a broken escape stays as it is.
#[must_use]
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let escape = bytes
            .get(at + 1..at + 3)
            .and_then(|two| std::str::from_utf8(two).ok());
        let value = escape
            .and_then(|two| u8::from_str_radix(two, 16).ok())
            .filter(|_| *byte == b'%');
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expand_is_read_as_dsp0266_writes_it() {
        assert_eq!(asked(".").ok(), Some((Which::Subordinate, 1)));
        assert_eq!(asked("*($levels=3)").ok(), Some((Which::All, 3)));
        assert_eq!(asked("~($levels=1)").ok(), Some((Which::Links, 1)));
        for wrong in ["", "x", ".($levels=0)", ".($levels=99)", ".(levels=1)", "."] {
            assert_eq!(asked(wrong).is_ok(), wrong == ".", "{wrong}");
        }
        assert_eq!(decode("%24expand%"), "$expand%");
    }
}
