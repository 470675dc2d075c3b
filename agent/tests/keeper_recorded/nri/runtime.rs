//! The runtime's side of NRI over a real Unix socket, written from the protocol's own texts and not from our client: ttrpc's `PROTOCOL.md`,
//! NRI's multiplexer, and the field numbers of `api.proto`.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

/// Far longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A field of a message: its number, and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

pub fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

pub fn text(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// The fields of a message.
pub fn fields(mut bytes: &[u8]) -> Vec<(u64, Value)> {
    fn take(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = take(&mut bytes);
        let value = match key & 7 {
            0 => Value::Number(take(&mut bytes)),
            2 => {
                let length = take(&mut bytes) as usize;
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Value::Bytes(value.to_vec())
            }
            kind => panic!("a field of kind {kind}"),
        };
        found.push((key >> 3, value));
    }
    found
}

/// The bytes below a path of fields; nothing where one is missing.
pub fn below(message: &[u8], path: &[u64]) -> Option<Vec<u8>> {
    path.iter().try_fold(message.to_vec(), |message, wanted| {
        fields(&message)
            .into_iter()
            .find_map(|(field, value)| match value {
                Value::Bytes(bytes) if field == *wanted => Some(bytes),
                _ => None,
            })
    })
}

pub fn text_at(message: &[u8], path: &[u64]) -> String {
    String::from_utf8(below(message, path).unwrap_or_default()).unwrap()
}

pub fn number_at(message: &[u8], path: &[u64]) -> Option<u64> {
    let (last, above) = path.split_last().unwrap();
    fields(&below(message, above)?)
        .into_iter()
        .find_map(|(field, value)| match value {
            Value::Number(number) if field == *last => Some(number),
            _ => None,
        })
}

/// All values of one field that are messages.
pub fn all(message: &[u8], wanted: u64) -> Vec<Vec<u8>> {
    let each = fields(message)
        .into_iter()
        .filter_map(|(field, value)| match value {
            Value::Bytes(bytes) if field == wanted => Some(bytes),
            _ => None,
        });
    each.collect()
}

/// `ContainerUpdate`s as `ID=CPUS`.
pub fn updates(message: &[u8], field: u64) -> Vec<String> {
    let each = all(message, field);
    let each = each
        .iter()
        .map(|update| format!("{}={}", text_at(update, &[1]), text_at(update, &[2, 1, 2, 6])));
    each.collect()
}

pub fn annotations(field: u64, all: &[(&str, &str)]) -> Vec<u8> {
    let each = all
        .iter()
        .map(|(key, value)| text(field, [text(1, key), text(2, value)].concat()));
    each.collect::<Vec<_>>().concat()
}

pub fn pod(id: &str, asks: &[(&str, &str)]) -> Vec<u8> {
    [
        text(1, id),
        text(2, "web"),
        text(4, "default"),
        annotations(6, asks),
    ]
    .concat()
}

/// A container of pod `p1` with the CPUs that the runtime has written down for it.
pub fn container(id: &str, cpus: &str) -> Vec<u8> {
    let resources = text(2, text(6, cpus));
    let linux = [text(3, resources), text(5, format!("/kubepods/pod1/{id}"))].concat();
    [
        text(1, id),
        text(2, "p1"),
        text(3, "app"),
        number(4, 3),
        text(11, linux),
    ]
    .concat()
}

/// `CreateContainerRequest` and its likes.
pub fn about(pod: &[u8], container: &[u8]) -> Vec<u8> {
    [text(1, pod), text(2, container)].concat()
}

/// One plugin, as the runtime sees it.
pub struct Runtime {
    stream: UnixStream,
    next: u32,
    waiting: [Vec<u8>; 2],
    /// What the plugin had written by itself: `ID=CPUS`.
    pub told: Vec<String>,
    /// The name and the index under which it registered.
    pub registered: (String, String),
    /// The events that it wants, a bit each.
    pub events: u64,
}

impl Runtime {
    /// Takes the next plugin, registers and configures it, and tells of these pods and containers. Gives what is to be written.
    pub fn accept(
        listener: &UnixListener,
        pods: &[Vec<u8>],
        containers: &[Vec<u8>],
    ) -> (Runtime, Vec<String>) {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut runtime = Runtime {
            stream,
            next: 1,
            waiting: [Vec::new(), Vec::new()],
            told: Vec::new(),
            registered: Default::default(),
            events: 0,
        };
        runtime.serve_one();
        let configured = runtime
            .call("Configure", &[text(2, "containerd"), text(3, "v1.7.24")].concat())
            .unwrap();
        runtime.events = number_at(&configured, &[2]).unwrap();
        let pods: Vec<u8> = pods.iter().flat_map(|pod| text(1, pod)).collect();
        let containers: Vec<u8> = containers.iter().flat_map(|one| text(2, one)).collect();
        let synchronized = runtime.call("Synchronize", &[pods, containers].concat()).unwrap();
        (runtime, updates(&synchronized, 1))
    }

    /// Calls the plugin; an error is its code and its words.
    pub fn call(&mut self, method: &str, payload: &[u8]) -> Result<Vec<u8>, (u64, String)> {
        let stream = self.next;
        self.next += 2;
        let request = [
            text(1, "nri.pkg.api.v1alpha1.Plugin"),
            text(2, method),
            text(3, payload),
        ]
        .concat();
        self.send(1, stream, 1, &request);
        loop {
            let (connection, came, data) = self.message();
            if connection == 1 {
                assert_eq!(came, stream, "an answer to another call");
                return match number_at(&data, &[1, 1]) {
                    None | Some(0) => Ok(below(&data, &[2]).unwrap_or_default()),
                    Some(code) => Err((code, text_at(&data, &[1, 2]))),
                };
            }
            self.serve(came, &data);
        }
    }

    /// Waits for one call of the plugin's, and answers it.
    pub fn serve_one(&mut self) {
        let (connection, stream, data) = self.message();
        assert_eq!(connection, 2);
        self.serve(stream, &data);
    }

    fn serve(&mut self, stream: u32, data: &[u8]) {
        assert_eq!(text_at(data, &[1]), "nri.pkg.api.v1alpha1.Runtime");
        let payload = below(data, &[3]).unwrap();
        match text_at(data, &[2]).as_str() {
            "RegisterPlugin" => self.registered = (text_at(&payload, &[1]), text_at(&payload, &[2])),
            "UpdateContainers" => self.told.extend(updates(&payload, 1)),
            other => panic!("called {other}"),
        }
        self.send(2, stream, 2, &[]);
    }

    fn send(&mut self, connection: u32, stream: u32, kind: u8, data: &[u8]) {
        let mut message = Vec::new();
        message.extend_from_slice(&(data.len() as u32).to_be_bytes());
        message.extend_from_slice(&stream.to_be_bytes());
        message.extend_from_slice(&[kind, 0]);
        message.extend_from_slice(data);
        // As Go's ttrpc does: what fits its buffer of 4096 bytes first, the rest at once.
        let (first, rest) = message.split_at(message.len().min(4_096));
        for piece in [first, rest].into_iter().filter(|piece| !piece.is_empty()) {
            self.stream.write_all(&connection.to_be_bytes()).unwrap();
            self.stream
                .write_all(&(piece.len() as u32).to_be_bytes())
                .unwrap();
            self.stream.write_all(piece).unwrap();
        }
    }

    fn message(&mut self) -> (u32, u32, Vec<u8>) {
        loop {
            for (connection, waiting) in (1..).zip(&mut self.waiting) {
                if waiting.len() < 10 {
                    continue;
                }
                let length = u32::from_be_bytes(waiting[..4].try_into().unwrap()) as usize;
                if waiting.len() >= 10 + length {
                    let rest = waiting.split_off(10 + length);
                    let message = std::mem::replace(waiting, rest);
                    let stream = u32::from_be_bytes(message[4..8].try_into().unwrap());
                    assert_eq!(
                        message[8],
                        if connection == 1 { 2 } else { 1 },
                        "an answer in 1, a call in 2"
                    );
                    return (connection, stream, message[10..].to_vec());
                }
            }
            let mut header = [0; 8];
            self.stream.read_exact(&mut header).unwrap();
            let connection = u32::from_be_bytes(header[..4].try_into().unwrap());
            let length = u32::from_be_bytes(header[4..].try_into().unwrap()) as usize;
            assert!(length <= 4_096, "Go's reader takes no longer piece");
            let mut piece = vec![0; length];
            self.stream.read_exact(&mut piece).unwrap();
            self.waiting[connection as usize - 1].extend(piece);
        }
    }
}

/// A socket for a runtime.
pub fn listen(socket: &Path) -> UnixListener {
    let _ = std::fs::remove_file(socket);
    UnixListener::bind(socket).unwrap()
}
