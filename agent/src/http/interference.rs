//! `/v1/workloads/NAME/interference`: what the interference loop knows of a workload.

use agent_api::v1::Interference;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::answer::Failure;
use super::routes::{Answer, Place, workload_id};

/// As of the last window.
pub(super) async fn last(State(shared): Place, Path(id): Path<String>) -> Answer<Interference> {
    let id = workload_id(&id)?;
    let view = shared.house.board.latest();
    let found = view.interference.get(&id).ok_or_else(|| {
        let message = format!(
            "nothing is known of {id}: it is not here, its first window is not over, or the loop is off ([interference] \
             mode = \"advise\" switches it on)"
        );
        Failure::new(StatusCode::NOT_FOUND, "not_found", message)
    })?;
    Ok(Json(found.clone()))
}
