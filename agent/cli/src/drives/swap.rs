//! `busbar swap jbof/bay-7`: a drive is swapped step by step. Which bay is emptied, and which drive was pulled instead, stands in the
//! controller's journal, so this may be left and run again. The new drive stays foreign unless its serial number is typed.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use rack_api::client::RackClient;
use rack_api::v1::{
    BayLife, DrainRequest, DriveBay, DriveTenancy, DriveView, DrivesView, EnclosureView, EraseDrive,
    Interlock,
};
use tokio::time::Instant;

use super::{decimal, of_rack};
use crate::args::{Cli, Output};
use crate::failure::{REFUSED, USAGE};
use crate::paint::{Paint, Tone};
use crate::swap::{AWAY, LOOK, SwapArgs, may_come_back};

/// The bay for a drive of this place; `None` where it is none.
///
/// # Errors
/// The controller cannot be asked.
pub async fn bay(rack: &RackClient, place: &str) -> anyhow::Result<Option<DriveBay>> {
    let view = of_rack(rack).await?;
    Ok(view.and_then(|view| find(&view, place).map(|(_, bay)| bay.clone())))
}

fn find<'a>(view: &'a DrivesView, place: &str) -> Option<(&'a EnclosureView, &'a DriveBay)> {
    let mut bays = view
        .enclosures
        .iter()
        .flat_map(|enclosure| enclosure.bays.iter().map(move |bay| (enclosure, bay)));
    bays.find(|(_, bay)| bay.place == place)
}

/// Walks through the swap of a drive, or goes on where it is.
///
/// # Errors
/// The controller cannot be asked, or refuses.
pub async fn swap(cli: &Cli, rack: &RackClient, args: &SwapArgs, bay: &DriveBay) -> anyhow::Result<ExitCode> {
    if args.accept_part || args.exposed {
        eprintln!(
            "busbar: --accept-part and --exposed are of supplies; {} is a bay for a drive",
            bay.place
        );
        return Ok(ExitCode::from(USAGE));
    }
    let is_leaving = matches!(bay.life, BayLife::Draining | BayLife::ReadyToPull);
    if !is_leaving || args.cancel || args.dry_run || args.force {
        let request = DrainRequest {
            place: args.place.clone(),
            dry_run: args.dry_run,
            force: args.force,
            cancel: args.cancel,
            reason: args.reason.clone(),
            ..DrainRequest::default()
        };
        let answer = rack.drain(&request).await?;
        let tone = match answer.answer {
            Interlock::Yes => Tone::Good,
            Interlock::YesExposed => Tone::Warn,
            Interlock::No => Tone::Bad,
        };
        say(cli, "interlock", tone, &answer.sentence)?;
        if args.dry_run || args.cancel {
            return Ok(ExitCode::SUCCESS);
        }
        if !answer.begun {
            return Ok(ExitCode::from(REFUSED));
        }
    }
    if args.no_wait {
        return Ok(ExitCode::SUCCESS);
    }
    let leaves = bay.drive.as_ref().map(|drive| drive.serial.clone());
    follow(cli, rack, args, leaves.as_deref()).await
}

/// How far it is.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// Its enclosure does not answer.
    Unseen,
    /// Whoever had the drive is being shut out.
    Draining(String),
    /// It may be pulled.
    Pull(String),
    /// The bay waits for the next drive.
    Insert,
    /// Another drive of the enclosure was pulled, or what is in the bay cannot be lent: why.
    Stopped(String),
    /// The drive that was to leave is in service: nobody pulled it, or it was put back.
    Same(String),
    /// The new drive.
    Arrived(Box<DriveView>),
}

/// Where the swap is, by what is told of the bay now. `leaves`: the drive that is to leave.
fn step(enclosure: &EnclosureView, bay: &DriveBay, leaves: Option<&str>) -> Step {
    let is_leaving = matches!(bay.life, BayLife::Draining | BayLife::ReadyToPull);
    let reason = || bay.reason.clone().unwrap_or_default();
    if bay.wrong_pulled.is_some() {
        return Step::Stopped(reason());
    }
    if !enclosure.seen {
        return Step::Unseen;
    }
    match &bay.drive {
        Some(drive) if bay.life == BayLife::Draining => Step::Draining(drive.serial.clone()),
        Some(drive) if is_leaving => Step::Pull(drive.serial.clone()),
        None | Some(_) if bay.life == BayLife::Faulted => Step::Stopped(reason()),
        None => Step::Insert,
        Some(drive) if leaves == Some(drive.serial.as_str()) => Step::Same(drive.serial.clone()),
        Some(drive) => Step::Arrived(Box::new(drive.clone())),
    }
}

async fn follow(
    cli: &Cli,
    rack: &RackClient,
    args: &SwapArgs,
    leaves: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let place = args.place.as_str();
    let mut said: Option<Step> = None;
    let mut seen = Instant::now();
    loop {
        match rack.drives().await {
            Ok(view) => {
                seen = Instant::now();
                let Some((enclosure, bay)) = find(&view, place) else {
                    anyhow::bail!("{place} is no bay of the rack any more; see: busbar show drives");
                };
                let now = step(enclosure, bay, leaves);
                if said.as_ref() != Some(&now) {
                    let (number, tone, sentence) = words(&now, bay);
                    say(cli, number, tone, &sentence)?;
                    if let Some(code) = over(cli, rack, args, &now).await? {
                        return Ok(code);
                    }
                    said = Some(now);
                }
            }
            Err(error) if may_come_back(&error) && seen.elapsed() < AWAY => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The step's number of four, and what it asks for.
fn words(step: &Step, bay: &DriveBay) -> (&'static str, Tone, String) {
    let place = &bay.place;
    let led = match bay.led {
        Some(true) => " (its LED is lit)",
        Some(false) => " (its LED is NOT lit: look for the label)",
        None => "",
    };
    match step {
        Step::Unseen => (
            "wait",
            Tone::Warn,
            format!("the enclosure of {place} does not answer"),
        ),
        Step::Draining(serial) => (
            "1/4",
            Tone::Strong,
            format!("nobody shall reach {serial} any more: wait"),
        ),
        Step::Pull(serial) => ("2/4", Tone::Good, format!("pull {serial} out of {place}{led}")),
        Step::Insert => ("3/4", Tone::Good, format!("put the new drive into {place}{led}")),
        Step::Stopped(why) => ("stop", Tone::Bad, why.clone()),
        Step::Same(serial) => (
            "end",
            Tone::Warn,
            format!("{serial} is in {place}: it was not swapped"),
        ),
        Step::Arrived(drive) => {
            let model = drive.model.as_deref().unwrap_or("of no model");
            let size = decimal(drive.size_bytes);
            let whose = drive.tenancy.word();
            let told = format!("{} ({model}, {size}) is in {place}: {whose}", drive.serial);
            ("4/4", Tone::Good, told)
        }
    }
}

/// Ends what is over; the new drive joins the pool where its serial number is typed.
async fn over(
    cli: &Cli,
    rack: &RackClient,
    args: &SwapArgs,
    step: &Step,
) -> anyhow::Result<Option<ExitCode>> {
    match step {
        Step::Unseen | Step::Draining(_) | Step::Pull(_) | Step::Insert => Ok(None),
        Step::Same(_) => Ok(Some(ExitCode::from(REFUSED))),
        Step::Stopped(_) => {
            if cli.output == Output::Text {
                println!(
                    "stopped; when that is done, go on with: busbar swap {}",
                    args.place
                );
            }
            Ok(Some(ExitCode::from(REFUSED)))
        }
        Step::Arrived(drive) => enrol(cli, rack, args, drive).await.map(Some),
    }
}

async fn enrol(cli: &Cli, rack: &RackClient, args: &SwapArgs, drive: &DriveView) -> anyhow::Result<ExitCode> {
    let serial = drive.serial.as_str();
    if drive.tenancy != DriveTenancy::Foreign {
        return Ok(ExitCode::SUCCESS);
    }
    let typed = match &args.enrol {
        Some(typed) => Some(typed.clone()),
        None => typed(cli, drive)?,
    };
    let Some(typed) = typed else {
        if cli.output == Output::Text {
            println!("it stays foreign; to take it in: busbar drives enrol {serial} --erase");
        }
        return Ok(ExitCode::SUCCESS);
    };
    if typed != serial {
        eprintln!(
            "busbar: {typed:?} is not the serial number of the drive in {}, which is {serial}: nothing is erased",
            args.place
        );
        return Ok(ExitCode::from(REFUSED));
    }
    let erase = EraseDrive {
        serial: typed,
        model: drive.model.clone(),
    };
    rack.enrol_drive(serial, &erase, false).await?;
    say(
        cli,
        "4/4",
        Tone::Good,
        &format!("{serial} is being erased, and joins the pool then"),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The serial number, typed on the terminal; `None` where there is none, or nothing was typed.
fn typed(cli: &Cli, drive: &DriveView) -> anyhow::Result<Option<String>> {
    let can_ask =
        cli.output == Output::Text && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !can_ask {
        return Ok(None);
    }
    print!(
        "To take it in, type its serial number: everything on {} is destroyed then. Enter alone leaves it foreign: ",
        drive.serial
    );
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

fn say(cli: &Cli, number: &str, tone: Tone, sentence: &str) -> anyhow::Result<()> {
    match cli.output {
        Output::Json => println!(
            "{}",
            serde_json::to_string(&serde_json::json!({"step": number, "sentence": sentence}))?
        ),
        Output::Text if number == "interlock" => println!("{}", Paint::stdout().tone(tone, sentence)),
        Output::Text => println!(
            "{}",
            Paint::stdout().tone(tone, &format!("[{number}] {sentence}"))
        ),
    }
    Ok(())
}
