//! The list's grammar, and configurations that the checker of rack.toml takes as they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing
)]

use std::path::Path;

use bmc::NodeFacts;
use facts::supply::{Doubt, RedundancyClaim, Supplies, Supply, SupplyDomain, SupplyState};
use facts::{Identity, NoData, Power, Reading};
use proptest::prelude::*;

use super::list::parse;
use super::survey::Survey;
use super::write::rack_toml;
use crate::config::RackConfig;

const PRINT: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn lines_are_read_and_bad_ones_are_told_by_number() {
    let good = format!(
        "# rack 12\nshelf https://192.0.2.5 shelf.cred fingerprint={PRINT}\n\n n01 https://192.0.2.17 n.cred ca=ca.pem # first\nn02 http://192.0.2.18 n.cred insecure\n"
    );
    let lines = parse(&good).unwrap();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0].access.fingerprint.as_deref(), Some(PRINT));
    assert!(lines[1].access.ca.is_some() && lines[2].access.insecure);
    let bad = "shelf\nn01 192.0.2.17 x\nn02 https://192.0.2.18\nn03 https://192.0.2.19 x maybe\nn04 https://a x insecure more\nn05 https://a x fingerprint=12\nok https://a x\nok https://b x\nn/6 https://a x\nn07 https://root:calvin@a x\n";
    let errors = parse(bad).unwrap_err();
    let numbers: Vec<usize> = errors.iter().map(|error| error.line).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 8, 9, 10]);
    for error in &errors {
        assert!(
            error.to_string().contains("expected NAME URL CREDENTIALS_FILE"),
            "{error}"
        );
        assert!(!error.to_string().contains("calvin"), "{error}");
    }
    assert!(
        parse("# nothing\n").unwrap_err()[0]
            .to_string()
            .contains("names no BMC")
    );
}

fn supply(bay: &str, label: Option<&str>, rated: Reading<Power>) -> Supply {
    Supply {
        bay: bay.to_owned(),
        resource: format!("/redfish/v1/{bay}"),
        label: label.map(str::to_owned),
        identity: Identity::default(),
        state: SupplyState::Ok,
        is_filler: false,
        rated_watts: rated,
        output_watts: Reading::default(),
        input_watts: Reading::default(),
        hot_pluggable: None,
        led: None,
    }
}

fn survey(line: &str, found: Result<(Supplies, Option<NodeFacts>), String>) -> Survey {
    Survey {
        line: parse(line).unwrap().remove(0),
        found,
        fingerprint: Some(PRINT.to_owned()),
        writes_made: 0,
    }
}

fn supplies(name: &str, members: Vec<Supply>, message: &str) -> Supplies {
    Supplies {
        domains: vec![SupplyDomain {
            name: name.to_owned(),
            supplies: members,
            claimed: vec![RedundancyClaim {
                group: message.to_owned(),
                ..RedundancyClaim::default()
            }],
            ..SupplyDomain::default()
        }],
        doubts: vec![Doubt {
            kind: "capacity".to_owned(),
            message: message.to_owned(),
            resource: "/".to_owned(),
        }],
    }
}

fn checked(text: &str) -> RackConfig {
    RackConfig::from_text(text, Path::new("rack.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn what_is_written_is_taken_by_the_checker() {
    let watts = |number| Reading::Value(Power::from_watts(number).unwrap());
    let mut filler = supply("psu-9", None, Reading::default());
    filler.is_filler = true;
    let shelf = supplies(
        "shelf",
        vec![
            supply("psu-0", Some("PSU 1"), watts(3000)),
            supply("psu-1", None, Reading::none(NoData::Unsupported)),
            filler,
        ],
        "claims 6720 W",
    );
    let node = NodeFacts {
        model: Some("X \"quoted\"".to_owned()),
        uuid: Some("u".to_owned()),
        ..NodeFacts::default()
    };
    let text = rack_toml(
        "r\"12",
        &[
            survey(
                &format!("shelf https://192.0.2.5 shelf.cred fingerprint={PRINT}"),
                Ok((shelf, None)),
            ),
            survey(
                "n01 https://192.0.2.17 n.cred insecure",
                Ok((
                    supplies("1", vec![supply("0", None, watts(1100))], "d"),
                    Some(node.clone()),
                )),
            ),
            survey(
                "n02 https://192.0.2.18 n.cred",
                Ok((Supplies::default(), Some(node))),
            ),
            survey(
                "n03 https://192.0.2.19 n.cred",
                Err("timeout after 10s\n[[bmc]]".to_owned()),
            ),
        ],
    );
    let config = checked(&text);
    assert_eq!(config.name, "r\"12");
    let names: Vec<&str> = config.bmcs.iter().map(|bmc| bmc.name.as_str()).collect();
    assert_eq!(names, ["shelf", "n01", "n02"], "a silent BMC is a comment");
    assert_eq!(config.bays.len(), 3);
    assert_eq!(config.bay("shelf/psu-0").unwrap().label, "PSU 1");
    assert_eq!(config.bay("shelf/psu-0").unwrap().supply, "psu-0");
    assert_eq!(
        config.node("n01").unwrap().max_draw,
        Power::from_watts(1100).unwrap()
    );
    assert!(
        config.node("n02").is_none(),
        "a node without a known draw is a comment"
    );
    assert_eq!(config.actuators.mode.to_string(), "observe");
    for words in [
        "# unknown: feed?",
        "# n03 did not say anything: timeout after 10s",
        "# doubt (capacity): claims 6720 W",
        "fingerprint = ",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

proptest! {
    #[test]
    fn no_words_of_a_bmc_break_the_file(bay in ".{0,12}", label in ".{0,12}", name in ".{0,12}", message in ".{0,24}") {
        let one = supply(&bay, Some(&label).filter(|label| !label.trim().is_empty()).map(String::as_str), Reading::default());
        let text = rack_toml("r", &[
            survey("shelf https://192.0.2.5 a.cred", Ok((supplies(&name, vec![one], &message), None))),
            survey("n01 https://192.0.2.6 a.cred", Err(message)),
        ]);
        let table: Result<toml::Table, _> = toml::from_str(&text);
        prop_assert!(table.is_ok(), "{:?}\n{}", table, text);
        let table = table.unwrap();
        prop_assert_eq!(table["bmc"].as_array().unwrap().len(), 1);
        prop_assert_eq!(table["bay"][0]["supply"].as_str().unwrap(), bay.as_str());
    }
}

/// The simulated rack of hw-fixtures, where it has been built.
struct World {
    child: std::process::Child,
    state: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn raise() -> Option<World> {
    use std::io::BufRead as _;
    // Tests run from the build folder's deps; the binaries stand above it.
    let deps = std::env::current_exe().unwrap();
    let binary = deps.parent().unwrap().with_file_name("hw-fixtures");
    let state = tempfile::tempdir().unwrap();
    let made = std::process::Command::new(&binary)
        .args(["serve", "racks/demo.toml", "--base-port", "0", "--state-dir"])
        .arg(state.path())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw-fixtures"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn();
    let Ok(mut child) = made else {
        println!(
            "skipped: no hw-fixtures at {} (cargo build -p hw-fixtures)",
            binary.display()
        );
        return None;
    };
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let world = World { child, state };
    if line.starts_with("ready hw-fixtures ") {
        return Some(world);
    }
    println!("skipped: {} is not ready to serve: {line:?}", binary.display());
    None
}

#[tokio::test]
async fn a_whole_rack_becomes_a_configuration_and_nothing_is_written() {
    let Some(world) = raise() else { return };
    let text = std::fs::read_to_string(world.state.path().join("addresses.json")).unwrap();
    let addresses: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut list = String::from("# NAME URL CREDENTIALS_FILE TRUST\n");
    for bmc in addresses["bmcs"].as_array().unwrap() {
        let word = |key: &str| bmc[key].as_str().unwrap().to_owned();
        let print = word("fingerprint");
        list += &format!(
            "{} {} {} fingerprint={print}\n",
            word("name"),
            word("url"),
            word("credentials_file")
        );
    }
    list += &format!(
        "stranger https://127.0.0.1:1 {} insecure\n",
        addresses["bmcs"][0]["credentials_file"].as_str().unwrap()
    );
    let folder = tempfile::tempdir().unwrap();
    let (bmc_list, output) = (folder.path().join("bmcs.txt"), folder.path().join("rack.toml"));
    std::fs::write(&bmc_list, list).unwrap();
    let args = || super::InitArgs {
        bmc_list: bmc_list.clone(),
        output: Some(output.clone()),
        name: "r-demo".to_owned(),
    };
    assert_eq!(super::run(args()).await.unwrap(), std::process::ExitCode::SUCCESS);
    let written = std::fs::read_to_string(&output).unwrap();
    let config = checked(&written);
    assert_eq!(config.bmcs.len(), 5);
    let labels: Vec<&str> = config.bays.iter().map(|bay| bay.label.as_str()).collect();
    assert_eq!(labels, ["PSU 1", "PSU 2", "PSU 3", "PSU 4", "PSU 5", "PSU 6"]);
    assert!(
        written.contains("# stranger did not say anything: GET https://127.0.0.1:1/redfish/v1"),
        "{written}"
    );
    assert!(written.contains("# unknown: feed?"));
    let refused = super::run(args()).await.unwrap_err().to_string();
    assert!(refused.contains("nothing is overwritten"), "{refused}");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), written);
}
