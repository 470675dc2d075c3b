//! The page: Prometheus' text format 0.0.4 and OpenMetrics 1.0.0, from one table of families.

use std::collections::HashSet;
use std::fmt::Write;

use super::family::{Family, Kind};

/// Room for a usual page, so that it is not copied while it grows.
const USUAL_LENGTH: usize = 64 << 10;

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` of a page.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format that an `Accept` header likes best; text where it likes nothing that we have.
    pub fn wanted(accept: Option<&str>) -> Format {
        let mut best = (Format::Text, 0.0);
        for wish in accept.unwrap_or_default().split(',') {
            let mut parts = wish.split(';').map(str::trim);
            let format = match parts.next() {
                Some("application/openmetrics-text") => Format::OpenMetrics,
                Some("text/plain" | "text/*" | "*/*") => Format::Text,
                _ => continue,
            };
            let mut weight: f64 = 1.0;
            let mut is_ours = true;
            for part in parts {
                if let Some(q) = part.strip_prefix("q=") {
                    weight = q.parse().unwrap_or(0.0);
                } else if let Some(version) = part.strip_prefix("version=") {
                    is_ours = matches!(
                        (format, version),
                        (Format::OpenMetrics, "1.0.0") | (Format::Text, "0.0.4")
                    );
                }
            }
            if is_ours && weight > best.1 {
                best = (format, weight);
            }
        }
        best.0
    }
}

/// A sample's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Whole(u64),
    Float(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Value {
        Value::Whole(u64::from(value))
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Value {
        Value::Whole(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Whole(u64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

/// A page while it is written.
pub(super) struct Page {
    format: Format,
    text: String,
    series: usize,
}

/// The samples of one family.
pub(super) struct Samples<'p> {
    page: &'p mut Page,
    family: &'static Family,
    written: HashSet<String>,
}

impl Page {
    pub(super) fn new(format: Format) -> Page {
        Page {
            format,
            text: String::with_capacity(USUAL_LENGTH),
            series: 0,
        }
    }

    /// Begins a family. It stands on the page only when a sample follows.
    pub(super) fn family(&mut self, family: &'static Family) -> Samples<'_> {
        Samples {
            page: self,
            family,
            written: HashSet::new(),
        }
    }

    /// A family without labels and with one sample, where there is a value.
    pub(super) fn one(&mut self, family: &'static Family, value: Option<impl Into<Value>>) {
        self.family(family).add(&[], value);
    }

    /// How many series are on the page so far.
    pub(super) fn series(&self) -> usize {
        self.series
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn head(&mut self, family: &Family) {
        let (name, kind) = match (self.format, family.kind) {
            (Format::Text, Kind::Counter) => (family.name, "counter"),
            (Format::Text, Kind::Gauge | Kind::Info) | (Format::OpenMetrics, Kind::Gauge) => {
                (family.name, "gauge")
            }
            (Format::OpenMetrics, Kind::Counter) => (
                family.name.strip_suffix("_total").unwrap_or(family.name),
                "counter",
            ),
            (_, Kind::Histogram) => (family.name, "histogram"),
            (Format::OpenMetrics, Kind::Info) => {
                (family.name.strip_suffix("_info").unwrap_or(family.name), "info")
            }
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
    }
}

impl Samples<'_> {
    /// Adds a sample with the values of the family's labels, in their order; an empty value is no label. What is absent or no
    /// number is not written: absent is not zero. A second sample with the same labels is dropped, as it would spoil the scrape.
    pub(super) fn add(&mut self, labels: &[&str], value: Option<impl Into<Value>>) {
        let Some(value) = value.map(Into::into) else {
            return;
        };
        if matches!(value, Value::Float(float) if !float.is_finite()) {
            return;
        }
        let mut braces = String::new();
        for (name, value) in self
            .family
            .labels
            .iter()
            .zip(labels)
            .filter(|(_, value)| !value.is_empty())
        {
            let comma = if braces.is_empty() { "" } else { "," };
            let _ = write!(braces, "{comma}{name}=\"{}\"", Escaped(value));
        }
        let line = if braces.is_empty() {
            String::new()
        } else {
            format!("{{{braces}}}")
        };
        if self.written.contains(&line) {
            return;
        }
        if self.written.is_empty() {
            self.page.head(self.family);
        }
        let _ = match value {
            Value::Whole(whole) => writeln!(self.page.text, "{}{line} {whole}", self.family.name),
            Value::Float(float) => writeln!(self.page.text, "{}{line} {float}", self.family.name),
        };
        self.page.series += 1;
        self.written.insert(line);
    }
}

/// A label's value with what the format sets apart escaped; control characters, which no name has, are left out.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                _ if character.is_control() => {}
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}
