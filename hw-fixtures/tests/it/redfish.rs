//! Sessions, entity tags, and PATCHes that act.

use reqwest::Method;
use serde_json::{Value, json};

use crate::raised::Raised;

const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const SUPPLY: &str = "/redfish/v1/Chassis/shelf/PowerSubsystem/PowerSupplies/psu-3";
const LIMIT: &str = "/redfish/v1/Chassis/node/EnvironmentMetrics";

#[tokio::test]
async fn strangers_see_the_root_and_a_session_opens_the_rest() {
    let world = Raised::demo();
    let bmc = world.bmc("shelf");
    let bare = |path: &str| bmc.client.get(format!("{}{path}", bmc.url)).send();
    assert_eq!(bare("/redfish").await.unwrap().status(), 200);
    assert_eq!(bare("/redfish/v1/").await.unwrap().status(), 200);
    let refused = bare("/redfish/v1/Chassis").await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers().contains_key("www-authenticate"));
    let body: Value = refused.json().await.unwrap();
    assert!(body["error"]["@Message.ExtendedInfo"][0]["MessageId"].is_string());

    let login = json!({ "UserName": bmc.user, "Password": bmc.password });
    let opened = bmc
        .client
        .post(format!("{}{SESSIONS}", bmc.url))
        .json(&login)
        .send()
        .await
        .unwrap();
    assert_eq!(opened.status(), 201);
    let token = opened.headers()["x-auth-token"].to_str().unwrap().to_owned();
    let place = opened.headers()["location"].to_str().unwrap().to_owned();
    let with = |method: Method, path: &str| {
        bmc.client
            .request(method, format!("{}{path}", bmc.url))
            .header("X-Auth-Token", &token)
            .send()
    };
    assert_eq!(
        with(Method::GET, "/redfish/v1/Chassis").await.unwrap().status(),
        200
    );
    assert_eq!(with(Method::DELETE, &place).await.unwrap().status(), 204);
    assert_eq!(
        with(Method::GET, "/redfish/v1/Chassis").await.unwrap().status(),
        401
    );
    let wrong = json!({ "UserName": bmc.user, "Password": "guess" });
    let refused = bmc
        .client
        .post(format!("{}{SESSIONS}", bmc.url))
        .json(&wrong)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    assert!(!refused.text().await.unwrap().contains("guess"));
}

#[tokio::test]
async fn the_ninth_session_is_refused_with_503() {
    let world = Raised::demo();
    let bmc = world.bmc("n01");
    let login = json!({ "UserName": bmc.user, "Password": bmc.password });
    for _ in 0..8 {
        assert_eq!(bmc.post(SESSIONS, login.clone()).await.status(), 201);
    }
    let refused = bmc.post(SESSIONS, login).await;
    assert_eq!(refused.status(), 503);
    let body: Value = refused.json().await.unwrap();
    let id = body["error"]["@Message.ExtendedInfo"][0]["MessageId"]
        .as_str()
        .unwrap();
    assert!(id.ends_with(".SessionLimitExceeded"), "{id}");
}

#[tokio::test]
async fn six_supplies_with_their_facts_and_metrics() {
    let world = Raised::demo();
    let bmc = world.bmc("shelf");
    let root = bmc.read("/redfish/v1/").await;
    for key in ["UUID", "Product", "Vendor", "ProtocolFeaturesSupported"] {
        assert!(!root[key].is_null(), "{key}");
    }
    let subsystem = bmc.read("/redfish/v1/Chassis/shelf/PowerSubsystem").await;
    assert_eq!(subsystem["CapacityWatts"], 18_000);
    let list = bmc
        .read("/redfish/v1/Chassis/shelf/PowerSubsystem/PowerSupplies")
        .await;
    assert_eq!(list["Members@odata.count"], 6);
    let supply = bmc.read(SUPPLY).await;
    assert_eq!(supply["Status"], json!({ "State": "Enabled", "Health": "OK" }));
    assert_eq!(supply["PowerCapacityWatts"], 3_000);
    assert_eq!(supply["HotPluggable"], true);
    assert_eq!(supply["LineInputStatus"], "Normal");
    assert_eq!(
        supply["Location"]["PartLocation"],
        json!({ "ServiceLabel": "PSU 4", "LocationType": "Bay", "LocationOrdinalValue": 3 })
    );
    for key in [
        "SerialNumber",
        "Manufacturer",
        "Model",
        "PartNumber",
        "FirmwareVersion",
    ] {
        assert!(supply[key].is_string(), "{key}");
    }
    let metrics = bmc.read(supply["Metrics"]["@odata.id"].as_str().unwrap()).await;
    let output = metrics["OutputPowerWatts"]["Reading"].as_f64().unwrap();
    // 1600 W over six, and a meter that is off by 5 % at most.
    assert!((253.0..=280.1).contains(&output), "{output}");
    assert!(metrics["InputPowerWatts"]["Reading"].as_f64().unwrap() > 200.0);
    assert!(metrics["InputVoltage"]["Reading"].as_f64().unwrap() > 200.0);
    let expanded = bmc
        .read("/redfish/v1/Chassis/shelf/PowerSubsystem/PowerSupplies?$expand=.($levels=1)")
        .await;
    assert_eq!(expanded["Members"][3]["SerialNumber"], supply["SerialNumber"]);
}

#[tokio::test]
async fn the_locate_light_is_set_with_if_match_and_an_old_tag_is_refused() {
    let world = Raised::demo();
    let bmc = world.bmc("shelf");
    let first = bmc.get(SUPPLY).await;
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(first.json::<Value>().await.unwrap()["@odata.etag"], tag.as_str());
    let unchanged = bmc
        .request(Method::GET, SUPPLY)
        .header("If-None-Match", &tag)
        .send()
        .await
        .unwrap();
    assert_eq!(unchanged.status(), 304);

    let lit = bmc
        .patch(SUPPLY, &tag, json!({ "LocationIndicatorActive": true }))
        .await;
    assert_eq!(lit.status(), 200);
    let fresh = lit.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(fresh, tag);
    let stale = bmc
        .patch(SUPPLY, &tag, json!({ "LocationIndicatorActive": false }))
        .await;
    assert_eq!(stale.status(), 412);
    assert_eq!(bmc.read(SUPPLY).await["LocationIndicatorActive"], true);
    assert_eq!(world.status()["supplies"][3]["locate"], true);

    // An empty bay's light can be set too: it shows where the new supply belongs.
    world.act(&["pull", "shelf/psu-3"]);
    let dark = bmc
        .patch(SUPPLY, "*", json!({ "LocationIndicatorActive": false }))
        .await;
    assert_eq!(dark.status(), 200);
    let absent = bmc.read(SUPPLY).await;
    assert_eq!(absent["Status"], json!({ "State": "Absent" }));
    assert_eq!(absent["LocationIndicatorActive"], false);
    assert!(absent["SerialNumber"].is_null());
}

#[tokio::test]
async fn a_patched_limit_changes_what_the_node_draws() {
    let world = Raised::demo();
    let bmc = world.bmc("n01");
    world.act(&["demand", "n01", "3000"]);
    world.until("n01 draws what it wants", |status| {
        status["nodes"][0]["draw_watts"] == 3_000
    });
    let before = bmc.get(LIMIT).await;
    let tag = before.headers()["etag"].to_str().unwrap().to_owned();
    let before: Value = before.json().await.unwrap();
    assert_eq!(before["PowerLimitWatts"]["SetPoint"], Value::Null);
    assert_eq!(before["PowerLimitWatts"]["ControlMode"], "Disabled");
    // The readings have moved on since; that must not cost the client its tag.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let set = bmc
        .patch(LIMIT, &tag, json!({ "PowerLimitWatts": { "SetPoint": 1_200.5 } }))
        .await;
    assert_eq!(set.status(), 200);
    let set: Value = set.json().await.unwrap();
    assert_eq!(set["PowerLimitWatts"]["SetPoint"], 1_200.5);
    assert_eq!(set["PowerLimitWatts"]["ControlMode"], "Automatic");
    let status = world.until("the limit is in force", |status| {
        status["nodes"][0]["draw_watts"] == 1_200.5
    });
    assert_eq!(status["nodes"][0]["limit_watts"], 1_200.5);
    let off = json!({ "PowerLimitWatts": { "ControlMode": "Disabled" } });
    assert_eq!(bmc.patch(LIMIT, "*", off).await.status(), 200);
    world.until("the limit is gone", |status| {
        status["nodes"][0]["draw_watts"] == 3_000
    });
}

#[tokio::test]
async fn a_wrong_patch_changes_nothing_and_says_why() {
    let world = Raised::demo();
    let bmc = world.bmc("n01");
    let cases = [
        (
            json!({ "PowerLimitWatts": { "SetPoint": 99_999 } }),
            "PropertyValueOutOfRange",
        ),
        (
            json!({ "PowerLimitWatts": { "SetPoint": -1 } }),
            "PropertyValueOutOfRange",
        ),
        (
            json!({ "PowerLimitWatts": { "SetPoint": "800" } }),
            "PropertyValueTypeError",
        ),
        (
            json!({ "PowerLimitWatts": { "AllowableMax": 1 } }),
            "PropertyNotWritable",
        ),
        (
            json!({ "PowerLimitWatts": { "ControlMode": "Manual" } }),
            "PropertyValueNotInList",
        ),
        (json!({ "PowerLimitWatts": 800 }), "PropertyValueTypeError"),
        (json!({ "PowerWatts": { "Reading": 1 } }), "PropertyNotWritable"),
        (json!({ "Bogus": 1 }), "PropertyUnknown"),
        (json!({}), "NoOperation"),
    ];
    for (body, expected) in cases {
        let refused = bmc.patch(LIMIT, "*", body.clone()).await;
        assert_eq!(refused.status(), 400, "{body}");
        let said: Value = refused.json().await.unwrap();
        let id = said["error"]["@Message.ExtendedInfo"][0]["MessageId"]
            .as_str()
            .unwrap();
        assert!(id.ends_with(expected), "{body}: {said}");
    }
    let cut = bmc
        .request(Method::PATCH, LIMIT)
        .header("Content-Type", "application/json")
        .body("{\"Power");
    assert_eq!(cut.send().await.unwrap().status(), 400);
    let wrong = bmc
        .request(Method::PUT, LIMIT)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 405);
    assert!(wrong.headers()["allow"].to_str().unwrap().contains("PATCH"));
    assert_eq!(bmc.get("/redfish/v1/Nowhere").await.status(), 404);
    assert_eq!(world.status()["nodes"][0]["limit_watts"], Value::Null);
}

#[tokio::test]
async fn a_reader_may_look_and_not_touch() {
    let world = Raised::demo();
    let bmc = world.bmc("n01");
    let account = json!({ "UserName": "reader", "Password": "look-only-1", "RoleId": "ReadOnly" });
    let made = bmc.post("/redfish/v1/AccountService/Accounts", account).await;
    assert_eq!(made.status(), 201);
    let reader = crate::raised::Bmc {
        user: "reader".into(),
        password: "look-only-1".into(),
        ..world.bmc("n01")
    };
    assert_eq!(reader.get(LIMIT).await.status(), 200);
    let refused = reader
        .patch(LIMIT, "*", json!({ "PowerLimitWatts": { "SetPoint": 900 } }))
        .await;
    assert_eq!(refused.status(), 403);
    assert_eq!(world.status()["nodes"][0]["limit_watts"], Value::Null);
}

#[tokio::test]
async fn a_node_shows_what_it_is_and_can_be_switched_off() {
    let world = Raised::demo();
    let bmc = world.bmc("n02");
    let system = bmc.read("/redfish/v1/Systems/node").await;
    assert_eq!(system["ProcessorSummary"]["Count"], 2);
    assert_eq!(system["ProcessorSummary"]["CoreCount"], 64);
    assert_eq!(system["ProcessorSummary"]["LogicalProcessorCount"], 128);
    assert_eq!(system["MemorySummary"]["TotalSystemMemoryGiB"], 256);
    assert!(system["UUID"].is_string() && system["SerialNumber"].is_string());
    let reset = system["Actions"]["#ComputerSystem.Reset"]["target"]
        .as_str()
        .unwrap();
    assert_eq!(
        bmc.post(reset, json!({ "ResetType": "ForceOff" })).await.status(),
        204
    );
    assert_eq!(bmc.read("/redfish/v1/Systems/node").await["PowerState"], "Off");
    assert_eq!(world.status()["nodes"][1]["draw_watts"], 0);
    assert_eq!(bmc.post(reset, json!({ "ResetType": "Nmi" })).await.status(), 400);
}

#[tokio::test]
async fn of_many_writers_with_one_tag_one_wins() {
    let world = Raised::demo();
    let bmc = world.bmc("n01");
    for round in 0..10_u32 {
        let tag = bmc.get(LIMIT).await.headers()["etag"]
            .to_str()
            .unwrap()
            .to_owned();
        let limit = |writer: u32| json!({ "PowerLimitWatts": { "SetPoint": 500 + round * 10 + writer } });
        let writers = (0..8).map(|writer| bmc.patch(LIMIT, &tag, limit(writer)));
        let answers = futures_util::future::join_all(writers).await;
        let won = answers.iter().filter(|answer| answer.status() == 200).count();
        let lost = answers.iter().filter(|answer| answer.status() == 412).count();
        assert_eq!((won, lost), (1, 7));
    }
}
