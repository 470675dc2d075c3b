//! HTTP answers of a Redfish service: bodies, headers, entity tags.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::trouble::Trouble;

/// `OData-Version`: the only version that Redfish knows.
pub const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
/// `X-Auth-Token`: carries a session's token.
pub const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// No request that this service takes has a larger body.
pub const LARGEST_BODY: usize = 64 * 1024;

/// Properties that change by themselves all the time. They count for `If-None-Match` and not for `If-Match`:
/// a client that set a limit from a fresh reading must not lose a race against the next reading.
const READINGS: [&str; 4] = ["Reading", "DateTime", "ServiceRootUptimeSeconds", "ReadingTime"];

/// An entity tag in two halves: what can be set, and what merely moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag {
    settings: String,
    readings: Option<String>,
}

impl Etag {
    /// The tag of a resource; `salt` stands for what is part of it and never shown, such as a password.
    #[must_use]
    pub fn of(body: &Value, salt: u64) -> Self {
        let mut still = body.clone();
        let moves = strip(&mut still);
        Self {
            settings: short(&still, salt),
            readings: moves.then(|| short(body, salt)),
        }
    }

    /// The tag as header and `@odata.etag` carry it. A resource with readings has a weak one.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.readings {
            Some(readings) => format!("W/\"{}.{readings}\"", self.settings),
            None => format!("\"{}\"", self.settings),
        }
    }

    /// Whether an `If-None-Match` or `If-Match` header names this very tag; `*` names every tag.
    #[must_use]
    pub fn is_named_by(&self, header: &str) -> bool {
        let text = self.text();
        header.trim() == "*" || header.split(',').any(|tag| tag.trim() == text)
    }

    /// Whether an `If-Match` header names this state of everything that can be set.
    #[must_use]
    pub fn settings_named_by(&self, header: &str) -> bool {
        let settings_of = |tag: &str| {
            let inner = tag
                .trim()
                .trim_start_matches("W/")
                .strip_prefix('"')?
                .strip_suffix('"')?;
            match inner.split_once('.') {
                Some((settings, readings)) if readings.len() == TAG_DIGITS => Some(settings.to_owned()),
                Some(_) => None,
                None => Some(inner.to_owned()),
            }
        };
        let named = |tag: &str| settings_of(tag).is_some_and(|settings| settings == self.settings);
        header.trim() == "*" || header.split(',').any(named)
    }
}

const TAG_DIGITS: usize = 16;

fn short(value: &Value, salt: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(value.to_string());
    hash.update(salt.to_le_bytes());
    let mut text = format!("{:x}", hash.finalize());
    text.truncate(TAG_DIGITS);
    text
}

/// Takes every reading out of a resource; answers whether there was one.
fn strip(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => {
            let before = map.len();
            map.retain(|key, _| !READINGS.contains(&key.as_str()));
            let own = map.len() != before;
            map.values_mut().fold(own, |found, child| strip(child) || found)
        }
        Value::Array(list) => list.iter_mut().map(strip).filter(|found| *found).count() > 0,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// An answer without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    stamp(response.headers_mut());
    response
}

/// A JSON answer.
#[must_use]
pub fn json(status: StatusCode, body: &Value) -> Response {
    bytes(
        status,
        "application/json;charset=utf-8",
        body.to_string().into_bytes(),
    )
}

/// An answer of any media type.
#[must_use]
pub fn bytes(status: StatusCode, media: &'static str, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    stamp(response.headers_mut());
    response
}

/// An error answer.
#[must_use]
pub fn trouble(trouble: &Trouble) -> Response {
    let mut response = json(trouble.status, &trouble.body());
    if trouble.status == StatusCode::UNAUTHORIZED {
        let realm = HeaderValue::from_static("Basic realm=\"Redfish\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}

fn stamp(headers: &mut HeaderMap) {
    headers.insert(ODATA_VERSION, HeaderValue::from_static("4.0"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
}

/// Sets a header from text that this service made itself; text that is no header value is left out.
pub fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Says which methods a resource knows.
pub fn allow(headers: &mut HeaderMap, methods: &[Method]) {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    set(headers, header::ALLOW, &names.join(", "));
}

/// A header of the request as text.
#[must_use]
pub fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The URL of the schema of a resource type, as the `describedby` link names it.
#[must_use]
pub fn described_by(body: &Value) -> Option<String> {
    let kind = body.get("@odata.type")?.as_str()?.strip_prefix('#')?;
    let file = kind.rsplit_once('.').map(|(file, _)| file)?;
    Some(format!(
        "<https://redfish.dmtf.org/schemas/v1/{file}.json>; rel=describedby"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_new_reading_changes_the_tag_and_not_what_if_match_compares() {
        let at = |watts: u64, limit: u64| {
            let body = json!({"PowerWatts": {"Reading": watts}, "PowerLimitWatts": {"SetPoint": limit}});
            Etag::of(&body, 0)
        };
        let (first, later, changed) = (at(400, 900), at(410, 900), at(400, 800));
        assert_ne!(first.text(), later.text());
        assert!(later.settings_named_by(&first.text()));
        assert!(!later.is_named_by(&first.text()));
        assert!(!changed.settings_named_by(&first.text()));
        assert!(changed.settings_named_by("*"));
        assert!(!first.settings_named_by(&format!("{}foobar", first.text())));
    }

    #[test]
    fn a_resource_without_readings_has_a_strong_tag_that_a_secret_changes() {
        let body = json!({"LocationIndicatorActive": false});
        let tag = Etag::of(&body, 0);
        assert!(tag.text().starts_with('"'));
        assert!(tag.settings_named_by(&tag.text()));
        assert!(tag.is_named_by(&format!("\"x\", {}", tag.text())));
        assert_ne!(tag, Etag::of(&body, 1));
    }
}
