//! `busbar swap`: a supply is swapped step by step; of drives: [`crate::drives`]. The controller's journal knows how far it is; this only shows it and asks what it
//! wants of people, so that it may be left and run again at any time.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use facts::Power;
use rack_api::client::{ClientError, RackClient};
use rack_api::v1::{Interlock, RackView, SwapAnswer, SwapRequest, SwapStep, SwapView};
use tokio::time::Instant;

use crate::args::{Cli, Output};
use crate::drives;
use crate::failure::{REFUSED, USAGE};
use crate::paint::{Paint, Tone};

/// How often it is looked how far the swap is.
pub const LOOK: Duration = Duration::from_millis(300);
/// How long a controller may be away until this gives up; the swap itself goes on.
pub const AWAY: Duration = Duration::from_secs(60);

/// Below the options of `busbar swap`.
pub const SWAP_HELP: &str = "\
The interlock answers first. Then the bay is drained and lit, and each step is said as it comes: pull, put in, settling, on
trial, back in service. Ctrl-C or a lost connection ends only this command: run it again, and it goes on where the swap is.

Exit codes: 0 back in service (or begun, with --no-wait), 3 the interlock refused, or a wrong bay or a wrong part stopped it,
4 the controller could not be reached.

Examples:
  busbar swap shelf/psu-3 --dry-run            may it be pulled?
  busbar swap shelf/psu-3 --reason \"fan noise\"
  busbar swap shelf/psu-3 --accept-part        take the part that was stopped as the wrong one
  busbar swap shelf/psu-3 --cancel             give it up; what is still in its bay goes back to service
  busbar swap shelf/psu-3 -o json              a line of JSON for each step
  busbar swap jbof/bay-7 --enrol S64HNX0T      the drive in bay 7 is drained and pulled, and S64HNX0T put in and taken in";

/// `busbar swap`.
#[derive(Debug, Args)]
pub struct SwapArgs {
    /// The bay, as in shelf/psu-3.
    pub place: String,
    /// Only say what the interlock answers.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on although no further loss is covered meanwhile; without it a terminal is asked.
    #[arg(long)]
    pub exposed: bool,
    /// Go on although promises are broken (smoke does not wait); needs --reason.
    #[arg(long, requires = "reason")]
    pub force: bool,
    /// Take the part that was stopped as the wrong one. Only of supplies.
    #[arg(long, conflicts_with = "enrol")]
    pub accept_part: bool,
    /// The new drive, by its serial number: it joins the pool, and everything on it goes. Without it a terminal is asked. Only of drives.
    #[arg(long, value_name = "SERIAL")]
    pub enrol: Option<String>,
    /// Give the swap up.
    #[arg(long, conflicts_with_all = ["exposed", "force", "accept_part"])]
    pub cancel: bool,
    /// Begin it, or go on with it, and do not wait for the end.
    #[arg(long)]
    pub no_wait: bool,
    /// Why; goes into the journal.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Walks through a swap, or goes on where one is.
pub async fn swap(cli: &Cli, rack: &RackClient, args: &SwapArgs) -> anyhow::Result<ExitCode> {
    if let Some(bay) = drives::bay(rack, &args.place).await? {
        return drives::swap(cli, rack, args, &bay).await;
    }
    if args.enrol.is_some() {
        eprintln!(
            "busbar: {} is no bay for a drive, so nothing is enrolled there",
            args.place
        );
        return Ok(ExitCode::from(USAGE));
    }
    let mut request = SwapRequest {
        place: args.place.clone(),
        dry_run: args.dry_run,
        exposed: args.exposed,
        force: args.force,
        accept_part: args.accept_part,
        cancel: args.cancel,
    };
    let mut answer = rack.swap(&request).await?;
    if is_to_be_asked(cli, &request, &answer) {
        let question = format!("{}\nGo on exposed? Type yes: ", without_option(&answer.sentence));
        if confirmed(&question)? {
            request.exposed = true;
            answer = rack.swap(&request).await?;
        }
    }
    say_answer(cli, &answer)?;
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !answer.goes_on {
        return Ok(ExitCode::from(REFUSED));
    }
    match answer.swap {
        Some(swap) if !args.no_wait && !args.cancel => follow(cli, rack, swap).await,
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn is_to_be_asked(cli: &Cli, request: &SwapRequest, answer: &SwapAnswer) -> bool {
    let asks = answer.answer == Interlock::YesExposed && !answer.goes_on && !request.dry_run;
    asks && cli.output == Output::Text && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// The interlock's sentence for whoever is asked instead of told which option to give.
fn without_option(sentence: &str) -> &str {
    let end = sentence
        .rfind(" or say --exposed")
        .or_else(|| sentence.rfind(" say --exposed"));
    end.map_or(sentence, |end| sentence[..end].trim_end_matches([',', ';']))
}

fn confirmed(question: &str) -> anyhow::Result<bool> {
    print!("{question}");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().eq_ignore_ascii_case("yes"))
}

fn say_answer(cli: &Cli, answer: &SwapAnswer) -> anyhow::Result<()> {
    match cli.output {
        Output::Json => println!(
            "{}",
            serde_json::to_string(&serde_json::json!({"interlock": answer}))?
        ),
        Output::Text => {
            let tone = match answer.answer {
                Interlock::Yes => Tone::Good,
                Interlock::YesExposed => Tone::Warn,
                Interlock::No => Tone::Bad,
            };
            println!("{}", Paint::stdout().tone(tone, &answer.sentence));
        }
    }
    Ok(())
}

/// What was said last: a step is said once.
struct Said {
    step: Option<SwapStep>,
    sentence: String,
    seconds: Option<u64>,
}

async fn follow(cli: &Cli, rack: &RackClient, first: SwapView) -> anyhow::Result<ExitCode> {
    let place = first.place.clone();
    let mut said = Said {
        step: None,
        sentence: String::new(),
        seconds: None,
    };
    let mut seen = Instant::now();
    loop {
        match rack.rack().await {
            Ok(view) => {
                seen = Instant::now();
                if let Some(code) = look(cli, &view, &place, &mut said)? {
                    return Ok(code);
                }
            }
            Err(error) if may_come_back(&error) && seen.elapsed() < AWAY => {}
            Err(error) if may_come_back(&error) => {
                eprintln!("busbar: the swap stands in the journal; go on with: busbar swap {place}");
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A controller that starts again is back soon.
pub fn may_come_back(error: &ClientError) -> bool {
    let busy = error.detail().is_some_and(|detail| detail.code == "busy");
    error.is_unreachable() || busy
}

/// Says what is new, and whether it is over.
fn look(cli: &Cli, view: &RackView, place: &str, said: &mut Said) -> anyhow::Result<Option<ExitCode>> {
    let Some(swap) = view.swaps.iter().find(|swap| swap.place == place) else {
        anyhow::bail!("the controller knows of no swap of {place} any more; see: busbar events");
    };
    let is_new = said.step != Some(swap.step) || said.sentence != swap.sentence;
    if is_new {
        said.step = Some(swap.step);
        said.sentence.clone_from(&swap.sentence);
        match cli.output {
            Output::Json => println!("{}", serde_json::to_string(&serde_json::json!({"step": swap}))?),
            Output::Text => println!("{}", line(swap, Paint::stdout())),
        }
    }
    if cli.output == Output::Text && std::io::stdout().is_terminal() {
        progress(view, swap, said)?;
    }
    Ok(match swap.step {
        SwapStep::Done => Some(ExitCode::SUCCESS),
        SwapStep::GivenUp => Some(ExitCode::from(REFUSED)),
        SwapStep::WrongPart | SwapStep::WrongBay => {
            if cli.output == Output::Text {
                println!("stopped; when that is done, go on with: busbar swap {place}");
            }
            Some(ExitCode::from(REFUSED))
        }
        SwapStep::Draining
        | SwapStep::Pull
        | SwapStep::Insert
        | SwapStep::Settling
        | SwapStep::Probation
        | SwapStep::Unusable => None,
    })
}

/// One step as a line: its number of five, and what it asks for.
fn line(swap: &SwapView, paint: Paint) -> String {
    let (number, tone) = match swap.step {
        SwapStep::Draining => ("1/5", Tone::Strong),
        SwapStep::Pull => ("2/5", Tone::Good),
        SwapStep::Insert => ("3/5", Tone::Good),
        SwapStep::Settling => ("4/5", Tone::Strong),
        SwapStep::Probation => ("5/5", Tone::Strong),
        SwapStep::Unusable => ("!", Tone::Bad),
        SwapStep::WrongPart | SwapStep::WrongBay => ("stop", Tone::Bad),
        SwapStep::Done => ("done", Tone::Good),
        SwapStep::GivenUp => ("end", Tone::Warn),
    };
    let waits_for_hands = matches!(swap.step, SwapStep::Pull | SwapStep::Insert | SwapStep::WrongPart);
    let led = match swap.led {
        Some(true) if waits_for_hands => " (its LED is lit)",
        Some(false) if waits_for_hands => " (its LED is NOT lit: look for the label)",
        _ => "",
    };
    paint.tone(tone, &format!("[{number}] {}{led}", swap.sentence))
}

/// On a terminal: how long a step still takes, and what the new supply carries.
fn progress(view: &RackView, swap: &SwapView, said: &mut Said) -> anyhow::Result<()> {
    if !matches!(swap.step, SwapStep::Settling | SwapStep::Probation) {
        said.seconds = None;
        return Ok(());
    }
    let left = swap.until.map(|until| until.since(view.at).as_secs());
    if left == said.seconds {
        return Ok(());
    }
    said.seconds = left;
    let left = left.map_or(String::new(), |left| format!("{left} s left"));
    print!("\r      {left}{}   ", carries(view, swap));
    std::io::stdout().flush()?;
    if said.seconds == Some(0) {
        println!();
    }
    Ok(())
}

/// What the supply delivers beside an equal share of what all in service deliver.
fn carries(view: &RackView, swap: &SwapView) -> String {
    let domain = view
        .domains
        .iter()
        .find(|domain| domain.bays.iter().any(|bay| bay.place == swap.place));
    let outputs: Vec<Power> = domain
        .into_iter()
        .flat_map(|domain| &domain.bays)
        .filter_map(|bay| bay.output_watts)
        .collect();
    let count = u64::try_from(outputs.len()).unwrap_or(u64::MAX);
    let whole: Power = outputs.into_iter().sum();
    match (swap.output_watts, whole.milliwatts().checked_div(count)) {
        (Some(output), Some(share)) => {
            format!(
                ", it carries {output} of a share of {}",
                Power::from_milliwatts(share)
            )
        }
        (_, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_asked_is_not_told_which_option_to_give() {
        let told = "yes, exposed: 12.4 kW firm fits 15.0 kW that remain; release \"a\" (0.8 kW) to keep redundancy, or say --exposed";
        let asked = without_option(told);
        assert!(asked.ends_with("to keep redundancy"), "{asked}");
        assert_eq!(without_option("yes: PSU 4"), "yes: PSU 4");
    }
}
