//! Pooled drives: the question of how a node stands to them, and the orders of a rack about them.

use std::sync::Arc;

use agent_api::v1::{DriveAnswer, DriveOrder, DrivesView};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::answer::Failure;
use super::routes::{Answer, Body, Place, Shared, read};
use crate::drives::Refusal;

/// The path of the question.
const DRIVES: &str = "/v1/drives";
/// The path of the orders.
const ORDERS: &str = "/v1/drives/orders";

/// The question, for every face.
pub(super) fn questions() -> Router<Arc<Shared>> {
    Router::new().route(DRIVES, get(stands))
}

/// The orders.
pub(super) fn orders() -> Router<Arc<Shared>> {
    Router::new().route(ORDERS, post(obey))
}

/// Whether that is an order of a rack.
pub(super) fn is_order(request: &Request) -> bool {
    request.uri().path() == ORDERS && *request.method() == Method::POST
}

async fn stands(State(shared): Place) -> Answer<DrivesView> {
    Ok(Json(shared.house.drives.view().await?))
}

async fn obey(State(shared): Place, body: Body) -> Answer<DriveAnswer> {
    let expected = "an order about a drive, as in {\"order\":\"shut\",\"drive\":{\"model\":\"M1\",\"serial\":\"S1\"},\
                    \"arrival\":3,\"generation\":2}";
    let order: DriveOrder = read(&body, expected)?;
    Ok(Json(shared.house.drives.order(order).await?))
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let status = match &refusal {
            Refusal::BadOrder(_) => StatusCode::BAD_REQUEST,
            Refusal::Conflict(_) | Refusal::Unsupported(_) => StatusCode::CONFLICT,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::NotHere(_) => StatusCode::NOT_FOUND,
            Refusal::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure::new(status, refusal.code(), refusal.to_string())
    }
}
