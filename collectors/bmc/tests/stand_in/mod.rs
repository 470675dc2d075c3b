//! A hand-written BMC on a real TLS socket: answers each request as a test says, well or badly, and keeps what was sent.
#![allow(dead_code)] // each test file uses its part

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bmc::{Credentials, Endpoint, Fingerprint, Limits, Trust};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, crypto, pki_types, version};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

/// How it is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Json(u16, Value),
    Full(u16, Vec<(&'static str, String)>, String),
    /// Announces the whole body, sends half of it and closes.
    Half(String),
    Never,
    /// Closes without a word.
    HangUp,
    /// A body without end and without announced length.
    Endless,
    /// An event stream that is closed after these chunks.
    Events(Vec<String>),
    /// Answers well, but only after a while.
    Slow(Box<Reply>),
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// The server.
pub struct StandIn {
    pub url: String,
    pub fingerprint: Fingerprint,
    pub ca: String,
    requests: Arc<Mutex<Vec<Request>>>,
    most_at_once: Arc<AtomicUsize>,
}

impl StandIn {
    pub async fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> StandIn {
        StandIn::start_with(&version::TLS13, handler).await
    }

    pub async fn start_with(
        tls: &'static SupportedProtocolVersion,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> StandIn {
        let key = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let secret = pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_protocol_versions(&[tls])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], secret.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let now = Arc::new(AtomicUsize::new(0));
        let handler: Arc<Handler> = Arc::new(handler);
        let (log, most) = (requests.clone(), most_at_once.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, handler) = (acceptor.clone(), handler.clone());
                let (log, most, now) = (log.clone(), most.clone(), now.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        talk(stream, handler, log, most, now).await;
                    }
                });
            }
        });
        StandIn {
            url,
            fingerprint: Fingerprint::of(key.cert.der()),
            ca: key.cert.pem(),
            requests,
            most_at_once,
        }
    }

    /// An endpoint with this server's pin, a user and short deadlines.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(&self.url, Trust::Fingerprint(self.fingerprint))
            .with_credentials(Credentials::new("busbar", "hunter2"))
            .with_limits(Limits {
                connect: Duration::from_secs(20),
                request: Duration::from_secs(20),
                body_bytes: 64 << 10,
            })
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn count(&self, method: &str, path: &str) -> usize {
        self.requests()
            .iter()
            .filter(|seen| seen.method == method && seen.path == path)
            .count()
    }

    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: Arc<Handler>,
    log: Arc<Mutex<Vec<Request>>>,
    most: Arc<AtomicUsize>,
    now: Arc<AtomicUsize>,
) {
    while let Some(request) = read_request(&mut stream).await {
        let busy = now.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(busy, Ordering::SeqCst);
        log.lock().unwrap().push(request.clone());
        let mut reply = handler(&request);
        if let Reply::Slow(well) = reply {
            tokio::time::sleep(Duration::from_millis(20)).await;
            reply = *well;
        }
        now.fetch_sub(1, Ordering::SeqCst);
        if !answer(&mut stream, reply).await {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Request> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(bytes).unwrap();
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        path,
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

/// Answers; false where the connection ends with it.
async fn answer(stream: &mut (impl AsyncWrite + Unpin), reply: Reply) -> bool {
    let (status, headers, body) = match reply {
        Reply::Json(status, value) => (status, Vec::new(), value.to_string()),
        Reply::Full(status, headers, body) => (status, headers, body),
        Reply::Half(body) => {
            let head = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&body.as_bytes()[..body.len() / 2]).await;
            return false;
        }
        Reply::HangUp => return false,
        Reply::Never => {
            std::future::pending::<()>().await;
            return false;
        }
        Reply::Endless => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            while stream
                .write_all(format!("1000\r\n{}\r\n", "x".repeat(4096)).as_bytes())
                .await
                .is_ok()
            {}
            return false;
        }
        Reply::Events(chunks) => {
            let _ = stream
                .write_all(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\n")
                .await;
            for chunk in chunks {
                let _ = stream.write_all(chunk.as_bytes()).await;
                let _ = stream.flush().await;
            }
            return false;
        }
        Reply::Slow(_) => unreachable!("slow replies are unpacked before"),
    };
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let whole = format!("{head}\r\n{body}");
    stream.write_all(whole.as_bytes()).await.is_ok() && stream.flush().await.is_ok()
}

/// A service root, a session for everybody, and an empty list of chassis.
pub fn ordinary(request: &Request) -> Reply {
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/redfish/v1") => Reply::Json(
            200,
            json!({
                "@odata.id": "/redfish/v1", "Chassis": {"@odata.id": "/redfish/v1/Chassis"},
                "Systems": {"@odata.id": "/redfish/v1/Systems"},
                "SessionService": {"@odata.id": "/redfish/v1/SessionService"},
                "EventService": {"@odata.id": "/redfish/v1/EventService"},
            }),
        ),
        ("POST", "/redfish/v1/SessionService/Sessions") => session("token-1"),
        ("DELETE", _) => Reply::Full(204, Vec::new(), String::new()),
        ("GET", "/redfish/v1/Chassis") => Reply::Json(200, json!({"Members": []})),
        _ => missing(),
    }
}

/// A session that was opened.
pub fn session(token: &str) -> Reply {
    let headers = vec![
        ("X-Auth-Token", token.to_owned()),
        ("Location", "/redfish/v1/SessionService/Sessions/1".to_owned()),
    ];
    Reply::Full(201, headers, "{}".to_owned())
}

/// A Redfish error.
pub fn error(status: u16, message: &str) -> Reply {
    let body = json!({"error": {"code": "x", "message": "general", "@Message.ExtendedInfo": [{"Message": message}]}});
    Reply::Json(status, body)
}

/// 404 with a Redfish error.
pub fn missing() -> Reply {
    error(404, "The resource is not there.")
}
