//! The control face: how `hw-fixtures do` reaches the world. Plain HTTP, loopback only.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::live::Live;
use crate::quantity::watts_json;
use crate::world::{Jbof, Node, Phase, Refusal, Supply, Verb, World};

/// What the control face needs.
pub struct Control {
    /// The world.
    pub live: Arc<Live>,
    /// The names of all BMCs, trees included.
    pub bmcs: Vec<String>,
}

/// The routes of the control face.
pub fn routes(control: Arc<Control>) -> Router {
    Router::new()
        .route("/status", get(status))
        .route("/do", post(act))
        .fallback(|| async {
            error(
                StatusCode::NOT_FOUND,
                "not_found",
                "expected GET /status or POST /do",
            )
        })
        .with_state(control)
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (
        status,
        Json(json!({ "error": { "code": code, "message": message } })),
    )
        .into_response()
}

async fn act(State(control): State<Arc<Control>>, verb: Result<Json<Verb>, JsonRejection>) -> Response {
    let verb = match verb {
        Ok(Json(verb)) => verb,
        Err(e) => return error(StatusCode::BAD_REQUEST, "bad_request", &e.body_text()),
    };
    if let Verb::Bmc { bmc, .. } | Verb::Reboot { bmc } = &verb
        && !control.bmcs.contains(bmc)
    {
        let message = format!("there is no BMC \"{bmc}\"; known: {}", control.bmcs.join(", "));
        return error(StatusCode::NOT_FOUND, "not_found", &message);
    }
    match control.live.act(&verb) {
        Ok(did) => Json(json!({ "did": did, "at": control.live.now() })).into_response(),
        Err(refusal @ Refusal::Unknown { .. }) => {
            error(StatusCode::NOT_FOUND, "not_found", &refusal.to_string())
        }
        Err(refusal @ Refusal::NotNow(_)) => error(StatusCode::CONFLICT, "refused", &refusal.to_string()),
    }
}

async fn status(State(control): State<Arc<Control>>) -> Json<Value> {
    let at = control.live.now();
    let world = control.live.world();
    let bmcs: Vec<Value> = control
        .bmcs
        .iter()
        .map(|name| json!({ "name": name, "answers": world.answer(name).to_string() }))
        .collect();
    Json(picture(&world, &at, bmcs))
}

/// The truth about the world, without meters: for people and tests, never for the daemons.
fn picture(world: &World, at: &str, bmcs: Vec<Value>) -> Value {
    let shelf = world.plan().shelf.name.get_ref();
    let feeds: Vec<Value> = world
        .feeds()
        .map(|(name, live)| json!({ "name": name, "live": live }))
        .collect();
    let supplies: Vec<Value> = world
        .supplies()
        .iter()
        .map(|supply| supply_json(shelf, supply))
        .collect();
    let nodes: Vec<Value> = world
        .nodes()
        .iter()
        .map(|node| node_json(node, world.now_ms()))
        .collect();
    let input: u64 = world
        .supplies()
        .iter()
        .filter(|supply| supply.input())
        .map(|supply| world.input_for(supply.output()))
        .sum();
    json!({
        "world": world.plan().name,
        "at": at,
        "at_ms": world.now_ms(),
        "shelf": shelf,
        "dark": world.is_dark(),
        "available_watts": watts_json(world.available()),
        "draw_watts": watts_json(world.draw()),
        "input_watts": watts_json(input),
        "overloaded_ms": world.overloaded_ms(),
        "overloads": world.ride().times,
        "last_overload_ms": world.ride().last_ms,
        "longest_overload_ms": world.ride().longest_ms,
        "feeds": feeds,
        "supplies": supplies,
        "nodes": nodes,
        "drive_bays": world.jbofs().iter().flat_map(drive_bays).collect::<Vec<Value>>(),
        "bmcs": bmcs,
    })
}

fn supply_json(shelf: &str, supply: &Supply) -> Value {
    let state = match supply.phase() {
        Phase::Absent => "absent",
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::HoldUp => "hold_up",
        Phase::NoInput => "no_input",
        Phase::Tripped => "tripped",
        Phase::Failed => "failed",
    };
    json!({
        "place": format!("{shelf}/{}", supply.bay()),
        "feed": supply.feed(),
        "state": state,
        "rated_watts": watts_json(supply.rated()),
        "output_watts": watts_json(supply.output()),
        "serial": supply.part().map(|part| part.serial.as_str()),
        "locate": supply.locate(),
    })
}

fn drive_bays(jbof: &Jbof) -> impl Iterator<Item = Value> {
    jbof.bays().iter().map(|bay| {
        let part = bay.part();
        json!({
            "place": format!("{}/{}", jbof.name(), bay.name()),
            "serial": part.map(|part| part.serial.as_str()),
            "bytes": part.map(|part| part.bytes),
            "predicts_failure": part.is_some_and(|part| part.predicts_failure),
            "erased": part.map_or(0, |part| part.erased),
            "locate": bay.locate(),
        })
    })
}

fn node_json(node: &Node, now_ms: u64) -> Value {
    json!({
        "name": node.name(),
        "on": node.is_on(),
        "idle_watts": watts_json(node.idle()),
        "max_watts": watts_json(node.max_draw()),
        "demand_watts": watts_json(node.demand()),
        "limit_watts": node.limit().map(watts_json),
        "cap_watts": node.cap().map(watts_json),
        "draw_watts": watts_json(node.draw(now_ms)),
        "locate": node.locate(),
    })
}
