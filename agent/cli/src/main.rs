//! `busbar`: the command line for people.

use std::process::ExitCode;

use clap::CommandFactory;
use rack_api::client::{RackClient, Token};
use rack_api::v1::{DrainFor, DrainRequest, LocateRequest};

use crate::args::{Cli, Purpose, Verb};

mod adopt;
mod amount;
mod args;
mod ask;
mod bare;
mod born;
mod child;
mod commission;
mod doubts;
mod draw;
mod drill;
mod drives;
mod failure;
mod help;
mod local;
mod oci;
mod on;
mod paint;
mod place;
mod power;
mod run;
mod show;
mod signals;
mod swap;
mod tables;
mod top;
mod verify;
mod vm;
mod who;
mod why;
mod why_claim;
mod will;

fn main() -> ExitCode {
    let cli = Cli::of_this_process();
    // One thread: `busbar run` may be moved into the workload's own cgroup and shall not crowd it.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("busbar: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(obey(&cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("busbar: {error:#}");
            ExitCode::from(failure::code(&error))
        }
    }
}

async fn obey(cli: &Cli) -> anyhow::Result<ExitCode> {
    match &cli.verb {
        Verb::Run(args) => run::run(cli, args).await,
        Verb::Place(args) => place::place(cli, args).await,
        Verb::Defrag(args) => place::defrag(cli, args).await,
        Verb::Stop { workload, grace } => run::stop(cli, workload, *grace).await,
        Verb::Adopt(args) => adopt::adopt(cli, args).await,
        Verb::Unadopt { workload } => adopt::unadopt(cli, workload).await,
        Verb::Migrate { workload, dry_run } => adopt::migrate(cli, workload, *dry_run).await,
        Verb::Verify(args) => verify::verify(cli, args).await,
        Verb::Freeze { workload } => local::freeze(cli, workload, true).await,
        Verb::Thaw { workload } => local::freeze(cli, workload, false).await,
        Verb::Cap(args) => local::cap(cli, args).await,
        Verb::Top(args) => top::top(cli, args).await,
        Verb::Completions { shell } => Ok(completions(*shell)),
        Verb::Man => man(),
        Verb::Show { side } => show::show(cli, &rack(cli)?, *side).await,
        Verb::Claim { resource } => power::claim(cli, &rack(cli)?, resource).await,
        Verb::Apply { claim, change } => {
            let applied = rack(cli)?.apply(claim, change.dry_run).await?;
            power::go_on(cli, applied, change.said("applied"))
        }
        Verb::Renew { claim, change } => drives::renew(cli, &rack(cli)?, claim, change).await,
        Verb::Calibrate { node, change } => drill::calibrate(cli, &rack(cli)?, node, change.dry_run).await,
        Verb::Power { verb } => on::power(cli, &rack(cli)?, verb).await,
        Verb::Release {
            claim,
            erase_after,
            change,
        } => drives::release(cli, &rack(cli)?, claim, *erase_after, change.dry_run).await,
        Verb::Drives { verb } => drives::drives(cli, &rack(cli)?, verb).await,
        Verb::Swap(args) => swap::swap(cli, &rack(cli)?, args).await,
        Verb::Commission(args) => commission::commission(cli, &rack(cli)?, args).await,
        Verb::Doubts { verb } => doubts::doubts(cli, &rack(cli)?, verb.as_ref()).await,
        Verb::Pause { for_seconds, place } => {
            doubts::pause(cli, &rack(cli)?, place, Some(*for_seconds)).await
        }
        Verb::Resume { place } => doubts::pause(cli, &rack(cli)?, place, None).await,
        Verb::Why(args) => match (&args.workload, &args.what) {
            (Some(workload), _) => why::workload(cli, workload).await,
            (None, what) => show::why(cli, &rack(cli)?, what.as_deref().unwrap_or_default()).await,
        },
        Verb::Drain {
            place: None, change, ..
        } => local::drain(cli, change, true).await,
        Verb::Undrain { place: None, change } => local::drain(cli, change, false).await,
        Verb::Drain {
            place: Some(place), ..
        }
        | Verb::Undrain {
            place: Some(place), ..
        } => power::drain(cli, &rack(cli)?, drain(place, &cli.verb)).await,
        Verb::Locate {
            place,
            for_seconds,
            off,
        } => {
            let request = locate(place, *for_seconds, *off);
            power::locate(cli, &rack(cli)?, &request).await
        }
        Verb::Parts { serial } => show::parts(cli, &rack(cli)?, serial.as_deref()).await,
        Verb::Events { follow, after } => show::events(cli, &rack(cli)?, *after, *follow).await,
    }
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    clap_complete::generate(shell, &mut Cli::command(), "busbar", &mut std::io::stdout());
    ExitCode::SUCCESS
}

fn man() -> anyhow::Result<ExitCode> {
    clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

impl Purpose {
    const fn wire(self) -> DrainFor {
        match self {
            Purpose::Pull => DrainFor::Pull,
            Purpose::SwitchOff => DrainFor::SwitchOff,
            Purpose::Firmware => DrainFor::Firmware,
        }
    }
}

/// The rack that was selected; nothing is sent yet.
fn rack(cli: &Cli) -> anyhow::Result<RackClient> {
    let token = cli.rack_token_file.as_deref().map(Token::load).transpose()?;
    let rack = RackClient::new(&cli.rack, cli.rack_ca.as_deref(), token)?;
    Ok(rack.asked(who::asked(cli.verb.reason())))
}

fn locate(place: &str, for_seconds: u32, off: bool) -> LocateRequest {
    LocateRequest {
        place: place.to_owned(),
        on: !off,
        for_seconds: (!off).then_some(for_seconds),
    }
}

/// What the rack is asked of a bay that is drained, or given back.
fn drain(place: &str, verb: &Verb) -> DrainRequest {
    let mut request = DrainRequest {
        place: place.to_owned(),
        reason: verb.reason().map(str::to_owned),
        ..DrainRequest::default()
    };
    if let Verb::Drain {
        exposed,
        force,
        purpose,
        within,
        change,
        ..
    } = verb
    {
        request.exposed = *exposed;
        request.force = *force;
        request.purpose = purpose.wire();
        request.for_seconds = *within;
        request.dry_run = change.dry_run;
    }
    if let Verb::Undrain { change, .. } = verb {
        request.cancel = true;
        request.dry_run = change.dry_run;
    }
    request
}
