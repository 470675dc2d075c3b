//! `busbar claim drives`, and claims that are renewed or given back, whatever they hold.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use facts::{Bytes, Power};
use rack_api::client::RackClient;
use rack_api::v1::{DriveClaim, DriveClaimAsk, DriveStage};
use tokio::time::Instant;

use super::size::{decimal, parse_size};
use super::{of_claim, of_rack};
use crate::amount::parse_duration;
use crate::args::{Change, Cli, Output};
use crate::failure::{REFUSED, USAGE};
use crate::place::words::parse_watts;
use crate::power;

/// How often it is looked whether a claim's drives are there: an attach takes less than a second.
const LOOK: Duration = Duration::from_millis(100);

/// Below the options of `busbar claim drives`.
pub const CLAIM_DRIVES_HELP: &str = "\
It waits until the node has seen each drive, and says as what; --no-wait does not. Drives that the same name (and tenant) gave back or
lost a while ago come back with what is on them. A claim that runs out is fenced and held: nothing is erased by that.

Exit codes: 0 the drives are there (or claimed, with --no-wait), 2 a bad ask, 3 it does not fit, or the drives are not there in time; the
lines say what would help; 4 unreachable.

Examples:
  busbar claim drives --for db --node n01                          one drive, the least worn that is free
  busbar claim drives --for db --node n01 --count 2 --at-least 3TB --spread
  busbar claim drives --for scratch --node n02 --erase-after 0s    nobody will miss it: erased at once when it is given back
  busbar claim drives --for db --node n01 --watts 800              both or neither
  busbar release db                                                fenced at once, held for a while, then erased";

/// `busbar claim drives`.
#[derive(Debug, Args)]
pub struct ClaimDrives {
    /// What for; also the claim's name.
    #[arg(long = "for", value_name = "NAME")]
    pub purpose: String,
    /// The node that shall use them.
    #[arg(long)]
    pub node: String,
    /// How many.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    /// The least that each must hold, as in 3TB or 2TiB.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub at_least: Option<Bytes>,
    /// Only of this model.
    #[arg(long)]
    pub model: Option<String>,
    /// Only as worn as this: percent of the rated endurance. A drive that does not tell does not fit.
    #[arg(long, value_name = "PERCENT")]
    pub most_worn: Option<u8>,
    /// No two of them in one enclosure.
    #[arg(long)]
    pub spread: bool,
    /// Whose they are, and whose quota they count in.
    #[arg(long)]
    pub tenant: Option<String>,
    /// 1 is kept longest, 9 is shed first.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    pub priority: Option<u8>,
    /// For how long it stands unless `busbar renew` is said, as in 1h; without it, until it is released.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub ttl: Option<u32>,
    /// How long they are held when they are given back, before they are erased; without it as the rack is configured.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub erase_after: Option<u32>,
    /// A drive that says that it will fail is replaced by another one of the pool.
    #[arg(long)]
    pub replace: bool,
    /// Firm watts for the same node beside them: both are admitted, or neither.
    #[arg(long, value_parser = parse_watts)]
    pub watts: Option<Power>,
    /// Repeat-safe: the same key gives the same answer, never a second claim.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// How long to wait until its node has seen the drives.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub wait: u32,
    /// Do not wait.
    #[arg(long, conflicts_with = "wait")]
    pub no_wait: bool,
    #[command(flatten)]
    pub change: Change,
}

impl ClaimDrives {
    /// The ask.
    fn ask(&self) -> DriveClaimAsk {
        DriveClaimAsk {
            purpose: self.purpose.clone(),
            node: self.node.clone(),
            count: self.count,
            at_least_bytes: self.at_least.unwrap_or(Bytes::ZERO),
            model: self.model.clone(),
            most_worn_percent: self.most_worn,
            spread: self.spread,
            tenant: self.tenant.clone(),
            priority: self.priority,
            ttl_seconds: self.ttl,
            erase_after_seconds: self.erase_after,
            replace: self.replace,
            watts: self.watts.unwrap_or(Power::ZERO),
        }
    }
}

/// Claims drives, and waits until they are there.
pub async fn claim(cli: &Cli, rack: &RackClient, args: &ClaimDrives) -> anyhow::Result<ExitCode> {
    let key = args.idempotency_key.as_deref();
    let claim = rack.claim_drives(&args.ask(), key, args.change.dry_run).await?;
    if args.change.dry_run || args.no_wait {
        return said(cli, &claim, &args.change.said("claimed"));
    }
    if cli.output == Output::Text {
        println!("{}", headline(&claim, "claimed"));
    }
    let until = Instant::now() + Duration::from_secs(u64::from(args.wait));
    let mut last = claim;
    while !last.is_ready() && Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        let view = rack.drives().await?;
        match view.claims.into_iter().find(|claim| claim.id == last.id) {
            Some(claim) => last = claim,
            None => bail!(
                "{} ({}) is not in force any more; see: busbar events",
                last.purpose,
                last.id
            ),
        }
        if !last.lost.is_empty() {
            break;
        }
    }
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&last)?),
        Output::Text => drive_lines(&last).iter().for_each(|line| println!("{line}")),
    }
    Ok(if last.is_ready() {
        ExitCode::SUCCESS
    } else {
        eprintln!(
            "busbar: not all of its drives are there; it is claimed all the same: busbar why {}",
            last.purpose
        );
        ExitCode::from(REFUSED)
    })
}

/// `claimed: 2 drives for db on n01 (c7)`.
fn headline(claim: &DriveClaim, done: &str) -> String {
    let drives = if claim.drives.len() == 1 {
        "drive"
    } else {
        "drives"
    };
    let watts = if claim.watts.is_zero() {
        String::new()
    } else {
        format!(" and {} firm", claim.watts)
    };
    let id = if claim.id.is_empty() {
        String::new()
    } else {
        format!(" ({})", claim.id)
    };
    format!(
        "{done}: {} {drives}{watts} for {} on {}{id}",
        claim.drives.len(),
        claim.purpose,
        claim.node
    )
}

/// `  S1  jbof/bay-1  3.84 TB  nvme3n1`.
fn drive_lines(claim: &DriveClaim) -> Vec<String> {
    let mut lines: Vec<String> = claim
        .drives
        .iter()
        .map(|drive| {
            let how = match (&drive.device, drive.stage) {
                (Some(device), DriveStage::Attached) => device.clone(),
                (_, stage) => stage.word().to_owned(),
            };
            let kept = if drive.kept {
                "  (with what was on it before)"
            } else {
                ""
            };
            let why = drive
                .why
                .as_ref()
                .map_or_else(String::new, |why| format!("  {why}"));
            format!(
                "  {}  {}  {}  {how}{kept}{why}",
                drive.serial,
                drive.place.as_deref().unwrap_or("in no bay"),
                decimal(drive.size_bytes)
            )
        })
        .collect();
    lines.extend(
        claim
            .lost
            .iter()
            .map(|lost| format!("  {}  lost: {}", lost.serial, lost.ending.words())),
    );
    lines
}

fn said(cli: &Cli, claim: &DriveClaim, done: &str) -> anyhow::Result<ExitCode> {
    match cli.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(claim)?),
        Output::Text => {
            println!("{}", headline(claim, done));
            drive_lines(claim).iter().for_each(|line| println!("{line}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a name or an id stands for.
enum Meant {
    Drives(Box<DriveClaim>),
    /// Watts, or nothing that we know of: the controller says so.
    Watts,
    /// Both, which are two claims.
    Both(String),
}

async fn meant(rack: &RackClient, name: &str) -> anyhow::Result<Meant> {
    let Some(pool) = of_rack(rack).await? else {
        return Ok(Meant::Watts);
    };
    let is_it = |purpose: &str, id: &str| purpose == name || id == name;
    let mut claims = pool.claims.into_iter();
    let Some(drives) = claims.find(|claim| is_it(&claim.purpose, &claim.id)) else {
        return Ok(Meant::Watts);
    };
    let watts = rack.claims().await?;
    let other = watts
        .iter()
        .find(|claim| is_it(&claim.purpose, &claim.id) && claim.id != drives.id);
    Ok(match other {
        Some(other) => Meant::Both(format!(
            "{name:?} is {} of drives and {} of {}; say which by its id",
            drives.id,
            other.id,
            power::watts_of(other)
        )),
        None => Meant::Drives(Box::new(drives)),
    })
}

/// `busbar release`: drives where the name is a claim of drives, else watts.
pub async fn release(
    cli: &Cli,
    rack: &RackClient,
    name: &str,
    erase_after: Option<u32>,
    dry_run: bool,
) -> anyhow::Result<ExitCode> {
    let claim = match meant(rack, name).await? {
        Meant::Drives(claim) => claim,
        Meant::Watts if erase_after.is_some() => {
            eprintln!(
                "busbar: no claim of drives is called {name:?}, and watts are not erased; see: busbar show drives"
            );
            return Ok(ExitCode::from(USAGE));
        }
        Meant::Watts => return power::release(cli, rack, name, dry_run).await,
        Meant::Both(why) => {
            eprintln!("busbar: {why}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let seconds = erase_after.unwrap_or(claim.erase_after_seconds);
    let (claim, done) = if dry_run {
        (*claim, "would be released")
    } else {
        (rack.release_drives(&claim.id, erase_after).await?, "released")
    };
    if cli.output == Output::Text && !claim.drives.is_empty() {
        println!("{}", headline(&claim, done));
        println!("{}", afterwards(&claim, seconds));
        return Ok(ExitCode::SUCCESS);
    }
    said(cli, &claim, done)
}

/// What becomes of drives that are given back.
fn afterwards(claim: &DriveClaim, seconds: u32) -> String {
    if seconds == 0 {
        return "nobody can reach them from now on; they are erased as soon as that is read back".to_owned();
    }
    format!(
        "nobody can reach them from now on; held for {}, then erased. To have them back until then, claim \"{}\" again",
        words(seconds),
        claim.purpose
    )
}

/// `24 h`, `90 min`, `45 s`.
fn words(seconds: u32) -> String {
    match seconds {
        hours if hours % 3_600 == 0 => format!("{} h", hours / 3_600),
        minutes if minutes % 60 == 0 => format!("{} min", minutes / 60),
        seconds => format!("{seconds} s"),
    }
}

/// `busbar renew`: drives where the name is a claim of drives, else watts.
pub async fn renew(cli: &Cli, rack: &RackClient, name: &str, change: &Change) -> anyhow::Result<ExitCode> {
    match meant(rack, name).await? {
        Meant::Watts => power::go_on(
            cli,
            rack.renew(name, change.dry_run).await?,
            change.said("renewed"),
        ),
        Meant::Both(why) => {
            eprintln!("busbar: {why}");
            Ok(ExitCode::from(USAGE))
        }
        Meant::Drives(claim) => {
            let claim = rack.renew_drives(&claim.id, change.dry_run).await?;
            if cli.output == Output::Text {
                println!("{}", headline(&claim, &change.said("renewed")));
                of_claim(&claim)
                    .iter()
                    .skip(1)
                    .for_each(|line| println!("  {line}"));
                return Ok(ExitCode::SUCCESS);
            }
            said(cli, &claim, &change.said("renewed"))
        }
    }
}

#[cfg(test)]
mod tests;
