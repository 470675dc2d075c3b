//! The eye on what one node's agent says of drives: once a second, and at once where its event stream or our own hand calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::DrivesView;
use agent_api::{AgentClient, EventStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::agent::{called, client, is_it};
use super::pace::Pace;
use super::{AgentFailure, Nerve, chain};
use crate::config::{NodeConfig, RackConfig};
use crate::decide::{DrivesInput, Input};

/// How often it is read.
const BEAT: Duration = Duration::from_secs(1);
/// For one request: an agent answers from what it knows, however a drive hangs.
const DEADLINE: Duration = Duration::from_secs(3);
/// The least between two looks: a stream that tells of much is one hint.
const SHORTEST: Duration = Duration::from_millis(20);

/// Where the hand asks the eyes on drives to look now. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Looks(Arc<BTreeMap<String, Notify>>);

impl Looks {
    /// One for each node that is looked at. Where there is no enclosure, none is.
    pub fn new(config: &RackConfig) -> Looks {
        let has_drives = !config.enclosures.is_empty();
        let nodes = config.nodes.iter();
        let nodes = nodes.filter(|node| has_drives && node.agent.is_some());
        Looks(Arc::new(
            nodes.map(|node| (node.name.clone(), Notify::new())).collect(),
        ))
    }

    /// Asks the eye on a node to look now.
    pub fn now(&self, node: &str) {
        if let Some(look) = self.0.get(node) {
            look.notify_one();
        }
    }

    /// Whether a node is looked at.
    pub fn has(&self, node: &str) -> bool {
        self.0.contains_key(node)
    }

    async fn asked(&self, node: &str) {
        match self.0.get(node) {
            Some(look) => look.notified().await,
            None => std::future::pending().await,
        }
    }
}

/// What is kept between two looks.
#[derive(Default)]
struct Known {
    client: Option<AgentClient>,
    events: Option<EventStream>,
}

pub(super) async fn watch(
    node: NodeConfig,
    lends: bool,
    names: Arc<BTreeSet<String>>,
    looks: Looks,
    nerve: Nerve,
) {
    let mut pace = Pace::new(BEAT);
    let mut stopping = nerve.stopping.clone();
    let mut known = Known::default();
    loop {
        let began = Instant::now();
        let looked = tokio::select! {
            looked = look(&node, lends, &names, &mut known) => looked,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let name = node.name.clone();
        let (input, rest) = match looked {
            Ok(view) => {
                let view = Arc::new(view);
                (
                    DrivesInput::Seen { node: name, view },
                    pace.answered(began.elapsed()),
                )
            }
            Err(failure) => {
                known = Known::default();
                let reason = chain(&failure);
                // One that was silent for long must be found soon when it is back: its drives are somebody's.
                (
                    DrivesInput::Silent { node: name, reason },
                    pace.failed().min(BEAT),
                )
            }
        };
        if !nerve.tell(Input::Drives(input)).await {
            return;
        }
        let call = async {
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                // A stream that ended is opened again at the next look.
                _ = called(&mut known.events) => {}
                () = looks.asked(&node.name) => {}
            }
            tokio::time::sleep(SHORTEST.saturating_sub(began.elapsed())).await;
        };
        tokio::select! {
            () = call => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

async fn look(
    node: &NodeConfig,
    lends: bool,
    names: &BTreeSet<String>,
    known: &mut Known,
) -> Result<DrivesView, AgentFailure> {
    let asked = match &known.client {
        Some(asked) => asked.clone(),
        None => client(node)?.with_deadline(DEADLINE),
    };
    let view = asked.drives().await?;
    is_it(node, names, view.node.as_deref())?;
    if lends && known.events.is_none() {
        // Without the stream the beat alone must do.
        known.events = asked.events().await.ok();
    }
    known.client = Some(asked);
    Ok(view)
}
