//! Who may ask: with a token, who shows it; without one, who is on this machine and is no foreign web page.
//!
//! On loopback the danger is a browser: a page from elsewhere may send requests here (CSRF), or have its own name point here
//! (DNS rebinding). The first shows its `Origin`, the second a `Host` that is not ours.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rack_api::Token;

use super::{App, Failure};

/// `Sec-Fetch-Site`: what a browser says of where a request comes from.
const SEC_FETCH_SITE: &str = "sec-fetch-site";
/// Open to everybody who reaches us: they say nothing about the rack.
pub(super) const OPEN: [&str; 4] = ["/", "/ui/rack.css", "/ui/rack.js", "/healthz"];

/// The rule of this daemon.
pub(super) struct Guard {
    token: Option<Token>,
}

impl Guard {
    pub(super) fn new(token: Option<Token>) -> Guard {
        Guard { token }
    }

    fn check(
        &self,
        method: &Method,
        path: &str,
        authority: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(), Failure> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if !reads {
            no_foreign_page(authority, headers)?;
        }
        let Some(token) = &self.token else {
            return local_name(authority);
        };
        if reads && OPEN.contains(&path) {
            return Ok(());
        }
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, shown)| shown.trim());
        match shown {
            Some(shown) if token.matches(shown.as_bytes()) => Ok(()),
            Some(_) => Err(unauthorized(
                "this bearer token is not the one of this controller",
            )),
            None => Err(unauthorized("expected the header Authorization: Bearer TOKEN")),
        }
    }
}

fn unauthorized(message: &str) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn forbidden(message: String) -> Failure {
    Failure::new(StatusCode::FORBIDDEN, "refused", message)
}

/// Without a token we listen on loopback only, so whoever means us calls us by a local name.
fn local_name(authority: Option<&str>) -> Result<(), Failure> {
    let Some(authority) = authority else {
        return Err(forbidden(
            "the request names no host; expected Host: 127.0.0.1:PORT or localhost:PORT".to_owned(),
        ));
    };
    if host_of(authority).is_some_and(is_local) {
        return Ok(());
    }
    Err(forbidden(format!(
        "the request was sent to the host {authority:?}; expected 127.0.0.1, [::1] or localhost (a name that points here from \
         elsewhere is not served without a token)"
    )))
}

/// The host of `host[:port]` and of nothing else: no user's name, nothing between a bracket and the port (RFC 9112 section 3.2).
/// An address of IPv6 keeps its brackets.
fn host_of(authority: &str) -> Option<&str> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, rest) = authority.split_at_checked(end)?;
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)).then_some(host)
}

fn is_local(host: &str) -> bool {
    let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
        None => {
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        }
    }
}

fn no_foreign_page(authority: Option<&str>, headers: &HeaderMap) -> Result<(), Failure> {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("unreadable");
        let own = ["http://", "https://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(scheme))
            .zip(authority)
            .is_some_and(|(from, to)| from.eq_ignore_ascii_case(to));
        if !own {
            return Err(forbidden(format!(
                "a page of {origin} asked; only this controller's own page may change anything"
            )));
        }
    }
    let site = headers.get(SEC_FETCH_SITE).and_then(|value| value.to_str().ok());
    match site {
        Some("cross-site" | "same-site") => Err(forbidden(
            "a page from elsewhere asked; only this controller's own page may change anything".to_owned(),
        )),
        _ => Ok(()),
    }
}

pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    // HTTP/2 carries the name in `:authority`, HTTP/1.1 in `Host`.
    let authority = request.uri().authority().map(Authority::as_str);
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok());
    let checked = app.guard.check(
        request.method(),
        request.uri().path(),
        authority.or(host),
        request.headers(),
    );
    match checked {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

/// Whoever is let in without a token called us by a name of this machine, for the fuzzer: method, host and headers, a line each.
#[cfg(any(test, feature = "fuzz"))]
pub(super) fn fuzz(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let method = Method::from_bytes(lines.next().unwrap_or_default()).unwrap_or_default();
    let host = lines.next().and_then(|host| std::str::from_utf8(host).ok());
    let mut headers = HeaderMap::new();
    for (name, line) in [header::ORIGIN, header::AUTHORIZATION].into_iter().zip(lines) {
        if let Ok(value) = axum::http::HeaderValue::from_bytes(line) {
            headers.insert(name, value);
        }
    }
    let guard = Guard::new(None);
    if guard.check(&method, "/v1/rack", host, &headers).is_ok() {
        let name = host.unwrap_or_default().to_ascii_lowercase();
        // The standard library's own reading of an address with a port; one is put there where there is none.
        let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let bare = bare.strip_suffix(':').unwrap_or(&name);
        let address = format!("{bare}:1").parse::<std::net::SocketAddr>();
        let is_ours = bare == "localhost" || address.is_ok_and(|address| address.ip().is_loopback());
        assert!(is_ours, "{name:?} was let in");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn asks(guard: &Guard, method: Method, path: &str, host: &str, pairs: &[(&'static str, &str)]) -> bool {
        guard.check(&method, path, Some(host), &headers(pairs)).is_ok()
    }

    #[test]
    fn on_loopback_a_foreign_page_changes_nothing() {
        let guard = Guard::new(None);
        let here = "127.0.0.1:9712";
        assert!(asks(&guard, Method::POST, "/v1/claims", here, &[]));
        assert!(asks(
            &guard,
            Method::POST,
            "/v1/claims",
            here,
            &[("origin", "http://127.0.0.1:9712")]
        ));
        for origin in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:8000",
            "https://127.0.0.1",
        ] {
            assert!(
                !asks(&guard, Method::POST, "/v1/claims", here, &[("origin", origin)]),
                "{origin}"
            );
        }
        assert!(!asks(
            &guard,
            Method::DELETE,
            "/v1/claims/web",
            here,
            &[("sec-fetch-site", "cross-site")]
        ));
    }

    #[test]
    fn on_loopback_a_name_that_was_pointed_here_gets_nothing() {
        let guard = Guard::new(None);
        for host in ["localhost:9712", "127.0.0.1", "[::1]:9712", "127.8.8.8:1"] {
            assert!(asks(&guard, Method::POST, "/v1/drain", host, &[]), "{host}");
        }
        for host in [
            "evil.example:9712",
            "localhost.evil.example",
            "10.0.0.1:9712",
            "",
            "127.0.0.1.evil.example",
            // What a fuzzer found: a common parser of names stops at the bracket.
            "[::01]rrrrrr:rrrrr",
            "[::1].evil.example:9712",
            "localhost@evil.example",
            "localhost:9712@evil.example",
            "localhost:port",
            "[localhost]",
            "[::1",
        ] {
            assert!(!asks(&guard, Method::POST, "/v1/drain", host, &[]), "{host}");
            assert!(!asks(&guard, Method::GET, "/v1/rack", host, &[]), "{host}");
        }
        assert!(
            guard
                .check(&Method::GET, "/v1/rack", None, &HeaderMap::new())
                .is_err()
        );
    }

    #[test]
    fn with_a_token_only_who_shows_it_is_served() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"s3cret-token\n").unwrap();
        let guard = Guard::new(Some(Token::load(file.path()).unwrap()));
        let host = "rack.example:9712";
        assert!(asks(
            &guard,
            Method::GET,
            "/v1/rack",
            host,
            &[("authorization", "Bearer s3cret-token")]
        ));
        for wrong in [
            "Bearer s3cret-toke",
            "Bearer",
            "Basic s3cret-token",
            "Bearer s3cret-token2",
        ] {
            assert!(
                !asks(&guard, Method::GET, "/v1/rack", host, &[("authorization", wrong)]),
                "{wrong}"
            );
        }
        assert!(!asks(&guard, Method::GET, "/metrics", host, &[]));
        assert!(asks(&guard, Method::GET, "/healthz", host, &[]));
        let stolen = [
            ("authorization", "Bearer s3cret-token"),
            ("origin", "https://evil.example"),
        ];
        assert!(!asks(&guard, Method::POST, "/v1/claims", host, &stolen));
    }
}
