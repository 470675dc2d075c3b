//! `busbar power on`: nodes come on one after the other, as far as all that they can draw fits.

use std::process::ExitCode;

use clap::Subcommand;
use rack_api::client::{ClientError, RackClient};

use crate::args::{Change, Cli, Output};

/// What is done to the power of nodes.
#[derive(Debug, Subcommand)]
pub enum PowerVerb {
    /// Switch nodes on: the best claims first, each when all that it can draw fits and the one before it is up.
    On {
        /// The nodes.
        #[arg(required_unless_present = "all", value_name = "NODE")]
        nodes: Vec<String>,
        /// All nodes of the rack that are off.
        #[arg(long, conflicts_with = "nodes")]
        all: bool,
        #[command(flatten)]
        change: Change,
    },
}

impl PowerVerb {
    /// Why, as `--reason` says.
    pub fn reason(&self) -> Option<&str> {
        let PowerVerb::On { change, .. } = self;
        change.reason.as_deref()
    }
}

/// Asks for each node, and says how it stands. One that is refused keeps nobody after it dark; the last refusal is the error.
pub async fn power(cli: &Cli, rack: &RackClient, verb: &PowerVerb) -> anyhow::Result<ExitCode> {
    let PowerVerb::On { nodes, all, change } = verb;
    let nodes = if *all { all_off(rack).await? } else { nodes.clone() };
    let mut refused = None;
    for node in &nodes {
        let answer = match rack.power_on(node, change.dry_run).await {
            Ok(answer) => answer,
            Err(error @ ClientError::Refused { .. }) => {
                if let Some(before) = refused.replace(error) {
                    eprintln!("busbar: {before}");
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        match cli.output {
            Output::Json => println!("{}", serde_json::to_string(&answer)?),
            Output::Text => println!("{}", answer.sentence),
        }
    }
    if nodes.is_empty() && cli.output == Output::Text {
        println!("no node is off");
    }
    if let Some(error) = refused {
        return Err(error.into());
    }
    Ok(ExitCode::SUCCESS)
}

async fn all_off(rack: &RackClient) -> anyhow::Result<Vec<String>> {
    let view = rack.rack().await?;
    let off = view.nodes.into_iter().filter(|node| node.state == "powered_off");
    Ok(off.map(|node| node.name).collect())
}
