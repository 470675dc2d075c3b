//! The page as a template: every line's words are laid out once, and only the numbers are written for each scrape.
//!
//! A layout holds from the moment a part comes until another comes or goes. Writing a page from it copies each line's
//! words, then its number; nothing is allocated as long as the page's buffer has room.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use bytes::BufMut;
use facts::sheet::{Number, Row, Sheet};

use super::family::{Family, Kind};
use super::format::Format;
use super::profile::Selection;

/// The label of a histogram's bucket, and how a row of a histogram says that it is the sum or the count
/// (Prometheus' text format 0.0.4 and OpenMetrics 1.0.0).
const BUCKET: &str = "le";
/// A histogram's row that holds the sum of all values.
pub const SUM: &str = "sum";
/// A histogram's row that holds how many values there were.
pub const COUNT: &str = "count";

/// The last line of a page in OpenMetrics.
const END: &[u8] = b"# EOF\n";

/// The families of a page in their order, and which of them are shown.
#[derive(Clone, Debug)]
pub struct Order {
    places: HashMap<&'static str, usize>,
    selection: Selection,
}

impl Order {
    /// Families in this order. A family that is not among them comes last.
    pub fn new(families: impl Iterator<Item = &'static Family>, selection: Selection) -> Order {
        let places = families.enumerate().map(|(place, family)| (family.name, place));
        Order {
            places: places.collect(),
            selection,
        }
    }

    fn place(&self, family: &Family) -> usize {
        self.places.get(family.name).copied().unwrap_or(usize::MAX)
    }
}

/// One family on the page: its heads in both formats, and its lines.
#[derive(Clone, Debug)]
struct Group {
    text_head: Range<usize>,
    open_head: Range<usize>,
    lines: Range<usize>,
}

/// One line: its words up to the number, and where the number is.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: u32,
    end: u32,
    sheet: u32,
    row: u32,
}

/// A page without its numbers.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    rows: Vec<Arc<Vec<Row>>>,
    words: Vec<u8>,
    groups: Vec<Group>,
    lines: Vec<Line>,
    dropped: usize,
}

impl Layout {
    /// Lays out these sheets. Rows of one family from several sheets stand together; a row that stands there already is
    /// dropped, as two of it would spoil the whole scrape.
    pub fn of(sheets: &[Arc<Sheet>], order: &Order) -> Layout {
        let rows: Vec<Arc<Vec<Row>>> = sheets.iter().map(|sheet| Arc::clone(sheet.rows())).collect();
        let mut shown: Vec<(usize, &'static Family, usize, usize)> = Vec::new();
        let mut is_shown: HashMap<&'static str, bool> = HashMap::new();
        for (sheet, rows) in rows.iter().enumerate() {
            for (at, row) in rows.iter().enumerate() {
                let name = row.family.name;
                if *is_shown
                    .entry(name)
                    .or_insert_with(|| order.selection.shows(name))
                {
                    shown.push((order.place(row.family), row.family, sheet, at));
                }
            }
        }
        // Stable: within a family, the order of the sheets and of their rows.
        shown.sort_by_key(|(place, family, ..)| (*place, family.name));
        let mut drawing = Drawing::default();
        for rest in shown.chunk_by(|(_, one, ..), (_, other, ..)| one == other) {
            drawing.family(rest, &rows);
        }
        let Drawing {
            mut words,
            mut groups,
            mut lines,
            dropped,
            ..
        } = drawing;
        words.shrink_to_fit();
        groups.shrink_to_fit();
        lines.shrink_to_fit();
        Layout {
            rows,
            words,
            groups,
            lines,
            dropped,
        }
    }

    /// Whether these sheets have the rows that were laid out.
    pub fn fits(&self, sheets: &[Arc<Sheet>]) -> bool {
        let same = |(rows, sheet): (&Arc<Vec<Row>>, &Arc<Sheet>)| Arc::ptr_eq(rows, sheet.rows());
        self.rows.len() == sheets.len() && self.rows.iter().zip(sheets).all(same)
    }

    /// How many rows were dropped because they stand there already.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// How many series a page of these sheets has.
    pub fn series(&self, sheets: &[Arc<Sheet>]) -> usize {
        let shown = |line: &&Line| number(sheets, line) != Number::Nothing;
        self.lines.iter().filter(shown).count()
    }

    /// Writes a page of these sheets, which are those that were laid out ([`Layout::fits`]). A row without a number is not
    /// written, nor the head of a family without any. Gives how many series it has.
    pub fn encode(&self, sheets: &[Arc<Sheet>], format: Format, page: &mut impl BufMut) -> usize {
        let mut series = 0;
        let (mut whole, mut float) = (itoa::Buffer::new(), zmij::Buffer::new());
        for group in &self.groups {
            let mut is_headed = false;
            for line in self.lines.get(group.lines.clone()).unwrap_or_default() {
                let digits = match number(sheets, line) {
                    Number::Whole(number) => whole.format(number),
                    Number::Float(number) if number.is_finite() => {
                        let digits = float.format_finite(number);
                        // Whole numbers are written as such in both formats.
                        digits.strip_suffix(".0").unwrap_or(digits)
                    }
                    Number::Nothing | Number::Float(_) => continue,
                };
                if !is_headed {
                    is_headed = true;
                    page.put_slice(self.head(group, format));
                }
                page.put_slice(self.words(wide(line.start)..wide(line.end)));
                page.put_slice(digits.as_bytes());
                page.put_u8(b'\n');
                series += 1;
            }
        }
        if format == Format::OpenMetrics {
            page.put_slice(END);
        }
        series
    }

    fn head(&self, group: &Group, format: Format) -> &[u8] {
        self.words(match format {
            Format::Text => group.text_head.clone(),
            Format::OpenMetrics => group.open_head.clone(),
        })
    }

    fn words(&self, range: Range<usize>) -> &[u8] {
        self.words.get(range).unwrap_or_default()
    }
}

/// The number of a line; a sheet that is shorter than its rows has none there.
fn number(sheets: &[Arc<Sheet>], line: &Line) -> Number {
    sheets
        .get(wide(line.sheet))
        .and_then(|sheet| sheet.numbers().get(wide(line.row)).copied())
        .unwrap_or_default()
}

/// Every target that has Linux has at least 32 bits to count with.
fn wide(narrow: u32) -> usize {
    usize::try_from(narrow).unwrap_or(usize::MAX)
}

/// A layout while it is drawn.
#[derive(Default)]
struct Drawing {
    words: Vec<u8>,
    groups: Vec<Group>,
    lines: Vec<Line>,
    dropped: usize,
    /// One line's words.
    scratch: String,
}

impl Drawing {
    fn family(&mut self, rows: &[(usize, &'static Family, usize, usize)], sheets: &[Arc<Vec<Row>>]) {
        let Some((_, family, ..)) = rows.first() else {
            return;
        };
        let text_head = self.write(&head(family, Format::Text));
        let open_head = self.write(&head(family, Format::OpenMetrics));
        let first = self.lines.len();
        // Texts of their own while this family is drawn: the words grow meanwhile.
        let mut seen: HashSet<Box<str>> = HashSet::with_capacity(rows.len());
        for (_, family, sheet, at) in rows {
            let Some(row) = sheets.get(*sheet).and_then(|rows| rows.get(*at)) else {
                continue;
            };
            self.scratch.clear();
            draw(&mut self.scratch, family, row);
            if !seen.insert(Box::from(self.scratch.as_str())) {
                self.dropped += 1;
                continue;
            }
            let start = self.words.len();
            self.words.extend_from_slice(self.scratch.as_bytes());
            let narrow = [start, self.words.len(), *sheet, *at].map(u32::try_from);
            let [Ok(start), Ok(end), Ok(sheet), Ok(row)] = narrow else {
                // Four gibibytes of labels: no scrape could carry them.
                self.dropped += 1;
                continue;
            };
            self.lines.push(Line {
                start,
                end,
                sheet,
                row,
            });
        }
        self.groups.push(Group {
            text_head,
            open_head,
            lines: first..self.lines.len(),
        });
    }

    fn write(&mut self, text: &str) -> Range<usize> {
        let start = self.words.len();
        self.words.extend_from_slice(text.as_bytes());
        start..self.words.len()
    }
}

/// `# HELP` and `# TYPE` of a family.
fn head(family: &Family, format: Format) -> String {
    let name = family.name;
    let (name, kind) = match (format, family.kind) {
        (Format::Text, Kind::Counter) => (name, "counter"),
        (Format::Text, Kind::Gauge | Kind::Info) | (Format::OpenMetrics, Kind::Gauge) => (name, "gauge"),
        (_, Kind::Histogram) => (name, "histogram"),
        (Format::Text, Kind::Untyped) => (name, "untyped"),
        (Format::OpenMetrics, Kind::Untyped) => (name, "unknown"),
        // A counter of OpenMetrics has samples that end in _total; one that has not (a name that others chose) is unknown there.
        (Format::OpenMetrics, Kind::Counter) => match name.strip_suffix("_total") {
            Some(name) => (name, "counter"),
            None => (name, "unknown"),
        },
        (Format::OpenMetrics, Kind::Info) => match name.strip_suffix("_info") {
            Some(name) => (name, "info"),
            None => (name, "gauge"),
        },
    };
    let mut help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    if format == Format::OpenMetrics {
        help = help.replace('"', "\\\"");
    }
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

/// A line's words: name, labels, and the blank before the number.
fn draw(line: &mut String, family: &Family, row: &Row) {
    line.push_str(family.name);
    // The last value of a histogram's row names the bucket, or says that it is the sum or the count.
    let part = match family.kind {
        Kind::Histogram => row.labels.get(family.labels.len()),
        Kind::Counter | Kind::Gauge | Kind::Info | Kind::Untyped => None,
    };
    let bucket = match part {
        Some(SUM) => {
            line.push_str("_sum");
            None
        }
        Some(COUNT) => {
            line.push_str("_count");
            None
        }
        Some(bucket) => {
            line.push_str("_bucket");
            Some((BUCKET, bucket))
        }
        None => None,
    };
    let labels = family.labels.iter().copied().zip(row.labels.iter()).chain(bucket);
    let mut is_first = true;
    for (name, value) in labels.filter(|(_, value)| !value.is_empty()) {
        line.push(if is_first { '{' } else { ',' });
        is_first = false;
        // Writing to a String cannot fail.
        let _ = write!(line, "{name}=\"{}\"", Escaped(value));
    }
    line.push_str(if is_first { " " } else { "} " });
}

/// A label's value with what the formats set apart escaped; control characters, which no name has, are left out.
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
