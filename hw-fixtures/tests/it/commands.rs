//! The command line: answers, exit codes, help, and errors that say what was expected.

use crate::raised::{Raised, command};

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn deeds_answer_in_one_line_and_exit_codes_tell_why() {
    let world = Raised::demo();
    let pulled = world.act(&["pull", "shelf/psu-3"]);
    assert!(
        pulled.starts_with("pulled shelf/psu-3: ") && pulled.lines().count() == 1,
        "{pulled}"
    );
    let again = world.run(&["pull", "shelf/psu-3"]);
    assert_eq!(again.status.code(), Some(3));
    assert!(said(&again).contains("empty already"), "{}", said(&again));
    let nowhere = world.run(&["pull", "shelf/psu-9", "--output", "json"]);
    assert_eq!(nowhere.status.code(), Some(3));
    let answer: serde_json::Value = serde_json::from_slice(&nowhere.stdout).unwrap();
    assert_eq!(answer["error"]["code"], "refused");
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("known: shelf/psu-0")
    );
    assert_eq!(world.run(&["demand", "n01", "lots"]).status.code(), Some(2));
    assert_eq!(world.run(&["steal", "shelf"]).status.code(), Some(2));
    assert_eq!(world.run(&["bmc", "n77", "answer", "404"]).status.code(), Some(3));
    let inserted = world.act(&[
        "insert",
        "shelf/psu-3",
        "--serial",
        "S-1",
        "--watts",
        "2.7 kW",
        "--output",
        "json",
    ]);
    let inserted: serde_json::Value = serde_json::from_str(&inserted).unwrap();
    assert!(
        inserted["did"].as_str().unwrap().contains("serial S-1, 2700 W"),
        "{inserted}"
    );
    let drawn = world.act(&["status"]);
    for part in ["rack demo", "feed A", "feed B", "shelf/psu-3", "n04", "no limit"] {
        assert!(drawn.contains(part), "{part} is missing in\n{drawn}");
    }
    assert!(!drawn.contains('\u{1b}'));
}

#[test]
fn without_a_world_a_deed_is_unreachable() {
    let dir = tempfile::TempDir::new().unwrap();
    let none = command()
        .args(["do", "status", "--state-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(4));
    assert!(said(&none).contains("hw-fixtures serve"), "{}", said(&none));
    let dir = Raised::demo().stop("-TERM");
    let gone = command()
        .args(["do", "status", "--state-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(gone.status.code(), Some(4));
}

#[test]
fn a_bad_rack_file_is_refused_with_file_line_and_what_was_expected() {
    let dir = tempfile::TempDir::new().unwrap();
    let demo = include_str!("../../racks/demo.toml");
    let cases = [
        ("rated = \"3 kW\"", "ratd = \"3 kW\"", "expected one of"),
        ("rated = \"3 kW\"", "rated = \"3 kg\"", "a power such as"),
        ("rated = \"3 kW\"", "rated = true", "a power such as"),
        ("bay = \"psu-1\"", "bay = \"psu-0\" ", "two bays are named"),
        ("feed = \"B\"", "feed = \"Z\"", "expected one of: A, B"),
        ("[shelf]", "[shelf", "expected"),
    ];
    for (right, wrong, expected) in cases {
        let text = demo.replacen(right, wrong, 1);
        let line = text.lines().position(|line| line.contains(wrong.trim())).unwrap() + 1;
        let file = dir.path().join("rack.toml");
        std::fs::write(&file, &text).unwrap();
        let refused = command()
            .arg("serve")
            .arg(&file)
            .arg("--state-dir")
            .arg(dir.path().join("state"))
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(1), "{wrong}");
        let said = said(&refused);
        assert!(said.contains(expected), "{wrong}: {said}");
        if wrong.contains("bay =") {
            // The second of the two is the one complained about.
            assert!(said.contains("rack.toml:"), "{said}");
        } else {
            assert!(said.contains(&format!("rack.toml:{line}: ")), "{wrong}: {said}");
        }
        assert!(
            !dir.path().join("state").exists(),
            "a refused file must leave nothing behind"
        );
    }
    let missing = command().args(["serve", "/nowhere/rack.toml"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("/nowhere/rack.toml"));
}

#[test]
fn help_teaches() {
    for (arguments, part) in [
        (&["--help"][..], "hw-fixtures do pull shelf/psu-3"),
        (&["serve", "--help"], "addresses.json"),
        (&["do", "--help"], "feed-loss"),
        (&["do", "bmc", "shelf", "answer", "--help"], "never"),
    ] {
        let help = command().args(arguments).output().unwrap();
        assert!(help.status.success());
        let text = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(
            text.contains(part),
            "{arguments:?} does not teach {part}:\n{text}"
        );
    }
}

#[test]
fn a_scenario_is_played_in_order() {
    let world = Raised::demo();
    let file = world.dir.path().join("scenario.toml");
    let text = "[[step]]\nat = \"0 s\"\ndo = \"pull shelf/psu-0\"\n\n[[step]]\nat = \"200 ms\"\ndo = \"insert shelf/psu-0 --serial NEXT\"\n";
    std::fs::write(&file, text).unwrap();
    let played = command()
        .arg("play")
        .arg(&file)
        .arg("--state-dir")
        .arg(world.dir.path())
        .output()
        .unwrap();
    assert!(played.status.success(), "{}", said(&played));
    let text = String::from_utf8(played.stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].contains("pulled shelf/psu-0") && lines[1].contains("serial NEXT"),
        "{text}"
    );
    assert_eq!(world.status()["supplies"][0]["serial"], "NEXT");
}
