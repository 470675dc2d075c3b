//! The eye on the drives of an enclosure that a BMC speaks for: at the BMC's pace, and at once where it tells of anything.
//!
//! What a BMC says of drives is told as an agent would tell it. A BMC knows neither what is on a drive nor who uses it, and offers it to
//! nobody: so each drive has an obstacle to erasing it (unless whoever configured the rack vouches), and the enclosure no target. What it
//! erased is told with no samples, because nobody could read any: it is no proof, and such a drive is never lent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::{DriveAccess, DrivesView, EraseMethod, Erasure, ErasureState, PooledDrive};
use bmc::act::{EraseStands, SecureErase};
use bmc::{Bmc, DriveFacts};
use facts::{Bytes, Moment};
use tokio::time::Instant;

use super::erasures::{Asked, Erasures, Stands};
use super::line::{Line, LineError};
use super::pace::Pace;
use super::{Nerve, chain};
use crate::decide::{DrivesInput, Input};

/// For one whole look: 108 drives at 0.1 s each, four at a time, take 3 s.
const LOOK: Duration = Duration::from_secs(30);
/// Between the beginnings of two looks, whatever calls.
const BREATH: Duration = Duration::from_millis(50);
/// Between two looks while a drive is erased, where its BMC is read more seldom.
const WHILE_ERASING: Duration = Duration::from_secs(1);
/// `Status.State` of an empty bay (DSP0268, Resource).
const ABSENT: &str = "Absent";
/// `Status.Health` of a drive that has failed.
const CRITICAL: &str = "Critical";
/// A BMC has no number for a stay. Nothing is lent or erased by what it says, so one number for all stays does.
const STAY: u64 = 1;
/// Why nothing here is erased.
const UNSEEN: &str = "only a BMC tells of it, and a BMC cannot see whether it is mounted, partitioned or used by a host; expected an enclosure with an agent";

/// What one eye looks at.
pub(super) struct Duty {
    pub(super) teller: String,
    pub(super) line: Arc<Line>,
    pub(super) erasures: Arc<Erasures>,
    pub(super) erase_unseen: bool,
}

pub(super) async fn watch(duty: Duty, nerve: Nerve) {
    let line = &duty.line;
    let mut pace = Pace::new(line.config().poll_interval);
    let mut stopping = nerve.stopping.clone();
    let mut known = Known::default();
    loop {
        let began = Instant::now();
        let looked = tokio::select! {
            looked = tokio::time::timeout(LOOK, look(&duty, &nerve, &mut known)) => looked,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let node = duty.teller.clone();
        let (input, rest) = match looked {
            Ok(Ok(view)) => {
                let rest = pace.answered(began.elapsed());
                let is_erasing = view.drives.iter().any(is_erasing);
                let view = Arc::new(view);
                let rest = if is_erasing { rest.min(WHILE_ERASING) } else { rest };
                (DrivesInput::Seen { node, view }, rest)
            }
            Ok(Err(error)) => {
                let reason = chain(&error);
                (DrivesInput::Silent { node, reason }, pace.failed())
            }
            Err(_) => {
                let reason = format!("{}: not read in full within {LOOK:?}", line.config().url);
                (DrivesInput::Silent { node, reason }, pace.failed())
            }
        };
        if !nerve.tell(Input::Drives(input)).await {
            return;
        }
        let call = async {
            tokio::time::sleep_until(began + BREATH).await;
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = line.asked_to_look_at_drives() => {}
            }
        };
        tokio::select! {
            () = call => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

async fn look(duty: &Duty, nerve: &Nerve, known: &mut Known) -> Result<DrivesView, LineError> {
    let line = &duty.line;
    let began = std::time::Instant::now();
    let got = match line.bmc().await {
        Ok(bmc) => bmc::drives(&bmc)
            .await
            .map(|drives| (bmc, drives))
            .map_err(LineError::Bmc),
        Err(error) => Err(error),
    };
    let outcome = got.as_ref().map_or_else(|error| error.no_data().word(), |_| "ok");
    nerve.own.read(line.name(), "drives", outcome, began.elapsed());
    let (bmc, drives) = got?;
    line.learn_drives(&drives.drives);
    for doubt in &drives.doubts {
        tracing::debug!(bmc = line.name(), kind = %doubt.kind, "{}", doubt.message);
    }
    let mut told = known.now(&drives.drives, !drives.doubts.is_empty());
    let now = nerve.clock.now();
    let erasures = followed(duty, &bmc, &mut known.followed, now).await;
    for drive in &mut told {
        if duty.erase_unseen {
            drive.obstacles.clear();
        }
        let ours = erasures.iter().find(|one| one.drive == drive.identity);
        drive.erasure = ours.map(|one| erasure(one, known.followed.get(&one.resource)));
    }
    Ok(DrivesView {
        boot_id: duty.teller.clone(),
        node: None,
        host: None,
        target: None,
        drives: told,
        attached: Vec::new(),
        leds: None,
    })
}

/// Asks each task how it stands, and notes how those ended that did.
async fn followed(duty: &Duty, bmc: &Bmc, tasks: &mut BTreeMap<String, Followed>, now: Moment) -> Vec<Asked> {
    let name = duty.line.name();
    let mut all = duty.erasures.of(name, now).await;
    for one in &mut all {
        let Stands::Task { kind, path } = &one.stands else {
            continue;
        };
        let new = || Followed {
            task: SecureErase::followed(&one.resource, kind.clone(), path, now),
            percent: None,
        };
        let follow = tasks.entry(one.resource.clone()).or_insert_with(new);
        if follow.task.task != *path {
            *follow = new();
        }
        let stands = match follow.task.poll(bmc, now).await {
            Ok(EraseStands::Running(percent)) => {
                follow.percent = percent;
                continue;
            }
            Ok(EraseStands::Done) => Stands::Done {
                ended: now,
                evidence: format!(
                    "the BMC {name}: {}, {path} is Completed",
                    kind.as_deref().unwrap_or("Drive.SecureErase")
                ),
            },
            Ok(EraseStands::Failed(why)) => Stands::Failed { why },
            // Nothing is known, so it is asked again; a BMC that has forgotten its task fails it.
            Err(error) if !error.is_missing() => continue,
            Err(error) => Stands::Failed { why: chain(&error) },
        };
        one.stands = stands.clone();
        let noted = duty.erasures.stands(name, &one.drive, one.generation, stands);
        if let Err(why) = noted.await {
            tracing::warn!(bmc = name, "{why}");
        }
    }
    all
}

/// A task that is followed.
struct Followed {
    task: SecureErase,
    percent: Option<u32>,
}

/// An erasure as an agent would tell it.
fn erasure(asked: &Asked, followed: Option<&Followed>) -> Erasure {
    let percent = followed.and_then(|followed| followed.percent);
    let permille = percent.and_then(|percent| u16::try_from(percent.saturating_mul(10)).ok());
    Erasure {
        generation: asked.generation,
        method: EraseMethod::Redfish,
        began: asked.began,
        refused: Vec::new(),
        state: match &asked.stands {
            Stands::Asking => ErasureState::Running { permille: None },
            Stands::Task { .. } => ErasureState::Running { permille },
            Stands::Done { ended, evidence } => ErasureState::Done {
                ended: *ended,
                identity: asked.drive.clone(),
                log_page: Some(evidence.clone()),
                samples: 0,
                dirty: 0,
                written: None,
            },
            Stands::Failed { why } => ErasureState::Failed { why: why.clone() },
        },
    }
}

fn is_erasing(drive: &PooledDrive) -> bool {
    let erasure = drive.erasure.as_ref();
    erasure.is_some_and(|erasure| matches!(erasure.state, ErasureState::Running { .. }))
}

/// What is kept between two looks.
#[derive(Default)]
struct Known {
    /// What was told of each bay last, by resource.
    bays: BTreeMap<String, Option<PooledDrive>>,
    /// Tasks, by the drive's resource.
    followed: BTreeMap<String, Followed>,
}

impl Known {
    /// The drives as they are now. One whose resource could not be read this time is not gone: it hangs, as far as anybody knows.
    fn now(&mut self, told: &[DriveFacts], has_doubts: bool) -> Vec<PooledDrive> {
        let mut next: BTreeMap<String, Option<PooledDrive>> = BTreeMap::new();
        for drive in told {
            next.insert(drive.resource.clone(), pooled(drive));
        }
        if has_doubts {
            for (resource, before) in &self.bays {
                let hung = before.clone().map(|drive| PooledDrive {
                    is_hung: true,
                    ..drive
                });
                next.entry(resource.clone()).or_insert(hung);
            }
        }
        self.bays = next;
        self.bays.values().flatten().cloned().collect()
    }
}

/// A drive as an agent would tell it; `None` of an empty bay.
fn pooled(drive: &DriveFacts) -> Option<PooledDrive> {
    if drive.state.as_deref() == Some(ABSENT) {
        return None;
    }
    let has_failed = drive.health.as_deref() == Some(CRITICAL);
    Some(PooledDrive {
        identity: drive.identity.clone(),
        nguid: None,
        device: drive.resource.clone(),
        slot: drive.bay.clone(),
        arrival: STAY,
        size: drive.capacity.unwrap_or(Bytes::ZERO),
        percent_used: drive.percent_used,
        predicts_failure: drive.predicts_failure.unwrap_or(false) || has_failed,
        is_hung: false,
        written: None,
        obstacles: vec![UNSEEN.to_owned()],
        access: DriveAccess::default(),
        erasure: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bay: &str, state: &str, health: &str) -> DriveFacts {
        DriveFacts {
            resource: format!("/redfish/v1/Chassis/jbof/Drives/{bay}"),
            bay: bay.to_owned(),
            state: Some(state.to_owned()),
            health: Some(health.to_owned()),
            ..DriveFacts::default()
        }
    }

    #[test]
    fn a_bay_is_empty_only_where_the_bmc_says_so_and_a_drive_that_was_not_read_hangs() {
        let mut known = Known::default();
        let all = [
            told("bay-1", "Enabled", "OK"),
            told("bay-2", "Enabled", "Critical"),
        ];
        let first = known.now(&all, false);
        let failing: Vec<bool> = first.iter().map(|drive| drive.predicts_failure).collect();
        assert_eq!(failing, [false, true]);
        assert!(
            first
                .iter()
                .all(|drive| !drive.is_hung && drive.obstacles.len() == 1)
        );
        // Its page could not be read: it is not gone.
        let second = known.now(&all[..1], true);
        let hung: Vec<(&str, bool)> = second
            .iter()
            .map(|drive| (drive.slot.as_str(), drive.is_hung))
            .collect();
        assert_eq!(hung, [("bay-1", false), ("bay-2", true)]);
        // Its bay is empty: it is.
        let empty = [told("bay-1", "Enabled", "OK"), told("bay-2", "Absent", "OK")];
        assert_eq!(known.now(&empty, true).len(), 1);
        // Nobody lists it any more, and nothing was left unread.
        assert_eq!(known.now(&all, false).len(), 2);
        assert_eq!(known.now(&all[..1], false).len(), 1);
    }
}
