//! HTTPS to one BMC: few requests at a time, one deadline each, no redirects to strangers, no blind repeats of writes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, ETAG, HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::body::{Exchange, message};
use super::cache::{Cache, Cached};
use super::endpoint::{Credentials, Endpoint, Limits};
use super::error::BmcError;
use super::session::{Session, Ticket};
use super::trust::{Fingerprint, Trust, Verifier, tls};

/// Requests in flight to one BMC: more starve its own work (power.md, "BMC manners").
pub(super) const MAX_IN_FLIGHT: usize = 4;
/// Redirects of one read that are followed, on the same origin only: `/redfish/v1` to `/redfish/v1/` is one.
const MAX_REDIRECTS: usize = 2;

/// A BMC that lost power says no goodbye: an event stream on which nothing comes is known to be dead after three of these.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 2;

/// The connection to one BMC.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) client: Client,
    base: Url,
    /// Scheme, host and port, as errors and pictures show it.
    pub(super) origin: String,
    pub(super) credentials: Option<Credentials>,
    pub(super) limits: Limits,
    pub(super) session: tokio::sync::Mutex<Session>,
    permits: Arc<Semaphore>,
    verifier: Arc<Verifier>,
    cache: Mutex<Cache>,
    writes: AtomicU64,
    session_requests: AtomicU64,
}

/// An answer's head with its body still to come; holds its place among the requests in flight.
pub(super) struct Answer {
    pub(super) exchange: Exchange,
    pub(super) response: Response,
    pub(super) permit: OwnedSemaphorePermit,
}

/// One resource as it was read, and the ETag under which it may be changed.
pub(super) struct Got {
    pub(super) value: Arc<Value>,
    pub(super) etag: Option<String>,
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint) -> Result<Http, BmcError> {
        let address = |why: &str| BmcError::Address {
            url: endpoint.url.clone(),
            why: why.to_owned(),
        };
        let mut base = Url::parse(&endpoint.url).map_err(|error| address(&error.to_string()))?;
        match (base.scheme(), &endpoint.trust) {
            ("https", _) | ("http", Trust::Insecure) => {}
            ("http", _) => return Err(address("plain HTTP is taken only together with --insecure")),
            _ => return Err(address("not https")),
        }
        if base.host_str().is_none() {
            return Err(address("no host"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            // The URL is shown in errors and logs.
            return Err(BmcError::Address {
                url: "(hidden)".to_owned(),
                why: "credentials in an address are refused; use a credentials file".to_owned(),
            });
        }
        base.set_path("/");
        base.set_query(None);
        base.set_fragment(None);
        let (config, verifier) = tls(&endpoint.url, &endpoint.trust)?;
        let client = Client::builder()
            .tls_backend_preconfigured(config)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(endpoint.limits.connect)
            .pool_max_idle_per_host(MAX_IN_FLIGHT)
            .tcp_keepalive(KEEPALIVE)
            .tcp_keepalive_interval(KEEPALIVE)
            .tcp_keepalive_retries(KEEPALIVE_RETRIES)
            .user_agent(concat!("busbar/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| BmcError::Tls {
                url: endpoint.url.clone(),
                why: error.to_string(),
            })?;
        Ok(Http {
            client,
            origin: base.origin().ascii_serialization(),
            base,
            credentials: endpoint.credentials.clone(),
            limits: endpoint.limits,
            session: tokio::sync::Mutex::new(Session::new()),
            permits: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
            verifier,
            cache: Mutex::default(),
            writes: AtomicU64::new(0),
            session_requests: AtomicU64::new(0),
        })
    }

    /// The URL of a path of this BMC; another origin is refused, so that no token leaves it.
    pub(super) fn url(&self, method: &'static str, path: &str) -> Result<Url, BmcError> {
        let elsewhere = || BmcError::Redirect {
            method,
            url: self.origin.clone(),
            status: 0,
            location: path.to_owned(),
            why: "the link leads away from this BMC",
        };
        let mut url = self.base.join(path).map_err(|_| elsewhere())?;
        url.set_fragment(None);
        if url.origin() != self.base.origin() {
            return Err(elsewhere());
        }
        Ok(url)
    }

    pub(super) fn exchange(&self, method: &'static str, url: &Url) -> Exchange {
        Exchange {
            method,
            url: url.to_string(),
            after: self.limits.request,
            until: Instant::now() + self.limits.request,
            limit: self.limits.body_bytes,
        }
    }

    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, BmcError> {
        // Waiting needs no deadline of its own: each holder has one.
        let closed = |_| BmcError::Closed {
            url: self.origin.clone(),
        };
        self.permits.clone().acquire_owned().await.map_err(closed)
    }

    /// Puts a refused certificate into words; other errors pass.
    pub(super) fn certificate(&self, error: BmcError) -> BmcError {
        match self.verifier.take_refused() {
            Some(refused) => BmcError::WrongCertificate {
                url: self.origin.clone(),
                expected: refused.expected,
                seen: refused.seen,
            },
            None => error,
        }
    }

    pub(super) fn fingerprint(&self) -> Option<Fingerprint> {
        self.verifier.seen()
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    pub(super) fn session_requests(&self) -> u64 {
        self.session_requests.load(Ordering::Relaxed)
    }

    pub(super) fn count_session_request(&self) {
        self.session_requests.fetch_add(1, Ordering::Relaxed);
    }

    fn cached(&self, url: &str) -> Option<Cached> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(url)
    }

    /// Sends one request with our ticket. A 401 to a session is met by one new login and one repeat: nothing was done yet.
    pub(super) async fn send(
        &self,
        method: Method,
        name: &'static str,
        url: &Url,
        dress: &(dyn Fn(RequestBuilder) -> RequestBuilder + Send + Sync),
        open: bool,
    ) -> Result<Answer, BmcError> {
        let mut repeated = false;
        loop {
            let (generation, ticket) = if open {
                (0, Ticket::Open)
            } else {
                self.ticket().await?
            };
            let permit = self.permit().await?;
            let exchange = self.exchange(name, url);
            let request = dress(self.client.request(method.clone(), url.clone()));
            let sent = exchange.head(ticket.put_on(request, self)).await;
            let response = sent.map_err(|error| self.certificate(error))?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(Answer {
                    exchange,
                    response,
                    permit,
                });
            }
            let body = exchange.body(response).await.unwrap_or_default();
            // The place is given back first: a login needs one, and waits for it with the session held.
            drop(permit);
            if !open && !repeated && self.forget_session(generation).await {
                repeated = true;
                continue;
            }
            return Err(self.unauthorized(name, exchange.url, 401, message(&body)));
        }
    }

    /// Reads one resource. With `fresh` the ETag cache is not asked: a supply's state must not hang on a BMC's ETags.
    pub(super) async fn get(&self, path: &str, fresh: bool, open: bool) -> Result<Got, BmcError> {
        let mut url = self.url("GET", path)?;
        for _ in 0..=MAX_REDIRECTS {
            let known = if fresh { None } else { self.cached(url.as_str()) };
            let etag = known
                .as_ref()
                .and_then(|known| HeaderValue::from_str(&known.etag).ok());
            let dress = |request: RequestBuilder| {
                let request = request.header(ACCEPT, "application/json");
                match &etag {
                    Some(etag) => request.header(IF_NONE_MATCH, etag.clone()),
                    None => request,
                }
            };
            let answer = match self.send(Method::GET, "GET", &url, &dress, open).await {
                // A BMC may close a kept connection just as it is used again. A read is asked once more; a write never is.
                Err(BmcError::Unreachable { .. }) => {
                    self.send(Method::GET, "GET", &url, &dress, open).await?
                }
                answer => answer?,
            };
            match (answer.response.status().as_u16(), known) {
                (200, _) => return self.take(&url, answer).await,
                (304, Some(known)) => {
                    return Ok(Got {
                        value: known.value,
                        etag: Some(known.etag),
                    });
                }
                (status @ (301 | 302 | 307 | 308), _) => url = self.follow(&url, &answer, status)?,
                (_, _) => return Err(answer.exchange.unexpected(answer.response, "200").await),
            }
        }
        Err(self.not_followed("GET", &url, 302, "", "too many redirects"))
    }

    fn follow(&self, url: &Url, answer: &Answer, status: u16) -> Result<Url, BmcError> {
        let location = header(answer.response.headers(), LOCATION).unwrap_or_default();
        let next = url.join(&location).ok();
        match next {
            Some(next) if !location.is_empty() && next.origin() == self.base.origin() => Ok(next),
            _ => Err(self.not_followed(
                answer.exchange.method,
                url,
                status,
                &location,
                "it leads away from this BMC",
            )),
        }
    }

    fn not_followed(
        &self,
        method: &'static str,
        url: &Url,
        status: u16,
        location: &str,
        why: &'static str,
    ) -> BmcError {
        BmcError::Redirect {
            method,
            url: url.to_string(),
            status,
            location: location.to_owned(),
            why,
        }
    }

    async fn take(&self, url: &Url, answer: Answer) -> Result<Got, BmcError> {
        let etag = header(answer.response.headers(), ETAG);
        let body = answer.exchange.body(answer.response).await?;
        let value = Arc::new(answer.exchange.json(&body)?);
        drop(answer.permit);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        match &etag {
            Some(etag) => cache.put(url.as_str(), etag, value.clone(), body.len()),
            None => cache.forget(url.as_str()),
        }
        // A service without the header may still name the ETag in the body.
        let etag = etag.or_else(|| {
            value
                .get("@odata.etag")
                .and_then(Value::as_str)
                .map(str::to_owned)
        });
        Ok(Got { value, etag })
    }

    /// Changes one resource under the ETag that was just read; after a 412 it is read again and changed once more, never oftener.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<(), BmcError> {
        let url = self.url("PATCH", path)?;
        let mut repeated = false;
        loop {
            let etag = self.get(path, true, false).await?.etag;
            let etag = etag.and_then(|etag| HeaderValue::from_str(&etag).ok());
            let dress = |request: RequestBuilder| {
                self.writes.fetch_add(1, Ordering::Relaxed);
                let request = request.header(ACCEPT, "application/json").json(body);
                match &etag {
                    Some(etag) => request.header(IF_MATCH, etag.clone()),
                    None => request,
                }
            };
            let answer = self.send(Method::PATCH, "PATCH", &url, &dress, false).await?;
            match answer.response.status().as_u16() {
                200 | 202 | 204 => return Ok(()),
                412 if !repeated => repeated = true,
                _ => {
                    return Err(answer
                        .exchange
                        .unexpected(answer.response, "200, 202 or 204")
                        .await);
                }
            }
        }
    }

    /// Gives the path of the task that goes on with it, where the answer names one (DSP0266, "Asynchronous operations"): the task in the
    /// body, else what `Location` says of this BMC.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Option<String>, BmcError> {
        let url = self.url("POST", path)?;
        let dress = |request: RequestBuilder| {
            self.writes.fetch_add(1, Ordering::Relaxed);
            request.header(ACCEPT, "application/json").json(body)
        };
        let answer = self.send(Method::POST, "POST", &url, &dress, false).await?;
        match answer.response.status().as_u16() {
            200 | 201 | 202 | 204 => {}
            _ => {
                return Err(answer
                    .exchange
                    .unexpected(answer.response, "200, 201, 202 or 204")
                    .await);
            }
        }
        let location = header(answer.response.headers(), LOCATION);
        // What was asked is done or begun, whatever the rest of the answer is.
        let body = answer.exchange.body(answer.response).await.unwrap_or_default();
        let said = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let is_task = said
            .get("@odata.type")
            .and_then(Value::as_str)
            .is_some_and(|kind| kind.starts_with("#Task."));
        let task = said.get("@odata.id").and_then(Value::as_str).filter(|_| is_task);
        let monitor = || {
            let there = url.join(&location?).ok()?;
            (there.origin() == self.base.origin()).then(|| there.path().to_owned())
        };
        Ok(task.map(str::to_owned).or_else(monitor))
    }
}

fn header(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}
