//! Who we are to one BMC: one kept session, opened when first needed, renewed once after a 401, closed when we go.

use reqwest::header::{HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::body::{Exchange, message};
use super::error::BmcError;
use super::http::Http;

/// DMTF DSP0266, "Redfish session login authentication".
const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
/// Where sessions are where the service root does not say.
pub(super) const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
/// Message ids that say that no session is left, whatever the status: DMTF's, and Dell's for its eight sessions.
const NO_SESSION_LEFT: [&str; 2] = ["SessionLimitExceeded", "RAC0218"];

/// What is put on each request.
#[derive(Clone, Debug)]
pub(super) enum Ticket {
    /// Nothing: we have no credentials.
    Open,
    /// User name and password, for a BMC without sessions.
    Basic,
    /// The session's token.
    Token(HeaderValue),
}

/// How we stand with the BMC.
#[derive(Debug)]
enum Standing {
    Strange,
    Known(Ticket),
    Closed,
}

/// The one session of one BMC.
#[derive(Debug)]
pub(super) struct Session {
    standing: Standing,
    /// Grows with each login, so that of many requests that met a 401 only the first logs in again.
    generation: u64,
    /// The sessions' collection; `None` where the service root names no session service.
    pub(super) collection: Option<String>,
    /// The session's own resource, for the logout.
    location: Option<String>,
}

impl Session {
    pub(super) fn new() -> Session {
        Session {
            standing: Standing::Strange,
            generation: 0,
            collection: Some(SESSIONS.to_owned()),
            location: None,
        }
    }

    /// The open session's token and resource, taken out for a logout.
    pub(super) fn leave(&mut self) -> Option<(HeaderValue, String)> {
        let standing = std::mem::replace(&mut self.standing, Standing::Closed);
        match (standing, self.location.take()) {
            (Standing::Known(Ticket::Token(token)), Some(location)) => Some((token, location)),
            (Standing::Strange | Standing::Known(_) | Standing::Closed, _) => None,
        }
    }
}

impl Ticket {
    pub(super) fn put_on(&self, request: RequestBuilder, http: &Http) -> RequestBuilder {
        match (self, &http.credentials) {
            (Ticket::Token(token), _) => request.header(X_AUTH_TOKEN, token.clone()),
            (Ticket::Basic, Some(who)) => request.basic_auth(who.username(), Some(who.password())),
            (Ticket::Basic, None) | (Ticket::Open, _) => request,
        }
    }
}

impl Http {
    /// What to put on the next request; logs in where that has not been done.
    pub(super) async fn ticket(&self) -> Result<(u64, Ticket), BmcError> {
        let mut session = self.session.lock().await;
        let ticket = match &session.standing {
            Standing::Known(ticket) => ticket.clone(),
            Standing::Closed => {
                return Err(BmcError::Closed {
                    url: self.origin.clone(),
                });
            }
            Standing::Strange => {
                let ticket = self.login(&mut session).await?;
                session.standing = Standing::Known(ticket.clone());
                session.generation += 1;
                ticket
            }
        };
        Ok((session.generation, ticket))
    }

    /// Forgets a session that the BMC no longer knows. False where there was none to forget.
    pub(super) async fn forget_session(&self, generation: u64) -> bool {
        let mut session = self.session.lock().await;
        match &session.standing {
            Standing::Known(Ticket::Token(_)) => {
                if session.generation == generation {
                    session.standing = Standing::Strange;
                    session.location = None;
                }
                true
            }
            Standing::Strange => true,
            Standing::Known(Ticket::Basic | Ticket::Open) | Standing::Closed => false,
        }
    }

    async fn login(&self, session: &mut Session) -> Result<Ticket, BmcError> {
        let Some(who) = &self.credentials else {
            return Ok(Ticket::Open);
        };
        let Some(path) = session.collection.clone() else {
            return Ok(Ticket::Basic);
        };
        let url = self.url("POST", &path)?;
        let _permit = self.permit().await?;
        let exchange = self.exchange("POST", &url);
        let body = json!({"UserName": who.username(), "Password": who.password()});
        let request = self.client.request(Method::POST, url).json(&body);
        self.count_session_request();
        let response = exchange
            .head(request)
            .await
            .map_err(|error| self.certificate(error))?;
        let status = response.status().as_u16();
        match status {
            200 | 201 => self.token(session, &exchange, response).await,
            404 | 405 | 501 => {
                tracing::debug!(
                    url = exchange.url,
                    status,
                    "no sessions here; basic authentication instead"
                );
                Ok(Ticket::Basic)
            }
            _ => Err(self.login_refused(&exchange, response, status).await),
        }
    }

    async fn token(
        &self,
        session: &mut Session,
        exchange: &Exchange,
        response: Response,
    ) -> Result<Ticket, BmcError> {
        let token = response.headers().get(X_AUTH_TOKEN).cloned();
        let header = response.headers().get(LOCATION);
        let location = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let Some(mut token) = token else {
            return Err(exchange.unexpected(response, "the header X-Auth-Token").await);
        };
        token.set_sensitive(true);
        let named = match location {
            Some(location) => Some(location),
            None => {
                let body = exchange.body(response).await.unwrap_or_default();
                let value: Option<Value> = serde_json::from_slice(&body).ok();
                value.and_then(|value| value.get("@odata.id").and_then(Value::as_str).map(str::to_owned))
            }
        };
        // A location elsewhere would carry our token to a stranger.
        session.location = named.filter(|location| self.url("DELETE", location).is_ok());
        Ok(Ticket::Token(token))
    }

    async fn login_refused(&self, exchange: &Exchange, response: Response, status: u16) -> BmcError {
        let body = exchange.body(response).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&body);
        let (method, url, message) = ("POST", exchange.url.clone(), message(&body));
        if matches!(status, 429 | 503) || NO_SESSION_LEFT.iter().any(|id| text.contains(id)) {
            return BmcError::Busy {
                method,
                url,
                status,
                message,
            };
        }
        if matches!(status, 400 | 401 | 403) {
            return self.unauthorized(method, url, status, message);
        }
        BmcError::Status {
            method,
            url,
            status,
            message,
            expected: "201 with the header X-Auth-Token",
        }
    }

    pub(super) fn unauthorized(
        &self,
        method: &'static str,
        url: String,
        status: u16,
        message: Option<String>,
    ) -> BmcError {
        let user = self.credentials.as_ref().map(|who| who.username().to_owned());
        BmcError::Unauthorized {
            method,
            url,
            status,
            user: user.unwrap_or_else(|| "(none given)".to_owned()),
            message,
        }
    }

    /// Logs out, where there is a session. A BMC that has forgotten it already is as good.
    pub(super) async fn close(&self) {
        let Some((token, location)) = self.session.lock().await.leave() else {
            return;
        };
        let Ok(url) = self.url("DELETE", &location) else {
            return;
        };
        self.count_session_request();
        let exchange = self.exchange("DELETE", &url);
        let request = self
            .client
            .request(Method::DELETE, url)
            .header(X_AUTH_TOKEN, token);
        if let Err(error) = exchange.head(request).await {
            tracing::debug!("log-out: {}", error.whole());
        }
    }
}

impl Drop for Http {
    /// A client that is dropped without `close` still logs out where a runtime runs: BMCs hold few sessions.
    fn drop(&mut self) {
        let Some((token, location)) = self.session.get_mut().leave() else {
            return;
        };
        let (Ok(url), Ok(runtime)) = (
            self.url("DELETE", &location),
            tokio::runtime::Handle::try_current(),
        ) else {
            return;
        };
        let request = self
            .client
            .request(Method::DELETE, url)
            .header(X_AUTH_TOKEN, token)
            .timeout(self.limits.request);
        runtime.spawn(async move {
            let _ = request.send().await;
        });
    }
}
