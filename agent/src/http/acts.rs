//! Acts on what runs here: `/v1/workloads/NAME/entered`, `…/freeze` and `…/thaw`, `/v1/drain` and `/v1/cap`.

use std::sync::Arc;

use agent_api::v1::{AdoptRequest, Adopted, EnteredRequest, MigrateRequest, Migrated, Workload};
use agent_api::v1::{CapRequest, Capped, Frozen, NodeDrain, NodeDrainRequest};
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::routing::{post, put};
use axum::{Json, Router};

use super::answer::Failure;
use super::connection::Peer;
use super::routes::{Answer, Body, Place, Shared, read, until_topology, workload_id};
use super::vm;
use crate::owners;

/// The orders of this file.
pub(super) fn orders() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/workloads/{id}/entered", post(entered))
        .route("/v1/workloads/{id}/freeze", post(freeze))
        .route("/v1/workloads/{id}/thaw", post(thaw))
        .route("/v1/workloads/{id}/vm", post(vm::vm))
        .route("/v1/adoptions", post(adopt))
        .route("/v1/workloads/{id}/migrate", post(migrate))
        .route("/v1/drain", put(drain).delete(undrain))
        .route("/v1/cap", put(cap).delete(uncap))
}

async fn entered(
    State(shared): Place,
    Extension(Peer(asker)): Extension<Peer>,
    Path(id): Path<String>,
    body: Body,
) -> Answer<Workload> {
    let id = workload_id(&id)?;
    let request: EnteredRequest = read(&body, "what became of it, as in {\"born\":true}")?;
    let asker = asker.ok_or_else(nobody)?;
    Ok(Json(shared.house.desk.entered(id, request.born, asker).await?))
}

fn nobody() -> Failure {
    Failure::new(StatusCode::FORBIDDEN, "refused", "nobody asks")
}

async fn freeze(shared: Place, Path(id): Path<String>) -> Answer<Frozen> {
    set(shared, &id, true).await
}

async fn thaw(shared: Place, Path(id): Path<String>) -> Answer<Frozen> {
    set(shared, &id, false).await
}

async fn set(State(shared): Place, id: &str, frozen: bool) -> Answer<Frozen> {
    let id = workload_id(id)?;
    Ok(Json(shared.house.desk.freeze(id, frozen).await?))
}

async fn adopt(State(shared): Place, Extension(Peer(asker)): Extension<Peer>, body: Body) -> Answer<Adopted> {
    let expected = "an adoption, as in {\"adoptee\":{\"unit\":\"web.scope\"},\"ask\":{\"cpus\":1}}";
    let request: AdoptRequest = read(&body, expected)?;
    let asker = asker.ok_or_else(nobody)?;
    until_topology(&shared.house).await?;
    let desk = &shared.house.desk;
    if request.through_owner {
        return Ok(Json(
            owners::adopt(desk, &shared.house.doors, request, asker.uid).await?,
        ));
    }
    Ok(Json(desk.adopt(request, asker.uid).await?))
}

async fn migrate(State(shared): Place, Path(id): Path<String>, body: Body) -> Answer<Migrated> {
    let id = workload_id(&id)?;
    let request: MigrateRequest = read(&body, "a move, as in {\"dry_run\":true}")?;
    Ok(Json(shared.house.desk.migrate(id, request.dry_run).await?))
}

async fn drain(State(shared): Place, body: Body) -> Answer<NodeDrain> {
    let request: NodeDrainRequest = read(&body, "a drain, as in {\"reason\":\"new memory\"}")?;
    Ok(Json(shared.house.desk.drain(Some(request.reason)).await?))
}

async fn undrain(State(shared): Place) -> Answer<NodeDrain> {
    Ok(Json(shared.house.desk.drain(None).await?))
}

async fn cap(State(shared): Place, body: Body) -> Answer<Capped> {
    let request: CapRequest = read(&body, "a cap, as in {\"watts\":300}")?;
    Ok(Json(shared.house.desk.cap(Some(request.watts)).await?))
}

async fn uncap(State(shared): Place) -> Answer<Capped> {
    Ok(Json(shared.house.desk.cap(None).await?))
}
