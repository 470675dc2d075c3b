//! The client of a rack controller: one method a route, each error with the URL and what came instead.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header, redirect};
use serde::de::DeserializeOwned;

use self::setup::{address, authorities, is_loopback};
pub use crate::error::ClientError;
use crate::stream::EventStream;
pub use crate::token::Token;
use crate::v1::{
    AckRequest, Asked, ClaimView, DoubtView, DrainAnswer, DrainRequest, ErrorBody, EventView, LocateAnswer,
    LocateRequest, PauseRequest, PauseView, PowerAsk, PowerOnAnswer, RackView, SwapAnswer, SwapRequest,
};

mod drives;
mod setup;

/// Where a rack controller listens by default.
pub const DEFAULT_URL: &str = "http://127.0.0.1:9712";
/// The header by which a claim that is sent again is the same claim.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The header by which a change says who asks for it; journaled, not proven.
pub const ASKED_BY: &str = "Busbar-Asked-By";
/// The header by which a change says why; journaled.
pub const REASON: &str = "Busbar-Reason";

/// To a finished handshake. The controller is on the same network; one that needs longer is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// For a whole request: longer than the controller waits for a BMC's LED, which is the slowest thing it does.
const REQUEST: Duration = Duration::from_secs(30);
/// Silence on a stream of events: the controller sends a comment each 15 s, so three of them were lost.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest answer that is taken: the view of a rack of 64 nodes with 1,000 claims has less than 1 MiB.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// How much of an answer that is not ours an error quotes.
const QUOTE_CHARS: usize = 200;

/// A client of one rack controller.
#[derive(Clone, Debug)]
pub struct RackClient {
    url: Url,
    http: reqwest::Client,
    token: Option<Token>,
    asked: Asked,
}

impl RackClient {
    /// A client for the controller at `url`; `ca` is the PEM file of the authority that signed its certificate (the
    /// system's authorities without one); `token` is the bearer token, sent over TLS or to this machine only.
    ///
    /// # Errors
    /// An address or a file that cannot be used. Nothing is sent yet.
    pub fn new(url: &str, ca: Option<&Path>, token: Option<Token>) -> Result<RackClient, ClientError> {
        let parsed = address(url)?;
        if token.is_some() && parsed.scheme() == "http" && !is_loopback(&parsed) {
            return Err(ClientError::Address {
                url: url.to_owned(),
                why: "a token is never sent over plain HTTP to another machine".to_owned(),
            });
        }
        // The first caller in the process decides; that all of ours decide for ring makes a second call harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(path) = ca {
            builder = builder.tls_certs_only(authorities(path)?);
        } else if parsed.scheme() == "http" {
            // No certificate is looked at, so a system without any authority will do as well.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|source| ClientError::Setup {
            url: url.to_owned(),
            source,
        })?;
        Ok(RackClient {
            url: parsed,
            http,
            token,
            asked: Asked::default(),
        })
    }

    /// The same client, which says with each change who asks for it and why.
    #[must_use]
    pub fn asked(mut self, asked: Asked) -> RackClient {
        self.asked = asked;
        self
    }

    /// The address.
    pub fn url(&self) -> &str {
        self.url.as_str().trim_end_matches('/')
    }

    /// `GET /v1/rack`: the rack as one machine.
    ///
    /// # Errors
    /// As `ClientError`; so for every method below.
    pub async fn rack(&self) -> Result<RackView, ClientError> {
        self.ask(Method::GET, &["v1", "rack"], |request| request).await
    }

    /// `GET /v1/claims`: the claims in force.
    #[allow(clippy::missing_errors_doc)]
    pub async fn claims(&self) -> Result<Vec<ClaimView>, ClientError> {
        self.ask(Method::GET, &["v1", "claims"], |request| request).await
    }

    /// `POST /v1/claims`: asks for watts. The same `key` again gives the same answer. With `dry_run` nothing is claimed:
    /// the claim that comes back has an empty id.
    #[allow(clippy::missing_errors_doc)]
    pub async fn claim(
        &self,
        ask: &PowerAsk,
        key: Option<&str>,
        dry_run: bool,
    ) -> Result<ClaimView, ClientError> {
        self.ask(Method::POST, &["v1", "claims"], |request| {
            let request = request.json(ask);
            let request = match key {
                Some(key) => request.header(IDEMPOTENCY_KEY, key),
                None => request,
            };
            dry(request, dry_run)
        })
        .await
    }

    /// `POST /v1/claims/{id or name}/apply`: turns a reservation into a claim, or with `dry_run` says how it would be.
    ///
    /// # Errors
    /// As of every call here; `not_found` where no such claim is in force.
    pub async fn apply(&self, id_or_name: &str, dry_run: bool) -> Result<ClaimView, ClientError> {
        self.ask(Method::POST, &["v1", "claims", id_or_name, "apply"], |request| {
            dry(request, dry_run)
        })
        .await
    }

    /// `POST /v1/claims/{id or name}/renew`: lets a claim stand for its time again, or with `dry_run` says how it would.
    ///
    /// # Errors
    /// As of every call here; `conflict` where the claim has no time to live, or is only reserved.
    pub async fn renew(&self, id_or_name: &str, dry_run: bool) -> Result<ClaimView, ClientError> {
        self.ask(Method::POST, &["v1", "claims", id_or_name, "renew"], |request| {
            dry(request, dry_run)
        })
        .await
    }

    /// `POST /v1/nodes/{node}/calibrate`: begins a drill of the node's cap; its end is an event: `cap_proven`, `cap_doubted` or
    /// `drill_showed_nothing`.
    #[allow(clippy::missing_errors_doc)]
    pub async fn calibrate(&self, node: &str, dry_run: bool) -> Result<(), ClientError> {
        let path = ["v1", "nodes", node, "calibrate"];
        self.ask::<Option<()>>(Method::POST, &path, |request| dry(request, dry_run))
            .await
            .map(|_| ())
    }

    /// `POST /v1/nodes/{node}/power-on`: switches a node on as soon as all that it can draw fits and those before it are up.
    #[allow(clippy::missing_errors_doc)]
    pub async fn power_on(&self, node: &str, dry_run: bool) -> Result<PowerOnAnswer, ClientError> {
        let path = ["v1", "nodes", node, "power-on"];
        self.ask(Method::POST, &path, |request| dry(request, dry_run))
            .await
    }

    /// `DELETE /v1/claims/{id or name}`: gives a claim back; the claim as it was comes back.
    #[allow(clippy::missing_errors_doc)]
    pub async fn release(&self, id_or_name: &str) -> Result<ClaimView, ClientError> {
        self.ask(Method::DELETE, &["v1", "claims", id_or_name], |request| request)
            .await
    }

    /// `POST /v1/drain`: the interlock's answer, and draining begun where it may.
    #[allow(clippy::missing_errors_doc)]
    pub async fn drain(&self, request: &DrainRequest) -> Result<DrainAnswer, ClientError> {
        self.ask(Method::POST, &["v1", "drain"], |sent| sent.json(request))
            .await
    }

    /// `POST /v1/swap`: begins the swap of a bay's part, goes on with it, or gives it up.
    #[allow(clippy::missing_errors_doc)]
    pub async fn swap(&self, request: &SwapRequest) -> Result<SwapAnswer, ClientError> {
        self.ask(Method::POST, &["v1", "swap"], |sent| sent.json(request))
            .await
    }

    /// `POST /v1/doubts/ack`: somebody knows of a doubt.
    #[allow(clippy::missing_errors_doc)]
    pub async fn acknowledge(&self, request: &AckRequest) -> Result<DoubtView, ClientError> {
        self.ask(Method::POST, &["v1", "doubts", "ack"], |sent| sent.json(request))
            .await
    }

    /// `POST /v1/pause`: the controller shall not act for a while, or act again; what is paused then.
    #[allow(clippy::missing_errors_doc)]
    pub async fn pause(&self, request: &PauseRequest) -> Result<Vec<PauseView>, ClientError> {
        self.ask(Method::POST, &["v1", "pause"], |sent| sent.json(request))
            .await
    }

    /// `POST /v1/locate`: lights or darkens a bay's LED.
    #[allow(clippy::missing_errors_doc)]
    pub async fn locate(&self, request: &LocateRequest) -> Result<LocateAnswer, ClientError> {
        self.ask(Method::POST, &["v1", "locate"], |sent| sent.json(request))
            .await
    }

    /// `GET /v1/events?after=N`: the journal's events after a sequence, oldest first, as many as one answer holds (ask again
    /// after the last one until nothing comes).
    #[allow(clippy::missing_errors_doc)]
    pub async fn events(&self, after: u64) -> Result<Vec<EventView>, ClientError> {
        self.ask(Method::GET, &["v1", "events"], |request| {
            request.query(&[("after", after)])
        })
        .await
    }

    /// `GET /v1/events?after=N` as a stream: what stands in the journal after a sequence, then what happens, until the
    /// connection ends. Ask again after the last one to go on.
    #[allow(clippy::missing_errors_doc)]
    pub async fn event_stream(&self, after: u64) -> Result<EventStream, ClientError> {
        let (request, url) = self.request(&Method::GET, &["v1", "events"])?;
        let request = request
            .query(&[("after", after)])
            .header(header::ACCEPT, "text/event-stream");
        let response = self.send(request, &Method::GET, &url).await?;
        Ok(EventStream::new(url, response, SILENCE))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        finish: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<T, ClientError> {
        let (request, url) = self.request(&method, path)?;
        let request = finish(request.timeout(REQUEST));
        let response = self.send(request, &method, &url).await?;
        let bytes = body(response, &method, &url).await?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Garbled {
            what: format!(
                "{} bytes came that are not the expected JSON ({error})",
                bytes.len()
            ),
            method,
            url,
        })
    }

    fn request(&self, method: &Method, path: &[&str]) -> Result<(RequestBuilder, String), ClientError> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| ClientError::Address {
                url: self.url.to_string(),
                why: "it has no path".to_owned(),
            })?
            .pop_if_empty()
            .extend(path);
        let shown = url.to_string();
        let request = self.http.request(method.clone(), url);
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.secret()),
            None => request,
        };
        let says = [(ASKED_BY, &self.asked.by), (REASON, &self.asked.reason)];
        let request =
            says.into_iter()
                .filter(|_| *method != Method::GET)
                .fold(request, |request, (name, text)| match text {
                    Some(text) => request.header(name, text.as_bytes()),
                    None => request,
                });
        Ok((request, shown))
    }

    async fn send(
        &self,
        request: RequestBuilder,
        method: &Method,
        url: &str,
    ) -> Result<Response, ClientError> {
        let response = request.send().await.map_err(|source| ClientError::Unreachable {
            method: method.clone(),
            url: url.to_owned(),
            source: source.without_url(),
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = body(response, method, url).await?;
        Err(refusal(status, &bytes, method, url))
    }
}

/// The request, asked only whether it would be done.
fn dry(request: RequestBuilder, dry_run: bool) -> RequestBuilder {
    if dry_run {
        request.query(&[("dry_run", "true")])
    } else {
        request
    }
}

fn refusal(status: StatusCode, bytes: &[u8], method: &Method, url: &str) -> ClientError {
    match serde_json::from_slice::<ErrorBody>(bytes) {
        Ok(body) => ClientError::Refused {
            url: url.to_owned(),
            status: status.as_u16(),
            error: Box::new(body.error),
        },
        Err(_) => {
            let quote: String = String::from_utf8_lossy(bytes).chars().take(QUOTE_CHARS).collect();
            ClientError::Garbled {
                method: method.clone(),
                url: url.to_owned(),
                what: format!("answered {status} with {quote:?}"),
            }
        }
    }
}

async fn body(mut response: Response, method: &Method, url: &str) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES => {
                return Err(ClientError::Garbled {
                    method: method.clone(),
                    url: url.to_owned(),
                    what: format!("the answer is longer than {MAX_ANSWER_BYTES} bytes"),
                });
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(source) => {
                return Err(ClientError::Unreachable {
                    method: method.clone(),
                    url: url.to_owned(),
                    source: source.without_url(),
                });
            }
        }
    }
}
