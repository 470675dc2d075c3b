//! Raises a world: keys, memory, BMC faces, control face, addresses; and takes it down again.

mod faces;

use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};

use crate::face::control::{Control, routes};
use crate::face::ipmi::Face;
use crate::face::tree::TreeError;
use crate::live::{BEAT, Live};
use crate::plan::{Plan, PlanError};
use crate::powercap::{PowercapError, Powercaps};
use crate::state_dir::{Addresses, StateDir, StateError};
use crate::tls::{CA_FILE, TlsError};
use crate::world::{SnapshotError, World};
use faces::{Faces, port_of};

/// After a signal, open streams get this long to end.
const FAREWELL: Duration = Duration::from_millis(500);
/// The rack that is raised when none is named.
const DEMO: &str = "racks/demo.toml";
/// A world for trees only: nothing stands in it.
const BARE: &str = "name = \"trees\"\nseed = 0\nfeed = []\n[shelf]\nname = \"none\"\nmaker = \"\"\nmodel = \"\"\nserial = \"\"\nsupply = []\n";

/// What to raise.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// The rack file.
    pub world: Option<PathBuf>,
    /// Recorded trees.
    pub trees: Vec<PathBuf>,
    /// The port of the control face; the BMCs take the following ones. Zero: any that are free.
    pub base_port: u16,
    /// Forget what a hand changed earlier.
    pub fresh: bool,
}

/// Why a world could not be raised.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The rack file was not taken.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The state folder could not be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The files of a node's packages could not be opened.
    #[error(transparent)]
    Powercap(#[from] PowercapError),
    /// Keys or certificates could not be had.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A recorded tree could not be served.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The world's memory does not fit.
    #[error("cannot go on from {path}; `hw-fixtures serve --fresh` forgets it")]
    Memory {
        /// The memory.
        path: PathBuf,
        /// Why.
        #[source]
        source: SnapshotError,
    },
    /// Two BMCs would have one name.
    #[error("two BMCs would be named \"{name}\"; rename the folder of the recorded tree")]
    Twice {
        /// The name.
        name: String,
    },
    /// A port could not be had.
    #[error("cannot listen on 127.0.0.1:{port} for {what}; choose another --base-port, or 0 for any")]
    Listen {
        /// For whom.
        what: String,
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A face ended by itself.
    #[error("a face of the world ended by itself")]
    Face(#[source] std::io::Error),
}

/// Finds a rack file: as it was named, else below the crate, else below its `racks`.
#[must_use]
pub fn find_world(named: &Path) -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [
        named.to_path_buf(),
        home.join(named),
        home.join("racks").join(named),
    ];
    places
        .into_iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| named.to_path_buf())
}

/// A raised world, not yet serving.
pub struct Raised {
    /// The world.
    pub live: Arc<Live>,
    /// Where it is found.
    pub addresses: Addresses,
    control: (TcpListener, Router),
    bmcs: Vec<(TcpListener, RustlsConfig, Router)>,
    ipmi: Vec<(UdpSocket, Face)>,
    _lock: std::fs::File,
}

fn plan_of(order: &Order) -> Result<(Plan, bool), ServeError> {
    let bare = order.world.is_none() && !order.trees.is_empty();
    if bare {
        return Ok((Plan::parse(BARE, Path::new("trees"))?, true));
    }
    let named = order.world.clone().unwrap_or_else(|| PathBuf::from(DEMO));
    Ok((Plan::read(&find_world(&named))?, false))
}

fn remembered(plan: Plan, dir: &StateDir, fresh: bool) -> Result<World, ServeError> {
    if fresh {
        dir.forget()?;
    }
    match dir.memory()? {
        Some(memory) => World::restore(plan, &memory).map_err(|source| ServeError::Memory {
            path: dir.memory_file(),
            source,
        }),
        None => Ok(World::new(plan)),
    }
}

/// Raises a world: everything that can fail fails here, before anything is served.
///
/// # Errors
/// [`ServeError`] naming the file, folder or port.
pub fn raise(order: &Order, mut dir: StateDir) -> Result<Raised, ServeError> {
    let (plan, bare) = plan_of(order)?;
    dir.make()?;
    let lock = dir.lock()?;
    let world = remembered(plan, &dir, order.fresh)?;
    dir.write_memory(&world.snapshot())?;
    let powercaps = Powercaps::open(world.plan())?;
    let live = Arc::new(Live::new(world, dir.clone(), powercaps));
    let mut faces = Faces::new(Arc::clone(&live), dir.clone(), order.base_port)?;
    if !bare {
        faces.add_rack()?;
    }
    for path in &order.trees {
        faces.add_tree(path)?;
    }
    let addresses = Addresses {
        pid: std::process::id(),
        control: format!("http://127.0.0.1:{}", port_of(&faces.control)),
        ca_file: dir.file(CA_FILE),
        bmcs: faces.addresses,
    };
    dir.write_addresses(&addresses)?;
    let names = addresses.bmcs.iter().map(|bmc| bmc.name.clone()).collect();
    let control = (
        faces.control,
        routes(Arc::new(Control {
            live: Arc::clone(&live),
            bmcs: names,
        })),
    );
    Ok(Raised {
        live,
        addresses,
        control,
        bmcs: faces.doors,
        ipmi: faces.ipmi,
        _lock: lock,
    })
}

impl Raised {
    /// Serves until `stop` is over, then lets open requests end.
    ///
    /// # Errors
    /// [`ServeError::Face`] when a face ends by itself.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let mut faces = tokio::task::JoinSet::new();
        let handle = Handle::new();
        let (listener, app) = self.control;
        let server = axum_server::from_tcp(listener)
            .map_err(ServeError::Face)?
            .handle(handle.clone());
        faces.spawn(server.serve(app.into_make_service()));
        for (listener, tls, app) in self.bmcs {
            // Without TCP_NODELAY head and body of an answer wait for each other's acknowledgement.
            let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
            let server = axum_server::from_tcp(listener)
                .map_err(ServeError::Face)?
                .acceptor(acceptor);
            faces.spawn(server.handle(handle.clone()).serve(app.into_make_service()));
        }
        // Datagrams have no connections to end: these just stop.
        let mut datagrams = tokio::task::JoinSet::new();
        for (socket, face) in self.ipmi {
            let socket = tokio::net::UdpSocket::from_std(socket).map_err(ServeError::Face)?;
            datagrams.spawn(face.serve(socket));
        }
        let live = Arc::clone(&self.live);
        let beat = tokio::spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                beat.tick().await;
                live.beat();
            }
        });
        let ended = tokio::select! {
            () = stop => None,
            ended = faces.join_next() => ended,
            Some(ended) = datagrams.join_next() => Some(ended),
        };
        beat.abort();
        handle.graceful_shutdown(Some(FAREWELL));
        match ended {
            None => while faces.join_next().await.is_some() {},
            Some(Ok(Err(e))) => return Err(ServeError::Face(e)),
            Some(Ok(Ok(()))) => return Err(ServeError::Face(std::io::Error::other("it stopped listening"))),
            Some(Err(e)) => return Err(ServeError::Face(std::io::Error::other(e))),
        }
        Ok(())
    }
}
