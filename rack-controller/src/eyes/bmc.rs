//! The eye on one BMC: reads its supplies and its node at its pace, and at once when something calls.

use std::sync::Arc;
use std::time::Duration;

use bmc::{Bmc, BmcError};
use facts::supply::Supplies;
use facts::{Moment, NoData, Reading};
use tokio::time::Instant;

use super::ipmi;
use super::line::{Line, LineError};
use super::pace::Pace;
use super::{Nerve, chain};
use crate::config::RackConfig;
use crate::decide::Input;
use crate::rack::sight::RestorePolicy;
use crate::rack::{BmcFacts, NodeSide};

/// For one whole look: the largest recorded shelf needs 80 requests of 0.1 s.
const LOOK: Duration = Duration::from_secs(30);
/// Between the beginnings of two looks, whatever calls: a BMC that sends events without end is not read without end.
const BREATH: Duration = Duration::from_millis(50);
/// Failures in a row after which the client is made anew: the BMC may have got another certificate, or another service root.
const FRESH_START: u32 = 3;

/// What one BMC is to be asked for.
pub(super) struct Duty {
    pub(super) supplies: bool,
    pub(super) nodes: Vec<String>,
}

impl Duty {
    pub(super) fn of(config: &RackConfig, bmc: &str) -> Duty {
        let nodes = config
            .nodes
            .iter()
            .filter(|node| node.bmc.as_deref() == Some(bmc));
        let nodes: Vec<String> = nodes.map(|node| node.name.clone()).collect();
        let shows_bays = config.bays.iter().any(|bay| bay.bmc == bmc)
            || config
                .domains
                .iter()
                .any(|domain| domain.bmc.as_deref() == Some(bmc));
        Duty {
            // One that nothing refers to is still read, so that it is seen to answer.
            supplies: shows_bays || nodes.is_empty(),
            nodes,
        }
    }
}

pub(super) async fn watch(duty: Duty, line: Arc<Line>, nerve: Nerve) {
    let mut pace = Pace::new(line.config().poll_interval);
    let mut stopping = nerve.stopping.clone();
    let mut first = true;
    loop {
        let began = Instant::now();
        let looked = tokio::select! {
            looked = look(&duty, &line, &nerve) => looked,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let rest = match looked {
            Ok(()) => pace.answered(began.elapsed()),
            Err(failure) => {
                if !silent(&duty, &line, &nerve, &failure).await {
                    return;
                }
                let rest = pace.failed();
                if pace.failures().is_multiple_of(FRESH_START) {
                    line.retire().await;
                }
                rest
            }
        };
        if std::mem::take(&mut first) {
            nerve.first_look.one_more();
        }
        tokio::select! {
            () = tokio::time::sleep_until(began + BREATH) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = line.asked_to_look() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Why a look failed.
pub(super) struct Failure {
    pub(super) reason: NoData,
    pub(super) detail: String,
}

impl From<LineError> for Failure {
    fn from(error: LineError) -> Failure {
        Failure {
            reason: error.no_data(),
            detail: chain(&error),
        }
    }
}

async fn look(duty: &Duty, line: &Line, nerve: &Nerve) -> Result<(), Failure> {
    let late = |_| Failure {
        reason: NoData::Timeout,
        detail: format!("{}: not read in full within {LOOK:?}", line.config().url),
    };
    tokio::time::timeout(LOOK, look_now(duty, line, nerve))
        .await
        .map_err(late)?
}

async fn look_now(duty: &Duty, line: &Line, nerve: &Nerve) -> Result<(), Failure> {
    if line.is_ipmi() {
        return ipmi::look(duty, line, nerve).await;
    }
    if duty.supplies {
        let read_at = nerve.clock.now();
        let supplies = counted(line, nerve, "supplies", async |bmc| bmc::supplies(&bmc).await).await?;
        line.learn(&supplies);
        tell_supplies(line, nerve, supplies, read_at).await;
    }
    if duty.nodes.is_empty() {
        return Ok(());
    }
    let read_at = nerve.clock.now();
    let node = counted(line, nerve, "node", async |bmc| bmc::node(&bmc).await).await;
    let node = match node {
        Ok(node) => node,
        // Its supplies were read a moment ago: it is not silent, it only says nothing of the node.
        Err(failure) if duty.supplies => {
            nodes_silent(duty, nerve, &failure).await;
            return Ok(());
        }
        Err(failure) => return Err(failure),
    };
    if !duty.supplies {
        // No supplies to tell of, but that it answers, and what it says that cannot be believed.
        let doubts = node.doubts.clone();
        tell_supplies(
            line,
            nerve,
            Supplies {
                doubts,
                ..Supplies::default()
            },
            read_at,
        )
        .await;
    }
    for name in &duty.nodes {
        let (node, facts) = (name.clone(), Box::new(facts_of(&node)));
        nerve.tell(Input::NodeBmcSeen { node, facts }).await;
    }
    Ok(())
}

/// One read, counted by what came of it.
async fn counted<T>(
    line: &Line,
    nerve: &Nerve,
    operation: &str,
    read: impl AsyncFnOnce(Bmc) -> Result<T, BmcError>,
) -> Result<T, Failure> {
    let began = std::time::Instant::now();
    let got = match line.bmc().await {
        Ok(bmc) => read(bmc).await.map_err(LineError::Bmc),
        Err(error) => Err(error),
    };
    let outcome = got.as_ref().map_or_else(|error| error.no_data().word(), |_| "ok");
    nerve.own.read(line.name(), operation, outcome, began.elapsed());
    got.map_err(Failure::from)
}

pub(super) async fn tell_supplies(line: &Line, nerve: &Nerve, supplies: Supplies, read_at: Moment) {
    let bmc = line.name().to_owned();
    nerve
        .tell(Input::SuppliesSeen {
            bmc,
            supplies,
            read_at,
        })
        .await;
}

fn facts_of(node: &bmc::NodeFacts) -> BmcFacts {
    let cap = match &node.limit {
        None => Reading::none(NoData::Unsupported),
        Some(limit) if limit.control_mode.as_deref() == Some("Disabled") => Reading::none(NoData::Off),
        Some(limit) => limit.set_point_watts.ok_or(NoData::Off).into(),
    };
    BmcFacts {
        powered_on: node.power_state.as_deref().map(|state| state != "Off"),
        drawn: node.drawn_watts,
        cap,
        packages: node.packages,
        cores: node.cores,
        cpus: node.cpus,
        memory: node.memory_bytes,
        uuid: node.uuid.clone(),
        // The words of ComputerSystem.PowerRestorePolicy.
        restore: match node.restore_policy.as_deref() {
            Some("AlwaysOff") => Some(RestorePolicy::AlwaysOff),
            Some("AlwaysOn") => Some(RestorePolicy::AlwaysOn),
            Some("LastState") => Some(RestorePolicy::LastState),
            Some(_) | None => None,
        },
    }
}

async fn silent(duty: &Duty, line: &Line, nerve: &Nerve, failure: &Failure) -> bool {
    line.place().fell_silent();
    let input = Input::BmcSilent {
        bmc: line.name().to_owned(),
        reason: failure.reason,
        detail: failure.detail.clone(),
    };
    nerve.tell(input).await && nodes_silent(duty, nerve, failure).await
}

async fn nodes_silent(duty: &Duty, nerve: &Nerve, failure: &Failure) -> bool {
    for node in &duty.nodes {
        let input = Input::NodeSilent {
            node: node.clone(),
            side: NodeSide::Bmc,
            reason: failure.detail.clone(),
        };
        if !nerve.tell(input).await {
            return false;
        }
    }
    true
}
