//! Where an agent is, and the connection to it: HTTP/1.1 over a Unix socket, HTTP/2 over TCP and TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::error::ClientError;
use crate::credential::Token;

/// The protocol name of HTTP/2 in a TLS handshake (RFC 7301).
const ALPN_HTTP2: &[u8] = b"h2";

type Questions = http2::SendRequest<Full<Bytes>>;
type LocalQuestions = http1::SendRequest<Full<Bytes>>;

/// Where an agent is.
#[derive(Debug)]
pub(super) enum Target {
    Unix {
        socket: PathBuf,
        /// Of a request that another one is to follow.
        kept: Mutex<Option<LocalQuestions>>,
    },
    Http {
        base: Base,
        tls: Option<Tls>,
        token: Option<Token>,
        kept: Mutex<Option<Questions>>,
    },
}

/// Scheme, host and port.
#[derive(Debug)]
pub(super) struct Base {
    url: String,
    host: String,
    port: u16,
}

/// What a TLS connection needs.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tls").field(&self.name).finish()
    }
}

/// Which connection a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// The kept one over TCP; over the Unix socket one that ends with the answer.
    Shared,
    /// A new one: an event stream must not end with somebody else's connection.
    Own,
    /// As `Shared`, but over the Unix socket it stays open for the next request that `Follows`, or until [`Target::let_go`].
    First,
    /// The one that a request `First` has left open; it ends with the answer.
    Follows,
}

impl Target {
    pub(super) fn unix(socket: &Path) -> Target {
        Target::Unix {
            socket: socket.to_owned(),
            kept: Mutex::new(None),
        }
    }

    pub(super) fn http(
        url: &str,
        ca_file: Option<&Path>,
        token: Option<Token>,
    ) -> Result<Target, ClientError> {
        let bad = |why: &str| ClientError::BadUrl {
            url: url.to_owned(),
            why: why.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| bad("it is no URL"))?;
        let host = uri.host().ok_or_else(|| bad("it names no host"))?.to_owned();
        let with_port = uri.port_u16().map(|port| format!("{host}:{port}"));
        if uri
            .authority()
            .is_none_or(|authority| authority.as_str() != with_port.as_ref().unwrap_or(&host))
        {
            return Err(bad("its host or port is none"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad("it has a path"));
        }
        let tls = match (uri.scheme_str(), ca_file) {
            (Some("http"), None) => None,
            (Some("http"), Some(_)) => return Err(bad("a CA file is given, and http has no certificate")),
            (Some("https"), Some(ca_file)) => {
                Some(Tls::new(ca_file, &host).map_err(|error| error.at(url, ca_file))?)
            }
            (Some("https"), None) => {
                return Err(bad(
                    "https needs the CA file that its certificate is checked against",
                ));
            }
            _ => return Err(bad("it begins with neither http:// nor https://")),
        };
        if tls.is_none() && token.is_some() {
            return Err(bad("a token is given, and http would show it to the network"));
        }
        let port = uri.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let base = Base {
            url: url.trim_end_matches('/').to_owned(),
            host,
            port,
        };
        Ok(Target::Http {
            base,
            tls,
            token,
            kept: Mutex::new(None),
        })
    }

    pub(super) fn is_unix(&self) -> bool {
        matches!(self, Target::Unix { .. })
    }

    pub(super) fn token(&self) -> Option<&Token> {
        match self {
            Target::Unix { .. } => None,
            Target::Http { token, .. } => token.as_ref(),
        }
    }

    pub(super) fn shown(&self, method: &Method, path: &str) -> String {
        match self {
            Target::Unix { socket, .. } => format!("{method} {path} to {}", socket.display()),
            Target::Http { base, .. } => format!("{method} {}{path}", base.url),
        }
    }

    pub(super) fn uri(&self, path: &str) -> Result<Uri, ClientError> {
        let url = match self {
            Target::Unix { .. } => path.to_owned(),
            Target::Http { base, .. } => format!("{}{path}", base.url),
        };
        url.parse().map_err(|_| ClientError::BadUrl {
            url,
            why: "it is no URL".to_owned(),
        })
    }

    pub(super) async fn ask(
        &self,
        sent: &str,
        request: Request<Full<Bytes>>,
        lane: Lane,
    ) -> Result<Response<Incoming>, ClientError> {
        match self {
            Target::Unix { socket, kept } => {
                let mut old = match lane {
                    Lane::Follows => kept.lock().await.take(),
                    Lane::Shared | Lane::Own | Lane::First => None,
                };
                let is_ready = match &mut old {
                    Some(questions) => questions.ready().await.is_ok(),
                    None => false,
                };
                let mut questions = match old {
                    Some(questions) if is_ready => questions,
                    Some(_) | None => open_unix(socket, sent).await?,
                };
                let answer = questions.send_request(request).await;
                if lane == Lane::First {
                    *kept.lock().await = Some(questions);
                }
                answer.map_err(broken(sent))
            }
            Target::Http { base, tls, kept, .. } => match lane {
                Lane::Own => {
                    let mut questions = open(base, tls.as_ref(), sent).await?;
                    ask_http2(&mut questions, sent, request).await
                }
                Lane::Shared | Lane::First | Lane::Follows => {
                    ask_kept(base, tls.as_ref(), kept, sent, request).await
                }
            },
        }
    }

    /// Lets the connection go that a request `First` has left open.
    pub(super) async fn let_go(&self) {
        if let Target::Unix { kept, .. } = self {
            *kept.lock().await = None;
        }
    }
}

fn broken(sent: &str) -> impl Fn(hyper::Error) -> ClientError {
    let sent = sent.to_owned();
    move |source| ClientError::Broken {
        sent: sent.clone(),
        source: Box::new(source),
    }
}

/// Asks over the kept connection, and over a new one where that has died since.
async fn ask_kept(
    base: &Base,
    tls: Option<&Tls>,
    kept: &Mutex<Option<Questions>>,
    sent: &str,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientError> {
    let old = kept
        .lock()
        .await
        .clone()
        .filter(|questions| !questions.is_closed());
    if let Some(mut questions) = old {
        match ask_http2(&mut questions, sent, request.clone()).await {
            Err(ClientError::Broken { .. }) if *request.method() == Method::GET => {}
            answer => return answer,
        }
    }
    let mut questions = open(base, tls, sent).await?;
    *kept.lock().await = Some(questions.clone());
    ask_http2(&mut questions, sent, request).await
}

async fn ask_http2(
    questions: &mut Questions,
    sent: &str,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, ClientError> {
    questions.send_request(request).await.map_err(broken(sent))
}

/// A connection that lasts as long as what is returned, or until the answer to its last request was read or dropped.
async fn open_unix(socket: &Path, sent: &str) -> Result<LocalQuestions, ClientError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| ClientError::Unreachable {
            sent: sent.to_owned(),
            target: socket.display().to_string(),
            source,
        })?;
    let opened = http1::handshake(TokioIo::new(stream)).await;
    let (questions, connection) = opened.map_err(broken(sent))?;
    // Its error reaches us through the answer.
    tokio::spawn(connection);
    Ok(questions)
}

/// On the heap: a greeting by TLS holds 16 KiB, which whoever asks over a Unix socket would carry about as well.
async fn open(base: &Base, tls: Option<&Tls>, sent: &str) -> Result<Questions, ClientError> {
    Box::pin(greet(base, tls, sent)).await
}

async fn greet(base: &Base, tls: Option<&Tls>, sent: &str) -> Result<Questions, ClientError> {
    let unreachable = |source: io::Error| ClientError::Unreachable {
        sent: sent.to_owned(),
        target: base.url.clone(),
        source,
    };
    // An IPv6 address stands in brackets in a URL and without them in a socket address.
    let host = base.host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, base.port)).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let Some(tls) = tls else {
        return handshake(stream, sent).await;
    };
    let stream = tls
        .connector
        .connect(tls.name.clone(), stream)
        .await
        .map_err(unreachable)?;
    if stream.get_ref().1.alpn_protocol() != Some(ALPN_HTTP2) {
        return Err(ClientError::NoHttp2 {
            sent: sent.to_owned(),
            target: base.url.clone(),
        });
    }
    handshake(stream, sent).await
}

async fn handshake<S>(stream: S, sent: &str) -> Result<Questions, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (questions, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|source| ClientError::Broken {
            sent: sent.to_owned(),
            source: Box::new(source),
        })?;
    // Ends when nobody asks any more; its error reaches us through the answers.
    tokio::spawn(connection);
    Ok(questions)
}

/// Why there can be no TLS.
enum NoTls {
    Ca(String),
    Name,
}

impl NoTls {
    fn at(self, url: &str, ca_file: &Path) -> ClientError {
        match self {
            NoTls::Ca(why) => ClientError::CaFile {
                path: ca_file.to_owned(),
                why,
            },
            NoTls::Name => ClientError::BadUrl {
                url: url.to_owned(),
                why: "its host can stand in no certificate".to_owned(),
            },
        }
    }
}

impl Tls {
    fn new(ca_file: &Path, host: &str) -> Result<Tls, NoTls> {
        let broken = |error: &dyn std::fmt::Display| NoTls::Ca(error.to_string());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca_file).map_err(|error| broken(&error))? {
            let certificate = certificate.map_err(|error| broken(&error))?;
            roots.add(certificate).map_err(|error| broken(&error))?;
        }
        if roots.is_empty() {
            return Err(NoTls::Ca("it holds no certificate in PEM".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| broken(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| NoTls::Name)?;
        Ok(Tls {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_that_cannot_be_are_refused_with_what_was_expected() {
        for url in [
            "",
            "n01",
            "ftp://n01",
            "http://",
            "http://n01/path",
            "https://n01:9711",
            "http://n01:99999",
            "http://me@n01",
        ] {
            let error = Target::http(url, None, None).unwrap_err().to_string();
            assert!(error.contains("expected http://HOST:PORT"), "{url}: {error}");
        }
        assert!(Target::http("http://[::1]:9711", None, None).is_ok());
        let error = Target::http("https://n01", Some(Path::new("/nowhere/ca.pem")), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere/ca.pem"), "{error}");
    }
}
