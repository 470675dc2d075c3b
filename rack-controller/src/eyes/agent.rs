//! The eye on one node's agent: its facts on a slow beat, its workloads on a fast one and whenever it says that one changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agent_api::{AgentClient, ClientError, CredentialError, EventStream, Token};
use facts::{Inventory, SourceStatus};
use tokio::time::Instant;

use super::pace::Pace;
use super::{Nerve, chain};
use crate::config::NodeConfig;
use crate::decide::Input;
use crate::rack::{AgentFacts, NodeSide};

/// How often workloads are read.
const BEAT: Duration = Duration::from_secs(2);
/// How often facts are read: parts come and go by hand, and the agent's events call earlier.
const FACTS_BEAT: Duration = Duration::from_secs(30);
/// For one request.
const DEADLINE: Duration = Duration::from_secs(5);

/// Why an agent could not be asked, or how it failed.
#[derive(Debug, thiserror::Error)]
pub enum AgentFailure {
    /// The token cannot be read.
    #[error(transparent)]
    Token(#[from] CredentialError),
    /// It failed, or said no.
    #[error(transparent)]
    Agent(#[from] ClientError),
    /// No such node is configured.
    #[error("there is no node {0} any more")]
    Unknown(String),
    /// It is another node's agent.
    #[error(
        "the agent at {url} answers for the node {said}, expected {node}: look at the address of {node} in rack.toml, and at the name in \
         the agent.toml there"
    )]
    Stranger {
        /// Where it was asked.
        url: String,
        /// The node that was meant.
        node: String,
        /// The node that it names.
        said: String,
    },
}

/// What is kept between two looks.
#[derive(Default)]
struct Known {
    client: Option<AgentClient>,
    facts: Option<(Instant, Inventory)>,
    events: Option<EventStream>,
}

pub(super) async fn watch(node: NodeConfig, names: Arc<BTreeSet<String>>, nerve: Nerve) {
    let mut pace = Pace::new(BEAT);
    let mut stopping = nerve.stopping.clone();
    let mut known = Known::default();
    let mut first = true;
    loop {
        let began = Instant::now();
        let looked = tokio::select! {
            looked = look(&node, &names, &mut known) => looked,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        let (input, rest) = match looked {
            Ok(facts) => {
                let input = Input::AgentSeen {
                    node: node.name.clone(),
                    facts: Box::new(facts),
                };
                (input, pace.answered(began.elapsed()))
            }
            Err(failure) => {
                known = Known::default();
                let input = Input::NodeSilent {
                    node: node.name.clone(),
                    side: NodeSide::Agent,
                    reason: chain(&failure),
                };
                (input, pace.failed())
            }
        };
        if !nerve.tell(input).await {
            return;
        }
        if std::mem::take(&mut first) {
            nerve.first_look.one_more();
        }
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            called = called(&mut known.events) => if called { known.facts = None },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

async fn look(
    node: &NodeConfig,
    names: &BTreeSet<String>,
    known: &mut Known,
) -> Result<AgentFacts, AgentFailure> {
    let client = match &known.client {
        Some(client) => client.clone(),
        None => acquainted(node, names).await?,
    };
    let workloads = client.workloads().await?;
    let fresh = known
        .facts
        .as_ref()
        .filter(|(at, facts)| at.elapsed() < FACTS_BEAT && !is_pending(facts));
    let inventory = match fresh {
        Some((_, facts)) => facts.clone(),
        None => client.facts().await?,
    };
    let facts = AgentFacts::of(&inventory, &workloads);
    let read_at = fresh.map_or_else(Instant::now, |(at, _)| *at);
    known.facts = Some((read_at, inventory));
    if known.events.is_none() {
        // Without the stream the beat alone must do.
        known.events = client.events().await.ok();
    }
    known.client = Some(client);
    Ok(facts)
}

/// A client of this node's agent, and of no other node's: it was asked whose it is.
async fn acquainted(node: &NodeConfig, names: &BTreeSet<String>) -> Result<AgentClient, AgentFailure> {
    let client = client(node)?.with_deadline(DEADLINE);
    let said = match client.status().await {
        Ok(status) => Some(status.node),
        // Who says nothing of itself is not judged.
        Err(ClientError::Refused { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    is_it(node, names, said.as_deref())?;
    Ok(client)
}

/// Whether an agent that calls itself so is this node's. It is another's where it has the name of another node of this rack; a name that
/// no node has, the host's say, is nobody else's.
///
/// # Errors
/// It is another node's.
pub fn is_it(node: &NodeConfig, names: &BTreeSet<String>, said: Option<&str>) -> Result<(), AgentFailure> {
    match said {
        Some(said) if said != node.name && names.contains(said) => Err(AgentFailure::Stranger {
            url: node.agent.clone().unwrap_or_default(),
            node: node.name.clone(),
            said: said.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The client of a node's agent. Nothing is opened yet.
///
/// # Errors
/// Its token, its address or its authority cannot be used.
pub fn client(node: &NodeConfig) -> Result<AgentClient, AgentFailure> {
    let token = node
        .agent_token_file
        .as_deref()
        .map(Token::from_file)
        .transpose()?;
    let url = node.agent.as_deref().unwrap_or_default();
    Ok(AgentClient::http(url, node.agent_ca_file.as_deref(), token)?)
}

/// An agent serves at once, and hwloc comes a moment later.
fn is_pending(facts: &Inventory) -> bool {
    facts
        .sources
        .iter()
        .any(|source| matches!(source.status, SourceStatus::Pending))
}

/// Waits for the agent to say that something changed; true where it did. A stream that ended is opened again at the next look.
pub(super) async fn called(events: &mut Option<EventStream>) -> bool {
    let Some(stream) = events else {
        return std::future::pending().await;
    };
    let event = stream.next().await;
    let told = matches!(event, Some(Ok(_)));
    if !told {
        *events = None;
        return std::future::pending().await;
    }
    told
}
