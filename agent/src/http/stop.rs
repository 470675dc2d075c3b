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
use super::vm;
use crate::keeping::OrderError;
use crate::reconcile::KeeperError;

/// How long the kernel may take to end what was killed: a process that waits for a broken drive cannot end.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// Presses a virtual machine's power button (QMP): its guest ends in order.
const POWER_DOWN: &str = "system_powerdown";
/// Ends QEMU (QMP): what its guest had not written is lost, what QEMU had is not.
const QUIT: &str = "quit";
/// How long QEMU may take to write its own buffers.
const QUIT_WITHIN: Duration = Duration::from_secs(5);

/// SIGTERM to everything in it, or the power button of a virtual machine; SIGKILL after the grace; then its cgroups go. The keeper is free meanwhile.
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
    let monitor = monitor_of(&shared, &id);
    let powered_down = match &monitor {
        Some(monitor) => {
            // A QEMU that stands still presses no button.
            let_end(&shared, &id).await;
            vm::told(monitor, POWER_DOWN).await
        }
        None => false,
    };
    let asked = if powered_down {
        1
    } else {
        let asked = desk.signal(id.clone(), Signal::SIGTERM).await?;
        // After the signal: it is the first thing that one which stood still hears.
        let_end(&shared, &id).await;
        asked
    };
    let mut killed = 0;
    if !has_ended(
        &shared,
        &id,
        Duration::from_millis(request.grace_milliseconds.into()),
    )
    .await?
    {
        if let Some(monitor) = monitor.filter(|_| powered_down)
            && vm::told(&monitor, QUIT).await
            && has_ended(&shared, &id, QUIT_WITHIN).await?
        {
            return Ok(Json(Stopped {
                id,
                asked,
                killed: 1,
                powered_down,
            }));
        }
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
    Ok(Json(Stopped {
        id,
        asked,
        killed,
        powered_down,
    }))
}

/// The monitor of a virtual machine.
fn monitor_of(shared: &Shared, id: &WorkloadId) -> Option<String> {
    let view = shared.house.board.latest();
    let workload = view.kept.workloads.iter().find(|workload| workload.id == *id)?;
    workload.vm.as_ref().map(|vm| vm.monitor.clone())
}

/// Who stands still goes on, or it could not end. Where that fails it is killed after its grace, as anybody who does not hear.
async fn let_end(shared: &Shared, id: &WorkloadId) {
    match shared.house.desk.let_end(id.clone()).await {
        Ok(_) | Err(OrderError::Keeper(KeeperError::NotFound(_))) => {}
        Err(error) => tracing::warn!(workload = %id, %error, "it may stand still though it was asked to end"),
    }
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
