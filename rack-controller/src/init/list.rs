//! The list of BMCs: one a line, each bad line told by its number.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::inspect::Access;

/// How a line is written.
const GRAMMAR: &str = "NAME URL CREDENTIALS_FILE [ca=FILE|fingerprint=SHA256|insecure]";

/// One BMC of the list.
#[derive(Clone, Debug)]
pub struct Line {
    /// What the configuration calls it.
    pub name: String,
    /// Its address.
    pub url: String,
    /// How we get in.
    pub access: Access,
}

/// What is wrong with one line.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{line}: {what}; expected {GRAMMAR}")]
pub struct ListError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// The list cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the list {path} ({why})", path = .path.display())]
pub(super) struct Unreadable {
    path: PathBuf,
    why: String,
}

/// The whole list, within its bound.
pub(super) fn read(path: &Path, limit: u64) -> Result<String, Unreadable> {
    let unreadable = |why: String| Unreadable {
        path: path.to_owned(),
        why,
    };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    file.take(limit + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limit {
        return Err(unreadable(format!("longer than {limit} bytes")));
    }
    Ok(text)
}

/// All lines, or all that is wrong with them.
pub(super) fn parse(text: &str) -> Result<Vec<Line>, Vec<ListError>> {
    let mut lines: Vec<Line> = Vec::new();
    let mut errors: Vec<ListError> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
        if line.is_empty() {
            continue;
        }
        let known = lines
            .iter()
            .any(|other| line.split_whitespace().next() == Some(other.name.as_str()));
        let parsed = match known {
            true => Err(format!(
                "the name {:?} stands in the list twice",
                line.split_whitespace().next().unwrap_or("")
            )),
            false => one(line),
        };
        match parsed {
            Ok(line) => lines.push(line),
            Err(what) => errors.push(ListError {
                line: index + 1,
                what,
            }),
        }
    }
    if lines.is_empty() && errors.is_empty() {
        errors.push(ListError {
            line: 1,
            what: "the list names no BMC".to_owned(),
        });
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

fn one(line: &str) -> Result<Line, String> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        return Err(format!(
            "the name {name:?} holds more than letters, digits, - _ and ."
        ));
    }
    let url = words.next().ok_or("no address")?;
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(format!("{url:?} is no address (https://HOST)"));
    }
    if url.contains('@') {
        return Err("credentials in an address are refused".to_owned());
    }
    let credentials = words.next().ok_or("no credentials file")?;
    let mut access = Access {
        credentials: Some(PathBuf::from(credentials)),
        ..Access::default()
    };
    if let Some(word) = words.next() {
        match word.split_once('=') {
            Some(("ca", file)) if !file.is_empty() => access.ca = Some(PathBuf::from(file)),
            Some(("fingerprint", print)) => access.fingerprint = Some(fingerprint(print)?),
            None if word == "insecure" => access.insecure = true,
            Some(_) | None => return Err(format!("{word:?} is no way to trust a BMC")),
        }
    }
    if let Some(more) = words.next() {
        return Err(format!("{more:?} stands after the end of the line's grammar"));
    }
    Ok(Line {
        name: name.to_owned(),
        url: url.to_owned(),
        access,
    })
}

/// In the one form that rack.toml takes.
fn fingerprint(text: &str) -> Result<String, String> {
    let parsed: Result<bmc::Fingerprint, _> = text.parse();
    parsed
        .map(|print| print.to_string())
        .map_err(|not| not.to_string())
}
