//! A plain HTTP client: for `hw-fixtures do`, and for BMCs that call their event subscribers.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// The other side is on this machine or in this rack: no answer within this time is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The client could not be made.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// Nobody answered.
    #[error("no answer from {url}")]
    Unreachable {
        /// Who was called.
        url: String,
        /// What the network said.
        #[source]
        source: reqwest::Error,
    },
}

/// Sends one request and takes the whole answer; an answer that is no JSON is null.
///
/// No proxy is asked. A subscriber's certificate is not checked: `VerifyCertificate` is false by default,
/// and events are hints to read anew, never secrets.
///
/// # Errors
/// [`CallError`] naming the URL.
pub async fn call(method: Method, url: &str, body: Option<&Value>) -> Result<(StatusCode, Value), CallError> {
    let builder = Client::builder()
        .no_proxy()
        .tls_danger_accept_invalid_certs(true)
        .timeout(PATIENCE);
    let client = builder.build().map_err(CallError::Client)?;
    let request = client.request(method, url);
    let request = if let Some(body) = body {
        request.json(body)
    } else {
        request
    };
    let unreachable = |source: reqwest::Error| CallError::Unreachable {
        url: url.to_owned(),
        source: source.without_url(),
    };
    let response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let bytes = response.bytes().await.map_err(unreachable)?;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
}
