//! What a real controller answers is what the checked-in document of its API says: each route asked, refusals too.

use rack_api::v1::BayLife;
use serde_json::{Value, json};

use super::house::{House, bay, shelf, until};
use super::judge::{Ask, DOCUMENT, Judge, METHODS, get, named, post};

async fn looks(judge: &Judge) {
    for route in [
        "/",
        "/ui/rack.css",
        "/ui/rack.js",
        "/healthz",
        "/metrics",
        "/v1/status",
        "/v1/rack",
        "/v1/claims",
        "/v1/events",
    ] {
        judge.hears(get(route), 200).await;
    }
    let served = judge.hears(get("/v1/openapi.json"), 200).await;
    assert_eq!(served, serde_json::from_str::<Value>(DOCUMENT).unwrap());
    let role = |query: &'static str| Ask {
        query,
        ..get("/sd/prometheus")
    };
    judge.hears(role("?role=rack"), 200).await;
    judge.refuses(role("?role=king"), 400, "bad_request").await;
    judge.refuses(role("?roll=rack"), 400, "bad_request").await;
    let ipmi = |query: &'static str| Ask {
        query,
        ..get("/ipmi")
    };
    judge.refuses(ipmi("?target=shelf"), 404, "not_found").await;
    judge.refuses(ipmi(""), 400, "bad_request").await;
    let after = Ask {
        query: "?after=soon",
        ..get("/v1/events")
    };
    judge.refuses(after, 400, "bad_request").await;
}

async fn claims(judge: &Judge) {
    let claim = |watts: u64, name: &str| post("/v1/claims", json!({"watts": watts, "for": name}));
    let dry = Ask {
        query: "?dry_run=true",
        ..claim(400, "web")
    };
    assert_eq!(judge.hears(dry, 200).await["id"], "");
    let by = Ask {
        headers: &[("Busbar-Asked-By", "anna@ws1"), ("Idempotency-Key", "7")],
        ..claim(12_400, "web")
    };
    judge.hears(by, 201).await;
    let refused = judge.refuses(claim(9_000, "more"), 409, "shortfall").await;
    assert_eq!(refused["error"]["shortfall"]["short_watts"], 6_400);
    judge.refuses(claim(1, "web"), 409, "conflict").await;
    judge.refuses(claim(0, "nothing"), 400, "bad_request").await;
    // What the document does not let ask, the controller does not take either.
    for wrong in [
        json!({"watts": 1, "for": "x", "colour": "red"}),
        json!({"watts": -1, "for": "x"}),
        json!({"watts": 1}),
        json!([]),
    ] {
        let ask = post("/v1/claims", wrong);
        assert!(!judge.may_be_asked(&ask), "{:?}", ask.body);
        judge.refuses(ask, 400, "bad_request").await;
    }
    assert!(judge.may_be_asked(&claim(1, "x")));
    let form = Ask {
        headers: &[("Content-Type", "text/plain")],
        body: None,
        ..claim(1, "x")
    };
    judge.refuses(form, 415, "bad_request").await;
    let long = claim(1, &"x".repeat(70_000)).body;
    judge
        .refuses(
            Ask {
                body: long,
                ..claim(1, "x")
            },
            413,
            "bad_request",
        )
        .await;
}

async fn terms(judge: &Judge) {
    let reserve = post(
        "/v1/claims",
        json!({"watts": 100, "for": "later", "reserve_seconds": 600}),
    );
    judge.hears(reserve, 201).await;
    judge
        .hears(named("post", "/v1/claims/{claim}/apply", "later"), 200)
        .await;
    judge
        .refuses(
            named("post", "/v1/claims/{claim}/apply", "nobody"),
            404,
            "not_found",
        )
        .await;
    judge
        .refuses(
            named("post", "/v1/claims/{claim}/renew", "later"),
            409,
            "conflict",
        )
        .await;
    judge
        .refuses(named("delete", "/v1/claims/{claim}", "%ff"), 400, "bad_request")
        .await;
    judge
        .hears(named("delete", "/v1/claims/{claim}", "later"), 200)
        .await;
    let elsewhere = Ask {
        headers: &[("Origin", "http://evil.example")],
        ..post("/v1/claims", json!({"watts": 1, "for": "x"}))
    };
    judge.refuses(elsewhere, 403, "refused").await;
}

async fn hands(judge: &Judge) {
    let place = |more: Value| {
        let mut body = json!({"place": "shelf/psu-3"});
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let dry = judge
        .hears(post("/v1/drain", place(json!({"dry_run": true}))), 200)
        .await;
    assert_eq!(dry["answer"], "yes_exposed");
    judge
        .refuses(
            post("/v1/drain", json!({"place": "shelf/psu-9"})),
            404,
            "not_found",
        )
        .await;
    judge
        .hears(
            post(
                "/v1/locate",
                json!({"place": "shelf/psu-0", "on": true, "for_seconds": 30}),
            ),
            200,
        )
        .await;
    let dry = post("/v1/swap", place(json!({"dry_run": true, "exposed": true})));
    assert!(judge.may_be_asked(&dry));
    judge.hears(dry, 200).await;
    let swap = judge
        .hears(post("/v1/swap", place(json!({"exposed": true}))), 200)
        .await;
    assert!(swap["swap"].is_object(), "{swap}");
    judge.hears(get("/v1/rack"), 200).await;
    judge
        .hears(post("/v1/swap", place(json!({"cancel": true}))), 200)
        .await;
    judge
        .refuses(
            post("/v1/doubts/ack", json!({"id": "nonsense"})),
            404,
            "not_found",
        )
        .await;
    judge
        .refuses(post("/v1/pause", json!({})), 400, "bad_request")
        .await;
    let pause = Ask {
        headers: &[("Busbar-Reason", "work on it")],
        ..post("/v1/pause", json!({"for_seconds": 60}))
    };
    judge.hears(pause, 200).await;
    judge.hears(get("/v1/rack"), 200).await;
    judge.hears(post("/v1/pause", json!({"resume": true})), 200).await;
}

/// A rack without enclosures has no drives, and says so of each; what a pool answers, tests/drives asks.
async fn drives(judge: &Judge) {
    judge.hears(get("/v1/drives"), 200).await;
    let claim = |node: &str| post("/v1/drives/claims", json!({"for": "db", "node": node}));
    judge.refuses(claim("n99"), 400, "bad_request").await;
    judge
        .refuses(
            post("/v1/drives/claims", json!({"for": "db"})),
            400,
            "bad_request",
        )
        .await;
    judge
        .refuses(
            named("delete", "/v1/drives/claims/{claim}", "nobody"),
            404,
            "not_found",
        )
        .await;
    let renew = named("post", "/v1/drives/claims/{claim}/renew", "nobody");
    judge.refuses(renew, 404, "not_found").await;
    for route in [
        "/v1/drives/{serial}/enrol",
        "/v1/drives/{serial}/erase",
        "/v1/drives/{serial}/vouch",
    ] {
        let typed = Ask {
            body: post("", json!({"serial": "S9"})).body,
            ..named("post", route, "S9")
        };
        judge.refuses(typed, 404, "not_found").await;
    }
    judge
        .refuses(named("get", "/v1/drives/{serial}/proof", "S9"), 404, "not_found")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_controller_answers_as_its_document_says() {
    let Some((house, running, client)) = House::whole("enforce").await else {
        return;
    };
    let judge = Judge::new(&running.url);
    looks(&judge).await;
    claims(&judge).await;
    terms(&judge).await;
    hands(&judge).await;
    drives(&judge).await;
    for route in ["/v1/nodes/{node}/calibrate", "/v1/nodes/{node}/power-on"] {
        judge.refuses(named("post", route, "n99"), 404, "not_found").await;
        judge.refuses(named("post", route, "n01"), 409, "conflict").await;
    }
    // A view with a lost supply, a doubt or two and what was taken has fields that a quiet one has not.
    house.world(&["pull", "shelf/psu-0"]);
    until(&client, "a lost supply", |rack| {
        bay(rack, "shelf/psu-0").life == BayLife::Empty && !shelf(rack).bays.is_empty()
    })
    .await;
    judge.hears(get("/v1/rack"), 200).await;
    judge.hears(get("/v1/claims"), 200).await;
    judge.hears(get("/v1/events"), 200).await;

    let asked = judge.asked.borrow().clone();
    for (path, methods) in judge.paths() {
        for method in METHODS {
            if methods.contains_key(method) {
                assert!(
                    asked.contains(&(path.clone(), method.to_owned())),
                    "nobody asked {method} {path}"
                );
                continue;
            }
            let answer = judge.send(&named(method, path, "x")).await;
            assert_eq!(
                answer.status().as_u16(),
                405,
                "{method} {path} is served and not told"
            );
        }
    }
}
