//! Configurations that are wrong are met with a clear error, before anything is opened.

use std::process::Command;

use crate::stand::{Home, PROGRAM};

fn check(text: &str) -> (Option<i32>, String) {
    let home = Home::new();
    let file = home.write("agent.toml", text);
    let output = Command::new(PROGRAM)
        .arg("check-config")
        .arg(file)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    (output.status.code(), said)
}

#[test]
fn every_fault_is_named_with_file_and_line() {
    for (text, line, expected) in [
        (
            "[agent]\n\nlissen_address = \"127.0.0.1:1\"",
            3,
            "did you mean \"listen_address\"?",
        ),
        ("[agent]\nmode = \"on\"", 2, "expected observe, advise or enforce"),
        ("[actuators]\ncpu = \"enforce\"", 2, "laxer than the mode observe"),
        (
            "[agent]\nlisten_address = \"0.0.0.0:9711\"",
            2,
            "is beyond loopback",
        ),
        ("[agent]\nname = 3", 2, "expected a text in quotes"),
        ("[[agent]]\n", 1, "expected a section [agent]"),
        ("\0", 1, "no TOML"),
    ] {
        let (code, said) = check(text);
        assert_eq!(code, Some(2), "{text:?}: {said}");
        assert!(
            said.contains(&format!("agent.toml:{line}: ")) && said.contains(expected),
            "{text:?}: {said}"
        );
        let home = Home::new();
        home.write("agent.toml", text);
        let (code, run_said) = home.fail(&[]);
        assert_eq!(code, Some(2), "{text:?}: {run_said}");
        assert!(run_said.contains(expected), "{text:?}: {run_said}");
        assert!(!home.socket().exists() && !home.path("state").exists());
    }
}

#[test]
fn a_right_one_is_summed_up() {
    let (code, said) = check("[agent]\nmode = \"enforce\"\n[actuators]\npower_cap = \"observe\"\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("no fault found") && said.contains("power_cap observe, cpu enforce"),
        "{said}"
    );
}

#[test]
fn files_that_it_names_are_checked_too() {
    let token = "[agent]\ntoken_file = \"missing.token\"\n";
    let (code, said) = check(token);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("missing.token"), "{said}");
}

#[test]
fn wrong_words_on_the_command_line_are_usage() {
    let home = Home::new();
    assert_eq!(home.fail(&["--listen", "nowhere"]).0, Some(2));
    let (code, said) = home.fail(&["--listen", "192.0.2.1:0"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.starts_with("--listen: 192.0.2.1:0 is beyond loopback"),
        "{said}"
    );
    let (code, said) = home.fail(&["--root", "/nowhere"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("/nowhere"), "{said}");
}

#[test]
fn help_teaches() {
    let output = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for word in [
        "facts",
        "run",
        "plan",
        "check-config",
        "footprint",
        "leave",
        "First steps:",
        "Exit codes:",
    ] {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
    for hidden in ["topology-of", "completions"] {
        assert!(!help.contains(hidden), "{hidden}");
    }
    for (words, expected) in [
        (vec!["man"], ".TH busbar-agent"),
        (vec!["completions", "bash"], "complete -F"),
    ] {
        let output = Command::new(PROGRAM).args(words).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().contains(expected));
    }
}
