//! Listens: plain HTTP on loopback, TLS elsewhere, HTTP/1.1 and HTTP/2 on both, with a bound on connections.

mod held;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;
use held::Bounded;

/// Connections at once: 64 streams, and as many people, scrapers and nodes as one rack has, many times over.
const MAX_CONNECTIONS: usize = 512;
/// For a request's headers to come, and for an idle connection: a sleeping browser opens another one.
const HEADERS: Duration = Duration::from_secs(60);
/// Requests at once on one HTTP/2 connection.
const MAX_HTTP2_STREAMS: u32 = 64;
/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Permission bits of group and others: a key must be nobody else's to read.
const GROUP_AND_OTHERS: u32 = 0o077;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A TLS file cannot be used.
    #[error("cannot use {path} for TLS: {why}", path = path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what was expected.
        why: String,
    },
    /// Serving ended.
    #[error("the HTTP server on {address} ended")]
    Ended {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A socket that listens, and how it speaks.
pub struct Listening {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Listening {
    /// Binds. With port 0 the kernel chooses one.
    ///
    /// # Errors
    /// The address is taken or not ours, or the TLS files cannot be used.
    pub fn bind(address: SocketAddr, tls: Option<&TlsFiles>) -> Result<Listening, ServeError> {
        let listen = |source| ServeError::Listen { address, source };
        let tls = tls.map(tls_config).transpose()?;
        let socket = TcpListener::bind(address).map_err(listen)?;
        socket.set_nonblocking(true).map_err(listen)?;
        let address = socket.local_addr().map_err(listen)?;
        Ok(Listening { socket, address, tls })
    }

    /// Where it listens, as people write it.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until the handle stops it.
    ///
    /// # Errors
    /// The socket failed.
    pub async fn serve(self, router: Router, handle: Handle<SocketAddr>) -> Result<(), ServeError> {
        let address = self.address;
        let ended = |source| ServeError::Ended { address, source };
        let mut server = axum_server::from_tcp(self.socket).map_err(ended)?.handle(handle);
        let builder = server.http_builder();
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_HTTP2_STREAMS);
        let service = router.into_make_service();
        let plain = Bounded::new(MAX_CONNECTIONS);
        let done = match self.tls {
            None => server.acceptor(plain).serve(service).await,
            Some(tls) => {
                let tls = RustlsAcceptor::new(RustlsConfig::from_config(tls)).handshake_timeout(HANDSHAKE);
                server.acceptor(tls.acceptor(plain)).serve(service).await
            }
        };
        done.map_err(ended)
    }
}

fn tls_config(files: &TlsFiles) -> Result<Arc<rustls::ServerConfig>, ServeError> {
    let bad = |path: &Path, why: String| ServeError::Tls {
        path: path.to_owned(),
        why,
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&files.certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| {
        bad(
            &files.certificate,
            format!("{error}; expected a PEM certificate chain"),
        )
    })?;
    if chain.is_empty() {
        return Err(bad(
            &files.certificate,
            "it holds no certificate; expected a PEM certificate chain".to_owned(),
        ));
    }
    let mode = {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(&files.key).map_err(|error| bad(&files.key, error.to_string()))?;
        meta.mode() & 0o7777
    };
    if mode & GROUP_AND_OTHERS != 0 {
        return Err(bad(
            &files.key,
            format!("its mode is {mode:04o}; expected 0600 (nobody else may read a key)"),
        ));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| bad(&files.key, format!("{error}; expected a PEM private key")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| {
            bad(
                &files.certificate,
                format!(
                    "{error}; expected the certificate of the key {}",
                    files.key.display()
                ),
            )
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
