//! `busbar commission shelf`: which bay is which. BMCs count from 0 and sheet metal from 1, so each bay is lit and somebody reads its
//! printed label. Nothing is configured by this: a proposal for rack.toml is printed.

mod trace;

use std::fmt::Write as _;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use rack_api::client::RackClient;
use rack_api::v1::{BayView, LocateRequest};
use serde::Serialize;

use crate::args::{Cli, Output};

/// A light stays on at most this long where this command is killed in the middle; seconds.
const LIT_FOR: u32 = 600;

/// Below the options of `busbar commission`.
pub const COMMISSION_HELP: &str = "\
Each bay is lit in turn. For each you are asked which printed label is lit, at which height unit, and on which feed; an empty
line keeps what stands in brackets, `-` says that you do not know, q ends without a proposal. A feed that nobody traced stays
assumed in the proposal (feed_assumed = true, which is a doubt). Answers may come from a pipe, a line each.

With --trace a feed is proven: the supply is taken out of the sums as for `busbar drain --for switch-off`, you pull its plug at the
PDU, its BMC shows which supply lost its input, and you say whose PDU it was. Where the interlock does not allow it, or the
BMC does not tell inputs, the feed stays assumed.

Examples:
  busbar commission shelf > shelf-bays.toml
  busbar commission shelf --write shelf-bays.toml
  busbar commission shelf --trace --write shelf-bays.toml";

/// `busbar commission`.
#[derive(Debug, Args)]
pub struct CommissionArgs {
    /// The power domain, as in shelf.
    pub domain: String,
    /// Write the proposal into this new file instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Prove each feed by a plug that is pulled, one supply after the other.
    #[arg(long)]
    pub trace: bool,
    /// Only list the bays that would be lit.
    #[arg(long)]
    pub dry_run: bool,
}

/// What somebody read at one bay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Mapped {
    place: String,
    label: String,
    unit: Option<u32>,
    feed: Option<String>,
    /// How the feed is known.
    feed_known: FeedKnown,
    /// Whether the bay's light was read back as lit.
    lit: bool,
}

/// How a bay's feed is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum FeedKnown {
    /// Nobody has traced its cable.
    Assumed,
    /// Somebody says to have traced it.
    Said,
    /// Its plug was pulled at that feed's PDU, and its BMC saw it.
    Proven,
}

/// Lights one bay after another and asks.
pub async fn commission(cli: &Cli, rack: &RackClient, args: &CommissionArgs) -> anyhow::Result<ExitCode> {
    let view = rack.rack().await?;
    let Some(domain) = view.domains.iter().find(|domain| domain.name == args.domain) else {
        bail!(
            "there is no power domain {:?}; see: busbar show power",
            args.domain
        );
    };
    if args.dry_run {
        domain
            .bays
            .iter()
            .for_each(|bay| println!("{} ({})", bay.place, bay.label));
        return Ok(ExitCode::SUCCESS);
    }
    let mut lines = std::io::stdin().lock().lines();
    let mut mapped: Vec<Mapped> = Vec::new();
    for bay in &domain.bays {
        let lit = light(rack, bay, true).await?;
        let said = walk(rack, args, bay, lit, &mut lines, &mapped).await;
        // Also where somebody gave up: no light is left behind.
        light(rack, bay, false).await?;
        mapped.push(said?);
    }
    let proposal = proposal(&mapped);
    match (&args.write, cli.output) {
        (Some(file), _) => {
            let made = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(file);
            made.and_then(|mut made| made.write_all(proposal.as_bytes()))
                .with_context(|| format!("cannot write {}; expected a new file", file.display()))?;
            println!(
                "written: {}; put it in place of the [[bay]] tables of rack.toml",
                file.display()
            );
        }
        (None, Output::Json) => println!("{}", serde_json::to_string_pretty(&mapped)?),
        (None, Output::Text) => print!("{proposal}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked at one bay while it is lit.
async fn walk(
    rack: &RackClient,
    args: &CommissionArgs,
    bay: &BayView,
    lit: bool,
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    mapped: &[Mapped],
) -> anyhow::Result<Mapped> {
    let mut said = ask(lines, bay, lit, mapped)?;
    let proven = args.trace && trace::unplugged(rack, &args.domain, bay).await?;
    let feed = ask_feed(lines, bay, proven);
    // Also where somebody gave up: no supply is left out of service.
    if proven {
        trace::plugged(rack, bay).await?;
    }
    (said.feed, said.feed_known) = feed?;
    Ok(said)
}

async fn light(rack: &RackClient, bay: &BayView, on: bool) -> anyhow::Result<bool> {
    let request = LocateRequest {
        place: bay.place.clone(),
        on,
        for_seconds: on.then_some(LIT_FOR),
    };
    let answer = rack.locate(&request).await?;
    if answer.led != Some(on) {
        eprintln!("{}", answer.sentence);
    }
    Ok(on && answer.led == Some(true))
}

fn ask(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    bay: &BayView,
    lit: bool,
    mapped: &[Mapped],
) -> anyhow::Result<Mapped> {
    let how = if lit { "is lit" } else { "could NOT be lit" };
    eprintln!("\n{} {how}", bay.place);
    let label = loop {
        let said = line(lines, &format!("  printed label [{}]: ", bay.label))?;
        let label = said.unwrap_or_else(|| bay.label.clone());
        match mapped.iter().find(|other| other.label == label) {
            Some(other) => eprintln!("  {} was {label} already; look again", other.place),
            None => break label,
        }
    };
    let unit = loop {
        let Some(said) = line(lines, "  height unit [-]: ")?.filter(|said| said != "-") else {
            break None;
        };
        match said.parse::<u32>() {
            Ok(unit) if (1..=100).contains(&unit) => break Some(unit),
            Ok(_) | Err(_) => eprintln!("  {said:?} is no height unit; expected 1 to 100, or - "),
        }
    };
    Ok(Mapped {
        place: bay.place.clone(),
        label,
        unit,
        feed: None,
        feed_known: FeedKnown::Assumed,
        lit,
    })
}

/// The feed of a bay, and how it is known.
fn ask_feed(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    bay: &BayView,
    proven: bool,
) -> anyhow::Result<(Option<String>, FeedKnown)> {
    let known = bay.feed.as_deref().unwrap_or("-");
    let question = if proven {
        format!("  its input is gone; on which feed's PDU is that plug [{known}]: ")
    } else {
        format!("  feed, if you traced its cable [{known}]: ")
    };
    let said = line(lines, &question)?;
    Ok(match said {
        Some(said) if said == "-" => (None, FeedKnown::Assumed),
        Some(said) if proven => (Some(said), FeedKnown::Proven),
        Some(said) => (Some(said), FeedKnown::Said),
        None if proven && bay.feed.is_some() => (bay.feed.clone(), FeedKnown::Proven),
        None => (bay.feed.clone(), FeedKnown::Assumed),
    })
}

/// One answer; `None` where it is empty.
fn line(
    lines: &mut impl Iterator<Item = std::io::Result<String>>,
    question: &str,
) -> anyhow::Result<Option<String>> {
    eprint!("{question}");
    let said = lines
        .next()
        .context("the answers ended before the bays did; nothing was written")??;
    let said = said.trim().to_owned();
    if said == "q" {
        bail!("ended by you; nothing was written");
    }
    Ok((!said.is_empty()).then_some(said))
}

/// The `[[bay]]` tables. What TOML has to quote is quoted by its own library.
fn proposal(mapped: &[Mapped]) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut text = String::from(
        "# Proposed by busbar commission: put it in place of the [[bay]] tables of rack.toml.\n",
    );
    for bay in mapped {
        let _ = write!(
            text,
            "\n[[bay]]\nplace = {}\nlabel = {}\n",
            quoted(&bay.place),
            quoted(&bay.label)
        );
        match &bay.feed {
            Some(feed) => {
                let how = match bay.feed_known {
                    FeedKnown::Assumed => "\nfeed_assumed = true # nobody traced its cable",
                    FeedKnown::Said => "",
                    FeedKnown::Proven => " # proven: its plug was pulled there",
                };
                let _ = writeln!(text, "feed = {}{how}", quoted(feed));
            }
            None => text.push_str("# unknown: feed?\n"),
        }
        if let Some(unit) = bay.unit {
            let _ = writeln!(text, "# height unit {unit}");
        }
        if !bay.lit {
            text.push_str("# its LED was not lit: nobody has seen which bay this is\n");
        }
    }
    text
}
