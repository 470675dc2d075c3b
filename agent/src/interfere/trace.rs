//! A recorded trace of co-located workloads as CSV: what the loop would have seen, and where known the truth beside it.
//!
//! The first line names the columns ([`HEADER`]). Then a line a workload and window; lines of one window have the same
//! `at_seconds`, and windows follow each other. Empty is *nobody told*. Lines that begin with `#` say where a trace comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use agent_api::v1::Signal;
use facts::Moment;
use intent::{Priority, WorkloadId};

use super::{MOST_WATCHED, Sample, Standing};

/// The first line.
pub const HEADER: &str =
    "at_seconds,workload,standing,priority,cpu,bandwidth,cycles_per_instruction,pressure,run_delay,culprit";
/// The most windows of one trace: two months of minutes.
const MOST_WINDOWS: usize = 100_000;
/// A line is a few numbers and two names.
const LONGEST_LINE: usize = 512;
/// How many columns a line has.
const COLUMNS: usize = 10;
/// Words of the column `standing`.
const PROTECTED: &str = "protected";
const ACTABLE: &str = "actable";
const UNTOUCHABLE: &str = "untouchable";
/// Larger numbers are no CPUs, no bytes a second and no signal.
const LARGEST: f64 = 1e15;
/// The latest moment, in seconds: some thousand years.
const LATEST: u64 = 100_000_000_000;

/// Why a text is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {why}")]
pub struct TraceError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What was found there, and what was expected.
    pub why: String,
}

/// One window of everybody.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceWindow {
    /// When it ended.
    pub at: Moment,
    /// What each did.
    pub samples: Vec<Sample>,
    /// Of victims, who really hurt them in it, where that is known: the truth, which the loop does not see.
    pub culprits: BTreeMap<WorkloadId, WorkloadId>,
}

/// The windows of a trace.
///
/// # Errors
/// With the first line that is none, and what was expected.
pub fn parse(file: &str, text: &str) -> Result<Vec<TraceWindow>, TraceError> {
    let fault = |line: usize, why: String| TraceError {
        file: file.to_owned(),
        line: line + 1,
        why,
    };
    let lines = text.lines().enumerate();
    let mut lines = lines.filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
    let Some((_, HEADER)) = lines.next().map(|(at, line)| (at, line.trim())) else {
        return Err(fault(
            0,
            format!("the first line is not the header; expected {HEADER}"),
        ));
    };
    let mut windows: Vec<TraceWindow> = Vec::new();
    let mut named = BTreeSet::new();
    for (at, line) in lines {
        let row = row(line).map_err(|why| fault(at, why))?;
        let last = windows.last().map(|window| window.at);
        if last.is_some_and(|last| row.at < last) {
            return Err(fault(
                at,
                "this window is before the one above; expected them in their order".to_owned(),
            ));
        }
        if last != Some(row.at) {
            if windows.len() >= MOST_WINDOWS {
                return Err(fault(at, format!("more than {MOST_WINDOWS} windows")));
            }
            named.clear();
            windows.push(TraceWindow {
                at: row.at,
                samples: Vec::new(),
                culprits: BTreeMap::new(),
            });
        }
        let Some(window) = windows.last_mut() else {
            continue;
        };
        if !named.insert(row.sample.id.clone()) {
            return Err(fault(
                at,
                format!("{} stands twice in this window", row.sample.id),
            ));
        }
        if window.samples.len() >= MOST_WATCHED {
            return Err(fault(
                at,
                format!("more than {MOST_WATCHED} workloads in one window"),
            ));
        }
        if let Some(culprit) = row.culprit {
            window.culprits.insert(row.sample.id.clone(), culprit);
        }
        window.samples.push(row.sample);
    }
    Ok(windows)
}

/// The same trace as text.
pub fn written(windows: &[TraceWindow]) -> String {
    let mut text = format!("{HEADER}\n");
    for window in windows {
        for sample in &window.samples {
            let standing = match sample.standing {
                Standing::Protected => PROTECTED,
                Standing::Actable => ACTABLE,
                Standing::Untouchable(_) => UNTOUCHABLE,
            };
            let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value}"));
            let signal = |signal| number(sample.signals.get(&signal).copied());
            let culprit = window.culprits.get(&sample.id);
            // Writing to a text does not fail.
            let _ = writeln!(
                text,
                "{},{},{standing},{},{},{},{},{},{},{}",
                window.at.millis() / 1_000,
                sample.id,
                sample.priority,
                sample.cpu,
                number(sample.bandwidth),
                signal(Signal::CyclesPerInstruction),
                signal(Signal::Pressure),
                signal(Signal::RunDelay),
                culprit.map_or("", WorkloadId::as_str),
            );
        }
    }
    text
}

struct Row {
    at: Moment,
    sample: Sample,
    culprit: Option<WorkloadId>,
}

fn row(line: &str) -> Result<Row, String> {
    if line.len() > LONGEST_LINE {
        return Err(format!("the line is longer than {LONGEST_LINE} bytes"));
    }
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    let Ok(
        [
            at,
            id,
            standing,
            priority,
            cpu,
            bandwidth,
            cpi,
            pressure,
            delay,
            culprit,
        ],
    ) = <[&str; COLUMNS]>::try_from(fields.as_slice())
    else {
        return Err(format!("{} columns; expected {COLUMNS}: {HEADER}", fields.len()));
    };
    let seconds: u64 = at
        .parse()
        .ok()
        .filter(|seconds| *seconds <= LATEST)
        .ok_or_else(|| format!("at_seconds = {at:?}; expected whole seconds, at most {LATEST}"))?;
    let standing = match standing {
        PROTECTED => Standing::Protected,
        ACTABLE => Standing::Actable,
        UNTOUCHABLE => Standing::Untouchable("as the trace says".to_owned()),
        other => {
            return Err(format!(
                "standing = {other:?}; expected {PROTECTED}, {ACTABLE} or {UNTOUCHABLE}"
            ));
        }
    };
    let priority = if priority.is_empty() {
        Priority::default()
    } else {
        priority.parse().map_err(|error| format!("priority: {error}"))?
    };
    let mut signals = BTreeMap::new();
    for (signal, text) in [
        (Signal::CyclesPerInstruction, cpi),
        (Signal::Pressure, pressure),
        (Signal::RunDelay, delay),
    ] {
        if let Some(value) = number(signal.word(), text)? {
            signals.insert(signal, value);
        }
    }
    let name = |text: &str| text.parse::<WorkloadId>().map_err(|error| error.to_string());
    Ok(Row {
        at: Moment::from_millis(seconds.saturating_mul(1_000)),
        sample: Sample {
            id: name(id)?,
            // A trace has one workload of a name.
            since: Moment::EPOCH,
            standing,
            priority,
            cpu: number("cpu", cpu)?.unwrap_or(0.0),
            bandwidth: number("bandwidth", bandwidth)?,
            signals,
        },
        culprit: (!culprit.is_empty()).then(|| name(culprit)).transpose()?,
    })
}

fn number(column: &str, text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let number: Option<f64> = text.parse().ok();
    match number.filter(|number| (0.0..=LARGEST).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(format!(
            "{column} = {text:?}; expected a number from 0 to {LARGEST:e}, or nothing"
        )),
    }
}

/// Any text is a trace, or a refusal that names the line; what is a trace reads the same when it is written.
#[cfg(any(test, feature = "fuzz"))]
pub fn fuzz(text: &str) {
    match parse("trace.csv", text) {
        Err(error) => assert!(error.to_string().starts_with("trace.csv:"), "{error}"),
        Ok(windows) => {
            let again = parse("trace.csv", &written(&windows));
            assert_eq!(again.as_ref(), Ok(&windows));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const ROWS: &str = "# made up\n\
        0,web,protected,1,1.93,,1.21,0.041,,\n\
        0,batch,actable,9,0.10,5e9,,,,\n\
        60,web,protected,1,1.9,,2.5,,,batch\n\
        60,other,untouchable,,0,,,,0.5,\n";

    fn trace(rows: &str) -> Result<Vec<TraceWindow>, String> {
        parse("t.csv", &format!("{HEADER}\n{rows}")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_trace_is_read_and_written_the_same() {
        let windows = trace(ROWS).unwrap();
        assert_eq!(windows.len(), 2);
        let web = &windows[1].samples[0];
        assert_eq!(
            (web.standing.clone(), web.priority.get()),
            (Standing::Protected, 1)
        );
        assert_eq!(web.signals[&Signal::CyclesPerInstruction], 2.5);
        assert_eq!(windows[0].samples[1].bandwidth, Some(5e9));
        assert_eq!(windows[1].culprits[&web.id].as_str(), "batch");
        assert_eq!(parse("t.csv", &written(&windows)).unwrap(), windows);
    }

    #[test]
    fn what_is_no_trace_is_refused_with_its_line() {
        assert!(
            parse("t.csv", "")
                .unwrap_err()
                .to_string()
                .starts_with("t.csv:1: the first line")
        );
        let long = format!("0,{},actable,9,1,,,,,\n", "a".repeat(600));
        for (rows, expected) in [
            ("0,web\n", "t.csv:2: 2 columns; expected 10"),
            ("x,web,actable,9,1,,,,,\n", "at_seconds = \"x\""),
            ("0,../web,actable,9,1,,,,,\n", "t.csv:2: "),
            ("0,web,maybe,9,1,,,,,\n", "standing = \"maybe\""),
            ("0,web,actable,10,1,,,,,\n", "priority: "),
            ("0,web,actable,9,-1,,,,,\n", "cpu = \"-1\""),
            ("0,web,actable,9,NaN,,,,,\n", "cpu = \"NaN\""),
            ("0,web,actable,9,1,,1e300,,,\n", "cycles_per_instruction = "),
            (
                "0,web,actable,9,1,,,,,\n0,web,actable,9,1,,,,,\n",
                "t.csv:3: web stands twice",
            ),
            (
                "60,web,actable,9,1,,,,,\n0,web,actable,9,1,,,,,\n",
                "t.csv:3: this window is before",
            ),
            (&long, "longer than 512 bytes"),
        ] {
            let said = trace(rows).unwrap_err();
            assert!(said.contains(expected), "{rows:.60}: {said}");
        }
        let many: String = (0..=MOST_WATCHED)
            .map(|n| format!("0,w{n},actable,9,1,,,,,\n"))
            .collect();
        assert!(trace(&many).unwrap_err().contains("workloads in one window"));
    }

    proptest! {
        #[test]
        fn any_rows_are_a_trace_or_refused(rows in "([0-9a-z.,#-]{0,40}\n){0,4}") {
            fuzz(&format!("{HEADER}\n{rows}"));
            fuzz(&rows);
        }
    }
}
