//! An enclosure that a BMC speaks for: its bays are shown and lit, and nothing there is ever lent or erased.

use std::fmt::Write as _;
use std::time::Instant;

use rack_api::RackClient;
use rack_api::v1::{
    BayLife, DrainRequest, DriveBay, DriveClaimAsk, DriveTenancy, DrivesView, EraseDrive, LocateRequest,
};
use serde_json::json;

use super::house::{House, PATIENCE, Running};

async fn raised(more: &str) -> Option<(House, Running, RackClient)> {
    let house = House::with_jbof()?;
    let path = house.configure("enforce", "");
    let mut toml = std::fs::read_to_string(&path).unwrap();
    write!(
        toml,
        "[[enclosure]]\nname = \"jbof\"\nbmc = \"jbof\"\nbays = 12\n{more}"
    )
    .unwrap();
    std::fs::write(&path, toml).unwrap();
    let (running, client) = house.serve();
    until(&client, "nine drives", |drives| {
        let bays = drives.enclosures[0].bays.iter();
        bays.filter(|bay| bay.drive.is_some()).count() == 9
    })
    .await;
    Some((house, running, client))
}

async fn until(client: &RackClient, what: &str, so: impl Fn(&DrivesView) -> bool) -> DrivesView {
    let began = Instant::now();
    loop {
        let drives = client.drives().await.unwrap();
        if so(&drives) {
            return drives;
        }
        let shown = serde_json::to_string(&drives).unwrap();
        assert!(began.elapsed() < PATIENCE, "never {what}: {shown}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn bay<'a>(drives: &'a DrivesView, label: &str) -> &'a DriveBay {
    let bays = &drives.enclosures[0].bays;
    bays.iter().find(|bay| bay.label == label).unwrap()
}

fn in_world(house: &House, place: &str) -> serde_json::Value {
    let world = house.world(&["status"]);
    let bays = world["drive_bays"].as_array().unwrap();
    bays.iter().find(|bay| bay["place"] == place).unwrap().clone()
}

fn light(place: &str) -> LocateRequest {
    LocateRequest {
        place: place.to_owned(),
        on: true,
        for_seconds: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bmc_tells_of_drives_is_shown_and_none_of_it_is_lent_or_erased() {
    let Some((house, running, client)) = raised("").await else {
        return;
    };
    let drives = client.drives().await.unwrap();
    let enclosure = &drives.enclosures[0];
    assert_eq!((enclosure.agent.as_str(), enclosure.seen), ("bmc jbof", true));
    assert!(
        enclosure
            .reason
            .as_deref()
            .unwrap()
            .contains("nothing is lent there")
    );
    let worn = bay(&drives, "bay-5").drive.as_ref().unwrap();
    assert_eq!(
        (worn.serial.as_str(), worn.percent_used),
        ("NF3840-4105", Some(88))
    );
    assert_eq!(worn.tenancy, DriveTenancy::Foreign);
    assert_eq!(bay(&drives, "bay-6").life, BayLife::Empty);

    let request = EraseDrive {
        serial: "NF3840-4101".to_owned(),
        model: None,
    };
    let no = client
        .enrol_drive("NF3840-4101", &request, false)
        .await
        .unwrap_err();
    assert!(no.to_string().contains("only a BMC tells of it"), "{no}");
    let ask: DriveClaimAsk = serde_json::from_value(json!({"for": "db", "node": "n01"})).unwrap();
    assert!(client.claim_drives(&ask, None, false).await.is_err());

    for bay in 1..=12 {
        assert_eq!(in_world(&house, &format!("jbof/bay-{bay}"))["erased"], 0);
    }
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn drives_that_cannot_be_are_told_apart_and_a_bmc_that_hangs_is_no_empty_enclosure() {
    let Some((house, running, client)) = raised("").await else {
        return;
    };
    house.world(&["fail", "jbof/bay-3"]);
    house.world(&["insert", "jbof/bay-6", "--serial", "   "]);
    house.world(&["insert", "jbof/bay-11", "--serial", "NF3840-4102", "--bytes", "0"]);
    house.world(&["pull", "jbof/bay-1"]);
    let drives = until(&client, "as the hand left it", |drives| {
        let fails = bay(drives, "bay-3")
            .drive
            .as_ref()
            .is_some_and(|drive| drive.predicts_failure);
        fails && bay(drives, "bay-6").life == BayLife::Faulted && bay(drives, "bay-1").life == BayLife::Empty
    })
    .await;
    let nameless = bay(&drives, "bay-6").reason.clone().unwrap();
    assert!(nameless.contains("never lent"), "{nameless}");
    // A drive of 0 bytes of another maker is another drive; one of the same is the same drive twice.
    assert_eq!(bay(&drives, "bay-11").drive.as_ref().unwrap().size_bytes.get(), 0);
    house.world(&["pull", "jbof/bay-11"]);
    let twin = ["--maker", "Norte Flash", "--model", "NV-3840"];
    house.world(&[&["insert", "jbof/bay-11", "--serial", "NF3840-4102"], &twin[..]].concat());
    until(&client, "in two bays at once", |drives| {
        let both = ["bay-2", "bay-11"].map(|label| bay(drives, label).life);
        both == [BayLife::Faulted, BayLife::Faulted]
    })
    .await;

    // A BMC that hangs is not an empty enclosure.
    house.world(&["bmc", "jbof", "answer", "never"]);
    let dark = until(&client, "unseen", |drives| !drives.enclosures[0].seen).await;
    assert_eq!(bay(&dark, "bay-4").drive.as_ref().unwrap().serial, "NF3840-4104");
    house.world(&["bmc", "jbof", "answer", "ok"]);
    until(&client, "seen again", |drives| drives.enclosures[0].seen).await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bay_is_lit_over_redfish_and_a_wrong_pull_is_told_also_after_a_kill() {
    let Some((house, running, client)) = raised("").await else {
        return;
    };
    // The empty bay too; where it was lit before the controller died, it is not lit anew.
    let lit = client.locate(&light("jbof/bay-6")).await.unwrap();
    assert_eq!(lit.led, Some(true), "{}", lit.sentence);
    assert_eq!(in_world(&house, "jbof/bay-6")["locate"], true);
    house.world(&["drive", "jbof/bay-1", "light-refuses"]);
    house.world(&["drive", "jbof/bay-2", "light-stays"]);
    for (place, why) in [("jbof/bay-1", "takes no order"), ("jbof/bay-2", "")] {
        let dark = client.locate(&light(place)).await.unwrap();
        assert_eq!(dark.led, None, "{}", dark.sentence);
        assert!(
            dark.sentence.contains("LED not lit") && dark.sentence.contains(why),
            "{}",
            dark.sentence
        );
        assert_eq!(in_world(&house, place)["locate"], false);
    }
    let drain = DrainRequest {
        place: "jbof/bay-4".to_owned(),
        ..DrainRequest::default()
    };
    let answer = client.drain(&drain).await.unwrap();
    assert_eq!(answer.led, Some(true), "{}", answer.sentence);
    let unseen = "nobody here sees whether a host uses it";
    assert!(answer.sentence.contains(unseen), "{}", answer.sentence);

    // kill -9: nobody came or went by that.
    let before = client.events(0).await.unwrap();
    let moved = |events: &[rack_api::v1::EventView]| {
        let moved = events.iter().filter(|event| event.kind.starts_with("drive_"));
        moved
            .filter(|event| event.kind.contains("pulled") || event.kind.contains("returned"))
            .count()
    };
    assert_eq!(moved(&before), 0);
    running.kill();
    let (running, client) = house.serve();
    until(&client, "seen again", |drives| drives.enclosures[0].seen).await;
    house.world(&["pull", "jbof/bay-7"]);
    let began = Instant::now();
    let told = loop {
        let events = client.events(0).await.unwrap();
        let wrong = events.iter().find(|event| event.kind == "drive_bay_wrong_serial");
        if let Some(wrong) = wrong {
            assert_eq!(moved(&events), 1, "bay-7's drive alone");
            break wrong.message.clone();
        }
        assert!(began.elapsed() < PATIENCE, "nobody told of the wrong pull");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(
        told.contains("NF3840-4104") && told.contains("NF3840-4107"),
        "{told}"
    );
    house.world(&["insert", "jbof/bay-7"]);
    house.world(&["pull", "jbof/bay-4"]);
    until(&client, "bay-4 is empty", |drives| {
        bay(drives, "bay-4").life == BayLife::Empty
    })
    .await;
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bmc_erases_once_over_a_kill_too_and_by_its_word_alone_nothing_is_ever_lent() {
    let Some((house, running, client)) = raised("erase_unseen = true\n").await else {
        return;
    };
    let enrol = async |client: &RackClient, number: u32| {
        let serial = format!("NF3840-410{number}");
        let request = EraseDrive {
            serial: serial.clone(),
            model: None,
        };
        client.enrol_drive(&serial, &request, false).await.unwrap()
    };
    let why_failed = |drives: &DrivesView, number: u32| {
        let drive = bay(drives, &format!("bay-{number}")).drive.clone().unwrap();
        (drive.tenancy == DriveTenancy::Failed).then(|| drive.why.unwrap_or_default())
    };
    enrol(&client, 1).await;
    let seen = until(&client, "half erased", |drives| {
        let drive = bay(drives, "bay-1").drive.as_ref().unwrap();
        let permille = drive.erasing.as_ref().and_then(|erasing| erasing.permille);
        permille.is_some_and(|permille| permille > 0)
    });
    seen.await;
    running.kill();
    let (running, client) = house.serve();
    let drives = until(&client, "erased by its word", |drives| {
        why_failed(drives, 1).is_some()
    })
    .await;
    let why = why_failed(&drives, 1).unwrap();
    for part in [
        "the BMC jbof: CryptographicErase",
        "TaskService/Tasks/1",
        "there is no proof",
    ] {
        assert!(why.contains(part), "{part} is missing: {why}");
    }
    assert_eq!(in_world(&house, "jbof/bay-1")["erased"], 1, "and not once more");
    let ask: DriveClaimAsk = serde_json::from_value(json!({"for": "db", "node": "n01"})).unwrap();
    assert!(client.claim_drives(&ask, None, false).await.is_err());
    assert!(client.drive_proof("NF3840-4101", None).await.is_err());

    // One that fails is tried again and stays out; one that stops holds up nobody, and of one without a task nobody says that it is done.
    for (number, manner) in [(2, "erase-fails"), (3, "erase-stops"), (4, "erase-without-task")] {
        house.world(&["drive", &format!("jbof/bay-{number}"), manner]);
        enrol(&client, number).await;
    }
    let drives = until(&client, "two failed", |drives| {
        why_failed(drives, 2).is_some() && why_failed(drives, 4).is_some()
    })
    .await;
    let why = why_failed(&drives, 2).unwrap();
    assert!(why.contains("did not complete the sanitize"), "{why}");
    assert_eq!(in_world(&house, "jbof/bay-2")["erased"], 0);
    let stopped = bay(&drives, "bay-3").drive.as_ref().unwrap();
    assert_eq!(stopped.tenancy, DriveTenancy::Wiping);
    let tries = client.events(0).await.unwrap();
    let tries = tries.iter().filter(|event| event.kind == "drive_not_erased");
    assert_eq!(
        tries.count(),
        1 + 3 + 3,
        "one by its word, three each of those that failed"
    );
    drop(running);
}
