//! Reads TOML with the place of every key, and collects faults instead of stopping at the first.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Fault};

/// Below this likeness (Jaro-Winkler, 0 to 1) a known key is no suggestion for an unknown one.
const LEAST_LIKENESS: f64 = 0.8;

/// The longest configuration that is read.
const LONGEST_FILE: u64 = 1 << 20;

/// The most faults that are shown: a file that is no configuration at all would fill the screen.
const MOST_FAULTS: usize = 20;

/// The faults found so far, and how a place in the text becomes a line.
pub(super) struct Faults<'t> {
    file: &'t str,
    text: &'t str,
    found: Vec<(usize, Fault)>,
}

impl<'t> Faults<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Faults<'t> {
        Faults {
            file,
            text,
            found: Vec::new(),
        }
    }

    /// `agent.toml:7` for a byte of the text.
    fn place(&self, byte: usize) -> String {
        let before = self.text.get(..byte).unwrap_or(self.text);
        format!("{}:{}", self.file, before.matches('\n').count() + 1)
    }

    pub(super) fn add(&mut self, place: String, message: String) {
        let line = place
            .rsplit(':')
            .next()
            .and_then(|line| line.parse().ok())
            .unwrap_or(usize::MAX);
        self.found.push((line, Fault { place, message }));
    }

    pub(super) fn into_error(mut self) -> ConfigError {
        self.found.sort_by_key(|(line, _)| *line);
        let more = self.found.len().saturating_sub(MOST_FAULTS);
        let mut faults: Vec<Fault> = self
            .found
            .into_iter()
            .map(|(_, fault)| fault)
            .take(MOST_FAULTS)
            .collect();
        if more > 0 {
            faults.push(Fault {
                place: self.file.to_owned(),
                message: format!("and {more} more faults"),
            });
        }
        ConfigError(faults)
    }

    pub(super) fn into_result<T>(self, value: T) -> Result<T, ConfigError> {
        if self.found.is_empty() {
            Ok(value)
        } else {
            Err(self.into_error())
        }
    }
}

/// One table of the text.
pub(super) struct Reader<'t> {
    name: String,
    table: DeTable<'t>,
}

impl<'t> Reader<'t> {
    /// The whole text; `None` where it is no TOML, which is then among the faults.
    pub(super) fn of_text(text: &'t str, faults: &mut Faults<'t>) -> Option<Reader<'t>> {
        match DeTable::parse(text) {
            Ok(table) => Some(Reader {
                name: String::new(),
                table: table.into_inner(),
            }),
            Err(error) => {
                let byte = error.span().map_or(0, |span| span.start);
                let place = faults.place(byte);
                faults.add(place, format!("no TOML: {}", error.message().replace('\n', ", ")));
                None
            }
        }
    }

    /// Every key that is not known is a fault; the nearest known one is named.
    pub(super) fn only(&self, known: &[&str], faults: &mut Faults<'_>) {
        for key in self.table.keys() {
            let found: &str = key.get_ref();
            if known.contains(&found) {
                continue;
            }
            let nearest = known
                .iter()
                .map(|known| (strsim::jaro_winkler(found, known), known))
                .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
                .max_by(|(one, _), (other, _)| one.total_cmp(other))
                .map_or_else(String::new, |(_, known)| format!("did you mean {known:?}? "));
            let place = faults.place(key.span().start);
            let section = if self.name.is_empty() {
                String::new()
            } else {
                format!(" in [{}]", self.name)
            };
            let message = format!(
                "unknown key {found:?}{section}; {nearest}expected one of {}",
                known.join(", ")
            );
            faults.add(place, message);
        }
    }

    /// Its keys, in their order.
    pub(super) fn keys(&self) -> Vec<String> {
        let keys = self.table.keys();
        keys.map(|key| key.get_ref().to_string()).collect()
    }

    /// A section below this table.
    pub(super) fn section(&self, name: &str, faults: &mut Faults<'_>) -> Option<Reader<'t>> {
        let (_, value) = self.entry(name)?;
        match value.get_ref().as_table() {
            Some(table) => Some(Reader {
                name: name.to_owned(),
                table: table.clone(),
            }),
            None => {
                let place = faults.place(value.span().start);
                let found = value.get_ref().type_str();
                faults.add(
                    place,
                    format!("{name} is {}; expected a section [{name}]", article(found)),
                );
                None
            }
        }
    }

    /// A text, and the place of its value.
    pub(super) fn text(&self, key: &str, faults: &mut Faults<'_>) -> Option<(&str, String)> {
        let (_, value) = self.entry(key)?;
        let place = faults.place(value.span().start);
        match value.get_ref().as_str() {
            Some(text) => Some((text, place)),
            None => {
                let found = article(value.get_ref().type_str());
                faults.add(place, format!("{key} is {found}; expected a text in quotes"));
                None
            }
        }
    }

    /// The texts of a list, each with its place; none where the key is not there.
    pub(super) fn texts(&self, key: &str, faults: &mut Faults<'_>) -> Vec<(String, String)> {
        let Some((_, value)) = self.entry(key) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            let place = faults.place(value.span().start);
            let found = article(value.get_ref().type_str());
            faults.add(
                place,
                format!("{key} is {found}; expected a list of texts, as in {key} = [\"…\"]"),
            );
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in list {
            let place = faults.place(item.span().start);
            match item.get_ref().as_str() {
                Some(text) => texts.push((text.to_owned(), place)),
                None => {
                    let found = article(item.get_ref().type_str());
                    faults.add(place, format!("{key} holds {found}; expected texts in quotes"));
                }
            }
        }
        texts
    }

    /// A number, whole or not, and the place of its value.
    pub(super) fn number(&self, key: &str, faults: &mut Faults<'_>) -> Option<(f64, String)> {
        let (_, value) = self.entry(key)?;
        let place = faults.place(value.span().start);
        let text = match value.get_ref() {
            DeValue::Integer(number) => Some(number.as_str()),
            DeValue::Float(number) => Some(number.as_str()),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        let number = text.and_then(|text| text.parse::<f64>().ok());
        let number = number.filter(|number| number.is_finite());
        if number.is_none() {
            let found = article(value.get_ref().type_str());
            faults.add(
                place.clone(),
                format!("{key} is {found}; expected a number without quotes"),
            );
        }
        Some((number?, place))
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, key: &str, faults: &mut Faults<'_>) -> Option<bool> {
        let (_, value) = self.entry(key)?;
        let switch = value.get_ref().as_bool();
        if switch.is_none() {
            let place = faults.place(value.span().start);
            let found = article(value.get_ref().type_str());
            faults.add(place, format!("{key} is {found}; expected true or false"));
        }
        switch
    }

    /// A path; empty ones are faults.
    pub(super) fn path(&self, key: &str, faults: &mut Faults<'_>) -> Option<PathBuf> {
        let (text, place) = self.text(key, faults)?;
        if text.is_empty() || text.contains('\0') {
            faults.add(
                place,
                format!("{key} = {text:?} is no path; expected one, or leave the key out"),
            );
            return None;
        }
        Some(PathBuf::from(text))
    }

    /// The place of a key's value, where the key is there.
    pub(super) fn place(&self, key: &str, faults: &Faults<'_>) -> Option<String> {
        self.entry(key).map(|(_, value)| faults.place(value.span().start))
    }

    fn entry(&self, name: &str) -> Option<(&Spanned<std::borrow::Cow<'t, str>>, &Spanned<DeValue<'t>>)> {
        self.table.iter().find(|(key, _)| key.get_ref() == name)
    }
}

/// The text of a configuration.
pub(super) fn read(file: &Path) -> Result<String, ConfigError> {
    let fault = |message: String| {
        ConfigError(vec![Fault {
            place: file.display().to_string(),
            message,
        }])
    };
    let unreadable = |error: std::io::Error| fault(format!("cannot read the configuration: {error}"));
    let length = fs::metadata(file).map_err(unreadable)?.len();
    if length > LONGEST_FILE {
        return Err(fault(format!(
            "is {length} bytes long; expected a configuration of at most {LONGEST_FILE}"
        )));
    }
    fs::read_to_string(file).map_err(unreadable)
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
