//! A metrics page as samples: a small, lenient reader of the text format, pure. A line that is none is counted and passed over.

/// The most samples that are kept: far above the page of the largest server known.
const MOST_SAMPLES: usize = 200_000;

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The family's name, with the suffix of its kind.
    pub name: String,
    /// Its labels in their order.
    pub labels: Vec<(String, String)>,
    /// Its value; never NaN or infinite.
    pub value: f64,
}

impl Sample {
    /// The value of a label; a label that is not there is the empty text.
    pub fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    samples: Vec<Sample>,
    /// Lines that were none.
    pub broken: usize,
}

impl Page {
    /// Reads a page.
    pub fn parse(text: &str) -> Page {
        let mut page = Page::default();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match sample(line) {
                Some(sample) if page.samples.len() < MOST_SAMPLES => page.samples.push(sample),
                Some(_) | None => page.broken += 1,
            }
        }
        page
    }

    /// The samples of one name.
    pub fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    /// The first sample of this name whose labels have these values.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| labels.iter().all(|(label, value)| sample.label(label) == *value);
        self.of(name).find(fits).map(|sample| sample.value)
    }
}

/// `name{label="value",…} value [timestamp]`.
fn sample(line: &str) -> Option<Sample> {
    let name_end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(name_end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    // A value with no sample of its own: NaN and infinities are no numbers that a person can read.
    let value: f64 = rest.split_whitespace().next()?.parse().ok()?;
    (is_name(name) && value.is_finite()).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte))
}

type Labels = Vec<(String, String)>;

/// The labels up to the closing brace, and what stands behind it.
fn labels(mut rest: &str) -> Option<(Labels, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, behind) = quoted(after.trim_start().strip_prefix('"')?)?;
        labels.push((name.trim().to_owned(), value));
        rest = behind;
    }
}

/// A value up to its closing quote; `\\`, `\"` and `\n` stand for one character each.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn samples_are_read_and_what_is_none_is_counted() {
        let page = Page::parse(
            "# HELP a b\n# TYPE a gauge\na 1\na_total{x=\"1\",y=\"q\\\"\\\\\\n\"} 2.5 1700000000\n\
             b{x=\"\"} NaN\nc{x=\"1} 2\n{} 1\nd 0x1\n\n# EOF\n",
        );
        assert_eq!(page.value("a", &[]), Some(1.0));
        assert_eq!(page.value("a_total", &[("x", "1"), ("y", "q\"\\\n")]), Some(2.5));
        assert_eq!(page.value("a_total", &[("x", "2")]), None);
        assert_eq!(page.broken, 4);
        assert_eq!(page.of("a").count(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_a_page(text in "([a-z_]{0,5}(\\{([a-z]{0,3}=\"?[^\\n]{0,6}\"?,?){0,3}\\}?)? ?[0-9eE.+\\-NaIf]{0,8}\\n|\\PC*){0,6}") {
            let _ = Page::parse(&text);
        }

        #[test]
        fn what_is_written_is_read(value in "[^\\r]{0,20}", number in -1e12_f64..1e12) {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // A line ends where the text says so, and nowhere else.
            prop_assume!(escaped.lines().count() <= 1);
            let page = Page::parse(&format!("a{{x=\"{escaped}\"}} {number}"));
            prop_assert_eq!(page.value("a", &[("x", &value)]), Some(number));
        }
    }
}
