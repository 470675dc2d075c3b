//! A BMC's Redfish service: one request in, one answer out.

mod accounts;
mod events;
mod expand;
mod fault;
mod jbof;
mod metadata;
mod node;
mod patch;
mod post;
mod sensors;
mod service;
mod shelf;
mod types;

pub use expand::decode;
pub use fault::{half, never};
pub use patch::json_object;

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::desk::{Beat, Desk};
use super::door::{Door, Entrant, Privilege};
use super::reply::{self, Etag, LARGEST_BODY, ODATA_VERSION, header_text};
use super::trouble::Trouble;
use crate::live::Live;
use crate::world::Answer;

/// Where every Redfish service begins.
pub const ROOT: &str = "/redfish/v1";
/// Where sessions are opened.
pub const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
/// Where events stream.
pub const SSE: &str = "/redfish/v1/EventService/SSE";

/// What a BMC sits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The power shelf.
    Shelf,
    /// A node.
    Node,
    /// An enclosure of drives.
    Jbof,
}

/// One simulated BMC.
pub struct Bmc {
    name: String,
    kind: Kind,
    uuid: String,
    live: Arc<Live>,
    door: Arc<Door>,
    desk: Arc<Desk>,
    /// Held from the check of a precondition to the end of its write: of two clients with the same entity
    /// tag, one wins.
    writing: Mutex<()>,
}

/// A resource at this moment.
#[derive(Debug, Clone)]
pub struct Page {
    /// The resource.
    pub body: Value,
    /// What may be done to it.
    pub methods: Vec<Method>,
    /// Part of its entity tag that is never shown.
    pub salt: u64,
}

impl Page {
    fn new(body: Value) -> Self {
        Self {
            body,
            methods: vec![Method::GET, Method::HEAD],
            salt: 0,
        }
    }

    fn with(mut self, methods: &[Method]) -> Self {
        self.methods.extend_from_slice(methods);
        self
    }

    fn etag(&self) -> Etag {
        Etag::of(&self.body, self.salt)
    }
}

impl Bmc {
    /// A BMC of that name, with one administrator; it hears what happens in the world from now on.
    #[must_use]
    pub fn new(name: &str, kind: Kind, uuid: String, live: Arc<Live>, user: &str, password: &str) -> Self {
        let beat = match kind {
            Kind::Shelf => Beat::Shelf {
                shelf: name.to_owned(),
            },
            Kind::Node => Beat::Node {
                node: name.to_owned(),
            },
            Kind::Jbof => Beat::Jbof {
                jbof: name.to_owned(),
            },
        };
        let desk = Arc::new(Desk::new(beat));
        let listener: Arc<dyn crate::live::Listener> = Arc::<Desk>::clone(&desk);
        live.listen(listener);
        let door = Arc::new(Door::new(name, user, password));
        let listener: Arc<dyn crate::live::Listener> = Arc::<Door>::clone(&door);
        live.listen(listener);
        Self {
            name: name.to_owned(),
            kind,
            uuid,
            live,
            door,
            desk,
            writing: Mutex::new(()),
        }
    }

    /// The BMC's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Answers one request, or misbehaves as it was told to.
    pub async fn handle(self: Arc<Self>, request: Request) -> Response {
        match self.live.answer(&self.name) {
            Answer::Ok | Answer::Doubled | Answer::Lossy => self.answer(request).await,
            Answer::Forgetful => {
                self.desk.forget_streams();
                self.answer(request).await
            }
            Answer::Unauthorized => reply::trouble(&Trouble::unauthorized()),
            Answer::NotFound => reply::trouble(&Trouble::not_found(request.uri().path())),
            Answer::Half => half(self.answer(request).await).await,
            Answer::Never => never().await,
        }
    }

    async fn answer(self: &Arc<Self>, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
            return reply::trouble(&Trouble::too_large(LARGEST_BODY));
        };
        match self.admitted(&parts, &body) {
            Ok(response) => response,
            Err(trouble) => self.refuse(&parts, &trouble),
        }
    }

    /// Authentication comes before everything else that could tell a stranger something.
    fn admitted(self: &Arc<Self>, parts: &Parts, body: &Bytes) -> Result<Response, Trouble> {
        let (method, path) = (&parts.method, plain(parts.uri.path()));
        let entrant = self.door.enter(&parts.headers)?;
        if entrant.is_none() && !is_public(method, path) {
            return Err(Trouble::unauthorized());
        }
        if header_text(&parts.headers, ODATA_VERSION).is_some_and(|version| version != "4.0") {
            return Err(Trouble::header_invalid("OData-Version"));
        }
        if let Some(entrant) = &entrant {
            self.gate(entrant, method, path)?;
        }
        let read = matches!(*method, Method::GET | Method::HEAD);
        if read {
            return if path == SSE {
                self.open_stream(method)
            } else {
                self.read(method, path, parts.uri.query(), &parts.headers)
            };
        }
        if ![Method::POST, Method::PATCH, Method::DELETE, Method::PUT].contains(method) {
            return Err(Trouble::method_unknown(method.as_str()));
        }
        let page = self.page(path);
        let allowed = page.as_ref().map(|page| page.methods.contains(method));
        match (*method == Method::POST)
            .then(|| self.post_target(path))
            .flatten()
        {
            Some(target) => self.post(target, entrant.as_ref(), &parts.headers, body),
            None => match (page, allowed, entrant) {
                (Some(_), Some(true), Some(entrant)) if *method == Method::PATCH => {
                    self.patch(path, &entrant, &parts.headers, body)
                }
                (Some(_), Some(true), Some(entrant)) => self.delete(path, &entrant),
                (Some(_), _, _) => Err(Trouble::method_not_allowed(method.as_str(), path)),
                (None, _, _) if is_special(path) => Err(Trouble::method_not_allowed(method.as_str(), path)),
                (None, _, _) => Err(Trouble::not_found(path)),
            },
        }
    }

    /// An account whose password must be changed may do that and nothing else.
    fn gate(&self, entrant: &Entrant, method: &Method, path: &str) -> Result<(), Trouble> {
        let own = format!("{ROOT}/AccountService/Accounts/{}", entrant.account);
        let own_session = entrant.session.as_ref().map(|id| format!("{SESSIONS}/{id}"));
        let leaves = *method == Method::DELETE && own_session.as_deref() == Some(path);
        let changes = path == own && matches!(*method, Method::GET | Method::PATCH);
        if entrant.change_required && !leaves && !changes && !is_public(method, path) {
            return Err(Trouble::password_change_required(&own));
        }
        let user_page = path.starts_with(&format!("{ROOT}/AccountService/Accounts/")) && path != own;
        let users = entrant.may(Privilege::ConfigureUsers) || entrant.may(Privilege::ConfigureManager);
        if user_page && !users {
            Err(Trouble::forbidden())
        } else {
            Ok(())
        }
    }

    fn refuse(&self, parts: &Parts, trouble: &Trouble) -> Response {
        let path = plain(parts.uri.path());
        let mut response = reply::trouble(trouble);
        if trouble.status == StatusCode::METHOD_NOT_ALLOWED {
            let methods = self
                .page(path)
                .map_or_else(|| vec![Method::GET, Method::HEAD], |page| page.methods);
            reply::allow(response.headers_mut(), &methods);
        }
        if parts.method == Method::HEAD {
            *response.body_mut() = axum::body::Body::empty();
        }
        response
    }

    fn read(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Response, Trouble> {
        if let Some(response) = self.special(path) {
            return Ok(without_body_for_head(method, response));
        }
        let page = self.page(path).ok_or_else(|| Trouble::not_found(path))?;
        let page = self.query(page, query.unwrap_or(""))?;
        let etag = page.etag();
        let known = header_text(headers, header::IF_NONE_MATCH);
        let mut response = if known.is_some_and(|tags| etag.is_named_by(tags)) {
            reply::empty(StatusCode::NOT_MODIFIED)
        } else {
            reply::json(StatusCode::OK, &tagged(&page.body, &etag))
        };
        let out = response.headers_mut();
        reply::allow(out, &page.methods);
        reply::set(out, header::ETAG, &etag.text());
        if let Some(link) = reply::described_by(&page.body) {
            reply::set(out, header::LINK, &link);
        }
        Ok(without_body_for_head(method, response))
    }

    /// The documents that are not resources.
    fn special(&self, path: &str) -> Option<Response> {
        let link = "<https://redfish.dmtf.org/schemas/v1/redfish-schema-v1.json>; rel=describedby";
        let mut response = match path {
            "/redfish" => reply::json(StatusCode::OK, &serde_json::json!({ "v1": "/redfish/v1/" })),
            "/redfish/v1/odata" => reply::json(StatusCode::OK, &self.odata()),
            "/redfish/v1/$metadata" => reply::bytes(
                StatusCode::OK,
                "application/xml;charset=utf-8",
                metadata::document().into_bytes(),
            ),
            _ => return None,
        };
        reply::allow(response.headers_mut(), &[Method::GET, Method::HEAD]);
        reply::set(response.headers_mut(), header::LINK, link);
        Some(response)
    }

    /// The resource at a path, as it is now.
    fn page(&self, path: &str) -> Option<Page> {
        let below = path.strip_prefix(ROOT)?;
        let segments: Vec<&str> = below.split('/').filter(|segment| !segment.is_empty()).collect();
        match segments.as_slice() {
            [] => Some(Page::new(self.service_root())),
            ["SessionService" | "AccountService", ..] => self.account_page(&segments),
            ["EventService", ..] => self.event_page(&segments),
            ["Managers" | "Registries", ..] => self.service_page(&segments),
            ["Chassis" | "Systems", ..] => match self.kind {
                Kind::Shelf => self.shelf_page(&segments),
                Kind::Node => self.node_page(&segments),
                Kind::Jbof => self.jbof_page(&segments),
            },
            ["TaskService", ..] if self.kind == Kind::Jbof => self.task_page(&segments),
            [..] => None,
        }
    }
}

/// A path without its trailing slashes.
fn plain(path: &str) -> &str {
    let plain = path.trim_end_matches('/');
    if plain.is_empty() { "/" } else { plain }
}

fn is_special(path: &str) -> bool {
    ["/redfish", "/redfish/v1/odata", "/redfish/v1/$metadata", SSE].contains(&path)
}

/// What DSP0266 lets anyone see, and the way in.
fn is_public(method: &Method, path: &str) -> bool {
    match *method {
        Method::GET | Method::HEAD => path == ROOT || (is_special(path) && path != SSE),
        Method::POST => path == SESSIONS || path == format!("{SESSIONS}/Members"),
        _ => false,
    }
}

/// The body with its entity tag in it.
fn tagged(body: &Value, etag: &Etag) -> Value {
    let mut body = body.clone();
    if let Value::Object(map) = &mut body {
        map.insert("@odata.etag".to_owned(), Value::String(etag.text()));
    }
    body
}

fn without_body_for_head(method: &Method, mut response: Response) -> Response {
    if *method == Method::HEAD {
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}
