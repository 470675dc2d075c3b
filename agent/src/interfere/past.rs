//! Histories on paper: what was usual for each workload, so that an agent that starts again judges at once. Pure.
//!
//! Lines of text (docs/interference.md). The last one says that nothing is missing: a file that breaks off is none.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use agent_api::v1::Signal;
use facts::Moment;
use intent::WorkloadId;

use super::MOST_WATCHED;
use super::thresholds::Thresholds;

/// The first line, with the version of the format.
const FIRST: &str = "busbar interference history 1";
/// The same without the version.
const FIRST_OF_ANY: &str = "busbar interference history ";
const BOOT: &str = "boot";
const WINDOW: &str = "window";
const HISTORY: &str = "history";
/// The last line.
const LAST: &str = "end";
/// The longest file that is read: 64 workloads with three signals of 1440 windows are 280,000 numbers of 15 bytes at most.
pub const LONGEST: usize = 8 << 20;
/// The longest name of a boot: the kernel's has 36 letters.
const LONGEST_BOOT: usize = 64;
/// The longest window in seconds: a day. Those of the configuration are far shorter.
const LONGEST_WINDOW: u64 = 86_400;
/// More cycles per instruction than this no processor takes in a window: what is more is written as this.
const MOST_CYCLES: f64 = 1e6;

/// What was usual for one workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// When the workload was placed: one that has its name now and was placed at another time is another one.
    pub since: Moment,
    /// The windows of each signal, the oldest first.
    pub signals: BTreeMap<Signal, Vec<f64>>,
}

/// What was usual for each.
pub type Pasts = BTreeMap<WorkloadId, Past>;

/// A file's contents.
#[derive(Clone, Debug, PartialEq)]
pub struct Paper {
    /// The boot of the host that it speaks of. No workload outlives one.
    pub boot: String,
    /// How long a window was: others vary in another way.
    pub window: Duration,
    /// Whose windows.
    pub pasts: Pasts,
}

/// Why bytes are no such file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct NotPaper {
    /// Where, from 1.
    pub line: usize,
    /// What stands there, and what was expected.
    pub what: String,
}

impl Paper {
    /// Writes it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        writeln!(to, "{FIRST}")?;
        writeln!(to, "{BOOT} {}", self.boot)?;
        writeln!(to, "{WINDOW} {}", self.window.as_secs())?;
        for (id, past) in &self.pasts {
            for (signal, values) in &past.signals {
                write!(to, "{HISTORY} {id} {} {}", past.since, signal.word())?;
                for value in values.iter().filter(|value| value.is_finite()) {
                    // A hundred-thousandth is far below what is noise for any signal.
                    write!(to, " {:.5}", value.clamp(0.0, most(*signal)))?;
                }
                writeln!(to)?;
            }
        }
        writeln!(to, "{LAST}")
    }

    /// Reads it.
    ///
    /// # Errors
    /// With the first line that is not as it should be.
    pub fn parse(bytes: &[u8]) -> Result<Paper, NotPaper> {
        let not = |line, what: String| NotPaper { line, what };
        if bytes.len() > LONGEST {
            return Err(not(
                1,
                format!("longer than {LONGEST} bytes; no history is that long"),
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            not(
                before.split(|byte| *byte == b'\n').count(),
                "no text (UTF-8)".to_owned(),
            )
        })?;
        let mut lines = text.lines().zip(1..).map(|(line, at)| (at, line));
        let mut next = |expected: &str| {
            let all = text.lines().count();
            lines.next().ok_or_else(|| {
                not(
                    all.saturating_add(1),
                    format!("it breaks off; expected {expected}"),
                )
            })
        };
        let (at, line) = next(FIRST)?;
        first(line).map_err(|what| not(at, what))?;
        let (at, line) = next("boot NAME")?;
        let boot = boot(line).map_err(|what| not(at, what))?;
        let (at, line) = next("window SECONDS")?;
        let window = window(line).map_err(|what| not(at, what))?;
        let mut pasts = Pasts::new();
        loop {
            let (at, line) = next("\"history …\" or \"end\"")?;
            if line == LAST {
                break;
            }
            history(line, &mut pasts).map_err(|what| not(at, what))?;
        }
        if let Some((at, line)) = lines.next() {
            return Err(not(at, format!("{} stands behind the end", cut(line))));
        }
        Ok(Paper { boot, window, pasts })
    }
}

fn first(line: &str) -> Result<(), String> {
    match (line == FIRST, line.strip_prefix(FIRST_OF_ANY)) {
        (true, _) => Ok(()),
        (false, Some(version)) => Err(format!(
            "version {}; this agent reads version {}",
            cut(version),
            FIRST.trim_start_matches(FIRST_OF_ANY)
        )),
        (false, None) => Err(format!("found {}; expected {FIRST:?}", cut(line))),
    }
}

fn boot(line: &str) -> Result<String, String> {
    let name = line
        .strip_prefix(BOOT)
        .and_then(|rest| rest.strip_prefix(' '))
        .filter(|name| !name.is_empty() && name.len() <= LONGEST_BOOT)
        .filter(|name| name.chars().all(|letter| letter.is_ascii_graphic()));
    let name =
        name.ok_or_else(|| format!("found {}; expected {BOOT} and the kernel's boot_id", cut(line)))?;
    Ok(name.to_owned())
}

fn window(line: &str) -> Result<Duration, String> {
    let seconds = line
        .strip_prefix(WINDOW)
        .and_then(|rest| rest.strip_prefix(' ')?.parse::<u64>().ok())
        .filter(|seconds| (1..=LONGEST_WINDOW).contains(seconds));
    let seconds = seconds.ok_or_else(|| {
        format!(
            "found {}; expected {WINDOW} and seconds, as in window 60",
            cut(line)
        )
    })?;
    Ok(Duration::from_secs(seconds))
}

/// `history web 2026-11-22T01:40:18.123Z pressure 0.04100 0.05200`.
fn history(line: &str, pasts: &mut Pasts) -> Result<(), String> {
    let mut words = line.split(' ');
    if words.next() != Some(HISTORY) {
        return Err(format!(
            "found {}; expected {HISTORY} WORKLOAD MOMENT SIGNAL and numbers, or {LAST}",
            cut(line)
        ));
    }
    let id = words.next().unwrap_or_default().parse::<WorkloadId>();
    let id = id.map_err(|error| error.to_string())?;
    let since = words.next().unwrap_or_default().parse::<Moment>();
    let since = since.map_err(|error| error.to_string())?;
    let word = words.next().unwrap_or_default();
    let signal = Signal::ALL.into_iter().find(|signal| signal.word() == word);
    let signal = signal.ok_or_else(|| {
        let all = Signal::ALL.map(Signal::word).join(" or ");
        format!("{} is no signal; expected {all}", cut(word))
    })?;
    let mut values = Vec::new();
    for word in words {
        if values.len() >= Thresholds::LONGEST_HISTORY {
            return Err(format!(
                "more than {} windows of {id}",
                Thresholds::LONGEST_HISTORY
            ));
        }
        let value = word
            .parse::<f64>()
            .ok()
            .filter(|value| (0.0..=most(signal)).contains(value));
        values.push(value.ok_or_else(|| {
            format!(
                "{} of {id} is {}; expected a number from 0 to {}",
                signal.word(),
                cut(word),
                most(signal)
            )
        })?);
    }
    if !pasts.contains_key(&id) && pasts.len() >= MOST_WATCHED {
        return Err(format!("more than {MOST_WATCHED} workloads"));
    }
    let past = pasts.entry(id.clone()).or_insert_with(|| Past {
        since,
        signals: BTreeMap::new(),
    });
    if past.since != since {
        return Err(format!("{id} stands there with two moments"));
    }
    match past.signals.insert(signal, values) {
        None => Ok(()),
        Some(_) => Err(format!("{} of {id} stands there twice", signal.word())),
    }
}

/// The most that a window of a signal can be.
fn most(signal: Signal) -> f64 {
    match signal {
        Signal::CyclesPerInstruction => MOST_CYCLES,
        Signal::Pressure | Signal::RunDelay => 1.0,
    }
}

/// The begin of what was found, for messages.
fn cut(text: &str) -> String {
    /// As much as a line of a log bears.
    const LONGEST_SHOWN: usize = 40;
    let start: String = text.chars().take(LONGEST_SHOWN).collect();
    format!("{start:?}")
}

/// Any bytes: read or refused with their line, and what was read is written so that it reads the same.
///
/// # Panics
/// Where that is not so.
#[cfg(any(test, feature = "fuzz"))]
pub fn fuzz(data: &[u8]) {
    match Paper::parse(data) {
        Err(error) => assert!(error.line >= 1, "a refusal that names no line: {error}"),
        Ok(paper) => {
            let mut once = Vec::new();
            assert!(paper.write(&mut once).is_ok());
            let again = Paper::parse(&once);
            let mut twice = Vec::new();
            assert!(again.is_ok_and(|again| again.write(&mut twice).is_ok()));
            assert_eq!(once, twice);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const WELL: &str = "busbar interference history 1\nboot b-1\nwindow 60\n\
                        history web 2026-11-22T01:40:18.123Z pressure 0.04100 0.05200\n\
                        history web 2026-11-22T01:40:18.123Z cycles_per_instruction 1.25000\nend\n";

    #[test]
    fn what_is_written_reads_the_same() {
        let paper = Paper::parse(WELL.as_bytes()).unwrap();
        let past = &paper.pasts[&"web".parse().unwrap()];
        assert_eq!(past.since, "2026-11-22T01:40:18.123Z".parse().unwrap());
        assert_eq!(past.signals[&Signal::Pressure], [0.041, 0.052]);
        assert_eq!(past.signals[&Signal::CyclesPerInstruction], [1.25]);
        assert_eq!(
            (paper.boot.as_str(), paper.window),
            ("b-1", Duration::from_secs(60))
        );
        let mut text = Vec::new();
        paper.write(&mut text).unwrap();
        assert_eq!(Paper::parse(&text).unwrap(), paper);
        let web: WorkloadId = "web".parse().unwrap();
        let mut wild = paper.clone();
        wild.pasts.get_mut(&web).unwrap().signals = [
            (Signal::CyclesPerInstruction, vec![1e9]),
            (Signal::RunDelay, vec![-1.0, f64::NAN, 2.0]),
        ]
        .into();
        let mut text = Vec::new();
        wild.write(&mut text).unwrap();
        let tamed = Paper::parse(&text).expect("what is written can be read");
        assert_eq!(tamed.pasts[&web].signals[&Signal::CyclesPerInstruction], [1e6]);
        assert_eq!(tamed.pasts[&web].signals[&Signal::RunDelay], [0.0, 1.0]);
    }

    #[test]
    fn what_breaks_off_anywhere_is_none() {
        let whole = Paper::parse(WELL.as_bytes());
        assert!(whole.is_ok());
        for end in 0..WELL.len() - 1 {
            let cut = Paper::parse(&WELL.as_bytes()[..end]);
            assert!(cut.is_err(), "{end} bytes were taken for a whole file");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let long = format!(
            "history web 2026-11-22T01:40:18.123Z pressure{}",
            " 0.1".repeat(Thresholds::LONGEST_HISTORY + 1)
        );
        let many: String = (0..=MOST_WATCHED)
            .map(|one| format!("history w{one} 2026-11-22T01:40:18.123Z pressure 0.1\n"))
            .collect();
        let head = "busbar interference history 1\nboot b\nwindow 60\n";
        for (text, line, what) in [
            (String::new(), 1, "it breaks off"),
            ("hello\n".to_owned(), 1, "found \"hello\""),
            (
                "busbar interference history 2\n".to_owned(),
                1,
                "version \"2\"; this agent reads version 1",
            ),
            ("busbar interference history 1\nboot \n".to_owned(), 2, "boot_id"),
            (
                "busbar interference history 1\nboot b\nwindow 0\n".to_owned(),
                3,
                "window 60",
            ),
            (format!("{head}end\nend\n"), 5, "behind the end"),
            (format!("{head}histories\n"), 4, "found \"histories\""),
            (format!("{head}history ../x\n"), 4, "../x"),
            (format!("{head}history web yesterday\n"), 4, "no moment"),
            (
                format!("{head}history web 2026-11-22T01:40:18.123Z heat 1\n"),
                4,
                "\"heat\" is no signal",
            ),
            (
                format!("{head}history web 2026-11-22T01:40:18.123Z pressure 0.1 1.5\n"),
                4,
                "pressure of web is \"1.5\"",
            ),
            (
                format!("{head}history web 2026-11-22T01:40:18.123Z pressure nan\n"),
                4,
                "\"nan\"",
            ),
            (format!("{head}{long}\n"), 4, "more than 1440 windows"),
            (format!("{head}{many}end\n"), 4 + MOST_WATCHED, "workloads"),
            (
                WELL.replace("cycles_per_instruction 1.25000", "pressure 0.1"),
                5,
                "stands there twice",
            ),
            (
                WELL.replacen(".123Z", ".124Z", 1),
                5,
                "stands there with two moments",
            ),
        ] {
            let error = Paper::parse(text.as_bytes()).expect_err(what);
            assert!(
                error.line == line && error.what.contains(what),
                "{error}, not line {line} with {what}"
            );
        }
        let error = Paper::parse(b"busbar interference history 1\n\xff").unwrap_err();
        assert_eq!(error.line, 2, "{error}");
        fuzz(WELL.as_bytes());
    }
}
