//! `hw-fixtures`: raises the simulated rack and does things to it.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use hw_fixtures::cli::{Cli, Command, DoArgs, Output, PlayArgs, ServeArgs};
use hw_fixtures::deeds::{self, DeedError};
use hw_fixtures::serve::{Order, find_world, raise};
use hw_fixtures::state_dir::StateDir;
use hw_fixtures::{picture, scenario};

/// The world is small: two threads serve it and leave the machine to what is tested.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let allowed = may_colour();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && allowed)
        .init();
    // The only provider in the house; a second installation in one process is no error.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(e) => return fail(&anyhow::Error::new(e).context("cannot start the runtime"), 1),
    };
    match cli.command {
        Command::Serve(args) => match runtime.block_on(serve(args)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => fail(&e, 1),
        },
        Command::Do(args) => runtime.block_on(act(args)),
        Command::Play(args) => runtime.block_on(play(args)),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("hw-fixtures: {error:#}");
    ExitCode::from(code)
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let dir = StateDir::find(args.state_dir)?;
    let order = Order {
        world: args.world,
        trees: args.trees,
        base_port: args.base_port,
        fresh: args.fresh,
    };
    let raised = raise(&order, dir)?;
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    for bmc in &raised.addresses.bmcs {
        tracing::info!("{} {} {}", bmc.kind, bmc.name, bmc.url);
    }
    let mut out = std::io::stdout();
    writeln!(out, "ready hw-fixtures {}", raised.addresses.control)?;
    out.flush()?;
    let stop = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("stopping; a second signal ends at once");
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            std::process::exit(1);
        });
    };
    raised.serve(stop).await?;
    Ok(())
}

fn may_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn colours() -> bool {
    std::io::stdout().is_terminal() && may_colour()
}

fn print(text: &str) {
    // A reader that has gone away, such as `head`, is no failure of the deed.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn refuse(error: DeedError, output: Output) -> ExitCode {
    if output == Output::Json {
        print(&format!("{}\n", deeds::error_json(&error)));
    }
    let code = error.exit_code();
    fail(&anyhow::Error::new(error), code)
}

async fn act(args: DoArgs) -> ExitCode {
    let done = match StateDir::find(args.state_dir) {
        Ok(dir) => deeds::run(&dir, args.deed, args.output, colours()).await,
        Err(e) => Err(e.into()),
    };
    match done {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(e) => refuse(e, args.output),
    }
}

async fn play(args: PlayArgs) -> ExitCode {
    let steps = match scenario::read(&find_world(&args.scenario)) {
        Ok(steps) => steps,
        Err(e) => return fail(&anyhow::Error::new(e), 1),
    };
    let hand = StateDir::find(args.state_dir)
        .map_err(DeedError::from)
        .and_then(|dir| deeds::Hand::find(&dir));
    let hand = match hand {
        Ok(hand) => hand,
        Err(e) => return refuse(e, args.output),
    };
    let start = tokio::time::Instant::now();
    for step in steps {
        tokio::time::sleep_until(start + step.at).await;
        let done = match step.deed.verb() {
            Some(verb) => hand.act(&verb).await,
            None => hand.look().await,
        };
        let answer = match done {
            Ok(answer) => answer,
            Err(e) => return refuse(e, args.output),
        };
        match (args.output, answer.get("did").and_then(serde_json::Value::as_str)) {
            (Output::Json, _) => print(&format!("{answer}\n")),
            (Output::Text, Some(did)) => print(&format!("{:>7.1} s  {did}\n", step.at.as_secs_f64())),
            (Output::Text, None) => print(&picture::draw(&answer, colours())),
        }
    }
    ExitCode::SUCCESS
}
