//! `/v1/workloads/NAME/stop`: asks a workload to end, and after a grace ends it.

use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::{LONGEST_GRACE, StopRequest, Stopped};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use intent::WorkloadId;
use nix::sys::signal::Signal;

use super::answer::Failure;
use super::routes::{Answer, Body, Place, Shared, read, workload_id};
use crate::keeping::OrderError;
use crate::reconcile::KeeperError;

/// How long the kernel may take to end what was killed: a process that waits for a broken drive cannot end.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// SIGTERM to everything in it, SIGKILL after the grace; then its cgroups go. The keeper is free meanwhile.
pub(super) async fn stop(State(shared): Place, Path(id): Path<String>, body: Body) -> Answer<Stopped> {
    let id = workload_id(&id)?;
    let request: StopRequest = read(&body, "a grace, as in {\"grace_milliseconds\":10000}")?;
    if request.grace_milliseconds > LONGEST_GRACE {
        return Err(Failure::bad_request(format!(
            "{} ms is too long a grace; expected at most {LONGEST_GRACE}",
            request.grace_milliseconds
        )));
    }
    let desk = &shared.house.desk;
    let asked = desk.signal(id.clone(), Signal::SIGTERM).await?;
    let mut killed = 0;
    if !has_ended(
        &shared,
        &id,
        Duration::from_millis(request.grace_milliseconds.into()),
    )
    .await?
    {
        killed = desk.signal(id.clone(), Signal::SIGKILL).await.or_else(gone)?;
        if !has_ended(&shared, &id, KILLED_WITHIN).await? {
            let message = format!(
                "workload {id} was killed and is still there after {} s: a process of it waits for hardware",
                KILLED_WITHIN.as_secs()
            );
            return Err(Failure::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                message,
            ));
        }
    }
    Ok(Json(Stopped { id, asked, killed }))
}

/// The sweep may have undone it already.
fn gone(error: OrderError) -> Result<usize, OrderError> {
    match error {
        OrderError::Keeper(KeeperError::NotFound(_)) => Ok(0),
        OrderError::Keeper(_) | OrderError::Busy | OrderError::Gone => Err(error),
    }
}

/// Whether nothing of it is left within a time. An empty workload is undone by the keeper's own sweep.
async fn has_ended(shared: &Arc<Shared>, id: &WorkloadId, within: Duration) -> Result<bool, Failure> {
    let mut views = shared.house.board.watch();
    let mut stopping = shared.house.stopping.clone();
    let is_gone = views.wait_for(|view| view.kept.workloads.iter().all(|workload| workload.id != *id));
    tokio::select! {
        seen = is_gone => seen.map(|_| true).map_err(|_| Failure::busy("the agent is stopping")),
        _ = stopping.wait_for(|stop| *stop) => Err(Failure::busy("the agent is stopping")),
        () = tokio::time::sleep(within) => Ok(false),
    }
}
