//! A recorded Redfish tree behind a live BMC: what was recorded is read, lights and set points can be set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::door::{Door, Privilege};
use super::redfish::{ROOT, SESSIONS, half, json_object, never};
use super::reply::{self, Etag, LARGEST_BODY, X_AUTH_TOKEN, header_text};
use super::trouble::Trouble;
use crate::live::Live;
use crate::world::Answer;

/// One resource of a recorded tree.
const PAGE: &str = "index.json";
/// One document of a recorded tree that is not JSON, such as `$metadata`.
const DOCUMENT: &str = "index.xml";
/// What can be set on a recorded tree; everything else stays as it was recorded.
const SETTABLE: [&str; 3] = ["LocationIndicatorActive", "IndicatorLED", "SetPoint"];
/// A tree's root is looked for this many folders deep: archives wrap it in one or two.
const ROOT_DEPTH: usize = 4;

/// Why a folder cannot be served as a tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// There is no such folder.
    #[error("cannot read the recorded tree {path}")]
    Read {
        /// The folder as it was named.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It holds no service root.
    #[error(
        "{path} holds no recorded Redfish tree; expected redfish/v1/index.json in it, or index.json of the service root"
    )]
    NoRoot {
        /// The folder as it was named.
        path: PathBuf,
    },
}

/// A BMC that answers from a recording.
pub struct Tree {
    name: String,
    /// The folder of `/redfish/v1`.
    root: PathBuf,
    live: Arc<Live>,
    door: Door,
    /// Resources that were changed since the start.
    overlay: Mutex<BTreeMap<String, Value>>,
}

/// Finds the folder of `/redfish/v1` in or below a folder.
///
/// # Errors
/// [`TreeError`] naming the folder.
pub fn find_root(dir: &Path) -> Result<PathBuf, TreeError> {
    let read = |source| TreeError::Read {
        path: dir.to_path_buf(),
        source,
    };
    let mut layer = vec![dir.canonicalize().map_err(read)?];
    for _ in 0..ROOT_DEPTH {
        let mut below = Vec::new();
        for folder in &layer {
            let inner = folder.join("redfish/v1");
            if let Some(root) = [&inner, folder]
                .into_iter()
                .find(|root| root.join(PAGE).is_file())
            {
                return Ok(root.clone());
            }
            let entries = std::fs::read_dir(folder).map_err(read)?.filter_map(Result::ok);
            below.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        below.sort();
        layer = below;
    }
    Err(TreeError::NoRoot {
        path: dir.to_path_buf(),
    })
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
        let root = find_root(dir)?;
        let (door, overlay) = (Door::new(user, password), Mutex::new(BTreeMap::new()));
        Ok(Self {
            name: name.to_owned(),
            root,
            live,
            door,
            overlay,
        })
    }

    /// Answers one request, or misbehaves as it was told to.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        match self.live.answer(&self.name) {
            Answer::Ok => self.answer(request).await,
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
        let (method, sessions) = (&parts.method, self.sessions());
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let entrant = self.door.enter(&parts.headers)?;
        let open = ["/redfish", ROOT, "/redfish/v1/odata", "/redfish/v1/$metadata"].contains(&path);
        let login = *method == Method::POST && path == sessions;
        if login {
            return self.login(&sessions, &json_object(&parts.headers, body)?);
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
            .strip_prefix(&sessions)
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

    /// Where this recording opens its sessions.
    fn sessions(&self) -> String {
        let root = self.page(ROOT).ok();
        let link = root
            .as_ref()
            .and_then(|root| root.pointer("/Links/Sessions/@odata.id"));
        let link = link.and_then(Value::as_str).unwrap_or(SESSIONS);
        link.trim_end_matches('/').to_owned()
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
        if let Some(document) = self.document(path) {
            return Ok(reply::bytes(
                StatusCode::OK,
                "application/xml;charset=utf-8",
                document,
            ));
        }
        let body = self.page(path)?;
        let etag = body.get("@odata.etag").and_then(Value::as_str);
        let known = header_text(headers, header::IF_NONE_MATCH);
        if etag.is_some() && known == etag {
            return Ok(reply::empty(StatusCode::NOT_MODIFIED));
        }
        let mut response = reply::json(StatusCode::OK, &body);
        if let Some(etag) = etag {
            reply::set(response.headers_mut(), header::ETAG, etag);
        }
        reply::allow(
            response.headers_mut(),
            &[Method::GET, Method::HEAD, Method::PATCH],
        );
        Ok(response)
    }

    /// A live session, the overlay, or the recording, in this order.
    fn page(&self, path: &str) -> Result<Value, Trouble> {
        let sessions = "/SessionService/Sessions/";
        if let Some((_, id)) = path.split_once(sessions)
            && let Some(session) = self.door.book().session(id)
        {
            return Ok(session_body(path, &session.id, &session.user));
        }
        let overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(changed) = overlay.get(path) {
            return Ok(changed.clone());
        }
        drop(overlay);
        let Some(file) = self.file(path, PAGE) else {
            return Err(Trouble::not_found(path));
        };
        let shown = file
            .strip_prefix(&self.root)
            .unwrap_or(&file)
            .display()
            .to_string();
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Trouble::not_found(&format!(
                    "{path} (no {shown} in the recorded tree)"
                )));
            }
            Err(e) => {
                return Err(Trouble::internal(&format!(
                    "cannot read {shown} of the recorded tree: {e}"
                )));
            }
        };
        serde_json::from_slice(&text)
            .map_err(|e| Trouble::internal(&format!("{shown} of the recorded tree is no JSON: {e}")))
    }

    fn document(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.file(path, DOCUMENT)?).ok()
    }

    /// The file of a path: as it was written, or percent-decoded; `None` when it would leave the tree.
    fn file(&self, path: &str, name: &str) -> Option<PathBuf> {
        let decoded = super::redfish::decode(path);
        let mut first = None;
        for path in [path, decoded.as_str()] {
            let below = path.strip_prefix(ROOT)?;
            let plain = |part: &&str| !part.is_empty() && *part != "." && *part != "..";
            let parts: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
            if !parts.iter().all(plain) || below.contains('\0') {
                return None;
            }
            let file = parts
                .iter()
                .fold(self.root.clone(), |folder, part| folder.join(part))
                .join(name);
            if file.is_file() {
                return Some(file);
            }
            first.get_or_insert(file);
        }
        first
    }

    fn patch(&self, path: &str, headers: &HeaderMap, body: &Bytes) -> Result<Response, Trouble> {
        let asked = json_object(headers, body)?;
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
