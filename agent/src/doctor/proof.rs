//! What is not proven on this kind of hardware: the table of docs/hardware.md, read at build time, so that page and doctor agree.

use collectors::Root;
use serde::Serialize;

use super::seek;

/// The page itself; its table is the only one.
const PAGE: &str = include_str!("../../../docs/hardware.md");
/// The first row of its table.
const HEADER: &str = "| kind | what is read | how far | here when | check on yours |";
/// In the column *here when*: no file tells.
const NO_FILE: &str = "-";

/// How far a proof goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// It ran on the real thing.
    Proven,
    /// Other people's software stood for the hardware.
    Emulated,
    /// Recordings of real machines that other people made were read.
    Recorded,
    /// Only our own fixtures.
    Simulated,
}

impl Proof {
    /// As the page says it.
    pub fn word(self) -> &'static str {
        match self {
            Proof::Proven => "proven",
            Proof::Emulated => "emulated",
            Proof::Recorded => "recorded",
            Proof::Simulated => "simulated",
        }
    }

    fn of(word: &str) -> Option<Proof> {
        let all = [Proof::Proven, Proof::Emulated, Proof::Recorded, Proof::Simulated];
        all.into_iter().find(|proof| proof.word() == word)
    }
}

/// One kind of hardware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Its name.
    pub kind: String,
    /// What is read of it.
    pub what: String,
    /// How far the proof goes.
    pub proof: Proof,
    /// Files of which one is there where the machine is of this kind; none where no file tells.
    #[serde(skip)]
    pub here_when: Option<String>,
    /// What a stranger would run who has it.
    pub check: String,
}

/// All rows of the table; a row that is none is left out here and named by [`faults`].
pub fn kinds() -> Vec<Kind> {
    rows().filter_map(|row| kind(row).ok()).collect()
}

/// The kinds that this machine is of and on which nothing is proven.
pub fn unproven(root: &Root) -> Vec<Kind> {
    let is_here = |kind: &Kind| {
        let pattern = kind.here_when.as_deref();
        pattern.is_some_and(|pattern| seek::is_there(root, pattern))
    };
    let open = kinds().into_iter().filter(|kind| kind.proof != Proof::Proven);
    open.filter(is_here).collect()
}

/// What is wrong with the table, a sentence a row.
pub fn faults() -> Vec<String> {
    rows().filter_map(|row| kind(row).err()).collect()
}

fn rows() -> impl Iterator<Item = &'static str> {
    let after = PAGE.lines().skip_while(|line| *line != HEADER).skip(2);
    after.take_while(|line| line.starts_with('|'))
}

fn kind(row: &str) -> Result<Kind, String> {
    // A bar inside a command is written `\|`, as Markdown wants it.
    let whole = row.replace("\\|", "\u{1}");
    let cells: Vec<String> = whole
        .trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().replace('\u{1}', "|"))
        .collect();
    let [name, what, proof, here_when, check] = cells.as_slice() else {
        return Err(format!("expected five cells: {row}"));
    };
    let proof = Proof::of(proof)
        .ok_or_else(|| format!("{proof:?} is not proven, emulated, recorded or simulated: {row}"))?;
    let path = here_when.trim_matches('`');
    let here_when = match path {
        NO_FILE => None,
        path if path.starts_with('/') => Some(path.to_owned()),
        _ => return Err(format!("{here_when:?} is neither a path nor -: {row}")),
    };
    if !check.contains('`') {
        return Err(format!("the last cell holds no command: {row}"));
    }
    Ok(Kind {
        kind: name.clone(),
        what: what.clone(),
        proof,
        here_when,
        check: check.clone(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_page_and_the_doctor_say_the_same() {
        assert_eq!(faults(), Vec::<String>::new());
        let kinds = kinds();
        assert!(kinds.len() >= 20, "{}", kinds.len());
        assert_eq!(kinds.len(), rows().count());
        let mut names: Vec<&str> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), kinds.len(), "each kind stands once");
        assert!(kinds.iter().all(|kind| kind.check.contains('`')));
    }

    #[test]
    fn a_machine_is_told_what_is_not_proven_on_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("sys/devices/system/edac/mc/mc0")).unwrap();
        std::fs::create_dir_all(dir.path().join("sys/devices/system/cpu/cpu0/microcode")).unwrap();
        let here = unproven(&Root::at(dir.path()).unwrap());
        let names: Vec<&str> = here.iter().map(|kind| kind.kind.as_str()).collect();
        assert_eq!(names, ["edac"], "what is proven is not among them");
    }

    #[test]
    fn rows_that_are_none_are_named() {
        for (row, expected) in [
            ("| a | b |", "five cells"),
            ("| a | b | sure | - | `c` |", "is not proven"),
            ("| a | b | proven | here | `c` |", "neither a path"),
            ("| a | b | proven | - | c |", "no command"),
        ] {
            assert!(kind(row).unwrap_err().contains(expected), "{row}");
        }
        let with_bar = kind("| a | b | proven | `/x*` | `c \\| d` |").unwrap();
        assert_eq!(with_bar.check, "`c | d`");
    }
}
