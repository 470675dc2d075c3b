//! `/v1/workloads/NAME/proof`: the last proof for everybody, a new one for those who may give orders.

use agent_api::v1::{Proof, ProofRequest};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::answer::Failure;
use super::routes::{Answer, Body, Place, read, workload_id};
use crate::proof::ProofError;

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Failure {
        match error {
            ProofError::Order(error) => error.into(),
            ProofError::Length(_) => Failure::bad_request(error.to_string()),
            ProofError::Busy | ProofError::BrokenOff => Failure::busy(error.to_string()),
        }
    }
}

/// Watches, and answers when that is over.
pub(super) async fn prove(State(shared): Place, Path(id): Path<String>, body: Body) -> Answer<Proof> {
    let id = workload_id(&id)?;
    let request: ProofRequest = read(&body, "a time to watch, as in {\"for_milliseconds\":5000}")?;
    Ok(Json(shared.house.prover.prove(&id, request).await?))
}

/// The last one.
pub(super) async fn last(State(shared): Place, Path(id): Path<String>) -> Answer<Proof> {
    let id = workload_id(&id)?;
    let view = shared.house.board.latest();
    let proof = view.proof(&id).ok_or_else(|| {
        let message = format!("workload {id} is not here, or was never proven; busbar verify {id} does that");
        Failure::new(StatusCode::NOT_FOUND, "not_found", message)
    })?;
    Ok(Json(Proof::clone(proof)))
}
