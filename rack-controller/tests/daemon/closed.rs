//! Closed by default: local names only without a token; with TLS and a token, nobody without it. And who scrapes finds targets.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rack_api::{RackClient, Token};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::house::{House, ask};

/// One request over plain HTTP/1.1 with a Host of our choice: the status line's number and the body.
pub async fn send(url: &str, request: &str) -> (u16, String) {
    let address = url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap();
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    (status, body)
}

pub async fn get(url: &str, path: &str, host: &str) -> (u16, String) {
    send(
        url,
        &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_only_local_names_and_no_foreign_page() {
    let Some((_house, running, client)) = House::whole("observe").await else {
        return;
    };
    let before = client.rack().await.unwrap().journal_sequence;
    let body = "{\"watts\":1,\"for\":\"x\"}";
    let post = |headers: &str| {
        format!(
            "POST /v1/claims HTTP/1.1\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = "Content-Type: application/json\r\n";
    for (headers, status) in [
        (format!("Host: evil.example\r\n{json}"), 403),
        (
            format!("Host: localhost\r\nOrigin: http://evil.example\r\n{json}"),
            403,
        ),
        (format!("Host: localhost\r\nOrigin: null\r\n{json}"), 403),
        (
            format!("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n{json}"),
            403,
        ),
        ("Host: localhost\r\nContent-Type: text/plain\r\n".to_owned(), 415),
    ] {
        assert_eq!(send(&running.url, &post(&headers)).await.0, status, "{headers}");
    }
    assert_eq!(
        client.rack().await.unwrap().journal_sequence,
        before,
        "nothing was claimed"
    );
    assert_eq!(get(&running.url, "/v1/rack", "evil.example").await.0, 403);
    let large = "x".repeat(100_000);
    let too_long = format!(
        "POST /v1/claims HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{json}Content-Length: {}\r\n\r\n{large}",
        large.len()
    );
    assert_eq!(send(&running.url, &too_long).await.0, 413);
    assert_eq!(get(&running.url, "/v1/nothing", "localhost").await.0, 404);
    let (status, page) = get(&running.url, "/", "localhost").await;
    assert!(status == 200 && page.contains("<title>Busbar</title>"));
    let (status, targets) = get(&running.url, "/sd/prometheus?role=rack", "localhost").await;
    assert!(status == 200 && targets.contains("busbar-rack"), "{targets}");
    assert_eq!(
        get(&running.url, "/sd/prometheus?role=agent", "localhost").await,
        (200, "[]".to_owned())
    );
    assert_eq!(
        get(&running.url, "/sd/prometheus?role=moon", "localhost").await.0,
        400
    );
}

fn secret(path: &Path, text: &str) {
    let mut file = std::fs::File::options()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_and_a_token_nobody_without_it_is_served() {
    let Some(house) = House::raise() else { return };
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    secret(&house.path("cert.pem"), &made.cert.pem());
    secret(&house.path("key.pem"), &made.signing_key.serialize_pem());
    secret(&house.path("token"), "correct-horse\n");
    secret(&house.path("other"), "battery-staple\n");
    house.configure(
        "observe",
        "tls_certificate_file = \"cert.pem\"\ntls_key_file = \"key.pem\"\ntoken_file = \"token\"",
    );
    let mut command = house.command();
    command.stderr(std::process::Stdio::null());
    let running = super::house::Running::start(command);
    assert!(running.url.starts_with("https://"), "{}", running.url);
    let ca = house.path("cert.pem");
    let client = |token: Option<&str>| {
        let token = token.map(|name| Token::load(&house.path(name)).unwrap());
        RackClient::new(&running.url, Some(&ca), token).unwrap()
    };
    let known = client(Some("token"));
    assert_eq!(known.rack().await.unwrap().rack, "r-demo");
    for stranger in [client(None), client(Some("other"))] {
        for error in [
            stranger.rack().await.unwrap_err(),
            stranger.claim(&ask("x", 1, None), None, false).await.unwrap_err(),
        ] {
            assert_eq!(
                error.detail().map(|detail| detail.code.as_str()),
                Some("unauthorized"),
                "{error}"
            );
        }
    }
    let untrusting = RackClient::new(
        &running.url,
        None,
        Some(Token::load(&house.path("token")).unwrap()),
    )
    .unwrap();
    assert!(
        untrusting.rack().await.is_err(),
        "a certificate that nobody vouches for is not taken"
    );
    assert_eq!(running.stop(), Some(0));
}
