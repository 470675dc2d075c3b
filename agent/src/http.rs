//! The faces of the agent: HTTP over TCP, which answers questions and takes leases of power of a rack that has a token, and over a Unix
//! socket, which also takes orders.
//!
//! **Invariant**: what changes a workload comes over the Unix socket, from root or our own user, and places the process that
//! asks: its pid comes from the kernel (`SO_PEERCRED`), never from the request.

mod acts;
mod answer;
mod connection;
mod drives;
mod front;
mod interference;
mod lease;
mod live;
mod previews;
mod proofs;
mod routes;
mod scrape;
mod socket;
mod stop;
mod tls;
mod vm;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_api::{CredentialError, Token};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::collect::Fresh;
use crate::config::Config;
use crate::drives::Drives;
use crate::events::Events;
use crate::keeping::Desk;
use crate::owners;
use crate::proof::Prover;
use crate::view::Board;

pub use scrape::Pages;
pub use socket::SocketError;
pub use tls::TlsError;

/// How long open requests may go on after the order to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Everything that the routes need.
#[derive(Clone)]
pub struct House {
    /// The latest view.
    pub board: Board,
    /// What happens.
    pub events: Events,
    /// Where orders go.
    pub desk: Desk,
    /// Where the owners of others' cgroups are asked.
    pub doors: owners::Doors,
    /// The node's pooled drives.
    pub drives: Drives,
    /// Who watches workloads' CPUs.
    pub prover: Prover,
    /// What the cheap sources count, asked at scrape time.
    pub fresh: Fresh,
    /// The pages of metrics.
    pub pages: Arc<Pages>,
    /// The Unix socket's path, for messages.
    pub socket: Arc<str>,
    /// True once the agent is stopping.
    pub stopping: watch::Receiver<bool>,
}

/// Why a face cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The TCP address cannot be had.
    #[error("cannot listen on {address}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The Unix socket cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] CredentialError),
}

/// The secrets of the TCP face, read and checked.
#[derive(Clone, Default)]
pub struct Guard {
    tls: Option<Arc<rustls::ServerConfig>>,
    keys: lease::Keys,
}

impl Guard {
    /// Reads certificate, key and token.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn read(config: &Config) -> Result<Guard, OpenError> {
        let tls = config.tls.as_ref().map(tls::server_config).transpose()?;
        let token = |file: &Option<PathBuf>| file.as_deref().map(Token::from_file).transpose();
        Ok(Guard {
            tls: tls.map(Arc::new),
            keys: lease::Keys {
                ask: token(&config.token_file)?.map(Arc::new),
                rack: token(&config.rack_token_file)?.map(Arc::new),
            },
        })
    }
}

/// The faces, bound and not yet served.
pub struct Doors {
    tcp: TcpListener,
    socket: socket::BoundSocket,
    guard: Guard,
    address: SocketAddr,
}

impl Doors {
    /// Binds both faces; after this nobody else can.
    ///
    /// # Errors
    /// When an address is in use, or may not be had.
    pub async fn open(config: &Config, guard: Guard) -> Result<Doors, OpenError> {
        let socket = socket::BoundSocket::bind(&config.socket)?;
        let failed = |source| OpenError::Tcp {
            address: config.listen,
            source,
        };
        let tcp = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = tcp.local_addr().map_err(failed)?;
        Ok(Doors {
            tcp,
            socket,
            guard,
            address,
        })
    }

    /// The URL of the TCP face, with the port that was bound.
    pub fn url(&self) -> String {
        let scheme = if self.guard.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves both faces until `house.stopping`, then lets open requests end.
    pub fn serve(self, house: House) -> Serving {
        let Doors {
            tcp, socket, guard, ..
        } = self;
        let questions = routes::over_tcp(house.clone(), guard.keys);
        let all = routes::over_socket(house.clone());
        let stopping = house.stopping;
        let tcp = tokio::spawn(connection::serve_tcp(tcp, guard.tls, questions, stopping.clone()));
        let (listener, path) = socket.into_parts();
        let unix = tokio::spawn(connection::serve_unix(listener, all, stopping));
        Serving {
            faces: vec![tcp, unix],
            path,
        }
    }
}

/// The faces while they are served.
pub struct Serving {
    faces: Vec<JoinHandle<()>>,
    path: socket::SocketPath,
}

impl Serving {
    /// Waits until all open requests have ended, for a while; then the socket is removed.
    pub async fn end(self) {
        let mut faces = self.faces;
        let all = async {
            for face in &mut faces {
                // An error here is a panic of a face, which has been told already.
                let _ = face.await;
            }
        };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("requests still open after {} s are cut off", GRACE.as_secs());
        }
        drop(self.path);
    }

    /// The socket's path.
    pub fn socket(&self) -> PathBuf {
        self.path.path().to_owned()
    }
}
