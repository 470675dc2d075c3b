//! `busbar place` and `busbar defrag` as a person types them, with a real agent: who goes where, who does not fit, exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use house_tests::raise::{Agent, AgentPlan, Binaries, Group};
use serde_json::Value;

const ASKS: &str =
    "[[ask]]\nname = \"web\"\ncount = 2\n\n[[ask]]\nname = \"huge\"\ncpus = 8000\nexclusive = true\n";

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_file_of_asks_is_answered_ask_by_ask() -> anyhow::Result<()> {
    let binaries = Binaries::find()?;
    let folder = tempfile::tempdir()?;
    let plan = AgentPlan::in_folder(folder.path(), "n01", "observe");
    let (config, log) = (folder.path().join("agent.toml"), folder.path().join("agent.log"));
    let agent = Agent::start(&binaries, plan, &config, &log, Group::Starters)?;
    let busbar = |words: &[&str]| {
        let mut command = Command::new(binaries.folder().join("busbar"));
        command.arg("--agent").arg(&agent.plan.socket).args(words);
        command
    };
    let file = folder.path().join("asks.toml");
    fs::write(&file, ASKS)?;
    let file = file.to_str().context("a path")?;

    let (code, text, errors) = said(&busbar(&["place", file]).output()?);
    ensure!(code == Some(3), "{code:?} {text} {errors}");
    ensure!(text.starts_with("2 of 3 fit together"), "{text}");
    ensure!(text.contains("web-1") && text.contains("web-2"), "{text}");
    ensure!(
        text.contains("huge") && text.contains("does not fit: asked 8000 exclusive CPUs"),
        "{text}"
    );

    let (code, text, _) = said(&busbar(&["place", file, "--output", "json"]).output()?);
    let answer: Value = serde_json::from_str(&text)?;
    ensure!(
        code == Some(3) && answer["placed"] == 2 && answer["answers"][2]["name"] == "huge",
        "{answer}"
    );

    let (code, _, errors) = said(&busbar(&["place", file, "--all-or-nothing"]).output()?);
    ensure!(
        code == Some(3) && errors.contains("2 of 3 asks fit together"),
        "{errors}"
    );

    let mut piped = busbar(&["place", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = piped.stdin.take().context("a pipe")?;
    input.write_all(b"{\"ask\":[{\"cpus\":1}]}")?;
    drop(input);
    let (code, text, _) = said(&piped.wait_with_output()?);
    ensure!(
        code == Some(0) && text.starts_with("1 of 1 fit together") && text.contains("ask-1"),
        "{text}"
    );

    wrong(folder.path(), &busbar)?;
    defrag(&busbar)
}

/// `busbar` with these words, towards the test's agent.
type Busbar<'a> = dyn Fn(&[&str]) -> Command + 'a;

fn wrong(folder: &Path, busbar: &Busbar<'_>) -> anyhow::Result<()> {
    fs::write(folder.join("wrong.toml"), "[[ask]]\ncpu = 1\n")?;
    let wrong = folder.join("wrong.toml");
    let (code, _, errors) = said(&busbar(&["place", wrong.to_str().context("a path")?]).output()?);
    ensure!(
        code == Some(2) && errors.contains("wrong.toml") && errors.contains("line 2"),
        "{errors}"
    );
    let (code, _, errors) = said(&busbar(&["place", "/nowhere/asks.toml"]).output()?);
    ensure!(
        code == Some(2) && errors.contains("cannot read /nowhere/asks.toml"),
        "{errors}"
    );
    Ok(())
}

fn defrag(busbar: &Busbar<'_>) -> anyhow::Result<()> {
    let (code, text, _) = said(&busbar(&["defrag"]).output()?);
    ensure!(code == Some(0) && text.starts_with("now: "), "{text}");
    let (code, text, _) = said(&busbar(&["defrag", "--cpus", "8000", "--exclusive"]).output()?);
    ensure!(code == Some(3) && text.contains("no moves were found"), "{text}");
    let (code, _, errors) = said(&busbar(&["defrag", "--rate", "0B"]).output()?);
    ensure!(
        code == Some(2) && errors.contains("bytes_per_second is 0"),
        "{errors}"
    );
    Ok(())
}
