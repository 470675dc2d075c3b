//! Raises a world: keys, memory, BMC faces, control face, addresses; and takes it down again.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;

use crate::face::control::{Control, routes};
use crate::face::redfish::{Bmc, Kind};
use crate::face::tree::{Tree, TreeError};
use crate::live::{BEAT, Live};
use crate::plan::{Plan, PlanError};
use crate::state_dir::{Addresses, BmcAddress, StateDir, StateError};
use crate::tls::{Authority, CA_FILE, TlsError};
use crate::world::{SnapshotError, World};

/// The user that the credential files name.
const USER: &str = "operator";
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

/// The credential of a BMC: kept, so that a controller that knows it keeps its way in.
fn credential(dir: &StateDir, name: &str) -> Result<(String, String), ServeError> {
    #[derive(serde::Deserialize)]
    struct Credential {
        username: String,
        password: String,
    }
    let file = format!("{name}.cred");
    if let Some(text) = dir.read(&file)? {
        let broken = |e: toml::de::Error| StateError::Broken {
            path: dir.file(&file),
            what: e.message().to_owned(),
            advice: "remove it to have a new one made",
        };
        let kept: Credential = toml::from_str(&text).map_err(broken)?;
        return Ok((kept.username, kept.password));
    }
    let password = uuid::Uuid::new_v4().simple().to_string();
    let text = format!("username = \"{USER}\"\npassword = \"{password}\"\n");
    dir.write_secret(&file, text.as_bytes())?;
    Ok((USER.to_owned(), password))
}

/// Hands out ports: the following one, or the one of the last run when it is still free, or any.
struct Ports<'a> {
    next: u16,
    last: Option<&'a Addresses>,
}

impl Ports<'_> {
    fn listen(&mut self, what: &str) -> Result<TcpListener, ServeError> {
        let bind = |port: u16| {
            let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let wrong = |port| {
            let what = what.to_owned();
            move |source| ServeError::Listen { what, port, source }
        };
        if self.next != 0 {
            let port = self.next;
            self.next = self.next.saturating_add(1);
            return bind(port).map_err(wrong(port));
        }
        let url = self.last.and_then(|last| {
            let bmc = last
                .bmcs
                .iter()
                .find(|bmc| bmc.name == what)
                .map(|bmc| bmc.url.as_str());
            if what == CONTROL {
                Some(last.control.as_str())
            } else {
                bmc
            }
        });
        let port = url
            .and_then(|url| url.rsplit(':').next())
            .and_then(|port| port.parse().ok());
        if let Some(listener) = port.and_then(|port| bind(port).ok()) {
            return Ok(listener);
        }
        bind(0).map_err(wrong(0))
    }
}

/// What the control face is called when ports are handed out; no BMC can be named so.
const CONTROL: &str = "the control face";

fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().map_or(0, |address| address.port())
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
    let authority = Authority::load_or_make(&dir)?;
    let shelf = world.plan().shelf.name.get_ref().clone();
    let nodes: Vec<(String, String)> = world
        .nodes()
        .iter()
        .map(|node| (node.name().to_owned(), node.uuid().to_owned()))
        .collect();
    let live = Arc::new(Live::new(world, dir.clone()));
    // A broken list of old addresses costs only the old ports.
    let last = dir.addresses().ok().flatten();
    let mut ports = Ports {
        next: order.base_port,
        last: last.as_ref(),
    };
    let control = ports.listen(CONTROL)?;
    let mut raised = Vec::new();
    let mut bmcs = Vec::new();
    let mut add = |name: &str, kind: &str, make: &dyn Fn(&str, &str) -> Result<Router, ServeError>| {
        let (user, password) = credential(&dir, name)?;
        let leaf = authority.leaf(&dir, name)?;
        let listener = ports.listen(name)?;
        bmcs.push(BmcAddress {
            name: name.to_owned(),
            kind: kind.to_owned(),
            url: format!("https://127.0.0.1:{}", port_of(&listener)),
            credentials_file: dir.file(&format!("{name}.cred")),
            fingerprint: leaf.fingerprint,
        });
        raised.push((
            listener,
            RustlsConfig::from_config(leaf.config),
            make(&user, &password)?,
        ));
        Ok::<(), ServeError>(())
    };
    if !bare {
        let uuid = derived_uuid(&live, &shelf);
        add(&shelf, "shelf", &|user, password| {
            Ok(bmc(&live, &shelf, Kind::Shelf, &uuid, user, password))
        })?;
    }
    for (name, _) in &nodes {
        let uuid = derived_uuid(&live, name);
        add(name, "node", &|user, password| {
            Ok(bmc(&live, name, Kind::Node, &uuid, user, password))
        })?;
    }
    for path in &order.trees {
        let name = tree_name(path)?;
        add(&name, "tree", &|user, password| {
            Ok(tree(&live, &name, path, user, password)?)
        })?;
    }
    check_names(&bmcs)?;
    let names = bmcs.iter().map(|bmc| bmc.name.clone()).collect();
    let addresses = Addresses {
        pid: std::process::id(),
        control: format!("http://127.0.0.1:{}", port_of(&control)),
        ca_file: dir.file(CA_FILE),
        bmcs,
    };
    dir.write_addresses(&addresses)?;
    let control = (
        control,
        routes(Arc::new(Control {
            live: Arc::clone(&live),
            bmcs: names,
        })),
    );
    Ok(Raised {
        live,
        addresses,
        control,
        bmcs: raised,
        _lock: lock,
    })
}

fn check_names(bmcs: &[BmcAddress]) -> Result<(), ServeError> {
    let mut seen = BTreeSet::new();
    match bmcs.iter().find(|bmc| !seen.insert(bmc.name.as_str())) {
        Some(bmc) => Err(ServeError::Twice {
            name: bmc.name.clone(),
        }),
        None => Ok(()),
    }
}

/// The UUID of a BMC's service: another than that of the node it sits in.
fn derived_uuid(live: &Live, name: &str) -> String {
    live.world().service_uuid(name)
}

fn bmc(live: &Arc<Live>, name: &str, kind: Kind, uuid: &str, user: &str, password: &str) -> Router {
    let bmc = Arc::new(Bmc::new(
        name,
        kind,
        uuid.to_owned(),
        Arc::clone(live),
        user,
        password,
    ));
    Router::new().fallback(move |request: Request| Arc::clone(&bmc).handle(request))
}

fn tree(live: &Arc<Live>, name: &str, path: &Path, user: &str, password: &str) -> Result<Router, TreeError> {
    let tree = Arc::new(Tree::open(name, path, Arc::clone(live), user, password)?);
    Ok(Router::new().fallback(move |request: Request| Arc::clone(&tree).handle(request)))
}

/// A tree is named like its folder, with what cannot stand in a file name replaced.
fn tree_name(path: &Path) -> Result<String, TreeError> {
    let full = path.canonicalize().map_err(|source| TreeError::Read {
        path: path.to_path_buf(),
        source,
    })?;
    let name = full
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    Ok(name.chars().map(plain).collect())
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
            let server = axum_server::from_tcp_rustls(listener, tls).map_err(ServeError::Face)?;
            faces.spawn(server.handle(handle.clone()).serve(app.into_make_service()));
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
