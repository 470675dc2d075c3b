//! Recordings of real protocols: each is inspected just as the BMC that it was made of, and holds no secret of it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::house::House;

/// Whether it did well, and what it printed: stdout, or stderr where it did not.
fn rack(words: &[&str]) -> (bool, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_busbar-rack"))
        .args(words)
        .output()
        .unwrap();
    let well = ran.status.success();
    let said = if well { ran.stdout } else { ran.stderr };
    (well, String::from_utf8(said).unwrap())
}

fn inspected(target: &str, more: &[&str]) -> Value {
    let (well, said) = rack(&[&["inspect", target, "--output", "json"], more].concat());
    assert!(well, "{target}: {said}");
    serde_json::from_str(&said).unwrap()
}

/// Each supply with all but who it is, and what meters show, which moves.
fn shape(report: &Value) -> Vec<Value> {
    let mut supplies = report["supplies"].as_array().unwrap().clone();
    for supply in &mut supplies {
        for moving in ["serial", "output_watts", "input_watts"] {
            supply.as_object_mut().unwrap().remove(moving);
        }
    }
    supplies
}

fn kinds(report: &Value) -> Vec<&str> {
    let doubts = report["doubts"].as_array().unwrap();
    doubts
        .iter()
        .map(|doubt| doubt["kind"].as_str().unwrap())
        .collect()
}

fn all_text(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(all_text(&path)),
            false => all.extend(std::fs::read(&path).unwrap()),
        }
    }
    all
}

/// Records a BMC into `output`, inspects that, and compares it with the BMC as it was.
fn recorded(target: &str, access: &[&str], live: &Value, output: &Path) {
    let output = output.to_str().unwrap();
    let words = [&["record", target, "--output", output], access].concat();
    let (well, said) = rack(&words);
    assert!(well, "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.contains("masked") && last.ends_with("nothing was sent anywhere"),
        "{said}"
    );
    let again = inspected(output, &[]);
    assert_eq!(shape(&again), shape(live), "{output}");
    assert_eq!(kinds(&again), kinds(live), "{output}");
    let usable = |report: &Value| {
        let computed = report["redundancy"]["computed"].as_array().unwrap().iter();
        computed.map(|one| one["usable"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(usable(&again), usable(live), "{output}");
    assert_eq!(
        (&again["writes_made"], &again["session_requests"]),
        (&0.into(), &0.into())
    );
    let (well, said) = rack(&words);
    assert!(!well && said.contains("something stands there already"), "{said}");
}

/// What the BMC shows as serial numbers is in no file, neither as text nor as hexadecimal digits.
fn holds_no_serial(folder: &Path, live: &Value) -> usize {
    let text = String::from_utf8_lossy(&all_text(folder)).to_lowercase();
    let supplies = live["supplies"].as_array().unwrap().iter();
    let serials: Vec<&str> = supplies.filter_map(|one| one["serial"].as_str()).collect();
    for serial in &serials {
        let hex: String = serial.bytes().map(|byte| format!("{byte:02x}")).collect();
        let named = text.contains(&serial.to_lowercase()) || text.contains(&hex);
        assert!(!named, "{} still names {serial}", folder.display());
    }
    serials.len()
}

#[test]
fn a_recording_is_inspected_as_the_bmc_is() {
    let Some(house) = House::raise() else { return };
    house.world(&["pull", "shelf/psu-3"]);
    let text = std::fs::read_to_string(house.path("world/addresses.json")).unwrap();
    let world: Value = serde_json::from_str(&text).unwrap();
    for (name, absent, serials) in [("shelf", 1, 5), ("n01", 0, 0)] {
        let bmcs = world["bmcs"].as_array().unwrap();
        let bmc = bmcs.iter().find(|bmc| bmc["name"] == name).unwrap();
        let word = |key: &str| bmc[key].as_str().unwrap();
        let access = ["--credentials", word("credentials_file"), "--insecure"];
        let over_ipmi = format!("ipmi://{}", word("ipmi"));
        for (way, target) in [("ipmi", over_ipmi.as_str()), ("redfish", word("url"))] {
            let live = inspected(target, &access);
            assert_eq!(live["writes_made"], 0);
            let empty = shape(&live).iter().filter(|one| one["state"] == "absent").count();
            assert_eq!(empty, absent, "{live}");
            let folder = house.path(&format!("{name}-{way}"));
            recorded(target, &access, &live, &folder);
            recorded(target, &access, &live, &folder.with_extension("tar"));
            assert_eq!(holds_no_serial(&folder, &live), serials, "{live}");
        }
    }
}
