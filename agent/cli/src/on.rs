//! `busbar power on`: nodes come on one after the other, as far as all that they can draw fits.

use std::process::ExitCode;

use clap::Subcommand;
use rack_api::client::RackClient;

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

/// Asks for each node, and says how it stands. The first refusal ends it; what was asked before stands.
pub async fn power(cli: &Cli, rack: &RackClient, verb: &PowerVerb) -> anyhow::Result<ExitCode> {
    let PowerVerb::On { nodes, all, change } = verb;
    let nodes = if *all { all_off(rack).await? } else { nodes.clone() };
    for node in &nodes {
        let answer = rack.power_on(node, change.dry_run).await?;
        match cli.output {
            Output::Json => println!("{}", serde_json::to_string(&answer)?),
            Output::Text => println!("{}", answer.sentence),
        }
    }
    if nodes.is_empty() && cli.output == Output::Text {
        println!("no node is off");
    }
    Ok(ExitCode::SUCCESS)
}

async fn all_off(rack: &RackClient) -> anyhow::Result<Vec<String>> {
    let view = rack.rack().await?;
    let off = view.nodes.into_iter().filter(|node| node.state == "powered_off");
    Ok(off.map(|node| node.name).collect())
}
