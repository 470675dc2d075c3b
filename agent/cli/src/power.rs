//! Verbs that change what is promised: claim, release, drain, undrain, locate.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use facts::Power;
use rack_api::client::RackClient;
use rack_api::v1::{
    ClaimView, DrainAnswer, DrainFor, DrainRequest, Interlock, LocateRequest, PowerAsk, Taken,
};

use crate::amount::parse_duration;
use crate::args::{Cli, Output};
use crate::drives::{self, CLAIM_DRIVES_HELP, ClaimDrives};
use crate::failure::REFUSED;
use crate::paint::{Paint, Tone};
use crate::place::words::parse_watts;

/// What can be claimed.
#[derive(Debug, Subcommand)]
pub enum Resource {
    /// Watts: firm ones are kept through the losses that the domain's policy covers, revocable ones are taken back on a loss.
    Power(ClaimPower),
    /// Drives of the pool for one node: all that are asked for, or none. Who asks again for the same name has the same drives back.
    #[command(after_help = CLAIM_DRIVES_HELP)]
    Drives(ClaimDrives),
}

/// `busbar claim power`.
#[derive(Debug, Args)]
pub struct ClaimPower {
    /// How many firm watts, as in 800 or 0.5.
    #[arg(long, value_parser = parse_watts, required_unless_present = "revocable")]
    pub watts: Option<Power>,
    /// How many revocable watts beside them, of the redundant share; only for a node whose agent holds its caps.
    #[arg(long, value_name = "WATTS", value_parser = parse_watts, requires = "node")]
    pub revocable: Option<Power>,
    /// What for; also the claim's name.
    #[arg(long = "for", value_name = "NAME")]
    pub purpose: String,
    /// The node that may draw them; without it the claim is a reservation and grants no cap.
    #[arg(long)]
    pub node: Option<String>,
    /// The power domain; needed only where the rack has several.
    #[arg(long)]
    pub domain: Option<String>,
    /// 1 is kept longest, 9 is shed first.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub priority: Option<u8>,
    /// Whose quota it counts in, where the rack has tenants.
    #[arg(long)]
    pub tenant: Option<String>,
    /// For how long it stands unless `busbar renew` is said, as in 1h; without it, until it is released.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub ttl: Option<u32>,
    /// Only keep the watts free for so long, as in 5m; `busbar apply` makes it a claim.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub reserve: Option<u32>,
    /// Where it does not fit: take the watts of claims of lower priority, as few as are needed. They end. Only in a domain whose
    /// configuration says preempt = true; with --dry-run it names them.
    #[arg(long)]
    pub preempt: bool,
    /// What the node leaves unused of the firm watts for long may be lent as revocable watts, and is taken back when it is needed.
    #[arg(long, requires = "node", requires = "watts")]
    pub lendable: bool,
    /// Repeat-safe: the same key gives the same answer, never a second claim.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// Only say whether it would be admitted.
    #[arg(long)]
    pub dry_run: bool,
    /// Why; goes into the journal.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Claims a resource.
pub async fn claim(cli: &Cli, rack: &RackClient, resource: &Resource) -> anyhow::Result<ExitCode> {
    match resource {
        Resource::Power(args) => claim_power(cli, rack, args).await,
        Resource::Drives(args) => drives::claim(cli, rack, args).await,
    }
}

async fn claim_power(cli: &Cli, rack: &RackClient, args: &ClaimPower) -> anyhow::Result<ExitCode> {
    let ask = PowerAsk {
        watts: args.watts.unwrap_or(Power::ZERO),
        revocable_watts: args.revocable.unwrap_or(Power::ZERO),
        purpose: args.purpose.clone(),
        node: args.node.clone(),
        domain: args.domain.clone(),
        priority: args.priority,
        tenant: args.tenant.clone(),
        ttl_seconds: args.ttl,
        reserve_seconds: args.reserve,
        preempt: args.preempt,
        lendable: args.lendable,
    };
    let claim: ClaimView = rack
        .claim(&ask, args.idempotency_key.as_deref(), args.dry_run)
        .await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&claim)?),
        Output::Text => {
            let whose = match &claim.node {
                Some(node) => format!("on {node}"),
                None => "reserved, for no node yet".to_owned(),
            };
            let held = if args.dry_run { "would be held" } else { "held" };
            println!(
                "{held}: {} for {} {whose} (domain {})",
                watts_of(&claim),
                claim.purpose,
                claim.domain
            );
            for taken in &claim.took {
                println!("{}", took(taken, args.dry_run));
            }
            if let Some(waits) = waits(&claim).filter(|_| !args.dry_run) {
                println!("{waits}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `800 W firm`, `800 W firm and 200 W revocable`, `200 W revocable`.
pub fn watts_of(claim: &ClaimView) -> String {
    match (claim.watts.is_zero(), claim.revocable_watts.is_zero()) {
        (_, true) => format!("{} firm", claim.watts),
        (true, false) => format!("{} revocable", claim.revocable_watts),
        (false, false) => format!("{} firm and {} revocable", claim.watts, claim.revocable_watts),
    }
}

/// `ends "batch" (c4, 800 W on n03, priority 9)`.
fn took(taken: &Taken, dry_run: bool) -> String {
    let place = taken
        .node
        .as_ref()
        .map_or_else(String::new, |node| format!(" on {node}"));
    format!(
        "{} \"{}\" ({}, {}{place}, priority {})",
        if dry_run { "would end" } else { "ended" },
        taken.purpose,
        taken.id,
        taken.watts,
        taken.priority
    )
}

/// What a claim has not yet, and until when it stands.
fn waits(claim: &ClaimView) -> Option<String> {
    let until = claim.until.map(|until| {
        if claim.reserved {
            format!("reserved until {until}; then: busbar apply {}", claim.purpose)
        } else {
            format!("stands until {until}; for longer: busbar renew {}", claim.purpose)
        }
    });
    let lacks = claim.granted_watts < claim.revocable_watts && !claim.reserved;
    let revocable = lacks.then(|| {
        format!(
            "its revocable watts are not given yet; why: busbar why {}",
            claim.purpose
        )
    });
    match (until, revocable) {
        (Some(until), Some(revocable)) => Some(format!("{until}\n{revocable}")),
        (until, revocable) => until.or(revocable),
    }
}

/// Says how a claim is that was applied or renewed.
pub fn go_on(cli: &Cli, claim: ClaimView, done: String) -> anyhow::Result<ExitCode> {
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&claim)?),
        Output::Text => {
            println!(
                "{done}: {} for {} (domain {})",
                watts_of(&claim),
                claim.purpose,
                claim.domain
            );
            if let Some(waits) = waits(&claim) {
                println!("{waits}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives a claim back.
pub async fn release(cli: &Cli, rack: &RackClient, name: &str, dry_run: bool) -> anyhow::Result<ExitCode> {
    let claim = if dry_run {
        let claims = rack.claims().await?;
        let found = claims
            .into_iter()
            .find(|claim| claim.purpose == name || claim.id == name);
        found.ok_or_else(|| anyhow::anyhow!("no claim is called {name:?}; see: busbar show claims"))?
    } else {
        rack.release(name).await?
    };
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&claim)?),
        Output::Text => {
            let released = if dry_run { "would be released" } else { "released" };
            println!(
                "{released}: {} of {} (domain {})",
                watts_of(&claim),
                claim.purpose,
                claim.domain
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Empties a bay, or says why not.
pub async fn drain(cli: &Cli, rack: &RackClient, request: DrainRequest) -> anyhow::Result<ExitCode> {
    let answer: DrainAnswer = rack.drain(&request).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&answer)?),
        Output::Text => {
            let tone = match answer.answer {
                Interlock::Yes => Tone::Good,
                Interlock::YesExposed => Tone::Warn,
                Interlock::No => Tone::Bad,
            };
            println!("{}", Paint::stdout().tone(tone, &answer.sentence));
            if answer.begun && request.purpose != DrainFor::Pull {
                println!("it is yours; when it is done: busbar undrain {}", request.place);
            } else if answer.begun && !request.cancel {
                println!(
                    "pull it when its bay says `pull me`: busbar show power (a drive's: busbar show drives)"
                );
            }
        }
    }
    // A dry run refuses nothing: it was asked for the answer, and here it is.
    let refused = !request.dry_run && !answer.begun;
    Ok(if refused {
        ExitCode::from(REFUSED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Lights a bay's LED, or puts it out.
pub async fn locate(cli: &Cli, rack: &RackClient, request: &LocateRequest) -> anyhow::Result<ExitCode> {
    let answer = rack.locate(request).await?;
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&answer)?),
        Output::Text => println!("{}", answer.sentence),
    }
    // Done is what was read back, not what was sent.
    let done = answer.led == Some(request.on);
    Ok(if done {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(REFUSED)
    })
}
