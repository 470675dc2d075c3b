//! The client of an agent: over its Unix socket on the same node, or over TCP or TLS from elsewhere.

mod acts;
mod answer;
mod connect;
mod error;
pub(crate) mod events;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use facts::Inventory;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Version};
use intent::WorkloadId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::credential::Token;
use crate::v1::{
    Ask, BatchOffer, BatchRequest, Defrag, DefragRequest, DriveAnswer, DriveOrder, DrivesView, Ended,
    Interference, Offer, Plan, Proof, ProofRequest, RunRequest, Status, StopRequest, Stopped, Workload,
};
use answer::{refusal, shown, whole};
use connect::{Lane, Target};
pub use error::ClientError;
pub use events::EventStream;

/// How long a whole request may take, unless [`AgentClient::with_deadline`] says otherwise. Placing a workload writes a dozen kernel files.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);

/// One agent, and how to reach it. Cheap to clone; clones share the connection.
#[derive(Clone, Debug)]
pub struct AgentClient {
    target: Arc<Target>,
    deadline: Duration,
}

impl AgentClient {
    /// The agent behind a Unix socket. Nothing is opened yet.
    pub fn unix(socket: &Path) -> AgentClient {
        AgentClient::to(Target::unix(socket))
    }

    /// The agent at `http://HOST:PORT` or `https://HOST:PORT`; the latter needs the file of the authority that signed its certificate.
    /// Over TCP an agent only answers questions: `offer`, `start` and `end` are refused there. Nothing is opened yet.
    ///
    /// # Errors
    /// When the URL is no such URL, the CA file cannot be read, or a token would travel in the clear.
    pub fn http(url: &str, ca_file: Option<&Path>, token: Option<Token>) -> Result<AgentClient, ClientError> {
        Ok(AgentClient::to(Target::http(url, ca_file, token)?))
    }

    fn to(target: Target) -> AgentClient {
        AgentClient {
            target: Arc::new(target),
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// The same client with another deadline for a whole request.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> AgentClient {
        self.deadline = deadline;
        self
    }

    /// How the agent is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// Everything that the agent knows of its node.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn facts(&self) -> Result<Inventory, ClientError> {
        self.get("/v1/facts").await
    }

    /// Its metrics page, in Prometheus' text format.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let path = "/metrics";
        let sent = self.sent(&Method::GET, path);
        let request = self.request(&Method::GET, path, Bytes::new(), "text/plain;version=0.0.4")?;
        self.in_time(&sent, async {
            let answer = self.target.ask(&sent, request, Lane::Shared).await?;
            if !answer.status().is_success() {
                return Err(refusal(&sent, answer).await);
            }
            let bytes = whole(&sent, answer).await?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        })
        .await
    }

    /// The workloads that it has placed, by name.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn workloads(&self) -> Result<Vec<Workload>, ClientError> {
        self.get("/v1/workloads").await
    }

    /// What would change on the host now: the steps that are outstanding.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn plan(&self) -> Result<Plan, ClientError> {
        self.get("/v1/plan").await
    }

    /// What the agent would give for an ask. Holds nothing and changes nothing. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn offer(&self, ask: &Ask) -> Result<Offer, ClientError> {
        self.send(Method::POST, "/v1/offers", Some(ask)).await
    }

    /// What the agent would give for many asks at once. Holds nothing and changes nothing. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn offer_all(&self, request: &BatchRequest) -> Result<BatchOffer, ClientError> {
        self.send(Method::POST, "/v1/offers/batch", Some(request)).await
    }

    /// Which moves would make room. Nothing moves by it. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn defrag(&self, request: &DefragRequest) -> Result<Defrag, ClientError> {
        self.send(Method::POST, "/v1/defrag", Some(request)).await
    }

    /// Places *this process* as a new workload; its children are born there. Where the agent awaits one, the connection stays open
    /// for [`AgentClient::entered`], and no longer. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn start(&self, request: &RunRequest) -> Result<Workload, ClientError> {
        let path = "/v1/workloads";
        let started: Result<Workload, _> = self.send_by(Lane::First, Method::POST, path, Some(request)).await;
        if !started.as_ref().is_ok_and(|workload| workload.awaits) {
            self.target.let_go().await;
        }
        started
    }

    /// Ends a workload: what still runs in it goes back to where it came from. Unix socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn end(&self, workload: &WorkloadId) -> Result<Ended, ClientError> {
        self.send::<(), _>(Method::DELETE, &format!("/v1/workloads/{workload}"), None)
            .await
    }

    /// Ends everything that runs in a workload: SIGTERM, and SIGKILL after the grace. The deadline must be longer than that. Unix
    /// socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn stop(&self, workload: &WorkloadId, request: StopRequest) -> Result<Stopped, ClientError> {
        let path = format!("/v1/workloads/{workload}/stop");
        self.send(Method::POST, &path, Some(&request)).await
    }

    /// Watches who runs on a workload's CPUs, and says what came of it. The deadline must be longer than the watching. Unix
    /// socket only.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn prove(&self, workload: &WorkloadId, request: ProofRequest) -> Result<Proof, ClientError> {
        let path = format!("/v1/workloads/{workload}/proof");
        self.send(Method::POST, &path, Some(&request)).await
    }

    /// What the interference loop knows of a workload.
    ///
    /// # Errors
    /// See [`ClientError`]; `not_found` where the loop is off.
    pub async fn interference(&self, workload: &WorkloadId) -> Result<Interference, ClientError> {
        self.get(&format!("/v1/workloads/{workload}/interference")).await
    }

    /// The last proof of a workload.
    ///
    /// # Errors
    /// See [`ClientError`]; `not_found` where it was never proven.
    pub async fn proof(&self, workload: &WorkloadId) -> Result<Proof, ClientError> {
        self.get(&format!("/v1/workloads/{workload}/proof")).await
    }

    /// How the node stands to pooled drives.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn drives(&self) -> Result<DrivesView, ClientError> {
        self.get("/v1/drives").await
    }

    /// Orders something about one drive; the answer is how things were read back afterwards.
    ///
    /// # Errors
    /// See [`ClientError`]; `conflict` where the order is about an earlier stay or a closed grant, or something speaks against it.
    pub async fn order_drive(&self, order: &DriveOrder) -> Result<DriveAnswer, ClientError> {
        self.send(Method::POST, "/v1/drives/orders", Some(order)).await
    }

    /// The stream of what happens on the node from now on. The deadline holds for its beginning, not for the stream.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self) -> Result<EventStream, ClientError> {
        let path = "/v1/events";
        let sent = self.sent(&Method::GET, path);
        let request = self.request(&Method::GET, path, Bytes::new(), "text/event-stream")?;
        let answer = self
            .in_time(&sent, self.target.ask(&sent, request, Lane::Own))
            .await?;
        if answer.status() == StatusCode::OK {
            return Ok(EventStream::new(sent, answer.into_body()));
        }
        self.in_time(&sent, async { Err(refusal(&sent, answer).await) })
            .await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send::<(), T>(Method::GET, path, None).await
    }

    async fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, ClientError> {
        self.send_by(Lane::Shared, method, path, body).await
    }

    async fn send_by<B: Serialize, T: DeserializeOwned>(
        &self,
        lane: Lane,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, ClientError> {
        let sent = self.sent(&method, path);
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(|source| ClientError::Garbled {
                sent: sent.clone(),
                came: "our own request".to_owned(),
                source,
            })?,
            None => Vec::new(),
        };
        let request = self.request(&method, path, Bytes::from(body), "application/json")?;
        self.in_time(&sent, async {
            let answer = self.target.ask(&sent, request, lane).await?;
            if !answer.status().is_success() {
                return Err(refusal(&sent, answer).await);
            }
            let bytes = whole(&sent, answer).await?;
            serde_json::from_slice(&bytes).map_err(|source| ClientError::Garbled {
                sent: sent.clone(),
                came: shown(&bytes),
                source,
            })
        })
        .await
    }

    /// What was sent, as errors show it: `GET http://n01:9711/v1/facts`, `GET /v1/facts to /run/busbar/agent.sock`.
    fn sent(&self, method: &Method, path: &str) -> String {
        self.target.shown(method, path)
    }

    async fn in_time<T>(
        &self,
        sent: &str,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        match tokio::time::timeout(self.deadline, work).await {
            Ok(done) => done,
            Err(_) => Err(ClientError::Deadline {
                sent: sent.to_owned(),
                deadline: self.deadline,
            }),
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Bytes,
        accept: &'static str,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = self.target.uri(path)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if *method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = self.target.token() {
            let mut value = HeaderValue::from_str(&token.header()).map_err(|_| ClientError::BadUrl {
                url: path.to_owned(),
                why: "the token cannot stand in a header".to_owned(),
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if self.target.is_unix() {
            *request.version_mut() = Version::HTTP_11;
            request
                .headers_mut()
                .insert(HOST, HeaderValue::from_static("localhost"));
        } else {
            *request.version_mut() = Version::HTTP_2;
        }
        Ok(request)
    }
}
