//! `/v1/workloads/NAME/vm`: a QEMU is asked for its virtual CPUs, and they are pinned before it goes on; and how one is ended.

use std::path::Path as FilePath;

use agent_api::v1::{VmRequest, Workload};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::answer::Failure;
use super::routes::{Answer, Body, Place, read, workload_id};
use crate::vm::{Monitor, MonitorError, monitor_path};

/// Asks, pins, and lets it go where it waits for that.
pub(super) async fn vm(State(shared): Place, Path(id): Path<String>, body: Body) -> Answer<Workload> {
    let id = workload_id(&id)?;
    let request: VmRequest = read(&body, "a monitor, as in {\"monitor\":\"/run/busbar/vm/db.qmp\"}")?;
    let path = monitor_path(&request.monitor).map_err(Failure::bad_request)?;
    let mut monitor = Monitor::open(&path).await.map_err(refused)?;
    let said = monitor.vcpus().await.map_err(refused)?;
    let go = request.go;
    let workload = shared.house.desk.make_vm(id, request, said).await?;
    if go {
        monitor.order("cont").await.map_err(refused)?;
    }
    Ok(Json(workload))
}

/// Gives a command to a virtual machine's QEMU. Whether it took it: one that is gone, or silent, is ended by signals.
pub(super) async fn told(monitor: &str, command: &'static str) -> bool {
    let told = async { Monitor::open(FilePath::new(monitor)).await?.order(command).await };
    match told.await {
        Ok(_) => true,
        // Some versions close the connection before they answer `quit`.
        Err(MonitorError::Closed { .. }) => true,
        Err(error) => {
            tracing::warn!(%error, "a virtual machine does not take {command}");
            false
        }
    }
}

fn refused(error: MonitorError) -> Failure {
    let text = match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Failure::new(StatusCode::CONFLICT, "refused", text)
}
