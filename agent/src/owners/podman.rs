//! Podman over its service's socket: the libpod API, version 4.3 and later (`systemctl enable --now podman.socket`).
//!
//! `POST /libpod/containers/ID/update` takes the resources of a container as the OCI runtime specification writes them, and has the runtime
//! write them to the container's cgroup.

use std::path::Path;

use bytes::Bytes as Body;
use facts::{Bytes, CpuSet, NumaSet};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::{Asked, Doors, Owner, OwnerError, Values};
use crate::ledger::Had;

/// The lowest version of the API that Podman 4 and 5 both serve.
const API: &str = "/v4.0.0/libpod/containers";
/// The longest answer that is read: what Podman knows of one container is some ten kilobytes.
const LONGEST: usize = 1 << 20;
/// How the OCI runtime specification writes that there is no limit of memory.
const NO_LIMIT: i64 = -1;
/// What is expected where nobody listens.
const EXPECTED: &str = "its service, as systemctl enable --now podman.socket starts it";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    state: State,
    host_config: HostConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct HostConfig {
    cpuset_cpus: String,
    cpuset_mems: String,
    memory: i64,
}

/// What was asked for a container when it was made.
pub(super) async fn look(doors: &Doors, id: &str) -> Result<Had, OwnerError> {
    let container = inspect(doors, id).await?;
    let strange = |what: &str, said: &str| OwnerError::Strange {
        owner: shown(id),
        said: format!("{what} {said:?}"),
        expected: "a list, as in 0-3,8".to_owned(),
    };
    let config = container.host_config;
    let (mut cpus, mut numa_nodes) = (CpuSet::new(), NumaSet::new());
    if !config.cpuset_cpus.is_empty() {
        cpus = config
            .cpuset_cpus
            .parse()
            .map_err(|_| strange("CpusetCpus", &config.cpuset_cpus))?;
    }
    if !config.cpuset_mems.is_empty() {
        numa_nodes = config
            .cpuset_mems
            .parse()
            .map_err(|_| strange("CpusetMems", &config.cpuset_mems))?;
    }
    let memory_max = u64::try_from(config.memory)
        .ok()
        .filter(|most| *most > 0)
        .map(Bytes::new);
    Ok(Had {
        cpus,
        numa_nodes,
        memory_max,
        run: String::new(),
    })
}

/// Has it write what the container is to have.
pub(super) async fn set(doors: &Doors, id: &str, values: &Values) -> Result<(), OwnerError> {
    let memory = values.memory_max.and_then(|most| i64::try_from(most.get()).ok());
    update(doors, id, &values.cpus, &values.numa_nodes, memory).await
}

/// Has it write what the container had. Podman has no word for taking a cpuset away: where none was set it gets all CPUs.
pub(super) async fn give_back(doors: &Doors, id: &str, asked: &Asked) -> Result<(), OwnerError> {
    if !inspect(doors, id).await?.state.running {
        // Its cgroup is gone; the next one is made as it was asked for at first.
        return Ok(());
    }
    let (had, whole) = (&asked.had, &asked.whole);
    let cpus = if had.cpus.is_empty() { &whole.0 } else { &had.cpus };
    let nodes = if had.numa_nodes.is_empty() {
        &whole.1
    } else {
        &had.numa_nodes
    };
    let limit = had
        .memory_max
        .map_or(Some(NO_LIMIT), |most| i64::try_from(most.get()).ok());
    let memory = asked.values.memory_max.and(limit);
    update(doors, id, cpus, nodes, memory).await
}

async fn inspect(doors: &Doors, id: &str) -> Result<Container, OwnerError> {
    let (_, body) = ask(doors, id, Method::GET, "json", Body::new(), "tell of it").await?;
    serde_json::from_slice(&body).map_err(|error| OwnerError::Strange {
        owner: shown(id),
        said: error.to_string(),
        expected: "State.Running and HostConfig, as libpod's API has them".to_owned(),
    })
}

async fn update(
    doors: &Doors,
    id: &str,
    cpus: &CpuSet,
    nodes: &NumaSet,
    memory: Option<i64>,
) -> Result<(), OwnerError> {
    let mut resources = json!({"cpu": {"cpus": cpus.to_string(), "mems": nodes.to_string()}});
    if let (Some(limit), Some(all)) = (memory, resources.as_object_mut()) {
        all.insert("memory".to_owned(), json!({"limit": limit}));
    }
    let body = Body::from(resources.to_string());
    ask(doors, id, Method::POST, "update", body, "write its CPUs")
        .await
        .map(|_| ())
}

/// One question on a connection of its own.
async fn ask(
    doors: &Doors,
    id: &str,
    method: Method,
    word: &str,
    body: Body,
    act: &'static str,
) -> Result<(StatusCode, Body), OwnerError> {
    let socket = &doors.podman;
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| unreachable(socket, &error))?;
    let opened = http1::handshake::<_, Full<Body>>(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(|error| unreachable(socket, &error))?;
    // It ends with the answer, or with an error that the answer has too.
    let lives = tokio::spawn(async move { connection.await.is_ok() });
    let request = Request::builder()
        .method(method)
        .uri(format!("{API}/{id}/{word}"))
        .header(HOST, "podman")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body));
    let failed = |why: String| OwnerError::Refused {
        owner: shown(id),
        act,
        why,
    };
    let request = request.map_err(|error| failed(error.to_string()))?;
    let answered = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        Ok((
            status,
            body.map_err(|error| failed(error.to_string()))?.to_bytes(),
        ))
    }
    .await;
    lives.abort();
    let (status, body) = answered?;
    if status == StatusCode::NOT_FOUND {
        return Err(OwnerError::Gone(shown(id)));
    }
    if !status.is_success() {
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        let why = said
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or("without a reason");
        return Err(failed(format!("{status}: {why}")));
    }
    Ok((status, body))
}

fn unreachable(socket: &Path, error: &dyn std::error::Error) -> OwnerError {
    OwnerError::Unreachable {
        who: super::PODMAN,
        path: socket.display().to_string(),
        why: error.to_string(),
        expected: EXPECTED,
    }
}

fn shown(id: &str) -> String {
    Owner::Podman(id.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;
    use std::thread::{JoinHandle, spawn};

    use collectors::Root;

    use super::*;

    const RUNS: &str = "{\"State\":{\"Running\":true,\"Pid\":7},\"HostConfig\":{\"CpusetCpus\":\"0-5\",\"CpusetMems\":\"\",\"Memory\":0}}";
    const STOPPED: &str = "{\"State\":{\"Running\":false},\"HostConfig\":{}}";

    /// A recorded machine without anything in it.
    fn machine() -> (tempfile::TempDir, Doors) {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["sys", "proc"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let doors = Doors::of(&Root::at(dir.path()).unwrap());
        (dir, doors)
    }

    /// A service that answers these in turn and gives what it was asked: method, path and body.
    fn service(answers: &[(u16, &str)]) -> (tempfile::TempDir, Doors, JoinHandle<Vec<String>>) {
        let (dir, doors) = machine();
        std::fs::create_dir_all(doors.podman.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&doors.podman).unwrap();
        let answers: Vec<(u16, String)> = answers
            .iter()
            .map(|(code, text)| (*code, (*text).to_owned()))
            .collect();
        let serving = spawn(move || {
            answers
                .iter()
                .map(|(code, text)| one(&listener, *code, text))
                .collect()
        });
        (dir, doors, serving)
    }

    fn one(listener: &UnixListener, code: u16, text: &str) -> String {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let (head, body) = loop {
            let mut bytes = [0; 4096];
            let length = stream.read(&mut bytes).unwrap();
            request.extend_from_slice(&bytes[..length]);
            let said = String::from_utf8(request.clone()).unwrap();
            let Some((head, body)) = said.split_once("\r\n\r\n") else {
                continue;
            };
            let lines = head.to_ascii_lowercase();
            let length = lines
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if length.map_or(0, |length| length.parse().unwrap()) <= body.len() {
                break (head.to_owned(), body.to_owned());
            }
        };
        let length = text.len();
        write!(
            stream,
            "HTTP/1.1 {code} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
        )
        .unwrap();
        let first = head.lines().next().unwrap();
        format!("{} {body}", first.trim_end_matches(" HTTP/1.1"))
    }

    fn asked() -> Asked {
        Asked {
            workload: "db".parse().unwrap(),
            owner: Owner::Podman("3f".to_owned()),
            values: Values {
                cpus: "2-3".parse().unwrap(),
                numa_nodes: "1".parse().unwrap(),
                memory_max: Some(Bytes::new(1 << 20)),
            },
            had: Had::default(),
            whole: ("0-7".parse().unwrap(), "0-1".parse().unwrap()),
            differs: String::new(),
            ends: false,
        }
    }

    #[tokio::test]
    async fn it_is_asked_in_the_words_of_its_own_interface() {
        let (_dir, doors, serving) = service(&[(200, RUNS), (201, "\"3f\""), (200, RUNS), (201, "\"3f\"")]);
        let owner = asked().owner;
        let had = doors.look(&owner, "libpod-3f").await.unwrap();
        assert_eq!(
            (
                had.cpus.to_string().as_str(),
                had.numa_nodes.is_empty(),
                had.memory_max
            ),
            ("0-5", true, None)
        );
        doors.set(&owner, &asked().values, "").await.unwrap();
        doors.give_back(&Asked { had, ..asked() }).await.unwrap();
        let heard = serving.join().unwrap();
        assert_eq!(heard[0], "GET /v4.0.0/libpod/containers/3f/json ");
        let update = "POST /v4.0.0/libpod/containers/3f/update";
        assert_eq!(
            heard[1],
            format!(
                "{update} {{\"cpu\":{{\"cpus\":\"2-3\",\"mems\":\"1\"}},\"memory\":{{\"limit\":1048576}}}}"
            )
        );
        assert_eq!(
            heard[3],
            format!("{update} {{\"cpu\":{{\"cpus\":\"0-5\",\"mems\":\"0-1\"}},\"memory\":{{\"limit\":-1}}}}")
        );
    }

    #[tokio::test]
    async fn what_is_gone_needs_nothing_back_and_what_is_refused_says_why() {
        let (_dir, doors, serving) = service(&[
            (404, "{}"),
            (200, STOPPED),
            (500, "{\"message\":\"crun: no such cpu\"}"),
        ]);
        doors.give_back(&asked()).await.unwrap();
        doors.give_back(&asked()).await.unwrap();
        let said = doors
            .set(&asked().owner, &asked().values, "")
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(serving.join().unwrap().len(), 3);
        assert!(
            said.contains("Podman (3f) refuses to write its CPUs") && said.contains("crun: no such cpu"),
            "{said}"
        );
        let (_dir, doors, serving) = service(&[(200, "[1]")]);
        let said = doors.look(&asked().owner, "x").await.unwrap_err().to_string();
        assert!(said.contains("expected State.Running"), "{said}");
        serving.join().unwrap();
        let (_dir, nobody) = machine();
        let said = nobody.look(&asked().owner, "x").await.unwrap_err().to_string();
        assert!(
            said.contains("podman.sock") && said.contains("systemctl enable --now podman.socket"),
            "{said}"
        );
        let unit = Owner::Systemd("web.scope".to_owned());
        let said = nobody.look(&unit, "x").await.unwrap_err().to_string();
        assert!(said.contains("cannot reach systemd over unix:path="), "{said}");
    }
}
