//! The daemon: opens its faces, starts the beats and the keeper, says that it is ready, and stops when told to.

mod systemd;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_api::v1::InterferenceMode;
use collectors::{Root, RootError, TopologySource, roster};
use intent::{Actuator, Mode};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use uuid::Uuid;

use crate::ballast;
use crate::clock::Clock;
use crate::collect::{Collect, Patience};
use crate::config::Config;
use crate::drives::{self, Drives};
use crate::estimate::{EstimateCollector, TrafficCollector};
use crate::events::Events;
use crate::http::{Doors, Guard, House, OpenError, Pages, Serving, SocketError};
use crate::interfere::{Shelf, Watcher};
use crate::keeping::{self, Desk};
use crate::metrics::Counts;
use crate::nri;
use crate::owners;
use crate::proof::Prover;
use crate::reconcile::{Keeper, KeeperConfig, KeeperError};
use crate::view::{About, Board, View};
use crate::vm;
use crate::waits;
use systemd::{feed_watchdog, notify};

/// Threads that serve HTTP: some scrapers and a controller, never the whole machine.
const WORKERS: usize = 1;

/// This program, even after its file was replaced by an update: it reads recorded machines in a child.
const SELF: &str = "/proc/self/exe";
/// What of the log is wanted: a level, or `target=level` with commas between.
const LOG: &str = "RUST_LOG";
const BOOT_ID: &str = "proc/sys/kernel/random/boot_id";
const HOSTNAME: &str = "proc/sys/kernel/hostname";

/// How long the interference loop has at the end to lay its histories down.
const LAID_DOWN: Duration = Duration::from_secs(2);

/// The exit status after a second signal: told twice, we end at once.
const ENDED_AT_ONCE: i32 = 1;

/// Why the daemon did not start or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A face cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keeper cannot open its ledger.
    #[error("cannot open the ledger in {state_dir}")]
    Keeper {
        /// The state directory.
        state_dir: PathBuf,
        /// What the keeper says.
        #[source]
        source: KeeperError,
    },
    /// There is no such recorded machine.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A recorded machine is only looked at.
    #[error(
        "{root} is a recorded machine and the mode is {mode}; expected mode observe: nothing is changed there"
    )]
    Recorded {
        /// Its directory.
        root: PathBuf,
        /// The mode as configured.
        mode: Mode,
    },
    /// The kernel refused something that every program needs.
    #[error("cannot {act}")]
    Kernel {
        /// What was tried.
        act: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl DaemonError {
    /// Whether somebody else has what we need: exit code 3.
    pub fn is_refusal(&self) -> bool {
        match self {
            DaemonError::Open(OpenError::Socket(SocketError::InUse { .. }))
            | DaemonError::Recorded { .. } => true,
            DaemonError::Keeper { source, .. } => {
                matches!(source, KeeperError::Conflict(_) | KeeperError::Refused(_))
            }
            DaemonError::Open(_) | DaemonError::Root(_) | DaemonError::Kernel { .. } => false,
        }
    }
}

/// What only tests and demonstrations ask for.
#[derive(Clone, Debug, Default)]
pub struct Special {
    /// A recorded machine to serve in the place of this one.
    pub root: Option<PathBuf>,
    /// Whether its files may be written to, as the configuration says: a rehearsal, in which a real agent acts on made-up files. The
    /// signals that it is ordered to send go to real processes all the same.
    pub rehearse: bool,
    /// Another name for our own cgroup.
    pub cgroup: Option<String>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start.
pub fn run(config: Config, special: &Special) -> Result<(), DaemonError> {
    ballast::travel_light();
    start_log();
    let root = match &special.root {
        None => Root::host(),
        Some(directory) => Root::at(directory)?,
    };
    if !root.is_host() && !special.rehearse && config.actuators.mode != Mode::Observe {
        return Err(DaemonError::Recorded {
            root: root.directory().to_owned(),
            mode: config.actuators.mode,
        });
    }
    let kernel = |act| move |source| DaemonError::Kernel { act, source };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_name("serve")
        .enable_all()
        .build()
        .map_err(kernel("start the threads that serve"))?;
    runtime.block_on(live(config, root, special.cgroup.clone()))
}

/// The log (`RUST_LOG`, else from info upwards) goes to standard error, in colours only where a person reads it.
fn start_log() {
    let wanted = std::env::var(LOG)
        .ok()
        .and_then(|wanted| wanted.parse::<Targets>().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let colours =
        io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(colours);
    // Fails only where there is a log already.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

async fn live(config: Config, root: Root, cgroup: Option<String>) -> Result<(), DaemonError> {
    let kernel = |act| move |source| DaemonError::Kernel { act, source };
    // From here on a signal is heard, however early it comes.
    let mut terminate = signal(SignalKind::terminate()).map_err(kernel("hear SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(kernel("hear SIGINT"))?;
    let clock = Clock::start();
    let guard = Guard::read(&config)?;
    let doors = Doors::open(&config, guard).await?;
    let about = about(&config, &root, clock);
    let boot_id = about.boot_id.clone();
    let board = Board::new(View::first(about));
    let events = Events::new(clock);
    let mut sources = roster(&root, topology_of(&root), &config.wishes);
    if config.metrics.per_workload {
        sources.push(Box::new(EstimateCollector::new(root.clone(), board.clone())));
        sources.push(Box::new(TrafficCollector::new(root.clone(), board.clone())));
    }
    let collect = Collect::start(
        root.clone(),
        sources,
        Patience::default(),
        clock,
        board.clone(),
        events.clone(),
    )
    .map_err(kernel("start a thread for each source"))?;
    let keeper = open_keeper(&config, root.clone(), boot_id.clone(), cgroup)?;
    let shelf = shelf_of(&config, &boot_id, &keeper);
    let desk = keeping::start(keeper, clock, board.clone(), events.clone(), keeping::SWEEP)
        .map_err(kernel("start the keeper's thread"))?;
    let counts =
        Counts::new().map_err(|error| kernel("make the counters of the daemon")(io::Error::other(error)))?;
    let (stop, stopping) = watch::channel(false);
    let url = doors.url();
    let socket = config.socket.display().to_string();
    let (for_proofs, told) = (desk.clone(), events.clone());
    let watcher = watcher(&config, &root, clock, &board, &desk, &events).remembering(shelf);
    let asked_at = owners::Doors::of(&root);
    let judging = watch_workloads(&config, watcher, &board, &desk, &events, &stopping, &asked_at);
    let drives = drives_of(&config, &root, &board, &events, clock, &stopping);
    let prover = Prover::new(root, clock, board.clone(), for_proofs, told, stopping.clone());
    prove(&prover, config.proof_every);
    let house = House {
        board,
        drives,
        events,
        desk: desk.clone(),
        doors: asked_at,
        prover,
        fresh: collect.fresh(),
        pages: Arc::new(Pages::new(config.metrics.selection.clone(), counts)),
        socket: socket.as_str().into(),
        stopping,
    };
    let serving = doors.serve(house);
    say_ready(&config, &url, &socket);
    let watched = tokio::spawn(feed_watchdog(desk.clone()));
    let unburdened = tokio::spawn(ballast::drop_after_start());
    heard(&mut terminate, &mut interrupt).await;
    tokio::spawn(async move {
        heard(&mut terminate, &mut interrupt).await;
        std::process::exit(ENDED_AT_ONCE);
    });
    watched.abort();
    unburdened.abort();
    end(&stop, serving, &desk, judging).await;
    drop(collect);
    Ok(())
}

/// The pooled drives, as they were kept, and who keeps them.
fn drives_of(
    config: &Config,
    root: &Root,
    board: &Board,
    events: &Events,
    clock: Clock,
    stopping: &watch::Receiver<bool>,
) -> Drives {
    let drives = Drives::open(drives::Place {
        root: root.clone(),
        gate: config.actuators.clone(),
        state_dir: config.state_dir.clone(),
        lending: config.pooled.clone(),
        board: board.clone(),
        events: events.clone(),
        clock,
    });
    tokio::spawn(drives.clone().keep(stopping.clone()));
    drives
}

/// Proves again and again, where that is wished.
fn prove(prover: &Prover, every: Option<Duration>) {
    if let Some(every) = every {
        tokio::spawn(prover.clone().beat(every));
    }
}

/// The interference loop, which has seen nothing yet.
fn watcher(
    config: &Config,
    root: &Root,
    clock: Clock,
    board: &Board,
    desk: &Desk,
    events: &Events,
) -> Watcher {
    let settings = config.interference.clone();
    let (board, desk, events) = (board.clone(), desk.clone(), events.clone());
    Watcher::new(root.clone(), clock, board, desk, events, settings)
}

/// Where what is usual lies between two runs; an agent that only looks lays nothing down.
fn shelf_of(config: &Config, boot_id: &str, keeper: &Keeper) -> Shelf {
    let window = config.interference.thresholds.window;
    Shelf::new(&config.state_dir, boot_id, window, keeper.is_the_one())
}

/// Starts what watches workloads: their virtual machines, their waits, the runtime of containers and the interference loop where these
/// are wished.
fn watch_workloads(
    config: &Config,
    watcher: Watcher,
    board: &Board,
    desk: &Desk,
    events: &Events,
    stopping: &watch::Receiver<bool>,
    asked_at: &owners::Doors,
) -> Option<JoinHandle<()>> {
    tokio::spawn(vm::beat(board.clone(), desk.clone(), stopping.clone()));
    tokio::spawn(waits::watch(board.clone(), events.clone(), stopping.clone()));
    let drift = config.isolation.drift;
    let asking = owners::Beat::new(desk.clone(), asked_at.clone(), events.clone(), drift);
    tokio::spawn(asking.run(board.clone(), stopping.clone()));
    if let Some(nri) = config.nri.clone() {
        let mode = config.actuators.of(Actuator::Cpu);
        let (desk, events) = (desk.clone(), events.clone());
        tokio::spawn(nri::run(nri, mode, drift, desk, events, stopping.clone()));
    }
    let is_wished = config.interference.mode != InterferenceMode::Off;
    is_wished.then(|| tokio::spawn(watcher.beat(stopping.clone())))
}

fn topology_of(root: &Root) -> TopologySource {
    if root.is_host() {
        return TopologySource::Live;
    }
    TopologySource::Root {
        directory: root.directory().to_owned(),
        reader: PathBuf::from(SELF),
    }
}

fn about(config: &Config, root: &Root, clock: Clock) -> About {
    let host = || root.read(HOSTNAME).ok().filter(|name| !name.is_empty());
    About {
        node: config
            .name
            .clone()
            .or_else(host)
            .unwrap_or_else(|| "localhost".to_owned()),
        agent_run_id: Uuid::new_v4().to_string(),
        boot_id: root.read(BOOT_ID).unwrap_or_default(),
        actuators: config.actuators.clone(),
        started_at: clock.now(),
    }
}

fn open_keeper(
    config: &Config,
    root: Root,
    boot_id: String,
    cgroup: Option<String>,
) -> Result<Keeper, DaemonError> {
    let mut settings = KeeperConfig::new(root, config.state_dir.clone(), boot_id);
    settings.actuators = config.actuators.clone();
    settings.cgroup_name = cgroup.unwrap_or(settings.cgroup_name);
    settings.reserved_cpus = config.reserved_cpus.clone();
    settings.drift = config.isolation.drift;
    settings.nri = config.nri.is_some();
    settings.pooled = config.pooled.clone();
    settings.counts_traffic =
        config.metrics.per_workload || config.interference.mode != InterferenceMode::Off;
    settings.cdi_dir = config.isolation.cdi_dir.clone();
    if config.isolation.delegated {
        let host = isolators::Host::at(settings.root.directory());
        let below = isolators::cgroup::delegated(&host).map_err(|why| DaemonError::Keeper {
            state_dir: config.state_dir.clone(),
            source: KeeperError::Refused(why),
        })?;
        tracing::info!("working below the cgroup /{} only", below.display());
        settings.below = Some(below);
    }
    Keeper::open(settings).map_err(|source| DaemonError::Keeper {
        state_dir: config.state_dir.clone(),
        source,
    })
}

/// The ready line on standard output, and the word to systemd.
fn say_ready(config: &Config, url: &str, socket: &str) {
    let cpu = config.actuators.of(Actuator::Cpu);
    tracing::info!(
        "serving {url} and {socket}; mode {}, actuator cpu {cpu}",
        config.actuators.mode
    );
    let mut stdout = io::stdout().lock();
    // Nobody may be reading; that is no reason not to serve.
    let _ = writeln!(stdout, "ready busbar-agent {url}").and_then(|()| stdout.flush());
    notify(&[
        NotifyState::Ready,
        NotifyState::Status(&format!("serving {url}, mode {}", config.actuators.mode)),
    ]);
}

async fn heard(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn end(stop: &watch::Sender<bool>, serving: Serving, desk: &Desk, judging: Option<JoinHandle<()>>) {
    notify(&[NotifyState::Stopping]);
    tracing::info!("stopping; workloads are left running");
    // Fails only where no face is left that could hear it.
    let _ = stop.send(true);
    serving.end().await;
    desk.stop().await;
    if let Some(judging) = judging {
        // What is usual is laid down; a disk that hangs holds nobody up for long.
        let _ = tokio::time::timeout(LAID_DOWN, judging).await;
    }
}
