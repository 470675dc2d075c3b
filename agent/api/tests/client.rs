//! The client against real sockets that answer wrongly, half, or never: each error names what was sent and what came.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use agent_api::{AgentClient, ClientError};

/// A socket that gives one answer to one request, or none at all.
struct Answering {
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

impl Answering {
    fn with(answer: Option<&str>) -> Answering {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let answer = answer.map(str::to_owned);
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            assert!(!head.is_empty());
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                // Held open until the client hangs up.
                None => {
                    let _ = BufReader::new(stream).lines().count();
                }
            }
        });
        Answering {
            socket,
            _directory: directory,
        }
    }

    fn client(&self) -> AgentClient {
        AgentClient::unix(&self.socket).with_deadline(Duration::from_secs(60))
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn error_of(answer: &str) -> ClientError {
    let answering = Answering::with(Some(answer));
    wait(answering.client().status()).unwrap_err()
}

fn framed(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn an_answer_that_is_not_an_agents_is_shown() {
    let error = error_of(&framed("502 Bad Gateway", "<html>proxy</html>"));
    assert!(
        matches!(&error, ClientError::Unexpected { status: 502, .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("GET /v1/status to ") && error.to_string().contains("<html>proxy"),
        "{error}"
    );
    let error = error_of(&framed("200 OK", "{\"node\":\"n01\""));
    assert!(matches!(&error, ClientError::Garbled { .. }), "{error:?}");
    assert!(error.to_string().contains("n01"), "{error}");
}

#[test]
fn an_agents_no_is_its_own_sentence() {
    let body = r#"{"error":{"code":"shortfall","message":"2 CPUs asked, 1 free"}}"#;
    let error = error_of(&framed("409 Conflict", body));
    assert_eq!(
        (error.to_string().as_str(), error.code()),
        ("2 CPUs asked, 1 free", Some("shortfall"))
    );
    assert!(error.is_refused() && !error.is_unreachable());
}

#[test]
fn half_an_answer_is_a_broken_connection() {
    for half in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"no",
        "HTTP/1.1 200",
        "",
        "SSH-2.0-OpenSSH\r\n",
    ] {
        let error = error_of(half);
        assert!(
            matches!(&error, ClientError::Broken { .. }),
            "{half:?}: {error:?}"
        );
        assert!(
            error.is_unreachable() && error.to_string().contains("GET /v1/status to "),
            "{error}"
        );
    }
}

#[test]
fn an_answer_that_never_comes_ends_with_the_deadline() {
    let answering = Answering::with(None);
    let client = answering.client().with_deadline(Duration::from_millis(50));
    let error = wait(client.facts()).unwrap_err();
    assert!(
        matches!(&error, ClientError::Deadline { .. }) && error.is_unreachable(),
        "{error:?}"
    );
    assert!(error.to_string().contains("no answer within 50ms"), "{error}");
}

#[test]
fn events_come_one_by_one_and_the_stream_ends() {
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n\
        : a comment\n\nid: 1\nevent: source_up\ndata: {\"at\":\"2026-11-22T01:40:18.123Z\",\"kind\":\"source_up\",\
        \"message\":\"nic speaks\"}\n\ndata: {\n\n";
    let answering = Answering::with(Some(stream));
    wait(async {
        let mut events = answering.client().events().await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().message, "nic speaks");
        assert!(matches!(
            events.next().await,
            Some(Err(ClientError::Garbled { .. }))
        ));
        assert!(events.next().await.is_none());
    });
}
