//! Enclosures of pooled drives in rack.toml.

use std::time::Duration;

use crate::{changed, errors, read};

fn with(enclosure: &str) -> String {
    let node = "max_draw_watts = 1100\nagent = \"http://127.0.0.1:9711\"\n";
    changed("max_draw_watts = 1100\n", &format!("{node}\n{enclosure}"))
}

#[test]
fn an_enclosure_has_numbered_bays_or_named_ones_and_safe_values() {
    let plain = "[[enclosure]]\nname = \"jbof\"\nagent = \"n01\"\nbays = 12\n";
    let config = read(&with(plain)).unwrap();
    let jbof = config.enclosure("jbof").unwrap();
    assert_eq!(jbof.bays.len(), 12);
    assert_eq!(jbof.erase_after, Duration::from_secs(86_400));
    assert!(!jbof.overwrite_allowed);
    assert_eq!(config.drive_bay("jbof/bay-12").unwrap().1.slot, "12");
    assert_eq!(config.lent_by("n01").unwrap().name, "jbof");

    let named = "[[enclosure]]\nname = \"jbof\"\nagent = \"n01\"\nerase_after = \"1h\"\noverwrite_allowed = true\n\
                 [enclosure.bays]\ntop = \"0000:41:00.0\"\nbottom = \"0000:42:00.0\"\n";
    let config = read(&with(named)).unwrap();
    let jbof = config.enclosure("jbof").unwrap();
    let places: Vec<&str> = jbof.bays.iter().map(|bay| bay.place.as_str()).collect();
    assert_eq!(places, ["jbof/top", "jbof/bottom"], "in the order of the file");
    assert_eq!(config.drive_bay("jbof/top").unwrap().1.slot, "0000:41:00.0");
    assert!(jbof.overwrite_allowed && jbof.erase_after == Duration::from_secs(3_600));
    let report = rack_controller::config::check_config_report(&config);
    assert!(
        report.contains("jbof (enclosure of n01): 2 bays; what is given back is erased after 1 h"),
        "{report}"
    );
}

#[test]
fn a_bmc_may_speak_for_an_enclosure_and_its_bays_are_named_as_it_names_them() {
    let config = read(&with(
        "[[enclosure]]\nname = \"jbof\"\nbmc = \"shelf\"\nbays = 3\n",
    ))
    .unwrap();
    let jbof = config.enclosure("jbof").unwrap();
    assert_eq!(
        (jbof.bmc.as_deref(), jbof.agent.as_str()),
        (Some("shelf"), "bmc shelf")
    );
    assert_eq!(config.drive_bay("jbof/bay-3").unwrap().1.slot, "bay-3");
    assert!(config.tells_of_drives("bmc shelf") && config.tells_of_drives("n01"));
    assert!(!config.tells_of_drives("bmc n01"));
}

#[test]
fn who_speaks_for_an_enclosure_is_said_once_and_is_there() {
    let begin = "[[enclosure]]\nname = \"jbof\"\nagent = \"n01\"\n";
    for (enclosure, expected) in [
        (
            "[[enclosure]]\nname = \"jbof\"\nbays = 1\n".to_owned(),
            "[[enclosure]] has no agent; expected the name of the [[node]] whose agent lends its drives; or bmc",
        ),
        (
            format!(
                "{begin}bmc = \"shelf\"\nbays = 1\n[[enclosure]]\nname = \"other\"\nbmc = \"shelf\"\nbays = 1\n"
            ),
            "bmc in [[enclosure]]: \"shelf\" speaks for \"jbof\" already; expected one enclosure a BMC",
        ),
        (
            format!("{begin}erase_unseen = true\nbays = 1\n"),
            "erase_unseen in [[enclosure]]: an agent sees what is on its drives; expected it only where bmc stands alone",
        ),
        (
            format!("{begin}bmc = \"jbof\"\nbays = 1\n"),
            "bmc in [[enclosure]]: there is no [[bmc]] \"jbof\"; expected the one that speaks for it",
        ),
        (
            "[[enclosure]]\nname = \"jbof\"\nbmc = \"jbof\"\nbays = 1\n".to_owned(),
            "bmc in [[enclosure]]: there is no [[bmc]] \"jbof\"; expected the one that speaks for it",
        ),
    ] {
        let said = errors(&with(&enclosure));
        assert!(said.contains(expected), "{enclosure}\n{said}");
    }
}

#[test]
fn what_is_wrong_with_an_enclosure_is_said_with_its_line() {
    let begin = "[[enclosure]]\nname = \"jbof\"\nagent = \"n01\"\n";
    for (enclosure, expected) in [
        (
            begin.to_owned(),
            "rack.toml:33: [[enclosure]] has no bays; expected",
        ),
        (
            format!("{begin}bays = 0\n"),
            "rack.toml:36: bays in [[enclosure]]: found 0",
        ),
        (format!("{begin}bays = 300\n"), "found 300; expected how many"),
        (
            format!("{begin}bay = 3\n"),
            "unknown key \"bay\" in [[enclosure]]; expected bays?",
        ),
        (
            format!("{begin}bays = 3\nlost_after = \"5s\"\n"),
            "lost_after in [[enclosure]]: found \"5s\"; expected a while of at least 60000 ms",
        ),
        (
            format!("{begin}[enclosure.bays]\na = \"1\"\nb = \"1\"\n"),
            "rack.toml:38: slot \"1\" stands twice in bays of [[enclosure]], first in line 37",
        ),
        (
            format!("{begin}[enclosure.bays]\na = 7\n"),
            "a in bays of [[enclosure]]: expected the slot",
        ),
        (
            "[[enclosure]]\nname = \"jbof\"\nagent = \"n09\"\nbays = 1\n".to_owned(),
            "rack.toml:35: agent in [[enclosure]]: there is no [[node]] \"n09\"",
        ),
        (
            "[[enclosure]]\nname = \"shelf\"\nagent = \"n01\"\nbays = 1\n".to_owned(),
            "there is a [[domain]] \"shelf\" too",
        ),
        (
            "[[enclosure]]\nname = \"a/b\"\nagent = \"n01\"\nbays = 1\n".to_owned(),
            "expected one without \"/\"",
        ),
        (
            format!("{begin}bays = 1\n[[enclosure]]\nname = \"other\"\nagent = \"n01\"\nbays = 1\n"),
            "\"n01\" lends the drives of \"jbof\" already",
        ),
        (
            format!("{begin}bays = 1\n[[tenant]]\nname = \"t\"\ndrives = \"many\"\n"),
            "drives in [[tenant]]: found \"many\"; expected how many pooled drives",
        ),
    ] {
        let said = errors(&with(&enclosure));
        assert!(said.contains(expected), "{enclosure}\n{said}");
    }
    let without = changed("", "") + "\n[[enclosure]]\nname = \"jbof\"\nagent = \"n01\"\nbays = 1\n";
    let said = errors(&without);
    assert!(said.contains("the [[node]] \"n01\" has no agent"), "{said}");
}
