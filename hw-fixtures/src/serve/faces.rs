//! The doors of a world: a port, a certificate and a credential for each BMC.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum_server::tls_rustls::RustlsConfig;

use super::ServeError;
use crate::face::ipmi::{self, Account, Face, LONGEST_PASSWORD};
use crate::face::redfish::{Bmc, Kind};
use crate::face::tree::{Tree, TreeError};
use crate::live::Live;
use crate::state_dir::{Addresses, BmcAddress, StateDir, StateError};
use crate::tls::Authority;

/// The user that the credential files name.
const USER: &str = "operator";

/// The faces while they are being raised.
pub(super) struct Faces {
    pub(super) control: TcpListener,
    pub(super) doors: Vec<(TcpListener, RustlsConfig, Router)>,
    pub(super) addresses: Vec<BmcAddress>,
    pub(super) ipmi: Vec<(UdpSocket, Face)>,
    live: Arc<Live>,
    dir: StateDir,
    authority: Authority,
    ports: Ports,
}

impl Faces {
    pub(super) fn new(live: Arc<Live>, dir: StateDir, base_port: u16) -> Result<Self, ServeError> {
        let authority = Authority::load_or_make(&dir)?;
        // A broken list of old addresses costs only the old ports.
        let last = dir.addresses().ok().flatten();
        let mut ports = Ports {
            next: base_port,
            last,
        };
        let control = ports.listen(CONTROL)?;
        Ok(Self {
            control,
            doors: Vec::new(),
            addresses: Vec::new(),
            ipmi: Vec::new(),
            live,
            dir,
            authority,
            ports,
        })
    }

    /// The shelf's BMC, one for each node and one for each enclosure of drives.
    pub(super) fn add_rack(&mut self) -> Result<(), ServeError> {
        let world = self.live.world();
        let shelf = (world.plan().shelf.name.get_ref().clone(), Kind::Shelf);
        let nodes = world
            .nodes()
            .iter()
            .map(|node| (node.name().to_owned(), Kind::Node));
        let jbofs = world
            .jbofs()
            .iter()
            .map(|jbof| (jbof.name().to_owned(), Kind::Jbof));
        let all: Vec<(String, Kind)> = std::iter::once(shelf).chain(nodes).chain(jbofs).collect();
        drop(world);
        for (name, kind) in all {
            let uuid = self.live.world().service_uuid(&name);
            let (user, password) = credential(&self.dir, &name)?;
            let bmc = Arc::new(Bmc::new(
                &name,
                kind,
                uuid.clone(),
                Arc::clone(&self.live),
                &user,
                &password,
            ));
            let app = Router::new().fallback(move |request: Request| Arc::clone(&bmc).handle(request));
            let (word, over_ipmi) = match kind {
                Kind::Shelf => ("shelf", Some(ipmi::Kind::Shelf)),
                Kind::Node => ("node", Some(ipmi::Kind::Node)),
                Kind::Jbof => ("jbof", None),
            };
            self.add(&name, word, app)?;
            if let Some(kind) = over_ipmi {
                let account = Account { user, password };
                self.add_ipmi(&name, kind, &uuid, account)?;
            }
        }
        Ok(())
    }

    /// The BMC that was added last listens for IPMI too, on the UDP port of its HTTPS port's number where that is free.
    fn add_ipmi(
        &mut self,
        name: &str,
        kind: ipmi::Kind,
        uuid: &str,
        account: Account,
    ) -> Result<(), ServeError> {
        if account.password.len() > LONGEST_PASSWORD {
            tracing::warn!(
                "{name}: no IPMI, its kept password is longer than {LONGEST_PASSWORD} bytes; remove {name}.cred to have a new one made"
            );
            return Ok(());
        }
        let same = self.doors.last().map_or(0, |(listener, ..)| port_of(listener));
        let bind = |port: u16| UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let wrong = |source| ServeError::Listen {
            what: format!("IPMI of {name}"),
            port: same,
            source,
        };
        let socket = bind(same).or_else(|_| bind(0)).map_err(wrong)?;
        socket.set_nonblocking(true).map_err(wrong)?;
        let address = socket.local_addr().map_err(wrong)?;
        if let Some(last) = self.addresses.last_mut() {
            last.ipmi = Some(address.to_string());
        }
        let face = Face::new(name, kind, uuid, Arc::clone(&self.live), account);
        self.ipmi.push((socket, face));
        Ok(())
    }

    /// A BMC that answers from a recording.
    pub(super) fn add_tree(&mut self, path: &Path) -> Result<(), ServeError> {
        let name = tree_name(path)?;
        let (user, password) = credential(&self.dir, &name)?;
        let tree = Arc::new(Tree::open(&name, path, Arc::clone(&self.live), &user, &password)?);
        let app = Router::new().fallback(move |request: Request| Arc::clone(&tree).handle(request));
        self.add(&name, "tree", app)
    }

    fn add(&mut self, name: &str, kind: &str, app: Router) -> Result<(), ServeError> {
        if self.addresses.iter().any(|other| other.name == name) {
            return Err(ServeError::Twice {
                name: name.to_owned(),
            });
        }
        let leaf = self.authority.leaf(&self.dir, name)?;
        let listener = self.ports.listen(name)?;
        self.addresses.push(BmcAddress {
            name: name.to_owned(),
            kind: kind.to_owned(),
            url: format!("https://127.0.0.1:{}", port_of(&listener)),
            ipmi: None,
            credentials_file: self.dir.file(&format!("{name}.cred")),
            fingerprint: leaf.fingerprint,
        });
        self.doors
            .push((listener, RustlsConfig::from_config(leaf.config), app));
        Ok(())
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
    // As long as IPMI bears it: 80 bits.
    let mut password = uuid::Uuid::new_v4().simple().to_string();
    password.truncate(LONGEST_PASSWORD);
    let text = format!("username = \"{USER}\"\npassword = \"{password}\"\n");
    dir.write_secret(&file, text.as_bytes())?;
    Ok((USER.to_owned(), password))
}

/// Hands out ports: the following one, or the one of the last run when it is still free, or any.
struct Ports {
    next: u16,
    last: Option<Addresses>,
}

impl Ports {
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
        let url = self.last.as_ref().and_then(|last| {
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

/// The port that a listener got.
pub(super) fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().map_or(0, |address| address.port())
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
