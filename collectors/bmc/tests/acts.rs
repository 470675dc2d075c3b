//! What is asked of a BMC, over real TLS sockets: written under an ETag, repeated at most once, always read back, always counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod stand_in;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bmc::{Bmc, BmcError};
use facts::Power;
use serde_json::{Value, json};
use stand_in::{Reply, Request, StandIn, error, ordinary};

/// A supply with a LED behind an ETag that `busy` others change first.
async fn led_server(busy: usize, deaf: bool) -> StandIn {
    let lit = Arc::new(AtomicBool::new(false));
    let tag = Arc::new(AtomicUsize::new(0));
    let left = Arc::new(AtomicUsize::new(busy));
    StandIn::start(move |request: &Request| {
        let now = format!("\"{}\"", tag.load(Ordering::SeqCst));
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/redfish/v1/psu") => {
                let body = json!({"LocationIndicatorActive": lit.load(Ordering::SeqCst)});
                Reply::Full(200, vec![("ETag", now)], body.to_string())
            }
            ("PATCH", "/redfish/v1/psu") => {
                if left.load(Ordering::SeqCst) > 0 {
                    left.fetch_sub(1, Ordering::SeqCst);
                    tag.fetch_add(1, Ordering::SeqCst);
                }
                let now = format!("\"{}\"", tag.load(Ordering::SeqCst));
                if request.headers.get("if-match") != Some(&now) {
                    return error(412, "changed meanwhile");
                }
                if !deaf {
                    lit.store(
                        request.body["LocationIndicatorActive"] == Value::Bool(true),
                        Ordering::SeqCst,
                    );
                }
                Reply::Full(204, Vec::new(), String::new())
            }
            _ => ordinary(request),
        }
    })
    .await
}

#[tokio::test]
async fn a_write_under_an_old_etag_is_read_again_and_repeated_once() {
    for (busy, writes, ok) in [(0, 1, true), (1, 2, true), (2, 2, false)] {
        let server = led_server(busy, false).await;
        let bmc = Bmc::connect(server.endpoint()).await.unwrap();
        let done = bmc::act::set_led(&bmc, "/redfish/v1/psu", true).await;
        assert_eq!(done.is_ok(), ok, "{done:?}");
        assert_eq!(bmc.writes_made(), writes);
        if let Err(error) = done {
            assert!(
                error.whole().contains("answered 412 (changed meanwhile)"),
                "{}",
                error.whole()
            );
        }
    }
}

#[tokio::test]
async fn a_write_that_does_not_stand_is_told() {
    let server = led_server(0, true).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let error = bmc::act::set_led(&bmc, "/redfish/v1/psu", true)
        .await
        .unwrap_err();
    assert!(matches!(error, BmcError::NotTaken { .. }), "{}", error.whole());
    assert_eq!(server.count("PATCH", "/redfish/v1/psu"), 1);
}

#[tokio::test]
async fn a_legacy_led_is_found_among_ids_with_gaps() {
    let power = Arc::new(Mutex::new(json!({"PowerSupplies": [
        {"@odata.id": "/redfish/v1/Power#/PowerSupplies/300", "IndicatorLED": "Off"},
        {"@odata.id": "/redfish/v1/Power#/PowerSupplies/200", "IndicatorLED": "Off"},
    ]})));
    let place = power.clone();
    let server =
        StandIn::start(
            move |request: &Request| match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/redfish/v1/Power") => Reply::Json(200, place.lock().unwrap().clone()),
                ("PATCH", "/redfish/v1/Power") => {
                    assert_eq!(request.body["PowerSupplies"][0], json!({}));
                    let word = request.body["PowerSupplies"][1]["IndicatorLED"].clone();
                    place.lock().unwrap()["PowerSupplies"][1]["IndicatorLED"] = word;
                    Reply::Json(200, json!({}))
                }
                _ => ordinary(request),
            },
        )
        .await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    bmc::act::set_led(&bmc, "/redfish/v1/Power#/PowerSupplies/200", true)
        .await
        .unwrap();
    assert_eq!(power.lock().unwrap()["PowerSupplies"][1]["IndicatorLED"], "Lit");
    let error = bmc::act::set_led(&bmc, "/redfish/v1/Power#/PowerSupplies/9", true)
        .await
        .unwrap_err();
    assert!(error.whole().contains("no such member"), "{}", error.whole());
}

/// A node with a limit; its legacy `Power` has an exception action that can be changed, or cannot.
async fn limit_server(changeable: bool) -> StandIn {
    let set_point = Arc::new(Mutex::new(Value::Null));
    let exception = Arc::new(Mutex::new(json!("HardPowerOff")));
    let link = |path: &str| json!({"@odata.id": path});
    StandIn::start(move |request: &Request| {
        let value = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/redfish/v1/Systems") => json!({"Members": [link("/redfish/v1/Systems/1")]}),
            ("GET", "/redfish/v1/Systems/1") => {
                json!({"UUID": "AB", "Links": {"Chassis": [link("/redfish/v1/Chassis/1")]}})
            }
            ("GET", "/redfish/v1/Chassis") => json!({"Members": [link("/redfish/v1/Chassis/1")]}),
            ("GET", "/redfish/v1/Chassis/1") => {
                json!({"EnvironmentMetrics": link("/redfish/v1/Env"), "Power": link("/redfish/v1/Power")})
            }
            ("GET", "/redfish/v1/Env") => json!({"PowerWatts": {"Reading": 321.5}, "PowerLimitWatts":
                {"SetPoint": *set_point.lock().unwrap(), "AllowableMin": 400, "AllowableMax": 1100}}),
            ("PATCH", "/redfish/v1/Env") => {
                assert_ne!(
                    *exception.lock().unwrap(),
                    json!("HardPowerOff"),
                    "a limit before its exception"
                );
                *set_point.lock().unwrap() = request.body["PowerLimitWatts"]["SetPoint"].clone();
                json!({})
            }
            ("GET", "/redfish/v1/Power") => {
                json!({"PowerControl": [{"PowerLimit": {"LimitException": *exception.lock().unwrap()}}]})
            }
            ("PATCH", "/redfish/v1/Power") if changeable => {
                *exception.lock().unwrap() =
                    request.body["PowerControl"][0]["PowerLimit"]["LimitException"].clone();
                json!({})
            }
            ("PATCH", "/redfish/v1/Power") => return error(400, "read-only"),
            _ => return ordinary(request),
        };
        Reply::Json(200, value)
    })
    .await
}

#[tokio::test]
async fn a_limit_is_set_only_where_exceeding_it_switches_nothing_off() {
    let server = limit_server(true).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let node = bmc::node(&bmc).await.unwrap();
    assert_eq!(node.drawn_watts.value(), Some(Power::from_milliwatts(321_500)));
    assert_eq!(node.uuid.as_deref(), Some("ab"));
    let limit = bmc::act::set_power_limit(&bmc, Power::from_watts(900).unwrap())
        .await
        .unwrap();
    assert_eq!(limit.set_point_watts, Power::from_watts(900));
    assert_eq!(bmc.writes_made(), 2);
    let error = bmc::act::set_power_limit(&bmc, Power::from_watts(300).unwrap())
        .await
        .unwrap_err();
    assert!(
        error
            .whole()
            .contains("outside of what the BMC allows (400 W to 1100 W)"),
        "{}",
        error.whole()
    );
    let fixed = limit_server(false).await;
    let bmc = Bmc::connect(fixed.endpoint()).await.unwrap();
    let error = bmc::act::set_power_limit(&bmc, Power::from_watts(900).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, BmcError::Refused { .. }), "{}", error.whole());
    assert_eq!(fixed.count("PATCH", "/redfish/v1/Env"), 0);
}

/// A node without EnvironmentMetrics: its limit stands in a Control, or in the legacy Power, which is born with `HardPowerOff`.
async fn older_server(control: bool, tells: bool) -> StandIn {
    let limit = Arc::new(Mutex::new(Value::Null));
    let exception = Arc::new(Mutex::new(if tells {
        json!("HardPowerOff")
    } else {
        Value::Null
    }));
    let link = |path: &str| json!({"@odata.id": path});
    StandIn::start(move |request: &Request| {
        let value = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/redfish/v1/Systems") => json!({"Members": [link("/redfish/v1/Systems/1")]}),
            ("GET", "/redfish/v1/Systems/1") => {
                json!({"UUID": "AB", "Links": {"Chassis": [link("/redfish/v1/Chassis/1")]}})
            }
            ("GET", "/redfish/v1/Chassis") => json!({"Members": [link("/redfish/v1/Chassis/1")]}),
            ("GET", "/redfish/v1/Chassis/1") if control => {
                json!({"Controls": link("/redfish/v1/Controls"), "Power": link("/redfish/v1/Power")})
            }
            ("GET", "/redfish/v1/Chassis/1") => json!({"Power": link("/redfish/v1/Power")}),
            ("GET", "/redfish/v1/Controls") => {
                json!({"Members": [link("/redfish/v1/Controls/gpu"), link("/redfish/v1/Controls/all")]})
            }
            ("GET", "/redfish/v1/Controls/gpu") => {
                json!({"ControlType": "Power", "PhysicalContext": "GPUSubsystem", "SetPoint": 700})
            }
            ("GET", "/redfish/v1/Controls/all") => {
                let now = limit.lock().unwrap().clone();
                let mode = if now.is_null() { "Disabled" } else { "Automatic" };
                json!({"ControlType": "Power", "PhysicalContext": "Chassis", "SetPoint": now, "ControlMode": mode})
            }
            ("PATCH", "/redfish/v1/Controls/all") => {
                assert_ne!(*exception.lock().unwrap(), json!("HardPowerOff"), "a limit before its exception");
                assert_eq!(request.body["ControlMode"], "Automatic");
                *limit.lock().unwrap() = request.body["SetPoint"].clone();
                json!({})
            }
            ("GET", "/redfish/v1/Power") => json!({"PowerControl": [{"PowerConsumedWatts": 300, "PowerLimit":
                {"LimitInWatts": *limit.lock().unwrap(), "LimitException": *exception.lock().unwrap()}}]}),
            ("PATCH", "/redfish/v1/Power") => {
                let asked = &request.body["PowerControl"][0]["PowerLimit"];
                if let Some(word) = asked.get("LimitException").filter(|_| tells) {
                    *exception.lock().unwrap() = word.clone();
                }
                if let Some(watts) = asked.get("LimitInWatts") {
                    assert_eq!(*exception.lock().unwrap(), json!("NoAction"), "a limit before its exception");
                    *limit.lock().unwrap() = watts.clone();
                }
                json!({})
            }
            _ => return ordinary(request),
        };
        Reply::Json(200, value)
    })
    .await
}

#[tokio::test]
async fn a_limit_in_a_control_or_in_the_legacy_power_waits_for_a_harmless_exception_too() {
    for control in [true, false] {
        let server = older_server(control, true).await;
        let bmc = Bmc::connect(server.endpoint()).await.unwrap();
        let limit = bmc::act::set_power_limit(&bmc, Power::from_watts(900).unwrap())
            .await
            .unwrap();
        let way = if control {
            bmc::LimitWay::Control
        } else {
            bmc::LimitWay::PowerControl(0)
        };
        assert_eq!((limit.way, limit.set_point_watts), (way, Power::from_watts(900)));
        let node = bmc::node(&bmc).await.unwrap();
        assert_eq!(node.limit.unwrap().set_point_watts, Power::from_watts(900));
    }
    // A legacy limit whose exception action cannot be read back is not set.
    let mute = older_server(false, false).await;
    let bmc = Bmc::connect(mute.endpoint()).await.unwrap();
    let error = bmc::act::set_power_limit(&bmc, Power::from_watts(900).unwrap())
        .await
        .unwrap_err();
    assert!(error.whole().contains("it stays untold"), "{}", error.whole());
    assert_eq!(
        mute.count("PATCH", "/redfish/v1/Power"),
        1,
        "the exception alone was asked for"
    );
}

/// A node that is on, and does what it is asked unless it is deaf.
async fn node_server(deaf: bool) -> StandIn {
    let on = Arc::new(AtomicBool::new(true));
    let link = |path: &str| json!({"@odata.id": path});
    StandIn::start(move |request: &Request| {
        let value = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/redfish/v1/Systems") => json!({"Members": [link("/redfish/v1/Systems/1")]}),
            ("GET", "/redfish/v1/Systems/1") => json!({
                "UUID": "AB", "PowerState": if on.load(Ordering::SeqCst) { "On" } else { "Off" },
                "Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/1/Reset",
                    "ResetType@Redfish.AllowableValues": ["ForceOn", "ForceOff"]}},
            }),
            ("POST", "/redfish/v1/Systems/1/Reset") => {
                if !deaf {
                    on.store(request.body["ResetType"] == "ForceOn", Ordering::SeqCst);
                }
                json!({})
            }
            _ => return ordinary(request),
        };
        Reply::Json(200, value)
    })
    .await
}

#[tokio::test]
async fn a_node_is_switched_once_read_back_and_never_another_one() {
    use bmc::SystemPower::{Off, On, ShutDown};
    const RESET: &str = "/redfish/v1/Systems/1/Reset";
    let server = node_server(false).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let error = bmc::act::switch(&bmc, Off, |uuid| uuid == "cd")
        .await
        .unwrap_err();
    assert!(
        error.whole().contains("nothing was asked of it"),
        "{}",
        error.whole()
    );
    assert_eq!(server.count("POST", RESET), 0);
    let error = bmc::act::switch(&bmc, ShutDown, |uuid| uuid == "ab")
        .await
        .unwrap_err();
    assert!(
        error.whole().contains("expected GracefulShutdown"),
        "{}",
        error.whole()
    );
    bmc::act::switch(&bmc, Off, |uuid| uuid == "ab").await.unwrap();
    bmc::act::switch(&bmc, Off, |uuid| uuid == "ab").await.unwrap();
    assert_eq!(
        server.count("POST", RESET),
        1,
        "what is off is not switched off again"
    );
    bmc::act::switch(&bmc, On, |uuid| uuid == "ab").await.unwrap();
    assert_eq!(server.count("POST", RESET), 2);
    let deaf = node_server(true).await;
    let bmc = Bmc::connect(deaf.endpoint()).await.unwrap();
    let error = bmc::act::switch(&bmc, Off, |_| true).await.unwrap_err();
    assert!(matches!(error, BmcError::NotTaken { .. }), "{}", error.whole());
    assert_eq!(deaf.count("POST", RESET), 1, "it is asked once");
}
