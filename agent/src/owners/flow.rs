//! Adopting through an owner, and letting go: what is asked of the keeper and what of the owner, in which order.

use std::time::Duration;

use agent_api::v1::{AdoptRequest, Adopted, Ended};
use intent::WorkloadId;

use super::{Asked, Doors, OwnerError};
use crate::keeping::{Desk, OrderError};
use crate::reconcile::KeeperError;

/// How long the kernel may take to show what an owner has been told: systemd writes after it has answered.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Adopts through the owner. Goes on to its end whether or not somebody still waits for it.
///
/// # Errors
/// When it may not be, has no place, or its owner does not do it; in that last case what it had is given back.
pub async fn adopt(
    desk: &Desk,
    doors: &Doors,
    request: AdoptRequest,
    uid: u32,
) -> Result<Adopted, OrderError> {
    let (desk, doors) = (desk.clone(), doors.clone());
    let whole = tokio::spawn(async move { adopt_whole(&desk, &doors, request, uid).await });
    whole.await.map_err(|_| OrderError::Gone)?
}

async fn adopt_whole(
    desk: &Desk,
    doors: &Doors,
    request: AdoptRequest,
    uid: u32,
) -> Result<Adopted, OrderError> {
    let meant = desk.meant(request.clone(), uid).await?;
    if request.dry_run {
        return Ok(meant.adopted);
    }
    let had = doors.look(&meant.owner, &meant.cgroup).await.map_err(refused)?;
    let asked = desk.ask_owner(request, uid, had).await?;
    let id = asked.workload.clone();
    let error = match doors.set(&asked.owner, &asked.values, &asked.had.run).await {
        Ok(()) => match shown(desk, &id).await {
            Ok(workload) => {
                return Ok(Adopted {
                    workload: Some(workload),
                    would: Vec::new(),
                    ..meant.adopted
                });
            }
            Err(error) => error,
        },
        Err(error) => refused(error),
    };
    match doors.give_back(&asked).await {
        Ok(()) => desk.owner_gave_back(id).await.map(|_| ())?,
        Err(more) => {
            desk.owner_will_give_back(id).await?;
            return Err(OrderError::Keeper(KeeperError::Failed(format!(
                "{error}; and what it had: {}",
                still_asked(&asked, &more)
            ))));
        }
    }
    Err(error)
}

/// Until the kernel shows what the owner was told, or for so long.
async fn shown(desk: &Desk, id: &WorkloadId) -> Result<agent_api::v1::Workload, OrderError> {
    let until = tokio::time::Instant::now() + SHOWN_WITHIN;
    loop {
        match desk.owner_did(id.clone()).await {
            Err(OrderError::Keeper(KeeperError::Failed(_))) if tokio::time::Instant::now() < until => {
                tokio::time::sleep(LOOK).await;
            }
            came => return came,
        }
    }
}

/// Has what an owner was asked for given back; nothing where no owner was asked for this workload.
///
/// # Errors
/// When it may not be, or the owner does not do it: then it is asked again until it does.
pub async fn release(desk: &Desk, doors: &Doors, id: &WorkloadId) -> Result<Option<Ended>, OrderError> {
    let (desk, doors, id) = (desk.clone(), doors.clone(), id.clone());
    let whole = tokio::spawn(async move {
        let Some(asked) = desk.owner_is_to_give_back(id.clone()).await? else {
            return Ok(None);
        };
        match doors.give_back(&asked).await {
            Ok(()) => desk.owner_gave_back(id).await.map(Some),
            Err(error) => {
                desk.owner_will_give_back(id).await?;
                Err(still_asked(&asked, &error))
            }
        }
    });
    whole.await.map_err(|_| OrderError::Gone)?
}

fn still_asked(asked: &Asked, error: &OwnerError) -> OrderError {
    OrderError::Keeper(KeeperError::Failed(format!(
        "{error}; workload {} holds its CPUs until {} gives them back, and is asked for them each second",
        asked.workload, asked.owner
    )))
}

fn refused(error: OwnerError) -> OrderError {
    OrderError::Keeper(match error {
        OwnerError::Gone(_) => KeeperError::BadAsk(error.to_string()),
        OwnerError::Unreachable { .. } | OwnerError::Refused { .. } | OwnerError::Strange { .. } => {
            KeeperError::Refused(error.to_string())
        }
        OwnerError::Silent { .. } => KeeperError::Failed(error.to_string()),
    })
}
