//! Asks a controller over HTTP and holds each answer against the checked-in document of its API.

use std::cell::RefCell;
use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

/// The document as it is checked in.
pub const DOCUMENT: &str = include_str!("../../api/openapi.json");
/// What the validator calls it; nothing is fetched from there.
const NAME: &str = "http://127.0.0.1/openapi.json";
/// What HTTP can ask beside HEAD and OPTIONS.
pub const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A controller that is asked, and the document that judges its answers.
pub struct Judge {
    document: Value,
    http: reqwest::Client,
    url: String,
    pub asked: RefCell<BTreeSet<(String, String)>>,
}

/// One request: where in the document, what really, and with what.
#[derive(Default)]
pub struct Ask<'a> {
    pub method: &'a str,
    /// The path as the document writes it.
    pub route: &'a str,
    /// In the place of what stands in braces.
    pub name: &'a str,
    pub query: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Option<Value>,
}

pub fn get<'a>(route: &'a str) -> Ask<'a> {
    Ask {
        method: "get",
        route,
        ..Ask::default()
    }
}

pub fn post<'a>(route: &'a str, body: Value) -> Ask<'a> {
    Ask {
        method: "post",
        route,
        body: Some(body),
        ..Ask::default()
    }
}

pub fn named<'a>(method: &'a str, route: &'a str, name: &'a str) -> Ask<'a> {
    Ask {
        method,
        route,
        name,
        ..Ask::default()
    }
}

/// A document in which an answer has no field beside those that are told.
fn strict(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(strict);
            if fields.get("properties").is_some_and(Value::is_object) {
                fields.entry("additionalProperties").or_insert(Value::Bool(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn pointer(parts: &[&str]) -> String {
    parts.iter().fold(String::new(), |pointer, part| {
        pointer + "/" + &part.replace('~', "~0").replace('/', "~1")
    })
}

impl Judge {
    pub fn new(url: &str) -> Judge {
        let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
        strict(&mut document);
        // No certificate is looked at on loopback, so no authority is needed.
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]);
        Judge {
            document,
            http: http.build().unwrap(),
            url: url.to_owned(),
            asked: RefCell::default(),
        }
    }

    /// What a value breaks of the schema that stands there; `None` where it fits.
    fn fault(&self, place: &str, value: &Value) -> Option<String> {
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.enable_format_assertions();
        compiler.add_resource(NAME, self.document.clone()).unwrap();
        let schema = compiler
            .compile(&format!("{NAME}#{place}"), &mut schemas)
            .unwrap();
        schemas
            .validate(value, schema)
            .err()
            .map(|error| format!("{error:#}"))
    }

    /// Whether a body is one that the document lets ask.
    pub fn may_be_asked(&self, ask: &Ask<'_>) -> bool {
        let place = pointer(&[
            "paths",
            ask.route,
            ask.method,
            "requestBody",
            "content",
            "application/json",
            "schema",
        ]);
        self.document.pointer(&place).is_some() && self.fault(&place, ask.body.as_ref().unwrap()).is_none()
    }

    pub async fn send(&self, ask: &Ask<'_>) -> reqwest::Response {
        let braces = ask.route.find('{').zip(ask.route.find('}'));
        let path = match braces {
            Some((from, to)) => format!("{}{}{}", &ask.route[..from], ask.name, &ask.route[to + 1..]),
            None => ask.route.to_owned(),
        };
        let method: Method = ask.method.to_uppercase().parse().unwrap();
        let mut request = self
            .http
            .request(method, format!("{}{path}{}", self.url, ask.query));
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    /// Asks, holds the answer against the document, and gives its body back.
    pub async fn hears(&self, ask: Ask<'_>, status: u16) -> Value {
        let what = format!("{} {} {} {}", ask.method, ask.route, ask.name, ask.query);
        self.asked
            .borrow_mut()
            .insert((ask.route.to_owned(), ask.method.to_owned()));
        let answer = self.send(&ask).await;
        let kind = answer.headers()["content-type"].to_str().unwrap();
        let kind = kind.split(';').next().unwrap().trim().to_owned();
        let said = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        assert_eq!(said, status, "{what}: {text}");
        let place = pointer(&[
            "paths",
            ask.route,
            ask.method,
            "responses",
            &status.to_string(),
            "content",
            &kind,
            "schema",
        ]);
        assert!(
            self.document.pointer(&place).is_some(),
            "{what}: the document tells no {status} of {kind}"
        );
        if kind != "application/json" {
            return Value::String(text);
        }
        let body: Value = serde_json::from_str(&text).unwrap();
        if let Some(fault) = self.fault(&place, &body) {
            panic!("{what}: {fault} in {text}");
        }
        body
    }

    /// The refusal that was expected, as one of ours.
    pub async fn refuses(&self, ask: Ask<'_>, status: u16, code: &str) -> Value {
        let body = self.hears(ask, status).await;
        assert_eq!(body["error"]["code"], code, "{body}");
        body
    }

    pub fn paths(&self) -> impl Iterator<Item = (&String, &serde_json::Map<String, Value>)> {
        let paths = self.document["paths"].as_object().unwrap();
        paths
            .iter()
            .map(|(path, methods)| (path, methods.as_object().unwrap()))
    }
}
