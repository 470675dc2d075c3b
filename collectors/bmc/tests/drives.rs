//! Drives behind a BMC, over real TLS sockets and in recorded trees: who they are, which could be erased, and how an erasure ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod recorded;
mod stand_in;

use std::sync::{Arc, Mutex};

use bmc::act::{EraseStands, secure_erase};
use bmc::{Bmc, BmcError, drives};
use facts::Moment;
use recorded::{archives, unpack};
use serde_json::{Value, json};
use stand_in::{Reply, Request, StandIn, ordinary};

const DRIVE: &str = "/redfish/v1/Chassis/1/Drives/3";
const ERASE: &str = "/redfish/v1/Chassis/1/Drives/3/Actions/Drive.SecureErase";
const INFO: &str = "/redfish/v1/Chassis/1/Drives/3/SanitizeActionInfo";
const TASK: &str = "/redfish/v1/TaskService/Tasks/7";

const fn at(hours: u64) -> Moment {
    Moment::from_millis(hours * 3_600_000)
}

/// A drive whose erase is answered with `taken`, and whose task says what stands in the cell.
async fn server(allowed: Value, taken: Reply) -> (StandIn, Arc<Mutex<Value>>) {
    let task = Arc::new(Mutex::new(json!({"TaskState": "Running", "PercentComplete": 1})));
    let says = task.clone();
    let server =
        StandIn::start(
            move |request: &Request| match (request.method.as_str(), request.path.as_str()) {
                ("GET", DRIVE) => {
                    let mut action = json!({"target": ERASE});
                    if allowed.is_object() {
                        action["@Redfish.ActionInfo"] = json!(INFO);
                    } else if !allowed.is_null() {
                        action["SanitizationType@Redfish.AllowableValues"] = allowed.clone();
                    }
                    let actions = json!({"#Drive.SecureErase": action});
                    Reply::Json(
                        200,
                        json!({"SerialNumber": "S3 ", "Model": "M", "Actions": actions}),
                    )
                }
                ("GET", INFO) => Reply::Json(200, allowed.clone()),
                ("POST", ERASE) => taken.clone(),
                ("GET", TASK) => Reply::Json(200, says.lock().unwrap().clone()),
                _ => ordinary(request),
            },
        )
        .await;
    (server, task)
}

fn by_location() -> Reply {
    Reply::Full(202, vec![("Location", TASK.to_owned())], String::new())
}

fn by_body() -> Reply {
    Reply::Json(
        202,
        json!({"@odata.id": TASK, "@odata.type": "#Task.v1_7_3.Task", "TaskState": "New"}),
    )
}

#[tokio::test]
async fn a_drive_is_erased_by_the_best_kind_and_its_task_is_followed() {
    let info = json!({"Parameters": [
        {"Name": "OverwritePasses"},
        {"Name": "SanitizationType", "AllowableValues": ["BlockErase", "Overwrite"]},
    ]});
    let all = json!(["Overwrite", "BlockErase", "CryptographicErase"]);
    for (allowed, overwrite, taken, kind) in [
        (
            all.clone(),
            true,
            by_location(),
            json!({"SanitizationType": "CryptographicErase"}),
        ),
        (
            json!(["Overwrite", "BlockErase"]),
            true,
            by_body(),
            json!({"SanitizationType": "BlockErase"}),
        ),
        (
            json!(["Overwrite"]),
            true,
            by_body(),
            json!({"SanitizationType": "Overwrite"}),
        ),
        (Value::Null, false, by_location(), json!({})),
        (info, false, by_body(), json!({"SanitizationType": "BlockErase"})),
    ] {
        let (server, task) = server(allowed, taken).await;
        let bmc = Bmc::connect(server.endpoint()).await.unwrap();
        let is_it = |who: &facts::Identity| who.serial.as_deref() == Some("S3");
        let mut erase = secure_erase(&bmc, DRIVE, overwrite, at(0), is_it).await.unwrap();
        let sent = server
            .requests()
            .into_iter()
            .filter(|request| request.method == "POST" && request.path == ERASE);
        let sent: Vec<Value> = sent.map(|request| request.body).collect();
        assert_eq!((erase.task.as_str(), sent), (TASK, vec![kind]));
        assert_eq!(
            erase.poll(&bmc, at(0)).await.unwrap(),
            EraseStands::Running(Some(1))
        );
        *task.lock().unwrap() = json!({"TaskState": "Completed", "TaskStatus": "OK"});
        assert_eq!(erase.poll(&bmc, at(0)).await.unwrap(), EraseStands::Done);
    }
}

#[tokio::test]
async fn another_drive_no_kind_and_no_task_are_refused() {
    let why = |error: BmcError| error.whole();
    let (other, _) = server(Value::Null, by_body()).await;
    let bmc = Bmc::connect(other.endpoint()).await.unwrap();
    let said = why(secure_erase(&bmc, DRIVE, true, at(0), |_| false)
        .await
        .unwrap_err());
    assert!(said.contains("another drive (S3)"), "{said}");
    assert_eq!(other.count("POST", ERASE), 0);
    let (overwrites, _) = server(json!(["Overwrite"]), by_body()).await;
    let bmc = Bmc::connect(overwrites.endpoint()).await.unwrap();
    let said = why(secure_erase(&bmc, DRIVE, false, at(0), |_| true)
        .await
        .unwrap_err());
    assert!(said.contains("allows Overwrite; expected"), "{said}");
    assert_eq!(overwrites.count("POST", ERASE), 0);
    for silent in [
        Reply::Full(204, Vec::new(), String::new()),
        Reply::Json(200, json!({})),
        // A task of another machine is none.
        Reply::Full(
            202,
            vec![("Location", "https://192.0.2.1/redfish/v1/Tasks/7".to_owned())],
            String::new(),
        ),
    ] {
        let (silent, _) = server(Value::Null, silent).await;
        let bmc = Bmc::connect(silent.endpoint()).await.unwrap();
        let said = why(secure_erase(&bmc, DRIVE, true, at(0), |_| true)
            .await
            .unwrap_err());
        assert!(said.contains("names no task"), "{said}");
    }
}

#[tokio::test]
async fn a_task_that_fails_or_ends_badly_is_no_erasure() {
    let (server, task) = server(Value::Null, by_body()).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let mut erase = secure_erase(&bmc, DRIVE, false, at(0), |_| true).await.unwrap();
    let messages = json!([{"Message": "The drive did not answer."}]);
    for (said, expected) in [
        (
            json!({"TaskState": "Exception", "Messages": messages}),
            "is \"Exception\": The drive did not",
        ),
        (
            json!({"TaskState": "Completed", "TaskStatus": "Warning"}),
            "completed with Warning",
        ),
        (json!({"TaskState": "Cancelled"}), "is \"Cancelled\""),
        (json!({}), "is \"\""),
    ] {
        *task.lock().unwrap() = said;
        let stands = erase.poll(&bmc, at(0)).await.unwrap();
        assert!(
            matches!(&stands, EraseStands::Failed(why) if why.contains(expected)),
            "{stands:?}"
        );
    }
}

#[tokio::test]
async fn a_task_that_never_ends_is_given_up_and_one_that_comes_on_is_not() {
    let (server, task) = server(Value::Null, by_body()).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let mut erase = secure_erase(&bmc, DRIVE, false, at(0), |_| true).await.unwrap();
    for (hour, percent) in [(0, 1), (2, 50), (4, 99)] {
        *task.lock().unwrap() = json!({"TaskState": "Running", "PercentComplete": percent});
        assert_eq!(
            erase.poll(&bmc, at(hour)).await.unwrap(),
            EraseStands::Running(Some(percent))
        );
    }
    assert_eq!(
        erase.poll(&bmc, at(6)).await.unwrap(),
        EraseStands::Running(Some(99))
    );
    let stands = erase.poll(&bmc, at(7)).await.unwrap();
    let expected = "has not come further for 3 h; it is at 99 %";
    assert!(
        matches!(&stands, EraseStands::Failed(why) if why.contains(expected)),
        "{stands:?}"
    );
}

#[tokio::test]
async fn recorded_drives_are_told_with_their_bays() {
    let Some(archives) = archives() else { return };
    let (mut all, mut erasable) = (Vec::new(), Vec::new());
    let trees = std::fs::read_dir(&archives).unwrap();
    let trees = trees.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let mut trees: Vec<String> = trees
        .filter_map(|name| Some(name.strip_suffix(".tar.xz")?.to_owned()))
        .collect();
    trees.sort();
    for tree in trees {
        let bmc = Bmc::open_tree(&unpack(&archives, &tree)).unwrap();
        let found = drives(&bmc).await.unwrap().drives;
        let can = found.iter().filter(|drive| drive.can_erase).count();
        if !found.is_empty() {
            all.push((tree.clone(), found.len()));
        }
        if can > 0 {
            erasable.push((tree, can));
        }
        assert_eq!(bmc.writes_made(), 0);
        assert!(found.iter().all(|drive| !drive.bay.is_empty()), "{found:?}");
    }
    let told: Vec<(&str, usize)> = all.iter().map(|(tree, count)| (tree.as_str(), *count)).collect();
    let expected = [
        ("Gigabyte", 1),
        ("lenovo", 4),
        ("nvidia_gb200", 18),
        ("nvidia_viking", 15),
        ("public-composability", 6),
        ("public-nvmeof-jbof", 3),
        ("supermicro", 8),
    ];
    assert_eq!(told, expected);
    let told: Vec<(&str, usize)> = erasable
        .iter()
        .map(|(tree, count)| (tree.as_str(), *count))
        .collect();
    assert_eq!(told, [("nvidia_gb200", 18), ("public-nvmeof-jbof", 3)]);
}
