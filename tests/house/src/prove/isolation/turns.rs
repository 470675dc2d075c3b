//! Several ways to start the same command, one after the other in turns, and how soon it says that it runs: `house prove-turns`.

use std::io::{BufRead, Read};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::super::figure::millis;
use super::super::scrape::Latencies;
use crate::Wrong;

/// What the turn's number stands for in a way's words.
const TURN: &str = "@";
/// Between two starts: who started the last one may still be putting things away (systemd does after its scope has ended).
const PAUSE: Duration = Duration::from_millis(150);
/// Turns that are not counted: programs and libraries are read for the first time.
const WARM_UP: usize = 2;

/// What begins the line of one way beside another in what is printed.
pub const BESIDE: &str = " beside ";

/// One way to start it.
struct Way {
    name: String,
    words: Vec<String>,
}

/// Reads a way a line from standard input, `NAME: WORDS`, ours first, and prints what each took and ours beside each other one.
pub fn turns(words: &[String]) -> Result<ExitCode, Wrong> {
    let count: Option<usize> = words.first().and_then(|word| word.parse().ok());
    let count = count
        .filter(|count| *count > 0)
        .ok_or_else(|| Wrong::Usage("house prove-turns COUNT".to_owned()))?;
    let ways = std::io::stdin().lock().lines().map_while(Result::ok);
    let ways: Vec<Way> = ways.map(|line| way(&line)).collect::<Result<_, Wrong>>()?;
    let mut took: Vec<Vec<Duration>> = vec![Vec::with_capacity(count); ways.len()];
    for turn in 0..count + WARM_UP {
        for (way, took) in ways.iter().zip(&mut took) {
            thread::sleep(PAUSE);
            let running = heard(way.command(turn)?)?;
            if turn >= WARM_UP {
                took.push(running);
            }
        }
    }
    let took: Vec<(String, Latencies)> = ways
        .into_iter()
        .map(|way| way.name)
        .zip(took.into_iter().map(Latencies::of))
        .collect();
    for line in told(&took) {
        println!("MEASURED {line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command that says something as the first thing it does, whatever it is: how long until it was heard, since before it was
/// started.
fn heard(mut command: Command) -> Result<Duration, Wrong> {
    let program = command.get_program().display().to_string();
    let wrong = |why: String| Wrong::Failed(format!("{program}: {why}"));
    let since = Instant::now();
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = started.map_err(|err| wrong(err.to_string()))?;
    let mut first = [0];
    let said = child.stdout.as_mut().map(|output| output.read_exact(&mut first));
    let took = since.elapsed();
    let over = child.wait().map_err(|err| wrong(err.to_string()))?;
    match said {
        Some(Ok(())) if over.success() => Ok(took),
        Some(_) | None => Err(wrong(format!("it said nothing, or broke ({over})"))),
    }
}

fn way(line: &str) -> Result<Way, Wrong> {
    let (name, words) = line
        .split_once(": ")
        .ok_or_else(|| Wrong::Usage(format!("{line:?}: expected NAME: WORDS")))?;
    Ok(Way {
        name: name.to_owned(),
        words: words.split_whitespace().map(str::to_owned).collect(),
    })
}

impl Way {
    fn command(&self, turn: usize) -> Result<Command, Wrong> {
        let words = self.words.iter();
        let mut words = words.map(|word| word.replace(TURN, &turn.to_string()));
        let program = words
            .next()
            .ok_or_else(|| Wrong::Usage(format!("{}: no command", self.name)))?;
        let mut command = Command::new(program);
        command.args(words);
        Ok(command)
    }
}

/// A line for each way, and one for the first beside each other.
fn told(took: &[(String, Latencies)]) -> Vec<String> {
    let line = |(name, took): &(String, Latencies)| {
        let (p50, p99) = (took.percentile(50), took.percentile(99));
        format!(
            "{name}: p50 {}, p99 {} of {}",
            millis(p50),
            millis(p99),
            took.count()
        )
    };
    let mut lines: Vec<String> = took.iter().map(line).collect();
    if let Some(((ours, own), others)) = took.split_first() {
        let of = |percent, other: &Latencies| {
            own.percentile(percent).as_secs_f64() / other.percentile(percent).as_secs_f64()
        };
        lines.extend(others.iter().map(|(name, other)| {
            format!(
                "{ours}{BESIDE}{name}: p50 {:.3} of it, p99 {:.3}",
                of(50, other),
                of(99, other)
            )
        }));
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ours_is_told_beside_each_other_one() {
        let ms = |all: &[u64]| Latencies::of(all.iter().map(|ms| Duration::from_millis(*ms)).collect());
        let lines = told(&[("a".to_owned(), ms(&[10, 30])), ("b".to_owned(), ms(&[40, 50]))]);
        assert_eq!(
            lines,
            [
                "a: p50 10.0 ms, p99 30.0 ms of 2",
                "b: p50 40.0 ms, p99 50.0 ms of 2",
                "a beside b: p50 0.250 of it, p99 0.600"
            ]
        );
    }

    #[test]
    fn a_way_has_a_name_and_the_number_of_its_turn() {
        let way = way("crun: crun run c-@").unwrap();
        let command = way.command(7).unwrap();
        assert_eq!(
            (way.name.as_str(), command.get_args().last().unwrap()),
            ("crun", "c-7".as_ref())
        );
        assert!(super::way("crun").is_err());
    }
}
