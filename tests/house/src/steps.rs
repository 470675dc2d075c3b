//! Running one command as a step: its lines go to a log and, as they come, to whoever follows them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::progress::{Running, Screen, Verdict};

/// How often the moving line is drawn again while a command is silent.
const REDRAW: Duration = Duration::from_millis(120);

/// How many lines of a failed step's log are shown: enough for one error, short enough to read.
const TAIL: usize = 40;

/// Words with which cargo begins a line when one more crate is at work.
const CARGO_WORK: [&str; 4] = ["Compiling", "Checking", "Documenting", "Downloaded"];

/// What a command left.
pub struct Ran {
    /// Whether it ended well.
    pub ok: bool,
    /// Why not, in one sentence.
    pub why: String,
}

/// One finished step, as the table shows it.
pub struct Done {
    /// Its name.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// What there is to say about it.
    pub detail: String,
}

/// Runs a command to its end. Every line goes to `log` and to `each`; standard input is closed.
pub fn follow(
    command: Command,
    log: &Path,
    running: &mut Running<'_>,
    mut each: impl FnMut(&str, &mut Running<'_>),
) -> Ran {
    let mut kept = match File::create(log) {
        Ok(file) => file,
        Err(err) => return failed(format!("cannot write {}: {err}", log.display())),
    };
    follow_all(vec![command], running, |_, line, running| {
        // A full disk must not end the step: the screen still has the lines.
        let _ = writeln!(kept, "{line}");
        each(line, running);
    })
}

/// Runs several commands beside each other to their ends. `each` gets every line with the number of its command; lines of one command come
/// in their order. The first that did not end well says why.
pub fn follow_all(
    commands: Vec<Command>,
    running: &mut Running<'_>,
    mut each: impl FnMut(usize, &str, &mut Running<'_>),
) -> Ran {
    let (lines, seen) = mpsc::channel();
    let (mut children, mut came) = (Vec::new(), Ok(()));
    for (number, mut command) in commands.into_iter().enumerate() {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        match child {
            Ok(mut child) => {
                if let Some(pipe) = child.stdout.take() {
                    let lines = lines.clone();
                    thread::spawn(move || read_lines(number, pipe, &lines));
                }
                if let Some(pipe) = child.stderr.take() {
                    let lines = lines.clone();
                    thread::spawn(move || read_lines(number, pipe, &lines));
                }
                children.push(child);
            }
            Err(err) => {
                came = Err(format!("cannot start {}: {err}", command.get_program().display()));
                break;
            }
        }
    }
    drop(lines);
    loop {
        match seen.recv_timeout(REDRAW) {
            Ok((number, line)) => each(number, &line, running),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        running.draw();
    }
    for mut child in children {
        came = came.and(match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{status}")),
            Err(err) => Err(format!("cannot wait for it: {err}")),
        });
    }
    match came {
        Ok(()) => Ran {
            ok: true,
            why: String::new(),
        },
        Err(why) => failed(why),
    }
}

fn failed(why: String) -> Ran {
    Ran { ok: false, why }
}

/// Runs a cargo command as a whole step; on failure the end of its log is shown.
pub fn cargo_step(
    screen: &Screen,
    name: &'static str,
    command: Command,
    log: &Path,
    whole: Option<usize>,
) -> Done {
    let mut running = screen.begin(name, whole);
    let ran = follow(command, log, &mut running, advance_by_cargo);
    finish(screen, name, running, &ran, log, "")
}

/// Ends a step by what its command left.
pub fn finish(
    screen: &Screen,
    name: &'static str,
    running: Running<'_>,
    ran: &Ran,
    log: &Path,
    detail: &str,
) -> Done {
    if !ran.ok {
        for line in tail(log) {
            screen.line(&format!("    {line}"));
        }
    }
    let detail = match (ran.ok, detail) {
        (true, detail) => detail.to_owned(),
        (false, "") => format!("{}; log: {}", ran.why, log.display()),
        (false, detail) => format!("{detail}; log: {}", log.display()),
    };
    let verdict = if ran.ok { Verdict::Pass } else { Verdict::Fail };
    let took = running.end(verdict, &detail);
    Done {
        name,
        verdict,
        took,
        detail,
    }
}

/// A step that could not be tried.
pub fn skip(screen: &Screen, name: &'static str, why: &str) -> Done {
    let took = screen.begin(name, None).end(Verdict::Skip, why);
    Done {
        name,
        verdict: Verdict::Skip,
        took,
        detail: why.to_owned(),
    }
}

/// Moves the bar on when cargo begins with one more crate.
pub fn advance_by_cargo(line: &str, running: &mut Running<'_>) {
    let line = line.trim_start();
    if CARGO_WORK.iter().any(|word| line.starts_with(word)) {
        running.advance(line);
    }
}

/// How many crates a build of everything has at most: the bar's whole.
pub fn crates_at_most(root: &Path) -> Option<usize> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).ok()?;
    Some(lock.matches("[[package]]").count())
}

/// The last lines of a log.
pub fn tail(log: &Path) -> Vec<String> {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL);
    lines[from..].iter().map(|line| (*line).to_owned()).collect()
}

/// Writes `text` to `path` so that a reader sees either the old or the new whole.
pub fn write_whole(path: &Path, text: &str) -> Result<(), String> {
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    std::fs::write(&fresh, text)
        .and_then(|()| std::fs::rename(&fresh, path))
        .map_err(|err| format!("cannot write {}: {err}", path.display()))
}

fn read_lines(number: usize, pipe: impl Read, lines: &mpsc::Sender<(usize, String)>) {
    let mut reader = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).is_ok_and(|read| read > 0) {
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']).to_owned();
        if lines.send((number, line)).is_err() {
            return;
        }
        bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_command_is_followed_to_its_end_and_its_lines_are_kept() {
        let log = std::env::temp_dir().join(format!("house-steps-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; read line || echo closed; exit 3"]);
        let screen = Screen::new();
        let mut running = screen.begin("try", None);
        let mut seen = Vec::new();
        let ran = follow(command, &log, &mut running, |line, _| seen.push(line.to_owned()));
        assert!(!ran.ok);
        assert!(ran.why.contains('3'), "{}", ran.why);
        seen.sort();
        assert_eq!(seen, ["closed", "one", "two"]);
        assert_eq!(tail(&log).len(), 3);
        std::fs::remove_file(&log).unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let log = std::env::temp_dir().join(format!("house-absent-{}.log", std::process::id()));
        let screen = Screen::new();
        let mut running = screen.begin("try", None);
        let ran = follow(Command::new("no-such-program"), &log, &mut running, |_, _| {});
        assert!(!ran.ok && ran.why.contains("no-such-program"), "{}", ran.why);
        std::fs::remove_file(&log).unwrap();
    }
}
