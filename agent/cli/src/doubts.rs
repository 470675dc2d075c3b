//! `busbar doubts`, `busbar pause`, `busbar resume`: what cannot be believed, and where nothing shall be done.

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use rack_api::client::RackClient;
use rack_api::v1::{AckRequest, Asked, DoubtView, PauseRequest, PauseView};

use crate::amount::parse_duration;
use crate::args::{Cli, Output};
use crate::paint::{Paint, Tone};

/// `busbar doubts`.
#[derive(Debug, Subcommand)]
pub enum DoubtVerb {
    /// Say that you know of a doubt: it is still listed, and no alert tells of it until it says something else.
    Ack {
        /// The doubt's name, as `busbar doubts` lists it.
        id: String,
        /// Why it is no trouble; goes into the journal.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// For how long, as in 12h; without it until it says something else.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        for_seconds: Option<u32>,
    },
    /// Take an acknowledgement back.
    Unack {
        /// The doubt's name.
        id: String,
        /// Why; goes into the journal.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

impl DoubtVerb {
    /// Why, as `--reason` says.
    pub fn reason(&self) -> Option<&str> {
        match self {
            DoubtVerb::Ack { reason, .. } => Some(reason),
            DoubtVerb::Unack { reason, .. } => reason.as_deref(),
        }
    }
}

/// Where a pause stands.
#[derive(Debug, Args)]
pub struct PauseWhere {
    /// Only at this node.
    #[arg(long, conflicts_with = "domain")]
    pub node: Option<String>,
    /// Only in this power domain.
    #[arg(long)]
    pub domain: Option<String>,
    /// Why; goes into the journal.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// What each kind of doubt means and what to look at; kinds that are not here explain themselves.
const MEANINGS: [(&str, &str); 8] = [
    (
        "redundancy",
        "the BMC claims another redundancy than the supplies make; only the computed one is used. Look at its redundancy policy",
    ),
    (
        "capacity",
        "a rating cannot be true; it is not counted. Look at the supply's label, and set rated_watts in its [[bay]] where it is not told",
    ),
    ("filler", "a blank is listed as a supply; it does not count"),
    (
        "duplicate",
        "two supplies say that they are the same one. Look at their serial numbers; the BMC may repeat itself",
    ),
    (
        "missing",
        "a supply that should be listed is not; it does not count",
    ),
    (
        "total",
        "the BMC's own total is not the sum of its supplies; the sum is used",
    ),
    (
        "unconfigured",
        "the BMC lists a supply that rack.toml does not name: add a [[bay]] for it, or it never counts",
    ),
    (
        "identity",
        "the node's agent and its BMC belong to two machines: correct agent or bmc in its [[node]]",
    ),
];

/// Lists doubts, or does what was said about one.
pub async fn doubts(cli: &Cli, rack: &RackClient, verb: Option<&DoubtVerb>) -> anyhow::Result<ExitCode> {
    let request = match verb {
        None => return list(cli, &rack.rack().await?.doubts),
        Some(DoubtVerb::Ack { id, for_seconds, .. }) => AckRequest {
            id: id.clone(),
            for_seconds: *for_seconds,
            cancel: false,
        },
        Some(DoubtVerb::Unack { id, .. }) => AckRequest {
            id: id.clone(),
            for_seconds: None,
            cancel: true,
        },
    };
    let doubt = rack.acknowledge(&request).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&doubt)?),
        Output::Text => print!("{}", lines(&doubt, Paint::stdout())),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(cli: &Cli, doubts: &[DoubtView]) -> anyhow::Result<ExitCode> {
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(doubts)?),
        Output::Text if doubts.is_empty() => println!("no doubts"),
        Output::Text => {
            let paint = Paint::stdout();
            doubts.iter().for_each(|doubt| print!("{}", lines(doubt, paint)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(doubt: &DoubtView, paint: Paint) -> String {
    let said = &doubt.doubt;
    let tone = if doubt.acknowledged.is_some() {
        Tone::Faint
    } else {
        Tone::Warn
    };
    let mut text = format!(
        "{}  {} ({})\n",
        paint.tone(tone, &doubt.id),
        said.message,
        said.resource
    );
    if let Some((_, meaning)) = MEANINGS.iter().find(|(kind, _)| *kind == said.kind) {
        text.push_str(&format!("          {}: {meaning}\n", said.kind));
    }
    match &doubt.acknowledged {
        Some(known) => {
            let until = known.until.map_or_else(
                || "until it says something else".to_owned(),
                |until| format!("until {until}"),
            );
            text.push_str(&format!(
                "          known since {} {until}{}\n",
                known.at,
                by(known.asked.as_ref())
            ));
        }
        None => text.push_str(&format!(
            "          known to you? busbar doubts ack {} --reason TEXT\n",
            doubt.id
        )),
    }
    text
}

/// `, anna@ws1: fan noise`; nothing where nobody said anything.
pub fn by(asked: Option<&Asked>) -> String {
    let Some(asked) = asked else { return String::new() };
    let who = asked.by.as_deref().unwrap_or("somebody");
    match &asked.reason {
        Some(reason) => format!(", {who}: {reason}"),
        None => format!(", {who}"),
    }
}

/// Pauses, or ends a pause.
pub async fn pause(
    cli: &Cli,
    rack: &RackClient,
    place: &PauseWhere,
    for_seconds: Option<u32>,
) -> anyhow::Result<ExitCode> {
    if for_seconds.is_some() && place.reason.is_none() {
        bail!("a pause without a reason; expected --reason TEXT");
    }
    let request = PauseRequest {
        node: place.node.clone(),
        domain: place.domain.clone(),
        for_seconds,
        resume: for_seconds.is_none(),
    };
    let pauses = rack.pause(&request).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&pauses)?),
        Output::Text if pauses.is_empty() => println!("nothing is paused"),
        Output::Text => {
            pauses.iter().for_each(|pause| println!("{}", paused(pause)));
            println!(
                "leases and armed caps stay, and whatever lowers for safety goes on; drains, claims and releases are answered"
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A pause as a line.
pub fn paused(pause: &PauseView) -> String {
    format!(
        "{} {} is paused until {}{}",
        pause.kind,
        pause.name,
        pause.until,
        by(pause.asked.as_ref())
    )
}
