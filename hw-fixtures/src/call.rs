//! A plain HTTP client: for `hw-fixtures do`, and for BMCs that call their event subscribers.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// The other side is on this machine: no answer within this time is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing that is asked for here is larger.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request could not be made.
    #[error("cannot call {url}")]
    Request {
        /// Who was called.
        url: String,
        /// What is wrong.
        #[source]
        source: axum::http::Error,
    },
    /// Nobody answered.
    #[error("no answer from {url}")]
    Unreachable {
        /// Who was called.
        url: String,
        /// What the network said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nobody answered in time.
    #[error("no answer from {url} within {PATIENCE:?}")]
    Late {
        /// Who was called.
        url: String,
    },
}

/// Sends one request and takes the whole answer.
///
/// # Errors
/// [`CallError`] naming the URL.
pub async fn call(
    method: Method,
    url: &str,
    body: Option<&serde_json::Value>,
) -> Result<(StatusCode, Bytes), CallError> {
    let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| CallError::Unreachable {
        url: url.to_owned(),
        source,
    };
    let content = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header(header::CONTENT_TYPE, "application/json")
        .body(content)
        .map_err(|source| CallError::Request {
            url: url.to_owned(),
            source,
        })?;
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let response = client
            .request(request)
            .await
            .map_err(|e| unreachable(Box::new(e)))?;
        let status = response.status();
        let body = Body::new(response.into_body());
        let bytes = axum::body::to_bytes(body, LARGEST_ANSWER)
            .await
            .map_err(|e| unreachable(Box::new(e)))?;
        Ok((status, bytes))
    };
    let late = |_| CallError::Late { url: url.to_owned() };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(late)?
}
