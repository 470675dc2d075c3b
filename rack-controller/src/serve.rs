//! `busbar-rack serve`: puts the rooms together, says when it is ready, and takes everything down in order.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum_server::Handle;
use rack_api::Token;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::RackConfig;
use crate::eyes::{Eyes, Lines};
use crate::http::serve::Listening;
use crate::http::{App, Parts as HttpParts};
use crate::journal::{self, Recalled};
use crate::metrics::Own;
use crate::turn::{Parts as TurnParts, Turn};

/// How long answers that are under way may still take when we stop.
const FAREWELL: Duration = Duration::from_secs(3);

/// `busbar-rack serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The rack's configuration (rack.toml)
    #[arg(long, value_name = "FILE", default_value = "/etc/busbar/rack.toml")]
    pub config: PathBuf,
    /// Where to listen, instead of rack.toml's listen_address; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where the journal stands, instead of rack.toml's state_dir
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// Serves until a signal comes.
///
/// # Errors
/// The configuration is wrong, the journal is damaged, or the address cannot be listened on.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = RackConfig::load(&args.config)?;
    if let Some(listen) = args.listen {
        config.check_listen(listen).map_err(anyhow::Error::msg)?;
        config.listen_address = listen;
    }
    if let Some(state_dir) = &args.state_dir {
        config.state_dir.clone_from(state_dir);
    }
    // The first caller in the process decides; that all of ours decide for ring makes a second call harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of this daemon")?;
    let served = runtime.block_on(serve(config));
    // A read of the journal that hangs on a broken disk shall not keep us.
    runtime.shutdown_timeout(FAREWELL);
    served
}

async fn serve(config: RackConfig) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let token = config.token_file.as_deref().map(Token::load).transpose()?;
    let listening = Listening::bind(config.listen_address, config.tls.as_ref())?;
    let url = listening.url();
    let recalled = recall(&config)?;
    let reader = recalled.journal.reader();
    let clock = Clock::start(recalled.last);
    let own = Own::new().context("cannot make the counters")?;
    let lines = Lines::new(&config);
    let (stop, stopping) = watch::channel(false);
    let parts = TurnParts {
        rack: recalled.rack,
        journal: recalled.journal,
        read: recalled.events,
        clock,
        lines: lines.clone(),
        own: own.clone(),
    };
    let (turn, desk, inputs) = Turn::begin(parts, Arc::clone(&config))?;
    let turn = tokio::spawn(turn.run(stopping.clone()));
    let eyes = Eyes::open(&config, &lines, inputs, clock, own.clone(), stopping.clone());
    let parts = HttpParts {
        desk,
        reader,
        own,
        first_look: eyes.first_look.clone(),
        lines: lines.clone(),
        token,
        url: url.clone(),
        stopping,
    };
    let handle = Handle::new();
    let router = App::new(parts, &config).router();
    let server = tokio::spawn(listening.serve(router, handle.clone()));
    // Whoever was told that we are ready may stop us.
    let signals = Signals::listen()?;
    ready(&url)?;
    let ended = until_stopped(signals, server, turn, &handle, &stop).await;
    eyes.closed().await;
    lines.close().await;
    ended
}

/// The journal first: everything that was promised stands before anything is seen.
fn recall(config: &RackConfig) -> anyhow::Result<Recalled> {
    let recalled = journal::recall(&config.state_dir, config)?;
    tracing::info!(
        events = recalled.events,
        after_snapshot = recalled.snapshot,
        claims = recalled.rack.kept.claims.len(),
        state_dir = %config.state_dir.display(),
        mode = config.actuators.mode.word(),
        "the journal was read"
    );
    if recalled.snapshot > 0 {
        check_the_rest(config.state_dir.clone())?;
    }
    Ok(recalled)
}

/// What lies before the snapshot decides nothing any more: it is verified beside the work, and damage there is told.
fn check_the_rest(state_dir: PathBuf) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name("journal-check".to_owned())
        .spawn(move || match journal::verify_beside(&state_dir) {
            Ok(verified) => tracing::info!(events = verified.last.sequence, "the whole journal is sound"),
            Err(error) => tracing::error!(
                "{}; what is decided now rests on the newest snapshot and the events after it, which are sound",
                crate::eyes::chain(&error)
            ),
        })
        .context("cannot start the thread that checks the journal")?;
    Ok(())
}

fn ready(url: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready busbar-rack {url}").context("cannot write the ready line")?;
    out.flush().context("cannot write the ready line")?;
    // Without NOTIFY_SOCKET this does nothing.
    let status = format!("serving {url}");
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]) {
        tracing::warn!("cannot tell systemd that we are ready: {error}");
    }
    tracing::info!("serving {url}");
    Ok(())
}

type Server = tokio::task::JoinHandle<Result<(), crate::http::serve::ServeError>>;

/// What ends this daemon in order.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?,
        })
    }
}

async fn until_stopped(
    signals: Signals,
    mut server: Server,
    mut turn: tokio::task::JoinHandle<()>,
    handle: &Handle<SocketAddr>,
    stop: &watch::Sender<bool>,
) -> anyhow::Result<()> {
    let Signals {
        mut terminate,
        mut interrupt,
    } = signals;
    let ended = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        served = &mut server => Some(served.context("the HTTP server broke").and_then(|served| Ok(served?))),
        turned = &mut turn => Some(turned.context("the turn broke")),
    };
    tracing::info!("stopping");
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Asked twice: whoever asks does not want to wait. Nothing is lost, the journal is durable at every moment.
        std::process::exit(1);
    });
    stop.send_replace(true);
    handle.graceful_shutdown(Some(FAREWELL));
    if ended.is_none() {
        let _ = tokio::time::timeout(FAREWELL, turn).await;
        let _ = tokio::time::timeout(FAREWELL.saturating_mul(2), server).await;
    }
    ended.unwrap_or(Ok(()))
}

/// `busbar-rack check-config`: the sums of each domain, or every error with its line.
///
/// # Errors
/// Anything in the file is wrong.
pub fn check_config(file: &Path) -> anyhow::Result<()> {
    let config = RackConfig::load(file)?;
    print!("{}", crate::config::check_config_report(&config));
    Ok(())
}
