//! Good manners towards a BMC, over real TLS sockets: one session, four requests at once, ETags, pins, and writes that are counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::as_conversions
)]

mod stand_in;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bmc::{Bmc, BmcError, Endpoint, Fingerprint, Trust};
use futures_util::StreamExt;
use serde_json::json;
use stand_in::{Reply, Request, StandIn, error, ordinary, session};
use tokio_rustls::rustls::version;

const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";

#[tokio::test]
async fn a_pin_is_kept_over_tls_1_2_and_1_3() {
    for tls in [&version::TLS12, &version::TLS13] {
        let server = StandIn::start_with(tls, ordinary).await;
        let bmc = Bmc::connect(server.endpoint()).await.unwrap();
        assert_eq!(bmc.fingerprint(), Some(server.fingerprint));
        let mut endpoint = server.endpoint();
        endpoint.trust = Trust::Fingerprint(Fingerprint::of(b"another"));
        let before = server.requests().len();
        let error = Bmc::connect(endpoint).await.unwrap_err();
        assert!(
            matches!(error, BmcError::WrongCertificate { .. }),
            "{}",
            error.whole()
        );
        let text = error.whole();
        assert!(
            text.contains(&server.fingerprint.to_string()) && text.contains("nothing was sent"),
            "{text}"
        );
        assert_eq!(server.requests().len(), before);
    }
}

#[tokio::test]
async fn a_ca_is_trusted_for_its_own_and_a_stranger_is_not() {
    let (server, other) = (StandIn::start(ordinary).await, StandIn::start(ordinary).await);
    let mut endpoint = server.endpoint();
    endpoint.trust = Trust::Ca(server.ca.clone());
    Bmc::connect(endpoint.clone()).await.unwrap();
    endpoint.trust = Trust::Ca(other.ca.clone());
    let error = Bmc::connect(endpoint).await.unwrap_err();
    assert!(
        error.is_unreachable() && error.whole().contains("certificate"),
        "{}",
        error.whole()
    );
}

#[tokio::test]
async fn the_first_certificate_is_kept_and_another_is_refused() {
    let kept: Arc<Mutex<Vec<Fingerprint>>> = Arc::default();
    let place = kept.clone();
    let keep: bmc::redfish::trust::KeepPin = Arc::new(move |pin| {
        place.lock().unwrap().push(pin);
        Ok(())
    });
    let server = StandIn::start(ordinary).await;
    let trust = |known| Trust::PinOnFirstUse {
        known,
        keep: keep.clone(),
    };
    Bmc::connect(Endpoint::new(&server.url, trust(None)))
        .await
        .unwrap();
    assert_eq!(*kept.lock().unwrap(), [server.fingerprint]);
    let swapped = StandIn::start(ordinary).await;
    let endpoint = Endpoint::new(&swapped.url, trust(Some(server.fingerprint)));
    let error = Bmc::connect(endpoint).await.unwrap_err();
    assert!(
        matches!(error, BmcError::WrongCertificate { .. }),
        "{}",
        error.whole()
    );
    let broken = Trust::PinOnFirstUse {
        known: None,
        keep: Arc::new(|_| Err("disk full".to_owned())),
    };
    let error = Bmc::connect(Endpoint::new(&server.url, broken))
        .await
        .unwrap_err();
    assert!(error.whole().contains("disk full"), "{}", error.whole());
}

#[tokio::test]
async fn one_session_is_kept_and_closed() {
    let server = StandIn::start(ordinary).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    for _ in 0..5 {
        bmc.get_fresh("/redfish/v1/Chassis").await.unwrap();
    }
    bmc.close().await;
    assert_eq!(server.count("POST", SESSIONS), 1);
    assert_eq!(server.count("DELETE", "/redfish/v1/SessionService/Sessions/1"), 1);
    assert_eq!((bmc.session_requests(), bmc.writes_made()), (2, 0));
    assert!(matches!(
        bmc.get("/redfish/v1/Chassis").await,
        Err(BmcError::Closed { .. })
    ));
    let chassis = server
        .requests()
        .into_iter()
        .find(|request| request.path.ends_with("Chassis"))
        .unwrap();
    assert_eq!(
        chassis.headers.get("x-auth-token").map(String::as_str),
        Some("token-1")
    );
}

#[tokio::test]
async fn a_dropped_client_logs_out_too() {
    let server = StandIn::start(ordinary).await;
    drop(Bmc::connect(server.endpoint()).await.unwrap());
    for _ in 0..500 {
        if server.count("DELETE", "/redfish/v1/SessionService/Sessions/1") == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no log-out came");
}

#[tokio::test]
async fn a_session_that_was_forgotten_is_renewed_once() {
    let logins = Arc::new(AtomicUsize::new(0));
    let number = logins.clone();
    let server = StandIn::start(move |request: &Request| {
        if request.method == "POST" {
            return session(&format!("token-{}", number.fetch_add(1, Ordering::SeqCst) + 1));
        }
        let token = request.headers.get("x-auth-token").map(String::as_str);
        match request.path.as_str() {
            "/redfish/v1" => ordinary(request),
            "/redfish/v1/never" => error(401, "not you"),
            // The first token is good for the first reading only.
            "/redfish/v1/again" if token == Some("token-1") => error(401, "expired"),
            _ => Reply::Json(200, json!({"Members": []})),
        }
    })
    .await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let all = futures_util::future::join_all((0..12).map(|_| bmc.get_fresh("/redfish/v1/again"))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(
        logins.load(Ordering::SeqCst),
        2,
        "many requests that met a 401 log in once"
    );
    let error = bmc.get_fresh("/redfish/v1/never").await.unwrap_err();
    assert!(
        matches!(error, BmcError::Unauthorized { .. }),
        "{}",
        error.whole()
    );
    assert_eq!(server.count("GET", "/redfish/v1/never"), 2);
}

#[tokio::test]
async fn without_a_session_service_basic_authentication_is_used() {
    for answer in [404_u16, 405] {
        let server = StandIn::start(move |request: &Request| match request.method.as_str() {
            "POST" => error(answer, "no sessions here"),
            _ => ordinary(request),
        })
        .await;
        let bmc = Bmc::connect(server.endpoint()).await.unwrap();
        bmc.get_fresh("/redfish/v1/Chassis").await.unwrap();
        let last = server.requests().pop().unwrap();
        assert_eq!(
            last.headers.get("authorization").unwrap(),
            "Basic YnVzYmFyOmh1bnRlcjI="
        );
        assert_eq!(server.count("POST", SESSIONS), 1);
    }
}

#[tokio::test]
async fn at_most_four_requests_are_in_flight() {
    let server = StandIn::start(|request: &Request| Reply::Slow(Box::new(ordinary(request)))).await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    futures_util::future::join_all((0..40).map(|_| bmc.get_fresh("/redfish/v1/Chassis"))).await;
    assert_eq!(server.most_at_once(), 4);
}

#[tokio::test]
async fn an_unchanged_resource_costs_no_body() {
    let server = StandIn::start(|request: &Request| {
        if request.path != "/redfish/v1/Chassis/1" {
            return ordinary(request);
        }
        let etag = vec![("ETag", "W/\"7\"".to_owned())];
        match request.headers.get("if-none-match").map(String::as_str) {
            Some("W/\"7\"") => Reply::Full(304, etag, String::new()),
            _ => Reply::Full(200, etag, json!({"Id": "1"}).to_string()),
        }
    })
    .await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    for _ in 0..3 {
        assert_eq!(bmc.get("/redfish/v1/Chassis/1").await.unwrap()["Id"], "1");
    }
    let conditional = |request: &Request| request.headers.contains_key("if-none-match");
    assert_eq!(
        server
            .requests()
            .iter()
            .filter(|request| conditional(request))
            .count(),
        2
    );
    bmc.get_fresh("/redfish/v1/Chassis/1").await.unwrap();
    assert!(
        !conditional(&server.requests().pop().unwrap()),
        "what changes is never read through the cache"
    );
}

#[tokio::test]
async fn a_read_is_asked_once_more_where_the_connection_was_closed_and_a_write_never_is() {
    let left = Arc::new(AtomicUsize::new(1));
    let number = left.clone();
    let server =
        StandIn::start(
            move |request: &Request| match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/redfish/v1/psu") if number.load(Ordering::SeqCst) > 0 => {
                    number.fetch_sub(1, Ordering::SeqCst);
                    Reply::HangUp
                }
                ("GET", "/redfish/v1/psu") => Reply::Json(200, json!({"LocationIndicatorActive": false})),
                ("PATCH", "/redfish/v1/psu") => Reply::HangUp,
                _ => ordinary(request),
            },
        )
        .await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    bmc.get_fresh("/redfish/v1/psu").await.unwrap();
    assert_eq!(server.count("GET", "/redfish/v1/psu"), 2);
    left.store(2, Ordering::SeqCst);
    let error = bmc.get_fresh("/redfish/v1/psu").await.unwrap_err();
    assert!(
        error.whole().contains("broke before the answer came"),
        "{}",
        error.whole()
    );
    let error = bmc::act::set_led(&bmc, "/redfish/v1/psu", true)
        .await
        .unwrap_err();
    assert!(error.is_unreachable(), "{}", error.whole());
    assert_eq!(server.count("PATCH", "/redfish/v1/psu"), 1);
}

#[tokio::test]
async fn events_are_hints_and_the_end_is_told() {
    let server = StandIn::start(|request: &Request| match request.path.as_str() {
        "/redfish/v1/EventService" => Reply::Json(200, json!({"ServerSentEventUri": "/redfish/v1/sse"})),
        "/redfish/v1/sse" => Reply::Events(vec![
            ": hello\n\nid: 4\ndata: {\"Events\":[{\"OriginOfCondition\":{\"@odata.id\":".to_owned(),
            "\"/redfish/v1/psu\"}}]}\n\ndata: garbage\n\n".to_owned(),
        ]),
        _ => ordinary(request),
    })
    .await;
    let bmc = Bmc::connect(server.endpoint()).await.unwrap();
    let mut hints = bmc::events(&bmc).await.unwrap();
    let first = hints.next().await.unwrap().unwrap();
    assert_eq!(
        (first.id.as_deref(), first.resource.as_deref()),
        (Some("4"), Some("/redfish/v1/psu"))
    );
    assert_eq!(hints.next().await.unwrap().unwrap().resource, None);
    let end = hints.next().await.unwrap().unwrap_err();
    assert!(end.whole().contains("closed by the BMC"), "{}", end.whole());
    assert!(hints.next().await.is_none());
}
