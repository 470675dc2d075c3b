//! How many connections a start takes, seen from the agent's end of a real socket.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use agent_api::client::AgentClient;
use agent_api::v1::{Ask, EnteredRequest, RunRequest, Workload};

const WORKLOAD: &str = r#"{"id":"web","command":"true","uid":0,"pid":7,"cpus":"1","numa_nodes":"0","exclusive":true,
 "memory_bytes":null,"since":"2026-11-23T00:00:00Z","cgroups":[],"exclusivity":"partition","steps":[],"awaits":AWAITS}"#;

/// One request and its answer; the first line of the request, or nothing where the other end is closed.
fn answer(stream: &mut BufReader<UnixStream>, awaits: bool) -> Option<String> {
    answer_and(stream, awaits, "")
}

fn answer_and(stream: &mut BufReader<UnixStream>, awaits: bool, header: &str) -> Option<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap() == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_ascii_lowercase()),
        }
    }
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    let text = WORKLOAD.replace("AWAITS", &awaits.to_string());
    let head = format!(
        "HTTP/1.1 200 OK\r\n{header}content-length: {}\r\n\r\n",
        text.len()
    );
    stream.get_mut().write_all((head + &text).as_bytes()).unwrap();
    lines.into_iter().next()
}

/// Answers each connection until the client closes it, so many of them; what was asked on each.
fn agent(listener: UnixListener, connections: usize, awaits: bool) -> JoinHandle<Vec<Vec<String>>> {
    thread::spawn(move || {
        let each = (0..connections).map(|_| {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut first = awaits;
            std::iter::from_fn(|| answer(&mut stream, std::mem::take(&mut first))).collect()
        });
        each.collect()
    })
}

fn start(client: &AgentClient) -> impl Future<Output = Workload> {
    let request = RunRequest {
        ask: Ask {
            cpus: 1,
            ..Ask::default()
        },
        command: "true".to_owned(),
        enters: true,
    };
    async move { client.start(&request).await.unwrap() }
}

fn place() -> (tempfile::TempDir, PathBuf, UnixListener) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    (dir, socket, listener)
}

/// Lets the connection's own task see that nobody needs it any more, and hears how the agent saw it end.
async fn ended(agent: JoinHandle<Vec<Vec<String>>>) -> Vec<Vec<String>> {
    while !agent.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    agent.join().unwrap()
}

#[tokio::test]
async fn an_awaited_start_and_its_second_word_share_one_connection_that_ends_then() {
    let (_dir, socket, listener) = place();
    let agent = agent(listener, 1, true);
    let client = AgentClient::unix(&socket);
    let workload = start(&client).await;
    assert!(workload.awaits);
    let entered = client.entered(&workload.id, EnteredRequest { born: true });
    assert!(!entered.await.unwrap().awaits);
    // The client lives on, as `busbar run` does beside its command, and holds no connection.
    let asked = ended(agent).await;
    let words = [
        "post /v1/workloads http/1.1",
        "post /v1/workloads/web/entered http/1.1",
    ];
    assert_eq!(asked, [words]);
    drop(client);
}

#[tokio::test]
async fn a_start_that_nobody_awaits_ends_its_connection() {
    let (_dir, socket, listener) = place();
    let agent = agent(listener, 1, false);
    let client = AgentClient::unix(&socket);
    assert!(!start(&client).await.awaits);
    assert_eq!(ended(agent).await, [["post /v1/workloads http/1.1"]]);
    drop(client);
}

#[tokio::test]
async fn an_agent_that_says_close_is_asked_over_another_connection() {
    let (_dir, socket, listener) = place();
    let agent = thread::spawn(move || {
        let (first, _) = listener.accept().unwrap();
        let mut first = BufReader::new(first);
        let mut asked = vec![answer_and(&mut first, true, "connection: close\r\n").unwrap()];
        drop(first);
        let mut second = BufReader::new(listener.accept().unwrap().0);
        asked.push(answer(&mut second, false).unwrap());
        asked
    });
    let client = AgentClient::unix(&socket);
    let workload = start(&client).await;
    let entered = client.entered(&workload.id, EnteredRequest { born: true });
    entered.await.unwrap();
    assert_eq!(agent.join().unwrap().len(), 2);
}
