//! What is served: facts, metrics, events; over TCP only questions.

use std::process::Command;

use agent_api::v1::EnteredRequest;
use agent_api::{AgentClient, ClientError};
use serde_json::Value;

use crate::stand::{Home, LONG, PROGRAM, until, wait};

const COUNTED: [&str; 8] = [
    "packages",
    "numa_nodes",
    "caches",
    "cores",
    "cpus",
    "gpus",
    "drives",
    "nics",
];

fn counts(facts: &Value) -> Vec<usize> {
    COUNTED
        .iter()
        .map(|list| facts[list].as_array().unwrap().len())
        .collect()
}

#[test]
fn facts_over_http_are_those_of_the_command_line() {
    let home = Home::new();
    let agent = home.start(&[]);
    let output = Command::new(PROGRAM)
        .args(["facts", "--output", "json"])
        .output()
        .unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let served = until("all sources", || {
        let facts = agent.json("/v1/facts");
        let is_pending = |source: &Value| source["state"] == "pending";
        (!facts["sources"].as_array().unwrap().iter().any(is_pending)).then_some(facts)
    });
    assert_eq!(counts(&served), counts(&printed));
    let names = |facts: &Value| -> Vec<String> {
        facts["sources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|source| source["name"].to_string())
            .collect()
    };
    // Only what stays can hear what changes: uevents are the daemon's own source.
    let mut served_names = names(&served);
    served_names.retain(|name| name != "\"uevent\"");
    assert_eq!(served_names, names(&printed));
    // HTTP/2 without a handshake, and the Unix socket, give the same.
    let over_http2 = AgentClient::http(&agent.url, None, None)
        .unwrap()
        .with_deadline(LONG);
    wait(async {
        assert_eq!(
            over_http2.facts().await.unwrap().cpus.len(),
            printed["cpus"].as_array().unwrap().len()
        );
        assert_eq!(
            over_http2.status().await.unwrap(),
            over_http2.status().await.unwrap()
        );
        assert_eq!(
            home.client().facts().await.unwrap().cpus.len(),
            printed["cpus"].as_array().unwrap().len()
        );
    });
}

#[test]
fn over_tcp_nothing_is_ordered() {
    let home = Home::new();
    let agent = home.start(&[]);
    for (method, path) in [
        ("POST", "/v1/workloads"),
        ("POST", "/v1/offers"),
        ("DELETE", "/v1/workloads/web"),
        ("POST", "/v1/workloads/web/entered"),
        ("POST", "/v1/workloads/web/freeze"),
        ("POST", "/v1/workloads/web/thaw"),
        ("PUT", "/v1/drain"),
        ("PUT", "/v1/cap"),
        ("DELETE", "/v1/cap"),
        ("PUT", "/x"),
    ] {
        let (status, head, body) = agent.ask(method, path, "Content-Length: 0\r\n");
        assert_eq!(status, 405, "{method} {path}: {body}");
        assert!(head.contains("allow: get, head"), "{head}");
        assert!(
            body.contains("\"code\":\"refused\"") && body.contains("agent.sock"),
            "{body}"
        );
    }
    let client = AgentClient::http(&agent.url, None, None).unwrap();
    let ask = serde_json::from_str(r#"{"cpus":1}"#).unwrap();
    let error = wait(client.offer(&ask)).unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { status: 405, .. }) && error.is_refused(),
        "{error:?}"
    );
    let (status, _, body) = agent.ask("GET", "/v1/nothing", "");
    assert_eq!(
        (status, body.contains("\"code\":\"not_found\"")),
        (404, true),
        "{body}"
    );
    assert_eq!(agent.ask("HEAD", "/metrics", "").0, 200);
    assert_eq!(agent.get("/healthz"), "ok\n");
    let plan = agent.json("/v1/plan");
    assert!(plan["steps"].as_array().unwrap().is_empty(), "{plan}");
}

#[test]
fn nobody_enters_where_nobody_is_awaited() {
    let home = Home::new();
    let _agent = home.start(&[]);
    for born in [true, false] {
        let id = "nobody".parse().unwrap();
        let error = wait(home.client().entered(&id, EnteredRequest { born })).unwrap_err();
        assert_eq!(error.code(), Some("conflict"), "{error}");
        assert!(error.to_string().contains("ask again"), "{error}");
    }
}

#[test]
fn a_scrape_says_what_it_is() {
    let home = Home::new();
    let agent = home.start(&[]);
    let (_, head, body) = agent.ask("GET", "/metrics", "");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    assert!(body.contains("busbar_source_up{source=\"topology\"}"), "{body}");
    let (_, head, body) = agent.ask(
        "GET",
        "/metrics",
        "Accept: application/openmetrics-text;version=1.0.0\r\n",
    );
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[test]
fn a_page_is_compressed_for_those_who_ask_and_made_once_for_all_who_come_within_a_moment() {
    let home = Home::new();
    let agent = home.start(&[]);
    let (status, head, plain) = agent.ask("GET", "/metrics", "Accept-Encoding: gzip;q=0\r\n");
    assert_eq!(status, 200);
    assert!(!head.contains("content-encoding"), "{head}");
    assert!(head.contains("vary: accept, accept-encoding"), "{head}");
    let (_, head, body) = agent.ask_bytes("GET", "/metrics", "Accept-Encoding: gzip\r\n");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
    assert!(
        body.starts_with(&[0x1f, 0x8b]) && body.len() < plain.len() / 2,
        "{}",
        body.len()
    );
    // A page tells how much CPU time the agent has used so far: two that are the same were made once.
    until("two pages that are one", || {
        (agent.get("/metrics") == agent.get("/metrics")).then_some(())
    });
    let series = plain.lines().filter(|line| !line.starts_with('#')).count();
    assert!(plain.contains(&format!("\nbusbar_series {series}\n")), "{plain}");
    assert!(!plain.contains("busbar_memory_bytes"), "node_exporter has it");
    until("our own requests to be counted", || {
        let page = agent.get("/metrics");
        page.contains("busbar_agent_request_seconds_count{route=\"/metrics\"} ")
            .then_some(())
    });
}

#[test]
fn a_page_that_shows_nothing_is_a_failure_not_an_empty_page() {
    let home = Home::new();
    home.write("agent.toml", "[metrics]\nexclude = [\"*\"]\n");
    let agent = home.start(&[]);
    let (status, _, body) = agent.ask("GET", "/metrics", "");
    assert_eq!(status, 500, "{body}");
    assert!(
        body.contains("\"code\":\"internal\"") && body.contains("exclude"),
        "{body}"
    );
}

#[test]
fn orders_that_make_no_sense_are_met_with_what_was_expected() {
    let home = Home::new();
    let _agent = home.start(&[]);
    let post = |path: &str, body: &str| -> (u16, String) {
        use std::io::{Read, Write};
        let mut stream = std::os::unix::net::UnixStream::connect(home.socket()).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
    };
    for (path, body) in [
        ("/v1/offers", ""),
        ("/v1/offers", "{"),
        ("/v1/offers", r#"{"cpus":-1}"#),
        ("/v1/offers", r#"{"cpus":99999999999}"#),
        ("/v1/offers", r#"{"cpus":1,"cores":2}"#),
        ("/v1/workloads", r#"{"ask":{"cpus":1,"name":"../x"}}"#),
        ("/v1/workloads", r#"{"ask":{"cpus":1},"pid":1}"#),
    ] {
        let (status, text) = post(path, body);
        assert_eq!(status, 400, "{path} {body}: {text}");
        assert!(
            text.contains("\"code\":\"bad_request\"") && text.contains("expected"),
            "{path} {body}: {text}"
        );
    }
    let (status, text) = post("/v1/offers", &" ".repeat(70_000));
    assert_eq!(status, 413, "{text}");
    assert!(text.contains("\"code\":\"bad_request\""), "{text}");
}

#[test]
fn an_agent_that_is_not_there_is_unreachable() {
    let home = Home::new();
    let error = wait(home.client().status()).unwrap_err();
    assert!(
        error.is_unreachable() && error.to_string().contains("GET /v1/status to "),
        "{error}"
    );
    let output = Command::new(PROGRAM)
        .arg("plan")
        .arg("--socket")
        .arg(home.socket())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is busbar-agent running there?"));
}
