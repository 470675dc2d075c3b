//! What a client is made of: the address that it asks, and the authorities that it believes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use reqwest::Url;

use super::ClientError;

/// A certificate file is short; a longer file is not one.
const MAX_FILE_BYTES: u64 = 1 << 20;

pub(super) fn address(url: &str) -> Result<Url, ClientError> {
    let bad = |why: String| ClientError::Address {
        url: url.to_owned(),
        why,
    };
    let parsed = Url::parse(url).map_err(|error| bad(error.to_string()))?;
    match parsed.scheme() {
        "http" | "https" => {}
        other => return Err(bad(format!("its scheme is {other:?}"))),
    }
    if !parsed.has_host() {
        return Err(bad("it names no host".to_owned()));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(bad(
            "it holds a user name or a password, which belong in a token file".to_owned(),
        ));
    }
    Ok(parsed)
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let bad = |why: String| ClientError::File {
        path: path.to_owned(),
        why,
    };
    let expected = "expected a PEM file with the certificate of an authority";
    let file = File::open(path).map_err(|error| bad(format!("{error}; {expected}")))?;
    let mut text = Vec::new();
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| bad(format!("{error}; {expected}")))?;
    let found =
        reqwest::Certificate::from_pem_bundle(&text).map_err(|error| bad(format!("{error}; {expected}")))?;
    if found.is_empty() {
        return Err(bad(format!("it holds no certificate; {expected}")));
    }
    Ok(found)
}
