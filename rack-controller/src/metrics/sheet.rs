//! Writes families in the text format 0.0.4 or in OpenMetrics 1.0.0, both from the same table.

use std::collections::HashSet;
use std::fmt::Write as _;

use prometheus::proto::{LabelPair, MetricFamily};

use super::family::{Family, Kind, Source};

/// How a scrape is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Text,
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
}

impl Format {
    /// The format that an `Accept` header asks for.
    pub fn accepted(accept: &str) -> Format {
        if accept.contains("application/openmetrics-text") {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }

    /// Its Content-Type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A scrape being written.
pub(super) struct Sheet {
    out: String,
    format: Format,
}

impl Sheet {
    pub(super) fn new(format: Format) -> Sheet {
        Sheet {
            out: String::with_capacity(16 << 10),
            format,
        }
    }

    pub(super) fn family(&mut self, family: &Family, source: &Source<'_>) {
        let mut series = Series {
            out: &mut self.out,
            format: self.format,
            family,
            begun: false,
            seen: HashSet::new(),
        };
        (family.fill)(source, &mut series);
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

/// The series of one family.
pub struct Series<'a> {
    out: &'a mut String,
    format: Format,
    family: &'a Family,
    begun: bool,
    seen: HashSet<String>,
}

impl Series<'_> {
    /// One series: the labels' values in the order of the table. A second one with the same labels is left out, so that one
    /// duplicate does not fail the scrape.
    pub fn put(&mut self, labels: &[&str], value: f64) {
        let mut text = String::new();
        for (name, value) in self.family.labels.iter().zip(labels) {
            label(&mut text, name, value);
        }
        if value.is_nan() || !self.seen.insert(text.clone()) {
            return;
        }
        self.begin();
        line(self.out, self.family.name, &text, value);
    }

    /// One series, where there is a value.
    pub fn put_some(&mut self, labels: &[&str], value: Option<f64>) {
        if let Some(value) = value {
            self.put(labels, value);
        }
    }

    /// One series a word: 1 for the one that holds, 0 for the others.
    pub fn put_state(&mut self, labels: &[&str], words: &[&str], holds: &str) {
        for word in words {
            let mut all = labels.to_vec();
            all.push(word);
            self.put(&all, if *word == holds { 1.0 } else { 0.0 });
        }
    }

    /// The series of our own counters and histograms of this name.
    pub(super) fn put_gathered(&mut self, gathered: &[MetricFamily]) {
        let name = self.family.name;
        for metric in gathered
            .iter()
            .filter(|family| family.name() == name)
            .flat_map(MetricFamily::get_metric)
        {
            let labels = pairs(metric.get_label());
            match self.family.kind {
                Kind::Histogram => self.put_histogram(&labels, metric.get_histogram()),
                Kind::Counter => {
                    self.begin();
                    line(self.out, name, &labels, metric.get_counter().get_value());
                }
                Kind::Gauge | Kind::Info => {
                    self.begin();
                    line(self.out, name, &labels, metric.get_gauge().get_value());
                }
            }
        }
    }

    fn put_histogram(&mut self, labels: &str, histogram: &prometheus::proto::Histogram) {
        self.begin();
        let name = self.family.name;
        let count = number(histogram.get_sample_count());
        for bucket in histogram.get_bucket() {
            let mut with = labels.to_owned();
            label(&mut with, "le", &bound(bucket.upper_bound()));
            line(
                self.out,
                &format!("{name}_bucket"),
                &with,
                number(bucket.cumulative_count()),
            );
        }
        let mut with = labels.to_owned();
        label(&mut with, "le", "+Inf");
        line(self.out, &format!("{name}_bucket"), &with, count);
        line(
            self.out,
            &format!("{name}_sum"),
            labels,
            histogram.get_sample_sum(),
        );
        line(self.out, &format!("{name}_count"), labels, count);
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let (name, kind) = match (self.format, self.family.kind) {
            (Format::OpenMetrics, Kind::Counter) => (self.family.name.trim_end_matches("_total"), "counter"),
            (Format::OpenMetrics, Kind::Info) => (self.family.name.trim_end_matches("_info"), "info"),
            (Format::Text, Kind::Info) => (self.family.name, "gauge"),
            (_, kind) => (self.family.name, kind.word()),
        };
        let help = self.family.help;
        // A String takes everything that is written to it.
        let _ = write!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }
}

fn pairs(pairs: &[LabelPair]) -> String {
    let mut text = String::new();
    for pair in pairs {
        label(&mut text, pair.name(), pair.value());
    }
    text
}

/// A label without a value is the same as no label.
fn label(text: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    text.push(if text.is_empty() { '{' } else { ',' });
    text.push_str(name);
    text.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let end = if labels.is_empty() { "" } else { "}" };
    let value = bound(value);
    let _ = writeln!(out, "{name}{labels}{end} {value}");
}

fn bound(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    value.to_string()
}

/// A whole number as a float; above 2^53 the nearest one.
pub(super) fn number(whole: u64) -> f64 {
    facts::Bytes::new(whole).as_f64()
}

/// How many, as a float.
pub(super) fn count(how_many: usize) -> f64 {
    number(u64::try_from(how_many).unwrap_or(u64::MAX))
}

/// A moment in seconds since 1970.
pub(super) fn seconds(moment: facts::Moment) -> f64 {
    number(moment.millis()) / 1_000.0
}
