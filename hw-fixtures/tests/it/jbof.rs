//! An enclosure of drives behind its BMC: bays, lights that refuse, drives that cannot be, and erasures with a task.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::raised::{Bmc, DEADLINE, Raised};

const DRIVES: &str = "/redfish/v1/Chassis/jbof/Drives";

fn raised() -> Raised {
    Raised::serve(TempDir::new().unwrap(), &["racks/first.toml"])
}

async fn drive(bmc: &Bmc, bay: &str) -> Value {
    bmc.read(&format!("{DRIVES}/{bay}")).await
}

fn erase(bay: &str) -> String {
    format!("{DRIVES}/{bay}/Actions/Drive.SecureErase")
}

/// The task as it is in the end.
async fn ended(bmc: &Bmc, task: &str) -> Value {
    let began = std::time::Instant::now();
    loop {
        let body = bmc.read(task).await;
        if body["TaskState"] != "Running" {
            return body;
        }
        assert!(began.elapsed() < DEADLINE, "never ended: {body}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn bay_of<'a>(status: &'a Value, place: &str) -> &'a Value {
    let bays = status["drive_bays"].as_array().unwrap();
    bays.iter().find(|bay| bay["place"] == place).unwrap()
}

#[tokio::test]
async fn a_hand_changes_who_sits_in_a_bay_and_the_bmc_tells() {
    let world = raised();
    let bmc = world.bmc("jbof");
    assert_eq!(bmc.read(DRIVES).await["Members@odata.count"], 12);
    let first = drive(&bmc, "bay-1").await;
    assert_eq!(
        (&first["SerialNumber"], &first["Status"]["State"]),
        (&json!("NF3840-4101"), &json!("Enabled"))
    );
    assert_eq!(first["PhysicalLocation"]["PartLocation"]["ServiceLabel"], "bay-1");
    world.act(&["pull", "jbof/bay-1"]);
    let empty = drive(&bmc, "bay-1").await;
    assert_eq!(empty["Status"]["State"], "Absent");
    assert!(empty.get("SerialNumber").is_none() && empty.get("Actions").is_none());
    assert_eq!(world.run(&["pull", "jbof/bay-1"]).status.code(), Some(3));
    // Drives that cannot be: no name, no size, the name of another one.
    world.act(&["insert", "jbof/bay-1", "--serial", "   ", "--bytes", "0"]);
    world.act(&["insert", "jbof/bay-6", "--serial", "NF3840-4102"]);
    let odd = drive(&bmc, "bay-1").await;
    assert_eq!(
        (&odd["SerialNumber"], &odd["CapacityBytes"]),
        (&json!("   "), &json!(0))
    );
    assert_eq!(drive(&bmc, "bay-6").await["SerialNumber"], "NF3840-4102");
    world.act(&["fail", "jbof/bay-2"]);
    let failing = drive(&bmc, "bay-2").await;
    assert_eq!(
        (&failing["FailurePredicted"], &failing["Status"]["Health"]),
        (&json!(true), &json!("Warning"))
    );
    // What a hand did is still so after a restart, and a supply's bay is no drive's.
    assert_eq!(
        world.run(&["drive", "shelf/psu-1", "erase-fails"]).status.code(),
        Some(3)
    );
    let world = Raised::serve(world.stop("-TERM"), &["racks/first.toml"]);
    let status = world.status();
    assert_eq!(bay_of(&status, "jbof/bay-1")["serial"], "   ");
    assert_eq!(bay_of(&status, "jbof/bay-2")["predicts_failure"], true);
}

#[tokio::test]
async fn a_light_is_lit_on_an_empty_bay_too_refuses_or_stays_as_it_is() {
    let world = raised();
    let bmc = world.bmc("jbof");
    let light = async |bay: &str| {
        let asked = json!({ "LocationIndicatorActive": true });
        let answer = bmc.patch(&format!("{DRIVES}/{bay}"), "*", asked).await.status();
        (
            answer.as_u16(),
            drive(&bmc, bay).await["LocationIndicatorActive"].clone(),
        )
    };
    assert_eq!(light("bay-6").await, (200, json!(true)));
    world.act(&["drive", "jbof/bay-1", "light-refuses"]);
    assert_eq!(light("bay-1").await, (500, json!(false)));
    world.act(&["drive", "jbof/bay-2", "light-stays"]);
    assert_eq!(light("bay-2").await, (200, json!(false)));
    world.act(&["drive", "jbof/bay-1", "proper"]);
    assert_eq!(light("bay-1").await, (200, json!(true)));
}

#[tokio::test]
async fn an_erasure_is_a_task_that_ends_fails_stops_or_loses_its_drive() {
    let world = raised();
    let bmc = world.bmc("jbof");
    let began = bmc
        .post(&erase("bay-1"), json!({ "SanitizationType": "BlockErase" }))
        .await;
    assert_eq!(began.status(), 202);
    let task = began.headers()["location"].to_str().unwrap().to_owned();
    // One drive, one erasure; no kind that it does not know; nothing in an empty bay.
    assert_eq!(bmc.post(&erase("bay-1"), json!({})).await.status(), 409);
    let unknown = bmc
        .post(&erase("bay-2"), json!({ "SanitizationType": "Overwrite" }))
        .await;
    assert_eq!(unknown.status(), 400);
    assert_eq!(bmc.post(&erase("bay-6"), json!({})).await.status(), 404);
    let done = ended(&bmc, &task).await;
    assert_eq!(
        (&done["TaskState"], &done["PercentComplete"]),
        (&json!("Completed"), &json!(100))
    );
    let status = world.status();
    assert_eq!(bay_of(&status, "jbof/bay-1")["erased"], 1);
    assert_eq!(bay_of(&status, "jbof/bay-2")["erased"], 0);
    for (bay, manner) in [
        ("bay-2", "erase-fails"),
        ("bay-3", "erase-stops"),
        ("bay-4", "proper"),
    ] {
        world.act(&["drive", &format!("jbof/{bay}"), manner]);
        assert_eq!(bmc.post(&erase(bay), json!({})).await.status(), 202);
    }
    world.act(&["pull", "jbof/bay-4"]);
    world.act(&["insert", "jbof/bay-4", "--serial", "OTHER"]);
    let task = |id: u32| format!("/redfish/v1/TaskService/Tasks/{id}");
    for id in [2, 4] {
        assert_eq!(ended(&bmc, &task(id)).await["TaskState"], "Exception");
    }
    let began = std::time::Instant::now();
    while bmc.read(&task(3)).await["PercentComplete"] != 99 {
        assert!(began.elapsed() < DEADLINE);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(bmc.read(&task(3)).await["TaskState"], "Running");
    let status = world.status();
    for bay in ["jbof/bay-2", "jbof/bay-3", "jbof/bay-4"] {
        assert_eq!(bay_of(&status, bay)["erased"], 0, "{bay}");
    }
    world.act(&["drive", "jbof/bay-5", "erase-refused"]);
    assert_eq!(bmc.post(&erase("bay-5"), json!({})).await.status(), 409);
    world.act(&["drive", "jbof/bay-7", "erase-without-task"]);
    assert_eq!(bmc.post(&erase("bay-7"), json!({})).await.status(), 204);
}
