//! Asks every virtual machine once a second: which threads are its virtual CPUs now. One that was plugged in is pinned then.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use intent::WorkloadId;
use tokio::sync::watch;

use super::{Monitor, Said};
use crate::keeping::{Desk, OrderError};
use crate::view::{Board, View};

/// As often as the keeper sweeps.
const EVERY: Duration = Duration::from_secs(1);

/// Until the agent stops.
pub async fn beat(board: Board, desk: Desk, mut stopping: watch::Receiver<bool>) {
    let mut views = board.watch();
    loop {
        // Where there is no virtual machine, no clock is needed.
        let is_one = |view: &Arc<View>| view.kept.workloads.iter().any(|workload| workload.vm.is_some());
        let one = async { views.wait_for(is_one).await.is_ok() };
        tokio::select! {
            true = one => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        let kept = board.latest().kept.clone();
        // A frozen QEMU says nothing, and is as it was when it goes on.
        let asked = kept.workloads.iter().filter(|workload| !workload.frozen);
        let asked = asked.filter_map(|workload| {
            let vm = workload.vm.as_ref()?;
            Some(ask(workload.id.clone(), vm.monitor.clone()))
        });
        for (id, said) in join_all(asked).await {
            if let Err(OrderError::Gone) = desk.saw_vm(id, said).await {
                return;
            }
        }
    }
}

async fn ask(id: WorkloadId, monitor: String) -> (WorkloadId, Result<Said, String>) {
    let said = async { Monitor::open(Path::new(&monitor)).await?.vcpus().await };
    let said = said
        .await
        .map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        });
    (id, said)
}
