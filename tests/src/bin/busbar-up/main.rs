//! `busbar-up`: raises a simulated rack and this machine's agent, says what stands, and takes everything down again.
//!
//! `cargo up` builds and then becomes this program. On the real machine it touches one cgroup, its own.

mod args;
mod claims;
mod end;
mod ports;
mod raised;
mod state;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use house_tests::raise::Turn;

use args::{Args, Asked};
use end::Endings;
use raised::Raised;
use state::State;

/// Exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args = match args::read(std::env::args().skip(1)) {
        Ok(Asked::Up(args)) => args,
        Ok(Asked::Help) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("busbar-up: {error}\n\n{}", args::HELP);
            return ExitCode::from(USAGE);
        }
    };
    match up(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("busbar-up: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn up(args: &Args) -> anyhow::Result<ExitCode> {
    let endings = Endings::watch()?;
    let _turn = Turn::take()?;
    let state = State::open(args)?;
    state.end_leftovers()?;
    if args.fresh {
        state.forget()?;
    }
    let mut raised = Raised::default();
    let outcome = raised
        .raise(args, &state, &endings)
        .and_then(|()| tell(args, &state, &mut raised))
        .and_then(|()| wait(args, &mut raised, &endings));
    let stopped = raised.take_down(&endings);
    let clean = words::removed(&state.leave(), stopped);
    outcome?;
    Ok(if clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Says what stands, and holds the demonstration's watts where the rack is new.
fn tell(args: &Args, state: &State, raised: &mut Raised) -> anyhow::Result<()> {
    words::machine(raised)?;
    claims::hold(state, raised).context("the demonstration's claims")?;
    words::next(args, state, raised);
    Ok(())
}

/// Waits for the end: a signal, the time of `--once`, or the death of every daemon.
fn wait(args: &Args, raised: &mut Raised, endings: &Endings) -> anyhow::Result<()> {
    const LOOK: Duration = Duration::from_millis(200);
    let started = std::time::Instant::now();
    loop {
        if endings.wait(LOOK) {
            println!();
            return Ok(());
        }
        if args.once.is_some_and(|once| started.elapsed() >= once) {
            return Ok(());
        }
        raised.look_after()?;
    }
}
