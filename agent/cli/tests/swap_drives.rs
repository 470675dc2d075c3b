//! `busbar swap` of a drive's bay, over a real socket: what it says at each step, what stops it, and that nothing is erased whose serial number
//! nobody typed. The controller's side is answers as the API's types write them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rack;

use rack::{Answers, Rack, drive, pool_of, told};
use serde_json::{Value, json};

const DRAIN: &str = "POST /v1/drain";

fn bay(life: &str, drive: Value) -> Value {
    json!({
        "place": "jbof/bay-1", "label": "bay-1", "slot": "1", "life": life, "since": "2026-01-01T00:00:00Z", "led": true, "drive": drive
    })
}

fn looks(bays: Vec<Value>) -> Vec<(u16, Value)> {
    bays.into_iter().map(|bay| pool_of(bay, json!([]))).collect()
}

fn answer(verdict: &str, begun: bool) -> (u16, Value) {
    (
        200,
        json!({"place": "jbof/bay-1", "label": "bay-1", "answer": verdict, "sentence": format!("{verdict}: S1"), "begun": begun, "would_help": []}),
    )
}

/// S1 leaves, S2 comes.
fn swapped() -> Vec<(u16, Value)> {
    looks(vec![
        bay("in_service", drive("S1", "claimed")),
        bay("draining", drive("S1", "releasing")),
        bay("ready_to_pull", drive("S1", "held")),
        bay("empty", Value::Null),
        bay("in_service", drive("S2", "foreign")),
    ])
}

#[test]
fn a_drive_is_swapped_step_by_step_and_the_new_one_joins_by_its_serial_number() {
    let enrol = "POST /v1/drives/S2/enrol";
    let raise = || {
        Rack::raise(Answers::from([
            ("GET /v1/drives", swapped()),
            (DRAIN, vec![answer("yes", true)]),
            (enrol, vec![(200, drive("S2", "wiping"))]),
        ]))
    };
    let rack = raise();
    let words = [
        "swap",
        "jbof/bay-1",
        "--force",
        "--reason",
        "slow",
        "--enrol",
        "S2",
    ];
    let output = rack.busbar(&words);
    let text = told(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let mut rest = text.as_str();
    for step in [
        "[1/4] nobody shall reach S1",
        "[2/4] pull S1 out of jbof/bay-1 (its LED is lit)",
        "[3/4] put the new drive into jbof/bay-1",
        "[4/4] S2 (M1, 3.84 TB) is in jbof/bay-1: foreign",
        "S2 is being erased",
    ] {
        let at = rest.find(step).unwrap_or_else(|| panic!("{step}: {text}"));
        rest = &rest[at..];
    }
    let changes = rack.changes();
    assert_eq!(changes.len(), 2, "{changes:?}");
    let asked: Value = serde_json::from_str(&changes[0].1).unwrap();
    assert!(asked["force"] == true && asked["reason"] == "slow", "{asked}");
    assert_eq!(changes[1].0, enrol);

    // Another drive than was named is in the bay, or nobody named one: it stays as it is.
    for (enrol, code) in [(&["--enrol", "S3"][..], 3), (&[][..], 0)] {
        let rack = raise();
        let output = rack.busbar(&[&["swap", "jbof/bay-1"][..], enrol].concat());
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        assert_eq!(rack.changes().len(), 1, "{enrol:?}: {:?}", rack.changes());
    }
}

#[test]
fn the_wrong_drive_stops_it() {
    let mut wrong = bay("draining", drive("S1", "free"));
    wrong["wrong_pulled"] = json!("S9");
    wrong["reason"] = json!("jbof/bay-1 was to lose S1, S9 was pulled: put it back");
    let rack = Rack::raise(Answers::from([
        (
            "GET /v1/drives",
            looks(vec![
                bay("in_service", drive("S1", "free")),
                bay("ready_to_pull", drive("S1", "free")),
                wrong,
            ]),
        ),
        (DRAIN, vec![answer("yes", true)]),
    ]));
    let output = rack.busbar(&["swap", "jbof/bay-1", "--enrol", "S2"]);
    let text = told(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(
        text.contains("[stop] jbof/bay-1 was to lose S1, S9 was pulled: put it back"),
        "{text}"
    );
    assert!(text.contains("go on with: busbar swap jbof/bay-1"), "{text}");
    assert_eq!(rack.changes().len(), 1, "nothing was enrolled");
}

#[test]
fn a_drive_that_somebody_has_is_not_taken_without_a_word_and_one_that_was_put_back_is_no_swap() {
    let lent = || bay("in_service", drive("S1", "claimed"));
    let rack = Rack::raise(Answers::from([
        ("GET /v1/drives", looks(vec![lent()])),
        (DRAIN, vec![answer("no", false)]),
    ]));
    let output = rack.busbar(&["swap", "jbof/bay-1"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(!told(&output).contains("pull"), "{}", told(&output));

    let rack = Rack::raise(Answers::from([
        (
            "GET /v1/drives",
            looks(vec![
                bay("ready_to_pull", drive("S1", "free")),
                bay("empty", Value::Null),
                bay("in_service", drive("S1", "free")),
            ]),
        ),
        (DRAIN, vec![answer("yes", true)]),
    ]));
    let output = rack.busbar(&["swap", "jbof/bay-1"]);
    assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    assert!(told(&output).contains("it was not swapped"), "{}", told(&output));
    assert_eq!(rack.changes(), [], "it was drained before: it goes on");
}
