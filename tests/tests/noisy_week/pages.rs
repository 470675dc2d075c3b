//! Pages of metrics, one a minute, as the series of a promtool test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What service discovery adds.
const TARGET: &str = "instance=\"r12:9712\",job=\"busbar-rack\",rack=\"r12\"";

/// The series so far: only of the families that a rule names.
pub struct Pages {
    families: BTreeSet<String>,
    series: BTreeMap<String, Vec<Option<String>>>,
    minutes: usize,
}

impl Pages {
    pub fn new(rules: &str) -> Pages {
        let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let families = words
            .filter(|word| word.starts_with("busbar_"))
            .map(str::to_owned)
            .collect();
        Pages {
            families,
            series: BTreeMap::new(),
            minutes: 0,
        }
    }

    pub fn minutes(&self) -> usize {
        self.minutes
    }

    /// One scrape; `None` where nobody answered.
    pub fn take(&mut self, page: Option<&str>) {
        let up = if page.is_some() { "1" } else { "0" };
        self.put(format!("up{{{TARGET}}}"), up);
        for line in page
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            if self.families.contains(name) {
                let labels = labels.trim_end_matches('}');
                let comma = if labels.is_empty() { "" } else { "," };
                self.put(format!("{name}{{{TARGET}{comma}{labels}}}"), value);
            }
        }
        self.minutes += 1;
    }

    fn put(&mut self, series: String, value: &str) {
        let values = self.series.entry(series).or_default();
        values.resize(self.minutes, None);
        values.push(Some(value.to_owned()));
    }

    /// `input_series` of promtool: equal values in a row are written once.
    pub fn input_series(&self) -> String {
        let mut text = String::new();
        for (series, values) in &self.series {
            assert!(!series.contains('\''), "{series}");
            let _ = write!(text, "      - series: '{series}'\n        values: '");
            let mut values = values.clone();
            values.resize(self.minutes, None);
            for run in values.chunk_by(|one, next| one == next) {
                let _ = match &run[0] {
                    Some(value) if run.len() > 1 => write!(text, "{value}x{} ", run.len() - 1),
                    Some(value) => write!(text, "{value} "),
                    None => write!(text, "_x{} ", run.len()),
                };
            }
            text.push_str("'\n");
        }
        text
    }
}
