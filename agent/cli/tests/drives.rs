//! The program `busbar` about pooled drives, over a real socket: what it sends, what it never sends, how it ends. The controller's side is
//! answers as the API's types write them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rack;

use rack::{Answers, Rack, drive, pool_of, told};
use serde_json::{Value, json};

fn claim(stage: &str) -> Value {
    let device = if stage == "attached" {
        json!("nvme3n1")
    } else {
        Value::Null
    };
    json!({
        "id": "c1", "for": "db", "node": "n01", "priority": 5, "since": "2026-01-01T00:00:00Z", "erase_after_seconds": 86_400,
        "drives": [{"serial": "S 1", "place": "jbof/bay-1", "size_bytes": 3_840_000_000_000_u64, "stage": stage, "device": device}]
    })
}

fn pool(drive: Value, claims: Value) -> (u16, Value) {
    let bay = json!({
        "place": "jbof/bay-1", "label": "bay-1", "slot": "1", "life": "in_service", "since": "2026-01-01T00:00:00Z", "drive": drive
    });
    pool_of(bay, claims)
}

#[test]
fn nothing_is_destroyed_before_the_serial_number_was_typed_again() {
    let enrol = "POST /v1/drives/S%201/enrol";
    let answers = || {
        Answers::from([
            ("GET /v1/drives", vec![pool(drive("S 1", "foreign"), json!([]))]),
            (enrol, vec![(200, drive("S 1", "wiping"))]),
        ])
    };
    for (typed, code) in [
        (&[][..], 2),
        (&["--yes-i-typed", "S1"][..], 3),
        (&["--yes-i-typed", "s 1"][..], 3),
    ] {
        let rack = Rack::raise(answers());
        let words = [&["drives", "enrol", "S 1", "--erase"][..], typed].concat();
        let output = rack.busbar(&words);
        assert_eq!(output.status.code(), Some(code), "{typed:?}: {}", told(&output));
        assert_eq!(rack.changes(), [], "{typed:?}");
    }
    let rack = Rack::raise(answers());
    let output = rack.busbar(&["drives", "enrol", "S 1", "--erase", "--yes-i-typed", "S 1"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let changes = rack.changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0].0, enrol);
    let body: Value = serde_json::from_str(&changes[0].1).unwrap();
    assert_eq!(body, json!({"serial": "S 1", "model": "M1"}));
    let unknown = rack.busbar(&["drives", "erase", "S9", "--yes-i-typed", "S9"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", told(&unknown));
}

#[test]
fn what_the_rack_refuses_is_told_with_its_reason() {
    let error = json!({"code": "conflict", "message": "S 1 is not erased: nvme1n1p1 is mounted at /data"});
    let rack = Rack::raise(Answers::from([
        ("GET /v1/drives", vec![pool(drive("S 1", "foreign"), json!([]))]),
        (
            "POST /v1/drives/S%201/enrol",
            vec![(409, json!({"error": error}))],
        ),
    ]));
    let output = rack.busbar(&["drives", "enrol", "S 1", "--erase", "--yes-i-typed", "S 1"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(told(&output).contains("mounted at /data"), "{}", told(&output));
}

#[test]
fn a_claim_waits_until_its_node_has_seen_the_very_drive() {
    let of = |stages: &[&str]| {
        let looks = stages
            .iter()
            .map(|stage| pool(drive("S 1", "claimed"), json!([claim(stage)])));
        Rack::raise(Answers::from([
            ("POST /v1/drives/claims", vec![(201, claim("admitting"))]),
            ("GET /v1/drives", looks.collect()),
        ]))
    };
    let rack = of(&["admitting", "admitted", "attached"]);
    let words = [
        "claim",
        "drives",
        "--for",
        "db",
        "--node",
        "n01",
        "--at-least",
        "3TB",
    ];
    let output = rack.busbar(&words);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("nvme3n1"), "{}", told(&output));
    let body: Value = serde_json::from_str(&rack.changes()[0].1).unwrap();
    assert_eq!(
        (body["at_least_bytes"].as_u64(), body["count"].as_u64()),
        (Some(3_000_000_000_000), Some(1))
    );
    let rack = of(&["admitted"]);
    let output = rack.busbar(&[&words[..], &["--wait", "1s"]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(
        told(&output).contains("claimed all the same"),
        "{}",
        told(&output)
    );
}

#[test]
fn a_name_is_released_for_what_it_stands_for() {
    let watts = |id: &str| {
        json!([{
            "id": id, "for": "db", "watts": 800.0, "domain": "shelf", "node": null, "priority": 5, "since": "2026-01-01T00:00:00Z"
        }])
    };
    let delete = "DELETE /v1/drives/claims/c1?erase_after_seconds=0";
    let held = || pool(drive("S 1", "claimed"), json!([claim("attached")]));
    let rack = Rack::raise(Answers::from([
        ("GET /v1/drives", vec![held()]),
        ("GET /v1/claims", vec![(200, json!([]))]),
        (delete, vec![(200, claim("attached"))]),
    ]));
    let output = rack.busbar(&["release", "db", "--erase-after", "0s"]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(rack.changes(), [(delete.to_owned(), String::new())]);
    // Two claims of one name: nobody guesses which is meant.
    let rack = Rack::raise(Answers::from([
        ("GET /v1/drives", vec![held()]),
        ("GET /v1/claims", vec![(200, watts("c2"))]),
    ]));
    let output = rack.busbar(&["release", "db"]);
    assert_eq!(
        (output.status.code(), rack.changes().len()),
        (Some(2), 0),
        "{}",
        told(&output)
    );
    assert!(
        told(&output).contains("c1") && told(&output).contains("c2"),
        "{}",
        told(&output)
    );
    // Of a controller without a pool it is watts.
    let rack = Rack::raise(Answers::from([(
        "DELETE /v1/claims/db",
        vec![(200, watts("c2")[0].clone())],
    )]));
    let output = rack.busbar(&["release", "db"]);
    assert_eq!(
        (output.status.code(), rack.changes().len()),
        (Some(0), 1),
        "{}",
        told(&output)
    );
}
