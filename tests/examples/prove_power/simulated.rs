//! Agents that are as little as they can be and still speak the real protocol: HTTP/2 over TLS on a port each, the agent's own lease
//! machine behind it, and the facts that a real agent says.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{self, Poll};
use std::time::Instant;

use agent::lease::{Here, Leases};
use agent_api::v1::{Lease, LeaseInForce, LeaseView};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// All of them.
pub struct Simulated {
    pub ports: Vec<u16>,
    counted: Arc<Counted>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Counted {
    leases: AtomicU64,
    expired: AtomicU64,
}

/// One of them.
struct Agent {
    boot_id: String,
    began: Instant,
    leases: Mutex<Leases>,
    facts: Bytes,
    counted: Arc<Counted>,
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl Simulated {
    pub fn start(count: usize, folder: &Path, facts: &str) -> anyhow::Result<Simulated> {
        let tls = TlsAcceptor::from(Arc::new(tls(folder)?));
        std::fs::write(folder.join("token"), "0123456789abcdef0123\n")?;
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(folder.join("token"), private)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let (counted, facts) = (Arc::new(Counted::default()), Bytes::from(facts.to_owned()));
        let mut ports = Vec::new();
        for number in 0..count {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let listener = runtime.block_on(TcpListener::bind(address))?;
            ports.push(listener.local_addr()?.port());
            let agent = Arc::new(Agent {
                boot_id: format!("boot-{number}"),
                began: Instant::now(),
                leases: Mutex::new(Leases::default()),
                facts: facts.clone(),
                counted: Arc::clone(&counted),
            });
            runtime.spawn(serve(listener, tls.clone(), agent));
        }
        Ok(Simulated {
            ports,
            counted,
            _runtime: runtime,
        })
    }

    /// Leases that were taken so far.
    pub fn leases(&self) -> u64 {
        self.counted.leases.load(Ordering::Relaxed)
    }

    /// Leases that had ended before they were renewed.
    pub fn expired(&self) -> u64 {
        self.counted.expired.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, agent: Arc<Agent>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, tls.clone(), Arc::clone(&agent)));
    }
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, agent: Arc<Agent>) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = tls.accept(stream).await else {
        return;
    };
    let service = service_fn(move |request| {
        let agent = Arc::clone(&agent);
        async move { Ok::<Answer, Infallible>(agent.answer(request).await) }
    });
    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = served.serve_connection(TokioIo::new(stream), service).await;
}

impl Agent {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        match (request.method().clone(), request.uri().path()) {
            (Method::PUT, "/v1/power/lease") => {
                let body = request.into_body().collect().await;
                let bytes = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
                self.take(&bytes)
            }
            (Method::GET, "/v1/power/lease") => json(StatusCode::OK, &self.view()),
            (Method::GET, "/v1/workloads") => whole(StatusCode::OK, Bytes::from_static(b"[]")),
            (Method::GET, "/v1/facts") => whole(StatusCode::OK, self.facts.clone()),
            // Nothing happens here: the stream is open and silent.
            (Method::GET, "/v1/events") => Response::new(Silent.boxed_unsync()),
            _ => whole(StatusCode::NOT_FOUND, Bytes::new()),
        }
    }

    fn clock(&self) -> u64 {
        1_000 + self.began.elapsed().as_millis() as u64
    }

    fn take(&self, bytes: &[u8]) -> Answer {
        let Ok(lease) = serde_json::from_slice::<Lease>(bytes) else {
            return whole(StatusCode::BAD_REQUEST, Bytes::new());
        };
        let now = self.clock();
        let here = Here {
            boot_id: &self.boot_id,
            now,
            cap: None,
        };
        let taken = {
            let mut leases = self.leases.lock().unwrap();
            if let Some(next) = leases.expire(now) {
                *leases = next.leases;
                self.counted.expired.fetch_add(1, Ordering::Relaxed);
            }
            leases.take(&lease, &here).map(|next| *leases = next.leases)
        };
        match taken {
            Ok(()) => {
                self.counted.leases.fetch_add(1, Ordering::Relaxed);
                json(StatusCode::OK, &self.view())
            }
            Err(refusal) => {
                let error =
                    serde_json::json!({ "error": { "code": "conflict", "message": refusal.to_string() } });
                json(StatusCode::CONFLICT, &error)
            }
        }
    }

    fn view(&self) -> LeaseView {
        let leases = self.leases.lock().unwrap();
        LeaseView {
            boot_id: self.boot_id.clone(),
            node: None,
            now_millis: self.clock(),
            lease: leases.held.as_ref().map(|held| LeaseInForce {
                rack: held.rack.clone(),
                sequence: held.sequence,
                cap_watts: held.holds().cap_watts,
                levels: held.holds().levels.clone(),
                level: held.holds().level,
                expired: held.expired,
                expires_millis: held.expires_millis,
                in_force_watts: Some(held.target),
                applied: true,
                why_not: None,
            }),
            head: leases.seen.as_ref().map(|seen| seen.head.clone()),
            not_capped: Vec::new(),
        }
    }
}

fn whole(status: StatusCode, bytes: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(bytes).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

fn json(status: StatusCode, body: &impl serde::Serialize) -> Answer {
    whole(status, Bytes::from(serde_json::to_vec(body).unwrap_or_default()))
}

/// A body that never says anything and never ends.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// One certificate for all: they are one machine.
fn tls(folder: &Path) -> anyhow::Result<ServerConfig> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &ca)?;
    std::fs::write(folder.join("ca.pem"), ca.pem())?;
    let secret = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], secret)
        .context("a certificate of our own")?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
