//! A small HTTP/1.1 client for loopback and Unix sockets: enough to ask the daemons as `curl` would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// A daemon on this machine that does not answer within this time hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// No answer of a daemon is longer; a longer one is a fault.
const MOST_BYTES: u64 = 64 << 20;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header lines as they came.
    pub headers: Vec<String>,
    /// The body as text.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {}", self.body))
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Asks `url` (`http://host:port`) with any method.
///
/// # Errors
/// Nobody answers, or the answer is no HTTP.
pub fn ask(method: &str, url: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Reply> {
    let host = host_of(url)?;
    let stream = TcpStream::connect(host).with_context(|| format!("cannot connect to {url}"))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    exchange(stream, method, host, path, body, &[])
        .and_then(read_whole)
        .with_context(|| format!("{method} {url}{path}"))
}

/// Asks over a Unix socket.
///
/// # Errors
/// Nobody answers, or the answer is no HTTP.
pub fn ask_unix(method: &str, socket: &Path, path: &str, body: Option<&Value>) -> anyhow::Result<Reply> {
    let stream =
        UnixStream::connect(socket).with_context(|| format!("cannot connect to {}", socket.display()))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    exchange(stream, method, "localhost", path, body, &[])
        .and_then(read_whole)
        .with_context(|| format!("{method} {path} over {}", socket.display()))
}

/// The JSON behind a path; anything but 200 is an error that shows the answer.
///
/// # Errors
/// Nobody answers, or not with 200 and JSON.
pub fn get(url: &str, path: &str) -> anyhow::Result<Value> {
    let reply = ask("GET", url, path, None)?;
    ensure!(
        reply.status == 200,
        "GET {url}{path}: {} {}",
        reply.status,
        reply.body
    );
    reply.json()
}

/// The text behind a path; anything but 200 is an error.
///
/// # Errors
/// Nobody answers, or not with 200.
pub fn get_text(url: &str, path: &str) -> anyhow::Result<String> {
    let reply = ask("GET", url, path, None)?;
    ensure!(
        reply.status == 200,
        "GET {url}{path}: {} {}",
        reply.status,
        reply.body
    );
    Ok(reply.body)
}

/// `text` as it may stand in a query.
pub fn query_text(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// One event of a stream, and when it arrived here.
#[derive(Debug)]
pub struct Event {
    /// Its `id:`.
    pub id: Option<String>,
    /// Its `data:`, as JSON.
    pub data: Value,
    /// When it had arrived.
    pub arrived: Instant,
}

/// An open event stream, read by a thread of its own until the daemon closes it.
pub struct Events {
    arrived: mpsc::Receiver<Event>,
}

impl Events {
    /// Opens the stream behind `path`; when this returns the daemon has begun to answer.
    ///
    /// # Errors
    /// Nobody answers, or not with 200.
    pub fn open(url: &str, path: &str) -> anyhow::Result<Events> {
        let host = host_of(url)?;
        let stream = TcpStream::connect(host).with_context(|| format!("cannot connect to {url}"))?;
        let headers = ["Accept: text/event-stream"];
        let (status, lines, body) = exchange(stream, "GET", host, path, None, &headers)?;
        ensure!(status == 200, "GET {url}{path}: {status} {lines:?}");
        let (events, arrived) = mpsc::channel();
        thread::spawn(move || read_events(body, &events));
        Ok(Events { arrived })
    }

    /// The next event that `wanted` takes; others are passed over.
    ///
    /// # Errors
    /// None came within the deadline, or the stream has ended.
    pub fn next(
        &self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&Event) -> bool,
    ) -> anyhow::Result<Event> {
        let until = Instant::now() + deadline;
        let mut passed = Vec::new();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.arrived.recv_timeout(left) {
                Ok(event) if wanted(&event) => return Ok(event),
                Ok(other) => passed.push(other.data["kind"].to_string()),
                Err(mpsc::RecvTimeoutError::Timeout) => bail!(
                    "no event for: {what}; in {} s there came {passed:?}",
                    deadline.as_secs()
                ),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    bail!("the event stream ended before: {what}; there came {passed:?}")
                }
            }
        }
    }
}

type Answer = (u16, Vec<String>, Box<dyn BufRead + Send>);

fn host_of(url: &str) -> anyhow::Result<&str> {
    url.strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .with_context(|| format!("{url:?} is no plain HTTP address; expected http://HOST:PORT"))
}

fn exchange(
    mut stream: impl Read + Write + Send + 'static,
    method: &str,
    host: &str,
    path: &str,
    body: Option<&Value>,
    headers: &[&str],
) -> anyhow::Result<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    let text = body.map(Value::to_string).unwrap_or_default();
    if body.is_some() {
        request.push_str(&format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n",
            text.len()
        ));
    }
    request.push_str("\r\n");
    request.push_str(&text);
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.with_context(|| format!("not HTTP: {line:?}"))?;
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let find = |name: &str| {
        lines.iter().find_map(|line: &String| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let chunked = find("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let length = find("content-length").and_then(|value| value.parse::<u64>().ok());
    let body: Box<dyn BufRead + Send> = match (chunked, length) {
        (true, _) => Box::new(BufReader::new(Chunked {
            inner: reader,
            left: 0,
            over: false,
        })),
        (false, Some(length)) => Box::new(reader.take(length)),
        (false, None) => Box::new(reader),
    };
    Ok((status, lines, body))
}

fn read_whole((status, headers, body): Answer) -> anyhow::Result<Reply> {
    let mut bytes = Vec::new();
    body.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(Reply {
        status,
        headers,
        body: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

fn read_events(body: Box<dyn BufRead + Send>, events: &mpsc::Sender<Event>) {
    let (mut id, mut data) = (None, String::new());
    for line in body.lines() {
        let Ok(line) = line else { return };
        if let Some(value) = line.strip_prefix("id:") {
            id = Some(value.trim().to_owned());
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push_str(value.trim_start());
        } else if line.is_empty() && !data.is_empty() {
            let event = Event {
                id: id.take(),
                data: serde_json::from_str(&data).unwrap_or(Value::String(data.clone())),
                arrived: Instant::now(),
            };
            data.clear();
            if events.send(event).is_err() {
                return;
            }
        }
    }
}

/// A chunked body, read as what it holds.
struct Chunked<R> {
    inner: R,
    left: u64,
    over: bool,
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.over {
            return Ok(0);
        }
        if self.left == 0 {
            let mut line = String::new();
            self.inner.read_line(&mut line)?;
            if line.trim().is_empty() {
                // The line end behind the previous chunk, or the end of the connection.
                line.clear();
                self.inner.read_line(&mut line)?;
            }
            let size = line.trim().split(';').next().unwrap_or_default();
            self.left = u64::from_str_radix(size, 16).unwrap_or(0);
            if self.left == 0 {
                self.over = true;
                return Ok(0);
            }
        }
        let read = (&mut self.inner).take(self.left).read(into)?;
        self.left = self.left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        if read == 0 {
            self.over = true;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::TcpListener;

    fn serve_once(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        url
    }

    #[test]
    fn plain_and_chunked_bodies_are_read() {
        let url = serve_once("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
        assert_eq!(get(&url, "/").unwrap()["a"], 1);
        let url = serve_once(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
        );
        assert_eq!(get(&url, "/").unwrap()["a"], 1);
    }

    #[test]
    fn events_arrive_one_by_one() {
        let url = serve_once(
            "HTTP/1.1 200 OK\r\n\r\n: hello\n\nid: 7\ndata: {\"kind\":\"a\"}\n\nid: 8\ndata: {\"kind\":\"b\"}\n\n",
        );
        let events = Events::open(&url, "/").unwrap();
        let event = events
            .next("b", Duration::from_secs(10), |event| event.data["kind"] == "b")
            .unwrap();
        assert_eq!(event.id.as_deref(), Some("8"));
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(query_text("up{job=\"a b\"}"), "up%7Bjob%3D%22a%20b%22%7D");
    }
}
