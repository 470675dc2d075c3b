//! One table of the file, read key by key: each wrong value and each unknown key becomes an error with its line.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use facts::Power;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::words;

/// The most watts of one value, 1 GW: no rack has more, and sums stay far from what 64 bits hold.
const MOST_WATTS: u64 = 1_000_000_000;

/// Collects the errors of one file.
pub(super) struct Errors<'a> {
    text: &'a str,
    found: RefCell<Vec<ConfigError>>,
}

impl<'a> Errors<'a> {
    pub fn new(text: &'a str) -> Errors<'a> {
        Errors {
            text,
            found: RefCell::new(Vec::new()),
        }
    }

    /// The line, from 1, of a byte.
    pub fn line(&self, byte: usize) -> usize {
        let before = self.text.as_bytes().iter().take(byte);
        before.filter(|byte| **byte == b'\n').count().saturating_add(1)
    }

    pub fn at_line(&self, line: usize, message: String) {
        self.found.borrow_mut().push(ConfigError {
            line: Some(line),
            message,
        });
    }

    pub fn at(&self, span: &Range<usize>, message: String) {
        self.at_line(self.line(span.start), message);
    }

    pub fn whole(&self, message: String) {
        self.found.borrow_mut().push(ConfigError { line: None, message });
    }

    pub fn into_found(self) -> Vec<ConfigError> {
        self.found.into_inner()
    }
}

/// A value and the line where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub line: usize,
    pub value: T,
}

/// One table.
pub(super) struct Section<'a> {
    pub errors: &'a Errors<'a>,
    /// As in the file: `[rack]`, `[[bay]]`.
    title: &'static str,
    table: &'a DeTable<'a>,
    /// The line of its header.
    pub line: usize,
    folder: &'a Path,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    pub fn new(
        errors: &'a Errors<'a>,
        title: &'static str,
        table: &'a Spanned<DeValue<'a>>,
        folder: &'a Path,
    ) -> Option<Section<'a>> {
        let line = errors.line(table.span().start);
        let Some(inner) = table.get_ref().as_table() else {
            errors.at_line(
                line,
                format!("found {}; expected a table {title}", table.get_ref().type_str()),
            );
            return None;
        };
        Some(Section {
            errors,
            title,
            table: inner,
            line,
            folder,
            asked: RefCell::new(Vec::new()),
        })
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong(&self, value: &Spanned<DeValue<'_>>, key: &str, expected: &str) {
        let found = words::shown(value.get_ref());
        self.errors.at(
            &value.span(),
            format!("{key} in {}: found {found}; expected {expected}", self.title),
        );
    }

    /// Whether a key stands here, whatever its value.
    pub fn has(&self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// A required key is missing.
    pub fn missing(&self, key: &str, expected: &str) {
        self.errors.at_line(
            self.line,
            format!("{} has no {key}; expected {expected}", self.title),
        );
    }

    fn read<T>(
        &self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<Placed<T>> {
        let value = self.get(key)?;
        let Some(read) = read(value.get_ref()) else {
            self.wrong(value, key, expected);
            return None;
        };
        Some(Placed {
            line: self.errors.line(value.span().start),
            value: read,
        })
    }

    /// A text that is not empty.
    pub fn text(&self, key: &'static str, expected: &str) -> Option<Placed<String>> {
        self.read(key, expected, |value| {
            value
                .as_str()
                .filter(|text| !text.trim().is_empty() && !text.chars().any(char::is_control))
                .map(str::to_owned)
        })
    }

    /// A text that must be there.
    pub fn needed(&self, key: &'static str, expected: &str) -> Option<Placed<String>> {
        if !self.has(key) {
            self.missing(key, expected);
        }
        self.text(key, expected)
    }

    /// A text that reads as something.
    pub fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        key: &'static str,
        expected: &str,
    ) -> Option<Placed<T>> {
        let text = self.text(key, expected)?;
        match text.value.parse() {
            Ok(value) => Some(Placed {
                line: text.line,
                value,
            }),
            Err(error) => {
                self.errors
                    .at_line(text.line, format!("{key} in {}: {error}", self.title));
                None
            }
        }
    }

    /// A path; a relative one stands beside the file.
    pub fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.text(key, "a path, as in \"/etc/busbar/shelf.cred\"")
            .map(|path| self.folder.join(path.value))
    }

    /// True or false.
    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.read(key, "true or false", |value| value.as_bool())
            .map(|flag| flag.value)
    }

    /// A whole number within bounds.
    pub fn number(&self, key: &'static str, bounds: Range<u32>, expected: &str) -> Option<u32> {
        self.read(key, expected, |value| {
            words::whole(value)
                .and_then(|number| u32::try_from(number).ok())
                .filter(|number| bounds.contains(number))
        })
        .map(|number| number.value)
    }

    /// Thousandths of a number with at most three decimals, up to a million.
    pub fn thousandths(&self, key: &'static str, expected: &str) -> Option<u64> {
        self.read(key, expected, |value| {
            words::scaled(value, 1_000).filter(|number| (1..=1_000_000_000).contains(number))
        })
        .map(|number| number.value)
    }

    /// Parts per million of a ratio within bounds.
    pub fn ratio(&self, key: &'static str, bounds: Range<u32>, expected: &str) -> Option<u32> {
        self.read(key, expected, |value| {
            words::scaled(value, u64::from(super::PPM))
                .and_then(|number| u32::try_from(number).ok())
                .filter(|number| bounds.contains(number))
        })
        .map(|number| number.value)
    }

    /// Watts; `least` is the smallest that makes sense here.
    pub fn watts(&self, key: &'static str, least: u64) -> Option<Power> {
        self.placed_watts(key, least).map(|watts| watts.value)
    }

    /// The same with its line.
    pub fn placed_watts(&self, key: &'static str, least: u64) -> Option<Placed<Power>> {
        let expected = format!("a number of watts from {least} to {MOST_WATTS}, as in 3000");
        self.read(key, &expected, |value| {
            words::scaled(value, 1_000)
                .filter(|number| {
                    (least.saturating_mul(1_000)..=MOST_WATTS.saturating_mul(1_000)).contains(number)
                })
                .map(Power::from_milliwatts)
        })
    }

    /// A while, as in `5s`.
    pub fn duration(&self, key: &'static str, least: Duration) -> Option<Duration> {
        let expected = if least.is_zero() {
            "a while as in \"5s\", \"250ms\", \"10m\" or \"24h\"".to_owned()
        } else {
            format!(
                "a while of at least {} ms as in \"5s\", \"250ms\", \"10m\" or \"24h\"",
                least.as_millis()
            )
        };
        self.read(key, &expected, |value| {
            words::duration(value.as_str()?).filter(|while_| *while_ >= least)
        })
        .map(|while_| while_.value)
    }

    /// One text or a list of texts.
    pub fn texts(&self, key: &'static str, expected: &str) -> Vec<Placed<String>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let one = |value: &Spanned<DeValue<'_>>| {
            let text = value.get_ref().as_str().filter(|text| !text.trim().is_empty());
            if text.is_none() {
                self.wrong(value, key, expected);
            }
            text.map(|text| Placed {
                line: self.errors.line(value.span().start),
                value: text.to_owned(),
            })
        };
        match value.get_ref().as_array() {
            Some(list) => list.iter().filter_map(one).collect(),
            None => one(value).into_iter().collect(),
        }
    }

    /// The entries of a table within this one: each key, and its text where it is one. `None` where it is no table.
    pub fn entries(&self, key: &'static str) -> Option<Vec<(Placed<String>, Option<String>)>> {
        let table = self.get(key)?.get_ref().as_table()?;
        let entries = table.iter().map(|(key, value)| {
            let name = Placed {
                line: self.errors.line(key.span().start),
                value: key.get_ref().to_string(),
            };
            let text = value.get_ref().as_str().filter(|text| !text.trim().is_empty());
            (name, text.map(str::to_owned))
        });
        let mut entries: Vec<_> = entries.collect();
        // In the order of the file: that of the front.
        entries.sort_by_key(|(name, _)| name.line);
        Some(entries)
    }

    /// The end of the table: whatever was not asked for is unknown.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            if !asked.iter().any(|known| *known == key.get_ref().as_ref()) {
                let message = words::unknown(key.get_ref(), &asked, self.title);
                self.errors.at(&key.span(), message);
            }
        }
    }
}
