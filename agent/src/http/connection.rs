//! One accept loop for each face: bounded connections, bounded waiting, HTTP/1.1 and HTTP/2, a graceful end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::front::Front;
use crate::keeping::Asker;

/// Open connections of one face. A rack's scrapers are a handful; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 256;

/// Requests at once on one HTTP/2 connection.
const MOST_STREAMS: u32 = 64;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the head of a request may take, and a kept connection may say nothing: longer than Prometheus' usual interval.
const HEAD: Duration = Duration::from_secs(75);

/// How often a silent HTTP/2 peer is asked whether it lives, and how long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// After an error of accept (no file descriptor left, as a rule) the loop rests this long instead of spinning.
const REST: Duration = Duration::from_millis(100);

/// What is read from and written to. All kinds of connections run through one copy of the code that speaks HTTP: a copy for each is
/// half a megabyte of the program, and most of the agent's memory is the program.
type Wire = Box<dyn ReadWrite>;

trait ReadWrite: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> ReadWrite for S {}

/// Who is at the other end of a Unix socket, as the kernel says; `None` where it does not (another pid namespace).
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) Option<Asker>);

pub(super) async fn serve_tcp(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    front: Front,
    stopping: watch::Receiver<bool>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let accept = || async {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let talk = |stream, stop: watch::Receiver<bool>| {
        let (acceptor, front) = (acceptor.clone(), front.clone());
        async move {
            let Some(acceptor) = acceptor else {
                return talk(Box::new(stream), front, None, stop).await;
            };
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => talk(Box::new(stream), front, None, stop).await,
                Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
                Err(_) => tracing::debug!("a TLS handshake took longer than {} s", HANDSHAKE.as_secs()),
            }
        }
    };
    accept_until(stopping, accept, talk).await;
}

pub(super) async fn serve_unix(listener: UnixListener, front: Front, stopping: watch::Receiver<bool>) {
    let accept = || async { Ok(listener.accept().await?.0) };
    let talk = |stream: UnixStream, stop: watch::Receiver<bool>| {
        let front = front.clone();
        async move {
            let peer = Peer(asker(&stream));
            talk(Box::new(stream), front, Some(peer), stop).await;
        }
    };
    accept_until(stopping, accept, talk).await;
}

fn asker(stream: &UnixStream) -> Option<Asker> {
    let peer = stream.peer_cred().ok()?;
    // Zero stands for a process of a pid namespace that we cannot see.
    let pid = u32::try_from(peer.pid()?).ok().filter(|pid| *pid > 0)?;
    Some(Asker { pid, uid: peer.uid() })
}

/// Takes connections until told to stop, then waits for those that are open.
async fn accept_until<S, A, AF, T, TF>(mut stopping: watch::Receiver<bool>, accept: A, talk: T)
where
    S: Send + 'static,
    A: Fn() -> AF,
    AF: Future<Output = io::Result<S>>,
    T: Fn(S, watch::Receiver<bool>) -> TF,
    TF: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut open = JoinSet::new();
    loop {
        let next = async { (places.clone().acquire_owned().await, accept().await) };
        let (place, stream) = tokio::select! {
            next = next => next,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        // What has ended is let go of.
        while open.try_join_next().is_some() {}
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("cannot take a connection: {error}");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let Ok(place) = place else {
            break;
        };
        open.spawn(holding(place, talk(stream, stopping.clone())));
    }
    while open.join_next().await.is_some() {}
}

async fn holding(place: OwnedSemaphorePermit, talk: impl Future<Output = ()>) {
    talk.await;
    drop(place);
}

/// Serves one connection; told to stop, it ends after the requests that are open.
async fn talk(wire: Wire, front: Front, peer: Option<Peer>, mut stopping: watch::Receiver<bool>) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let answer = front.answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    if peer.is_some() {
        // On this machine's socket nobody has anything to gain by HTTP/2, and looking for it is a call more before the first answer.
        builder = builder.http1_only();
    }
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(wire), service);
    tokio::pin!(connection);
    let mut is_told = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!("a connection broke: {error}");
                }
                return;
            }
            _ = stopping.wait_for(|stop| *stop), if !is_told => {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
