//! Scenarios: deeds at their moments, in the words of `hw-fixtures do`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde::Deserialize;
use toml::Spanned;

use crate::cli::Deed;
use crate::quantity::Millis;

/// A scenario with more steps than this is a mistake.
pub const MAX_STEPS: usize = 10_000;

/// Why a scenario file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file could not be read.
    #[error("cannot read the scenario {path}")]
    Read {
        /// The file as it was named.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file says something that nobody can do.
    #[error("{path}:{line}: {what}")]
    Wrong {
        /// The file as it was named.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// What is wrong and what was expected.
        what: String,
    },
}

/// One deed at its moment.
#[derive(Debug, Clone)]
pub struct Step {
    /// When, from the start of the scenario.
    pub at: Duration,
    /// The deed as it was written.
    pub words: String,
    /// The deed.
    pub deed: Deed,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Only for the reader of the file.
    #[serde(default, rename = "about")]
    _about: String,
    step: Vec<Line>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: Spanned<Millis>,
    #[serde(rename = "do")]
    deed: Spanned<String>,
}

/// The words of a deed, read like the command line.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Words {
    #[command(subcommand)]
    deed: Deed,
}

/// Reads and checks a scenario file.
///
/// # Errors
/// [`ScenarioError`] naming file, line and what was expected.
pub fn read(path: &Path) -> Result<Vec<Step>, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    parse(&text, path)
}

/// Checks the text of a scenario file; `path` is only for the messages.
///
/// # Errors
/// [`ScenarioError::Wrong`] naming file, line and what was expected.
pub fn parse(text: &str, path: &Path) -> Result<Vec<Step>, ScenarioError> {
    let wrong = |offset: usize, what: String| {
        let line = text
            .get(..offset)
            .map_or(1, |before| before.matches('\n').count().saturating_add(1));
        ScenarioError::Wrong {
            path: path.to_path_buf(),
            line,
            what,
        }
    };
    let file: File =
        toml::from_str(text).map_err(|e| wrong(e.span().map_or(0, |s| s.start), e.message().to_owned()))?;
    if file.step.len() > MAX_STEPS {
        return Err(wrong(
            0,
            format!("{} steps; expected at most {MAX_STEPS}", file.step.len()),
        ));
    }
    let mut steps: Vec<Step> = Vec::new();
    for line in file.step {
        let at = Duration::from_millis(line.at.get_ref().0);
        if steps.last().is_some_and(|before| before.at > at) {
            return Err(wrong(
                line.at.span().start,
                "this step is earlier than the one before it".to_owned(),
            ));
        }
        let words = line.deed.get_ref().clone();
        let read = Words::try_parse_from(words.split_whitespace());
        let deed = read
            .map_err(|e| wrong(line.deed.span().start, first_line(&e)))?
            .deed;
        steps.push(Step { at, words, deed });
    }
    Ok(steps)
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    format!("{line}; expected a deed as `hw-fixtures do --help` lists them")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_scenario_of_the_folder_is_well_formed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            assert!(!read(&entry.unwrap().path()).unwrap().is_empty());
            seen += 1;
        }
        assert!(seen > 0);
    }

    #[test]
    fn a_wrong_deed_names_its_line() {
        let text = "[[step]]\nat = \"0 s\"\ndo = \"pull shelf/psu-3\"\n\n[[step]]\nat = \"1 s\"\ndo = \"steal shelf\"\n";
        let said = parse(text, Path::new("s.toml")).unwrap_err().to_string();
        assert!(said.starts_with("s.toml:7: ") && said.contains("steal"), "{said}");
        let text = "[[step]]\nat = \"2 s\"\ndo = \"restart\"\n[[step]]\nat = \"1 s\"\ndo = \"restart\"\n";
        let said = parse(text, Path::new("s.toml")).unwrap_err().to_string();
        assert!(
            said.starts_with("s.toml:5: ") && said.contains("earlier"),
            "{said}"
        );
    }
}
