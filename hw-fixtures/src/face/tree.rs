//! A recorded Redfish tree behind a live BMC: what was recorded is read, lights and set points can be set.

mod recording;

pub use recording::TreeError;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::door::{Door, Privilege};
use super::redfish::{ROOT, half, json_object, never};
use super::reply::{self, Etag, LARGEST_BODY, X_AUTH_TOKEN, header_text};
use super::trouble::Trouble;
use crate::live::Live;
use crate::world::Answer;
use recording::Recording;

/// What can be set on a recorded tree; everything else stays as it was recorded.
const SETTABLE: [&str; 3] = ["LocationIndicatorActive", "IndicatorLED", "SetPoint"];
/// A BMC that answers from a recording.
pub struct Tree {
    name: String,
    recording: Recording,
    /// Where this recording opens its sessions.
    sessions: String,
    live: Arc<Live>,
    door: Door,
    /// Resources that were changed since the start.
    overlay: Mutex<BTreeMap<String, Value>>,
    writing: Mutex<()>,
}

impl Tree {
    /// Serves a recorded tree under a name, with one administrator.
    ///
    /// # Errors
    /// [`TreeError`] naming the folder.
    pub fn open(
        name: &str,
        dir: &Path,
        live: Arc<Live>,
        user: &str,
        password: &str,
    ) -> Result<Self, TreeError> {
        let recording = Recording::open(dir)?;
        Ok(Self {
            name: name.to_owned(),
            sessions: recording.sessions(),
            recording,
            live,
            door: Door::new(name, user, password),
            overlay: Mutex::new(BTreeMap::new()),
            writing: Mutex::new(()),
        })
    }

    /// Answers one request, or misbehaves as it was told to.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        match self.live.answer(&self.name) {
            // A recording has no events.
            Answer::Ok | Answer::Forgetful | Answer::Doubled | Answer::Lossy => self.answer(request).await,
            Answer::Unauthorized => reply::trouble(&Trouble::unauthorized()),
            Answer::NotFound => reply::trouble(&Trouble::not_found(request.uri().path())),
            Answer::Half => half(self.answer(request).await).await,
            Answer::Never => never().await,
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
            return reply::trouble(&Trouble::too_large(LARGEST_BODY));
        };
        let mut response = self
            .admitted(&parts, &body)
            .unwrap_or_else(|trouble| reply::trouble(&trouble));
        if parts.method == Method::HEAD {
            *response.body_mut() = axum::body::Body::empty();
        }
        response
    }

    fn admitted(&self, parts: &Parts, body: &Bytes) -> Result<Response, Trouble> {
        let path = parts.uri.path().trim_end_matches('/');
        let (method, sessions) = (&parts.method, self.sessions.as_str());
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let entrant = self.door.enter(&parts.headers)?;
        let open = ["/redfish", ROOT, "/redfish/v1/odata", "/redfish/v1/$metadata"].contains(&path);
        let login = *method == Method::POST && path == sessions;
        if login {
            return self.login(sessions, &json_object(&parts.headers, body)?);
        }
        let Some(entrant) = entrant else {
            return if reads && open {
                self.read(path, &parts.headers)
            } else {
                Err(Trouble::unauthorized())
            };
        };
        if reads {
            return self.read(path, &parts.headers);
        }
        let session = path
            .strip_prefix(sessions)
            .and_then(|rest| rest.strip_prefix('/'));
        match (method, session) {
            (&Method::DELETE, Some(id)) if self.door.book().session(id).is_some() => {
                self.door.book().close(id);
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
            (&Method::PATCH, _) if entrant.may(Privilege::ConfigureComponents) => {
                self.patch(path, &parts.headers, body)
            }
            _ => {
                self.page(path)?;
                Err(Trouble::method_not_allowed(method.as_str(), path))
            }
        }
    }

    fn login(&self, sessions: &str, asked: &Map<String, Value>) -> Result<Response, Trouble> {
        let text = |name: &str| {
            asked
                .get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| Trouble::missing(name))
        };
        let (session, token) = self.door.book().open(text("UserName")?, text("Password")?)?;
        let path = format!("{sessions}/{}", session.id);
        let mut response = reply::json(
            StatusCode::CREATED,
            &session_body(&path, &session.id, &session.user),
        );
        reply::set(response.headers_mut(), X_AUTH_TOKEN, &token);
        reply::set(response.headers_mut(), header::LOCATION, &path);
        Ok(response)
    }

    fn read(&self, path: &str, headers: &HeaderMap) -> Result<Response, Trouble> {
        if path == "/redfish" {
            return Ok(reply::json(StatusCode::OK, &json!({ "v1": "/redfish/v1/" })));
        }
        if let Some(document) = self.recording.document(path) {
            return Ok(reply::bytes(
                StatusCode::OK,
                "application/xml;charset=utf-8",
                document,
            ));
        }
        let (text, etag) = self.text(path)?;
        let known = header_text(headers, header::IF_NONE_MATCH);
        let mut response = if etag.is_some() && known == etag.as_deref() {
            reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            reply::bytes(StatusCode::OK, "application/json;charset=utf-8", text)
        };
        if let Some(etag) = etag {
            reply::set(response.headers_mut(), header::ETAG, &etag);
        }
        reply::allow(
            response.headers_mut(),
            &[Method::GET, Method::HEAD, Method::PATCH],
        );
        Ok(response)
    }

    /// A live session, the overlay, or the recording byte by byte, in this order; and its entity tag.
    fn text(&self, path: &str) -> Result<(Vec<u8>, Option<String>), Trouble> {
        let made = |body: &Value| {
            let etag = body.get("@odata.etag").and_then(Value::as_str).map(str::to_owned);
            (body.to_string().into_bytes(), etag)
        };
        let id = path
            .strip_prefix(&self.sessions)
            .and_then(|rest| rest.strip_prefix('/'));
        if let Some(session) = id.and_then(|id| self.door.book().session(id).cloned()) {
            return Ok(made(&session_body(path, &session.id, &session.user)));
        }
        if let Some(changed) = self
            .overlay
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
        {
            return Ok(made(changed));
        }
        self.recording.text(path)
    }

    /// The same as a value that can be changed.
    fn page(&self, path: &str) -> Result<Value, Trouble> {
        let (text, _) = self.text(path)?;
        serde_json::from_slice(&text).map_err(|e| Trouble::internal(&e.to_string()))
    }

    fn patch(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Result<Response, Trouble> {
        let asked = json_object(headers, body)?;
        // Held from the check of the precondition to the end of the write.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = self.page(path)?;
        let etag = page.get("@odata.etag").and_then(Value::as_str).map(str::to_owned);
        let named = header_text(headers, header::IF_MATCH).filter(|named| *named != "*");
        if etag.is_some() && named.is_some() && named != etag.as_deref() {
            return Err(Trouble::precondition_failed());
        }
        if !set(&mut page, &asked, "")? {
            return Err(Trouble::no_operation());
        }
        if etag.is_some() {
            let salt = u64::try_from(self.live.uptime().as_nanos()).unwrap_or(u64::MAX);
            page["@odata.etag"] = json!(Etag::of(&page, salt).text());
        }
        self.overlay
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned(), page.clone());
        Ok(reply::json(StatusCode::OK, &page))
    }
}

fn session_body(path: &str, id: &str, user: &str) -> Value {
    json!({
        "@odata.id": path,
        "@odata.type": "#Session.v1_7_1.Session",
        "Id": id,
        "Name": "User Session",
        "UserName": user,
    })
}

/// Sets what may be set; answers whether anything was. Nothing is set where the recording has nothing.
fn set(page: &mut Value, asked: &Map<String, Value>, above: &str) -> Result<bool, Trouble> {
    let mut changed = false;
    for (name, value) in asked.iter().filter(|(name, _)| !name.starts_with('@')) {
        let full = format!("{above}{name}");
        let Some(old) = page.get_mut(name) else {
            return Err(Trouble::property_unknown(&full));
        };
        if SETTABLE.contains(&name.as_str()) {
            *old = value.clone();
            changed = true;
            continue;
        }
        match (&*old, value) {
            (Value::Object(_), Value::Object(inner)) => changed |= set(old, inner, &format!("{full}/"))?,
            _ => return Err(Trouble::not_writable(&full)),
        }
    }
    Ok(changed)
}
