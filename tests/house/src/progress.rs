//! What a person sees meanwhile: a line a step, with a bar on a terminal and plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How wide the bar is, in letters.
const BAR: usize = 20;

/// How much of what a step says is shown beside the bar.
const SHOWN_LETTERS: usize = 44;

/// Titles are filled up to this width, so that what follows stands in a column.
const TITLE: usize = 12;

const SPINNER: [char; 4] = ['|', '/', '-', '\\'];
const CLEAR_LINE: &str = "\r\x1b[2K";

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Pass,
    /// It is not.
    Fail,
    /// It could not be tried here; the detail says why.
    Skip,
}

impl Verdict {
    /// The word as it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "ok",
            Verdict::Fail => "FAIL",
            Verdict::Skip => "skip",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Verdict::Pass => "\x1b[32m",
            Verdict::Fail => "\x1b[31m",
            Verdict::Skip => "\x1b[33m",
        }
    }
}

/// Where progress is shown.
pub struct Screen {
    terminal: bool,
    colour: bool,
}

impl Screen {
    /// Standard output as it is: colours and a moving line only on a terminal, colours not with `NO_COLOR`.
    pub fn new() -> Screen {
        let terminal = std::io::stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Screen {
            terminal,
            colour: terminal && !plain,
        }
    }

    /// A whole line, above the step that is running.
    pub fn line(&self, text: &str) {
        let clear = if self.terminal { CLEAR_LINE } else { "" };
        println!("{clear}{text}");
    }

    /// Begins a step. `whole` is how much there is to do, where that is known.
    pub fn begin(&self, title: &str, whole: Option<usize>) -> Running<'_> {
        let running = Running {
            screen: self,
            title: title.to_owned(),
            started: Instant::now(),
            whole,
            done: 0,
            turn: 0,
            said: String::new(),
        };
        if !self.terminal {
            println!("{title:TITLE$} ...");
        }
        running
    }

    /// A word in the colour of its verdict.
    pub fn paint(&self, verdict: Verdict) -> String {
        let word = verdict.word();
        if self.colour {
            format!("{}{word:<4}\x1b[0m", verdict.colour())
        } else {
            format!("{word:<4}")
        }
    }
}

/// A step that is running.
pub struct Running<'a> {
    screen: &'a Screen,
    title: String,
    started: Instant,
    whole: Option<usize>,
    done: usize,
    turn: usize,
    said: String,
}

impl Running<'_> {
    /// One more piece is done; `what` names it.
    pub fn advance(&mut self, what: &str) {
        self.done += 1;
        what.clone_into(&mut self.said);
    }

    /// Draws the moving line; a no-op where there is no terminal.
    pub fn draw(&mut self) {
        if !self.screen.terminal {
            return;
        }
        self.turn += 1;
        let spin = SPINNER[self.turn % SPINNER.len()];
        let said: String = self.said.chars().take(SHOWN_LETTERS).collect();
        print!(
            "{CLEAR_LINE}{:TITLE$} {} {spin} {} {said}",
            self.title,
            bar(self.done, self.whole),
            seconds(self.started.elapsed())
        );
        // A terminal that is gone must not stop the work.
        let _ = std::io::stdout().flush();
    }

    /// Ends the step with one lasting line, and says how long it took.
    pub fn end(self, verdict: Verdict, detail: &str) -> Duration {
        let took = self.started.elapsed();
        let gap = if detail.is_empty() { "" } else { "  " };
        self.screen.line(&format!(
            "{:TITLE$} {} {:>8}{gap}{detail}",
            self.title,
            self.screen.paint(verdict),
            seconds(took)
        ));
        took
    }
}

/// A duration as people read it.
pub fn seconds(took: Duration) -> String {
    let whole = took.as_secs();
    if whole >= 60 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}

fn bar(done: usize, whole: Option<usize>) -> String {
    let Some(whole) = whole.filter(|whole| *whole > 0) else {
        return " ".repeat(BAR + 2);
    };
    let full = (done.min(whole) * BAR) / whole;
    format!("[{}{}]", "#".repeat(full), ".".repeat(BAR - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_never_overflows() {
        assert_eq!(bar(0, Some(4)), format!("[{}]", ".".repeat(20)));
        assert_eq!(bar(2, Some(4)), format!("[{}{}]", "#".repeat(10), ".".repeat(10)));
        assert_eq!(bar(9, Some(4)), format!("[{}]", "#".repeat(20)));
        assert_eq!(bar(9, None).trim(), "");
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
