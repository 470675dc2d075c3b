//! The table in docs/performance.md: rewritten between its marks, everything around it left as it is.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::figure::Figure;
use crate::Wrong;
use crate::place::Place;

const PAGE: &str = "docs/performance.md";
/// The marks of a table.
fn marks(name: &str) -> (String, String) {
    (
        format!("<!-- cargo prove {name}: begin -->"),
        format!("<!-- cargo prove {name}: end -->"),
    )
}

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Rewrites the table of this name.
pub fn write(name: &str, place: &Place, figures: &[Figure], before: &str, after: &str) -> Result<(), Wrong> {
    let path = place.root.join(PAGE);
    let page =
        fs::read_to_string(&path).map_err(|err| Wrong::Failed(format!("cannot read {PAGE}: {err}")))?;
    let (begin, end) = marks(name);
    let page = between(&page, &begin, &end, &table(figures, before, after))
        .ok_or_else(|| Wrong::Failed(format!("{PAGE} has lost its marks {begin} and {end}")))?;
    crate::steps::write_whole(&path, &page).map_err(Wrong::Failed)
}

fn between(page: &str, begin: &str, end: &str, table: &str) -> Option<String> {
    let (head, rest) = page.split_once(begin)?;
    let (_, tail) = rest.split_once(end)?;
    Some(format!("{head}{begin}\n{table}{end}{tail}"))
}

fn table(figures: &[Figure], before: &str, after: &str) -> String {
    let mut text = format!(
        "Measured on {}: {}, release build, load average {before} before and {after} after.\n\n| what | value | target | |\n|---|---|---|---|\n",
        today(),
        machine()
    );
    for figure in figures {
        text.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            figure.what,
            figure.value,
            figure.target,
            figure.word()
        ));
    }
    text
}

fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unnamed CPU", |(_, model)| model);
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{count} CPUs of {model}, Linux {}", kernel.trim())
}

fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / DAY)
}

/// The date that is this many days after 1970-01-01.
fn date(mut days: u64) -> String {
    let is_leap =
        |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_rewritten() {
        let (begin, end) = marks("house");
        let page = format!("# Performance\n\n{begin}\nold\n{end}\nafter\n");
        let fresh = between(&page, &begin, &end, "new\n").unwrap();
        assert_eq!(fresh, format!("# Performance\n\n{begin}\nnew\n{end}\nafter\n"));
        assert!(between("no marks", &begin, &end, "new").is_none());
    }

    #[test]
    fn dates_count_leap_years() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(11_016), "2000-02-29");
        assert_eq!(date(20_779), "2026-11-22");
    }
}
