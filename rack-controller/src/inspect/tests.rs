//! Inspections of recorded BMCs: the JSON's shape, the picture, and a masked recording that reads the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions,
    clippy::indexing_slicing
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use bmc::Bmc;
use serde_json::json;

use super::report::Report;
use super::target::Target;
use super::{draw, save};

fn tree(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("BUSBAR_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let archive = shared.join("bmc-trees").join(format!("{name}.tar.xz"));
    if !archive.is_file() {
        println!("skipped: no shared folder at {}", shared.display());
        return None;
    }
    let folder = tempfile::tempdir().unwrap().keep();
    let status = Command::new("tar")
        .arg("xJf")
        .arg(&archive)
        .arg("-C")
        .arg(&folder)
        .status()
        .unwrap();
    assert!(status.success());
    Some(folder)
}

async fn inspect(dir: &Path) -> (Bmc, Report) {
    let bmc = Bmc::open_tree(dir).unwrap();
    bmc.record();
    let report = Report::read(&bmc).await.unwrap();
    (bmc, report)
}

#[tokio::test]
async fn the_json_has_what_the_documentation_says() {
    let Some(folder) = tree("supermicro") else { return };
    let (_, report) = inspect(&folder.join("supermicro")).await;
    let json = serde_json::to_value(&report).unwrap();
    let supplies = json["supplies"].as_array().unwrap();
    assert_eq!(supplies.len(), 8);
    assert_eq!(supplies[0]["bay"], "0");
    assert_eq!(supplies[0]["state"], "ok");
    assert_eq!(supplies[0]["rated_watts"], 3000);
    assert_eq!(supplies[0]["is_filler"], false);
    assert_eq!(supplies[0]["serial"], "P3K6GCN25IB0914");
    assert_eq!(supplies[5]["is_filler"], true);
    assert_eq!(supplies[5]["rated_watts"], json!({"no_data": "absent"}));
    assert_eq!(json["redundancy"]["computed"][0]["word"], "n+5");
    assert_eq!(json["redundancy"]["computed"][0]["usable"], 6);
    assert_eq!(json["redundancy"]["claimed"][0]["word"], "n+7");
    assert_eq!(json["redundancy"]["claimed"][0]["min_needed"], 1);
    assert_eq!(json["domains"][0]["installed_watts"], 18_000);
    assert!(
        json["doubts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|doubt| doubt["kind"] == "redundancy")
    );
    assert_eq!(json["writes_made"], 0);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_picture_says_what_counts() {
    let Some(folder) = tree("supermicro") else { return };
    let (_, report) = inspect(&folder.join("supermicro")).await;
    let text = draw::text(&report, draw::Paint::none());
    for line in [
        "1  n+5 computed; the BMC claims n+7",
        "installed 18.0 kW  load 2.2 kW  after 1 lost 15.0 kW",
        "8 bays: 6 usable, 2 fillers, 0 empty, 0 out; capacity claimed 18.0 kW",
        "filler",
        "0 writes made\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_masked_recording_gives_the_same_sums_and_no_secret() {
    for name in ["supermicro", "lenovo", "public-power-shelf", "XL675d_A40", "dell"] {
        let Some(folder) = tree(name) else { return };
        let (bmc, first) = inspect(&folder.join(name)).await;
        let kept = folder.join("kept");
        save::check(&kept).unwrap();
        save::save(&kept, &bmc.recorded()).unwrap();
        assert!(save::check(&kept).is_err(), "nothing is overwritten");
        let (_, again) = inspect(&kept).await;
        assert_eq!(again.redundancy, first.redundancy, "{name}");
        let kinds = |report: &Report| {
            report
                .doubts
                .iter()
                .map(|doubt| doubt.kind.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&again), kinds(&first), "{name}");
        let all = read_all(&kept).to_lowercase();
        let mut secrets: Vec<String> = first
            .supplies
            .iter()
            .filter_map(|row| row.supply.identity.serial.clone())
            .collect();
        let node = first.node.as_ref();
        secrets.extend(node.and_then(|node| node.uuid.clone()));
        secrets.extend(node.and_then(|node| node.serial.clone()));
        secrets.extend(node.and_then(|node| node.host_name.clone()));
        for secret in secrets {
            assert!(
                !all.contains(&secret.to_lowercase()),
                "{name} still names {secret}"
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

fn read_all(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.push_str(&path.display().to_string());
        all.push_str(&match path.is_dir() {
            true => read_all(&path),
            false => std::fs::read_to_string(&path).unwrap(),
        });
    }
    all
}

#[test]
fn what_is_neither_address_nor_folder_says_so() {
    let message = Target::of("nowhere-to-be-found").unwrap_err().to_string();
    assert!(
        message.contains("neither an address (https://HOST, ipmi://HOST) nor a folder"),
        "{message}"
    );
    assert_eq!(
        Target::of("https://192.0.2.1").unwrap(),
        Target::Url("https://192.0.2.1".to_owned())
    );
}

#[tokio::test]
async fn what_cannot_be_read_has_its_exit_code() {
    let args = |target: &str| super::InspectArgs {
        target: target.to_owned(),
        access: super::Access {
            insecure: true,
            ..super::Access::default()
        },
        output: super::Output::Json,
        save: None,
    };
    let code = |code: u8| std::process::ExitCode::from(code);
    assert_eq!(super::run(args("https://127.0.0.1:1")).await.unwrap(), code(4));
    assert_eq!(super::run(args("ftp://127.0.0.1")).await.unwrap(), code(2));
    assert_eq!(super::run(args("nowhere-to-be-found")).await.unwrap(), code(2));
    let empty = tempfile::tempdir().unwrap();
    let folder = empty.path().display().to_string();
    assert_eq!(super::run(args(&folder)).await.unwrap(), code(1));
    let mut taken = args(&folder);
    taken.save = Some(empty.path().to_owned());
    assert_eq!(super::run(taken).await.unwrap(), code(2));
}
