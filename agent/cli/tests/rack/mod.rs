//! A controller of answers, and the program `busbar` that asks it.
#![allow(dead_code, reason = "each test takes what it needs of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// What was asked: method and path, the body.
pub type Asked = Arc<Mutex<Vec<(String, String)>>>;
/// What is answered, by method and path: each answer once, the last one for ever.
pub type Answers = BTreeMap<&'static str, Vec<(u16, Value)>>;

pub struct Rack {
    url: String,
    asked: Asked,
}

impl Rack {
    pub fn raise(mut answers: Answers) -> Rack {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Asked::default();
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some((what, body)) = request(&mut stream) else {
                    continue;
                };
                let answer = match answers.get_mut(what.as_str()) {
                    Some(left) if left.len() > 1 => left.remove(0),
                    Some(left) => left[0].clone(),
                    None => {
                        let error =
                            json!({"code": "not_found", "message": format!("nothing answers {what}")});
                        (404, json!({"error": error}))
                    }
                };
                heard.lock().unwrap().push((what, body));
                let text = answer.1.to_string();
                let head = format!(
                    "HTTP/1.1 {} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    answer.0,
                    text.len()
                );
                let _ = stream.write_all((head + &text).as_bytes());
            }
        });
        Rack { url, asked }
    }

    pub fn busbar(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_busbar"))
            .args(["--rack", &self.url])
            .args(words)
            .env_remove("BUSBAR_RACK_TOKEN_FILE")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What was asked that changes something.
    pub fn changes(&self) -> Vec<(String, String)> {
        let asked = self.asked.lock().unwrap();
        let changes = asked.iter().filter(|(what, _)| !what.starts_with("GET "));
        changes.cloned().collect()
    }
}

/// Method and path, and the body.
fn request(stream: &mut std::net::TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let what = format!("{} {}", words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim();
        if line.is_empty() {
            break;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((what, String::from_utf8(body).ok()?))
}

pub fn drive(serial: &str, tenancy: &str) -> Value {
    json!({
        "serial": serial, "model": "M1", "place": "jbof/bay-1", "size_bytes": 3_840_000_000_000_u64, "tenancy": tenancy,
        "since": "2026-01-01T00:00:00Z", "generation": 1
    })
}

/// A pool of one bay.
pub fn pool_of(bay: Value, claims: Value) -> (u16, Value) {
    let enclosure = json!({"name": "jbof", "agent": "n07", "seen": true, "bays": [bay]});
    (
        200,
        json!({
            "rack": "r12", "mode": "enforce", "at": "2026-01-01T00:00:00Z", "enclosures": [enclosure], "claims": claims
        }),
    )
}

pub fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}
