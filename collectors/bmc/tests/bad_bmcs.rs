//! BMCs that answer badly, over real TLS sockets: each failure is told with URL, what was sent and what came, and costs only what it must.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod stand_in;

use std::time::Duration;

use bmc::{Bmc, BmcError, Credentials, Endpoint, Limits, Trust};
use serde_json::json;
use stand_in::{Reply, Request, StandIn, error, missing, ordinary, session};

async fn failure(endpoint: Endpoint) -> BmcError {
    match Bmc::connect(endpoint).await {
        Ok(bmc) => panic!("{} was taken", bmc.name()),
        Err(error) => error,
    }
}

fn short(limits: Limits) -> Limits {
    Limits {
        request: Duration::from_millis(400),
        ..limits
    }
}

#[tokio::test]
async fn wrong_credentials_name_the_user_and_never_the_password() {
    let server = StandIn::start(|request: &Request| match request.method.as_str() {
        "POST" => error(401, "Invalid username or password"),
        _ => ordinary(request),
    })
    .await;
    let text = failure(server.endpoint()).await.whole();
    assert!(
        text.contains("answered 401 to the user \"busbar\" (Invalid username or password)"),
        "{text}"
    );
    assert!(text.contains(&server.url) && text.contains("POST"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_service_that_knows_nothing_is_told_with_its_url() {
    let server = StandIn::start(|_: &Request| missing()).await;
    let text = failure(server.endpoint()).await.whole();
    assert!(
        text.contains("answered 404 (The resource is not there.); expected 200"),
        "{text}"
    );
    assert!(text.contains(&format!("GET {}/redfish/v1", server.url)), "{text}");
}

#[tokio::test]
async fn half_an_answer_says_how_much_came() {
    let body = "{\"Name\":\"a service root that is cut off\"}";
    let cut = StandIn::start(move |_: &Request| Reply::Half(body.to_owned())).await;
    let text = failure(cut.endpoint()).await.whole();
    assert!(
        text.contains(&format!(
            "cut off after {} of {} bytes",
            body.len() / 2,
            body.len()
        )),
        "{text}"
    );
    let well_sent =
        StandIn::start(move |_: &Request| Reply::Full(200, Vec::new(), body[..20].to_owned())).await;
    let text = failure(well_sent.endpoint()).await.whole();
    assert!(text.contains("cut off after 20 of unknown bytes"), "{text}");
    let no_json = StandIn::start(|_: &Request| Reply::Full(200, Vec::new(), "<html>".to_owned())).await;
    let text = failure(no_json.endpoint()).await.whole();
    assert!(text.contains("6 bytes came that are no JSON object"), "{text}");
    let a_list = StandIn::start(|_: &Request| Reply::Json(200, json!([1, 2]))).await;
    assert!(failure(a_list.endpoint()).await.whole().contains("no object"));
}

#[tokio::test]
async fn a_bmc_that_never_answers_meets_the_deadline() {
    let server = StandIn::start(|_: &Request| Reply::Never).await;
    let endpoint = server.endpoint();
    let limits = short(endpoint.limits);
    let error = failure(endpoint.with_limits(limits)).await;
    assert!(
        error
            .whole()
            .contains("timeout after 400ms while waiting for the answer"),
        "{}",
        error.whole()
    );
    assert!(error.is_unreachable() && !error.is_local());
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = failure(Endpoint::new(&url, Trust::Insecure)).await;
    assert!(
        error.is_unreachable() && error.whole().contains("refused"),
        "{}",
        error.whole()
    );
}

#[tokio::test]
async fn redirects_are_followed_at_home_only() {
    let home = StandIn::start(|request: &Request| match request.path.as_str() {
        "/redfish/v1" => Reply::Full(301, vec![("Location", "/redfish/v1/".to_owned())], String::new()),
        "/redfish/v1/" => ordinary(&Request {
            path: "/redfish/v1".to_owned(),
            ..request.clone()
        }),
        _ => ordinary(request),
    })
    .await;
    assert!(Bmc::connect(home.endpoint()).await.unwrap().root().was_read);
    let stranger = StandIn::start(ordinary).await;
    let to = stranger.url.clone();
    let away = StandIn::start(move |_: &Request| {
        Reply::Full(302, vec![("Location", format!("{to}/redfish/v1"))], String::new())
    })
    .await;
    let text = failure(away.endpoint()).await.whole();
    assert!(
        text.contains("answered 302 to") && text.contains("leads away from this BMC"),
        "{text}"
    );
    assert!(stranger.requests().is_empty());
    let circle = StandIn::start(|_: &Request| {
        Reply::Full(302, vec![("Location", "/redfish/v1".to_owned())], String::new())
    })
    .await;
    assert!(
        failure(circle.endpoint())
            .await
            .whole()
            .contains("too many redirects")
    );
}

#[tokio::test]
async fn a_body_without_end_is_not_taken() {
    let endless = StandIn::start(|_: &Request| Reply::Endless).await;
    let text = failure(endless.endpoint()).await.whole();
    assert!(text.contains("longer than 65536 bytes"), "{text}");
    let announced = StandIn::start(|_: &Request| Reply::Full(200, Vec::new(), "x".repeat(100_000))).await;
    assert!(
        failure(announced.endpoint())
            .await
            .whole()
            .contains("longer than 65536 bytes")
    );
}

#[tokio::test]
async fn exhausted_sessions_are_told_apart() {
    for status in [503_u16, 400] {
        let server = StandIn::start(move |request: &Request| match request.method.as_str() {
            "POST" if status == 400 => Reply::Json(
                400,
                json!({"error": {"message": "RAC0218: The maximum number of user sessions is reached."}}),
            ),
            "POST" => error(503, "The session establishment failed: too many sessions"),
            _ => ordinary(request),
        })
        .await;
        let error = failure(server.endpoint()).await;
        assert!(matches!(error, BmcError::Busy { .. }), "{}", error.whole());
        assert!(error.whole().contains("expected a session"), "{}", error.whole());
        // No blind repeat: one attempt costs one session at most.
        assert_eq!(server.count("POST", "/redfish/v1/SessionService/Sessions"), 1);
    }
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_refused_before_anything_is_sent() {
    for (url, trust, words) in [
        ("ftp://192.0.2.1", Trust::Insecure, "not https"),
        ("192.0.2.1", Trust::Insecure, "expected https://HOST"),
        ("http://192.0.2.1", Trust::Ca(String::new()), "--insecure"),
        (
            "https://root:calvin@192.0.2.1",
            Trust::Insecure,
            "credentials in an address",
        ),
    ] {
        let text = failure(Endpoint::new(url, trust)).await.whole();
        assert!(text.contains(words) && !text.contains("calvin"), "{text}");
    }
}

/// A chassis with three supplies, the second of which is broken in every way.
fn crooked(request: &Request) -> Reply {
    let supplies = "/redfish/v1/Chassis/1/PowerSubsystem/PowerSupplies";
    let link = |path: &str| json!({"@odata.id": path});
    let value = match request.path.as_str() {
        "/redfish/v1/Chassis" => json!({"Members": [link("/redfish/v1/Chassis/1")]}),
        "/redfish/v1/Chassis/1" => {
            json!({"Id": "1", "PowerSubsystem": link("/redfish/v1/Chassis/1/PowerSubsystem")})
        }
        "/redfish/v1/Chassis/1/PowerSubsystem" => {
            json!({"CapacityWatts": "many", "PowerSupplies": link(supplies), "Allocation": [], "PowerSupplyRedundancy": {}})
        }
        path if path == supplies => json!({
            "Members": [link(&format!("{supplies}/a")), link(&format!("{supplies}/b")), 7, {}, link(&format!("{supplies}/c")), link(&format!("{supplies}/d"))]
        }),
        path if path.ends_with("/a") => {
            json!({"Id": "a", "Name": null, "Status": {"State": "Enabled", "Health": "OK"}, "PowerCapacityWatts": " 3000 ", "SerialNumber": 42})
        }
        path if path.ends_with("/b") => json!({
            "Id": ["b"], "Name": {}, "Status": [], "PowerCapacityWatts": {}, "SerialNumber": true, "Location": "here",
            "InputRanges": "wide", "Metrics": 3, "HotPluggable": "yes", "LocationIndicatorActive": 1,
        }),
        path if path.ends_with("/c") => {
            json!({"Id": "c", "Status": {"State": "Enabled", "Health": "OK"}, "PowerCapacityWatts": 3000, "SerialNumber": "c"})
        }
        path if path.ends_with("/d") => return Reply::Half("{\"Id\": \"d\"}".to_owned()),
        _ => return ordinary(request),
    };
    Reply::Json(200, value)
}

#[tokio::test]
async fn one_bad_member_never_costs_the_others() {
    let server = StandIn::start(crooked).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let supplies = bmc::supplies(&bmc).await.unwrap();
    let domain = &supplies.domains[0];
    let computed = bmc::redundancy::Redundancy::of(domain);
    assert_eq!((computed.bays, computed.usable, computed.out), (4, 2, 2));
    assert_eq!(computed.installed_watts.value().unwrap().to_string(), "6000 W");
    assert_eq!(domain.supplies[0].identity.serial.as_deref(), Some("42"));
    let told: Vec<String> = supplies
        .doubts
        .iter()
        .map(|doubt| format!("{} {}", doubt.resource, doubt.message))
        .collect();
    for words in [
        "CapacityWatts is a text, expected a number",
        "Status is a list, expected an object",
        "Members[2] is a number",
        "a member has no @odata.id",
        "HotPluggable is a text, expected true or false",
        "cut off after 5 of 11 bytes",
    ] {
        assert!(told.iter().any(|text| text.contains(words)), "{words}: {told:#?}");
    }
    assert_eq!(bmc.writes_made(), 0);
}

/// A chassis whose supplies name these capacities, all with one serial number where that is asked.
fn rated(request: &Request, capacities: &[serde_json::Value], one_serial: bool) -> Reply {
    let chassis = "/redfish/v1/Chassis";
    let supplies = format!("{chassis}/1/PowerSubsystem/PowerSupplies");
    let link = |path: &str| json!({"@odata.id": path});
    let value = match request.path.as_str() {
        path if path == chassis => json!({"Members": [link(&format!("{chassis}/1"))]}),
        "/redfish/v1/Chassis/1" => {
            json!({"Id": "1", "PowerSubsystem": link(&format!("{chassis}/1/PowerSubsystem"))})
        }
        "/redfish/v1/Chassis/1/PowerSubsystem" => json!({"PowerSupplies": link(&supplies)}),
        path if path == supplies => {
            let members: Vec<_> = (0..capacities.len())
                .map(|at| link(&format!("{supplies}/{at}")))
                .collect();
            json!({"Members": members})
        }
        path => {
            let at = path.strip_prefix(&format!("{supplies}/"));
            let Some(capacity) = at.and_then(|at| capacities.get(at.parse::<usize>().ok()?)) else {
                return ordinary(request);
            };
            let at = at.unwrap();
            json!({
                "Id": at, "Status": {"State": "Enabled", "Health": "OK"}, "PowerCapacityWatts": capacity,
                "SerialNumber": if one_serial { "SN-1".to_owned() } else { format!("SN-{at}") },
            })
        }
    };
    Reply::Json(200, value)
}

async fn installed(capacities: Vec<serde_json::Value>, one_serial: bool) -> (Option<String>, String) {
    let server = StandIn::start(move |request: &Request| rated(request, &capacities, one_serial)).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let supplies = bmc::supplies(&bmc).await.unwrap();
    let computed = bmc::redundancy::Redundancy::of(&supplies.domains[0]);
    let sum = computed.installed_watts.value().map(|watts| watts.to_string());
    (sum, format!("{:?}", supplies.doubts))
}

#[tokio::test]
async fn capacities_that_no_supply_can_have_add_nothing() {
    for bad in [json!(0), json!(-800), json!("NaN"), json!(null), json!("-inf")] {
        let (sum, doubts) = installed(vec![json!(3_000), bad.clone(), json!(2_000)], false).await;
        assert_eq!(sum.as_deref(), Some("5000 W"), "{bad}: {doubts}");
        assert!(
            doubts.contains("/1") || doubts.contains("name no capacity"),
            "{bad}: {doubts}"
        );
    }
}

#[tokio::test]
async fn two_supplies_with_one_serial_number_count_once() {
    let (sum, doubts) = installed(vec![json!(3_000), json!(3_000)], true).await;
    assert_eq!(sum.as_deref(), Some("3000 W"));
    assert!(doubts.contains("duplicate"), "{doubts}");
    let (sum, _) = installed(vec![json!(3_000), json!(3_000)], false).await;
    assert_eq!(sum.as_deref(), Some("6000 W"));
}

#[tokio::test]
async fn a_bmc_that_falls_silent_blinds_the_whole_reading() {
    let server = StandIn::start(|request: &Request| match request.path.ends_with("/c") {
        true => Reply::Never,
        false => crooked(request),
    })
    .await;
    let endpoint = server.endpoint();
    let limits = Limits {
        request: Duration::from_secs(2),
        ..endpoint.limits
    };
    let bmc = Bmc::connect(endpoint.with_limits(limits)).await.unwrap();
    let error = bmc::supplies(&bmc).await.unwrap_err();
    assert!(matches!(error, BmcError::Timeout { .. }), "{}", error.whole());
}

#[tokio::test]
async fn pages_that_do_not_end_are_left() {
    let server = StandIn::start(|request: &Request| match request.path.as_str() {
        path if path.starts_with("/redfish/v1/Chassis") && request.method == "GET" => Reply::Json(
            200,
            json!({"Members": [], "Members@odata.nextLink": "/redfish/v1/Chassis?$skip=50"}),
        ),
        _ => ordinary(request),
    })
    .await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let supplies = bmc::supplies(&bmc).await.unwrap();
    assert!(
        supplies
            .doubts
            .iter()
            .any(|doubt| doubt.message.contains("pages do not end")),
        "{:?}",
        supplies.doubts
    );
}

#[tokio::test]
async fn a_link_to_a_stranger_carries_no_token() {
    let stranger = StandIn::start(ordinary).await;
    let to = stranger.url.clone();
    let server = StandIn::start(move |request: &Request| match request.path.as_str() {
        "/redfish/v1/Chassis" => Reply::Json(
            200,
            json!({"Members": [], "Members@odata.nextLink": format!("{to}/redfish/v1/Chassis")}),
        ),
        "/redfish/v1/SessionService/Sessions" => session("secret"),
        _ => ordinary(request),
    })
    .await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let _ = bmc::supplies(&bmc).await;
    assert!(stranger.requests().is_empty());
}

#[tokio::test]
async fn no_credentials_say_so_where_some_are_asked_for() {
    let server = StandIn::start(|request: &Request| match request.path.as_str() {
        "/redfish/v1" => ordinary(request),
        _ => error(401, "Log in first"),
    })
    .await;
    let endpoint = Endpoint::new(&server.url, Trust::Fingerprint(server.fingerprint));
    let text = failure(endpoint).await.whole();
    assert!(
        text.contains("(none given)") && text.contains("Log in first"),
        "{text}"
    );
    assert!(!format!("{:?}", Credentials::new("a", "hunter2")).contains("hunter2"));
}
