//! `busbar drives`: what is done to one drive, by its serial number.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use rack_api::client::RackClient;
use rack_api::v1::{DriveView, EraseDrive, ProofView, VouchDrive};

use super::{decimal, of_drive};
use crate::args::{Change, Cli, Output};
use crate::failure::{REFUSED, USAGE};
use crate::paint::{Paint, Tone};

/// Below the options of `busbar drives`.
pub const DRIVES_HELP: &str = "\
What destroys asks for the serial number once more, on the terminal or with --yes-i-typed SERIAL; there is no --yes. It is refused for a
drive that is mounted, swap, partitioned or part of something, and says of what.

Exit codes: 0 done, or begun; 2 no such drive; 3 refused, or the serial number was not typed as it is; 4 unreachable.

Examples:
  busbar show drives                           which drive is in which bay, and whose it is
  busbar drives enrol S64HNX0T --erase         a foreign drive joins the pool; what is on it goes
  busbar drives erase S64HNX0T                 what a held drive keeps is given up
  busbar drives proof S64HNX0T -o json         what shows that it was erased
  busbar drives vouch S64HNX0T --reason \"carried it here myself\"";

/// What is done to one drive.
#[derive(Debug, Subcommand)]
pub enum DriveVerb {
    /// Have a foreign drive erased, so that it joins the pool. Also one that could not be erased, once more.
    Enrol {
        #[command(flatten)]
        one: OneDrive,
        /// Says that what is on it goes. There is no other way to join.
        #[arg(long, required = true)]
        erase: bool,
        #[command(flatten)]
        typed: Typed,
        #[command(flatten)]
        change: Change,
    },
    /// Have a held drive erased now; its holder does not get back what is on it.
    Erase {
        #[command(flatten)]
        one: OneDrive,
        #[command(flatten)]
        typed: Typed,
        #[command(flatten)]
        change: Change,
    },
    /// Say of a held drive that was away that what is on it is what its holder left. You know where it was; the rack does not.
    Vouch {
        #[command(flatten)]
        one: OneDrive,
        #[command(flatten)]
        typed: Typed,
        #[command(flatten)]
        change: Change,
    },
    /// Show what proves that it was erased: how, what the device itself says of it, what was read back, who asked.
    Proof {
        #[command(flatten)]
        one: OneDrive,
    },
}

/// Which drive.
#[derive(Debug, Args)]
pub struct OneDrive {
    /// Its serial number.
    pub serial: String,
    /// Its model; needed only where two drives have one serial number.
    #[arg(long)]
    pub model: Option<String>,
}

/// The serial number once more.
#[derive(Debug, Args)]
pub struct Typed {
    /// The serial number once more, where nobody can be asked.
    #[arg(long = "yes-i-typed", value_name = "SERIAL")]
    pub typed: Option<String>,
}

impl DriveVerb {
    /// Why, as `--reason` says.
    pub fn reason(&self) -> Option<&str> {
        match self {
            DriveVerb::Enrol { change, .. }
            | DriveVerb::Erase { change, .. }
            | DriveVerb::Vouch { change, .. } => change.reason.as_deref(),
            DriveVerb::Proof { .. } => None,
        }
    }
}

/// Does it.
pub async fn drives(cli: &Cli, rack: &RackClient, verb: &DriveVerb) -> anyhow::Result<ExitCode> {
    match verb {
        DriveVerb::Proof { one } => {
            let proof = rack.drive_proof(&one.serial, one.model.as_deref()).await?;
            match cli.output {
                Output::Json => println!("{}", serde_json::to_string_pretty(&proof)?),
                Output::Text => proof_lines(&proof).iter().for_each(|line| println!("{line}")),
            }
            Ok(ExitCode::SUCCESS)
        }
        DriveVerb::Enrol {
            one, typed, change, ..
        }
        | DriveVerb::Erase { one, typed, change }
        | DriveVerb::Vouch { one, typed, change } => act(cli, rack, verb, one, typed, change).await,
    }
}

/// What stands before the serial number is asked for.
fn consequence(verb: &DriveVerb, drive: &DriveView) -> String {
    let what = match &drive.model {
        Some(model) => format!("{} ({model}, {})", drive.serial, decimal(drive.size_bytes)),
        None => format!("{} ({})", drive.serial, decimal(drive.size_bytes)),
    };
    let whose = drive.holder.as_ref().map_or_else(String::new, |holder| {
        let tenant = holder
            .tenant
            .as_ref()
            .map_or_else(String::new, |tenant| format!(" of {tenant}"));
        format!(
            " It keeps what \"{}\"{tenant} wrote on {}.",
            holder.purpose, holder.node
        )
    });
    match verb {
        DriveVerb::Enrol { .. } => format!("Everything on {what} will be destroyed, whatever it is.{whose}"),
        DriveVerb::Erase { .. } => format!("Everything on {what} will be destroyed.{whose}"),
        DriveVerb::Vouch { .. } | DriveVerb::Proof { .. } => {
            format!("You vouch that what is on {what} is what its holder left.{whose}")
        }
    }
}

async fn act(
    cli: &Cli,
    rack: &RackClient,
    verb: &DriveVerb,
    one: &OneDrive,
    typed: &Typed,
    change: &Change,
) -> anyhow::Result<ExitCode> {
    let drive = match find(rack, one).await? {
        Ok(drive) => drive,
        Err(none) => {
            eprintln!("busbar: {none}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    let place = drive.place.as_deref().unwrap_or("no bay");
    if cli.output == Output::Text {
        println!("{place}: {}", consequence(verb, &drive));
    }
    // A dry run destroys nothing, so nobody has to type anything for it.
    let again = match (&typed.typed, change.dry_run) {
        (Some(typed), _) => typed.clone(),
        (None, true) => drive.serial.clone(),
        (None, false) => match asked_for(cli)? {
            Some(again) => again,
            None => {
                eprintln!(
                    "busbar: nobody can be asked for the serial number here; expected it once more, with --yes-i-typed SERIAL"
                );
                return Ok(ExitCode::from(USAGE));
            }
        },
    };
    if again != drive.serial {
        eprintln!(
            "busbar: {again:?} is not the serial number of the drive in {place}, which is {}: nothing is done",
            drive.serial
        );
        return Ok(ExitCode::from(REFUSED));
    }
    let (serial, model) = (drive.serial.as_str(), drive.model.clone());
    let erase = EraseDrive {
        serial: again.clone(),
        model: model.clone(),
    };
    let after = match verb {
        DriveVerb::Enrol { .. } => rack.enrol_drive(serial, &erase, change.dry_run).await?,
        DriveVerb::Erase { .. } => rack.erase_drive(serial, &erase, change.dry_run).await?,
        DriveVerb::Vouch { .. } | DriveVerb::Proof { .. } => {
            let vouch = VouchDrive { serial: again, model };
            rack.vouch_for_drive(serial, &vouch, change.dry_run).await?
        }
    };
    say(cli, verb, &after, change.dry_run)
}

/// The drive that is meant, or why it is none: by its serial number, and by its model where two share one.
async fn find(rack: &RackClient, one: &OneDrive) -> anyhow::Result<Result<DriveView, String>> {
    let view = rack.drives().await?;
    let mut found: Vec<&DriveView> = view
        .drives()
        .filter(|drive| drive.serial == one.serial)
        .filter(|drive| one.model.is_none() || one.model == drive.model)
        .collect();
    Ok(match (found.pop(), found.len()) {
        (Some(drive), 0) => Ok(drive.clone()),
        (Some(_), _) => Err(format!(
            "several drives have the serial number {:?}; say which with --model",
            one.serial
        )),
        (None, _) => Err(format!(
            "no drive in this rack has the serial number {:?}; see: busbar show drives",
            one.serial
        )),
    })
}

/// The serial number, typed on the terminal; `None` where there is none.
fn asked_for(cli: &Cli) -> anyhow::Result<Option<String>> {
    let can_ask =
        cli.output == Output::Text && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !can_ask {
        return Ok(None);
    }
    print!("Type its serial number to go on: ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(Some(line.trim().to_owned()))
}

fn say(cli: &Cli, verb: &DriveVerb, drive: &DriveView, dry_run: bool) -> anyhow::Result<ExitCode> {
    if cli.output == Output::Json {
        println!("{}", serde_json::to_string_pretty(drive)?);
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::stdout();
    if dry_run {
        println!("{}", paint.tone(Tone::Good, "it would be done; nothing was"));
        return Ok(ExitCode::SUCCESS);
    }
    of_drive(drive).iter().for_each(|line| println!("{line}"));
    if matches!(verb, DriveVerb::Enrol { .. } | DriveVerb::Erase { .. }) {
        println!(
            "how far it is: busbar why {}; when it is done: busbar drives proof {}",
            drive.serial, drive.serial
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// A proof for people, a line a fact.
fn proof_lines(proof: &ProofView) -> Vec<String> {
    let model = proof
        .model
        .as_ref()
        .map_or_else(String::new, |model| format!(" ({model})"));
    let mut lines = vec![
        format!("{}{model} was erased: {}", proof.serial, proof.method.words()),
        format!("  began {}, ended {}", proof.began, proof.ended),
        match &proof.log_page {
            Some(page) => format!("  its own log says: {page}"),
            None => "  it has no log of its own for this method".to_owned(),
        },
        format!(
            "  {} samples read back, {} of them held something",
            proof.samples, proof.dirty
        ),
    ];
    if let Some(written) = proof.written {
        lines.push(format!("  its counter of written data units stood at {written}"));
    }
    lines.push(format!(
        "  asked for by {}; event {} of the journal, {}",
        proof.asked_by, proof.sequence, proof.at
    ));
    if proof.lent_since {
        lines.push("  it was lent since: this shows what was before that, not what is on it now".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;
    use facts::Moment;
    use rack_api::v1::EraseMethod;

    use super::*;

    #[test]
    fn what_destroys_has_no_short_way() {
        let taken = |words: &str| Cli::try_parse_from(words.split_whitespace()).is_ok();
        assert!(taken("busbar drives enrol S1 --erase"));
        assert!(taken("busbar drives erase S1 --yes-i-typed S1 --reason sold"));
        for refused in [
            "busbar drives enrol S1",
            "busbar drives enrol --erase",
            "busbar drives erase S1 --yes",
            "busbar drives erase S1 --yes-i-typed",
            "busbar drives erase",
            "busbar drives erase S1 S2",
        ] {
            assert!(!taken(refused), "{refused} was taken");
        }
    }

    #[test]
    fn a_proof_is_told_whole_and_never_for_more_than_it_shows() {
        let mut proof = ProofView {
            serial: "S1".to_owned(),
            model: Some("M1".to_owned()),
            method: EraseMethod::SanitizeCrypto,
            began: Moment::EPOCH,
            ended: Moment::from_millis(1_500),
            log_page: Some("ffff0101".to_owned()),
            samples: 64,
            dirty: 0,
            written: Some(7),
            asked_by: "anna@ws1".to_owned(),
            sequence: 12,
            at: Moment::from_millis(2_000),
            lent_since: false,
        };
        let text = proof_lines(&proof).join("\n");
        for part in [
            "S1 (M1)",
            "crypto erase",
            "ffff0101",
            "64 samples",
            "anna@ws1",
            "event 12",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        assert!(!text.contains("lent since"), "{text}");
        proof.lent_since = true;
        proof.log_page = None;
        let text = proof_lines(&proof).join("\n");
        assert!(
            text.contains("not what is on it now") && text.contains("no log of its own"),
            "{text}"
        );
    }
}
