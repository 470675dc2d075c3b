//! The stream of a rack's events (`text/event-stream`), read with a bound on everything.

use std::time::Duration;

use reqwest::{Method, Response};

use crate::error::ClientError;
use crate::v1::EventView;

/// The longest event that is taken: the largest event is a claim with its names, below 16 KiB.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// A stream of events. Dropping it closes the connection.
#[derive(Debug)]
pub struct EventStream {
    url: String,
    response: Response,
    silence: Duration,
    lines: Lines,
}

impl EventStream {
    pub(crate) fn new(url: String, response: Response, silence: Duration) -> EventStream {
        EventStream {
            url,
            response,
            silence,
            lines: Lines::default(),
        }
    }

    /// The next event; `None` when the controller ended the stream (it does so when it stops, or when we read too slowly).
    ///
    /// # Errors
    /// The connection broke, was silent for too long, or brought something that is no event.
    pub async fn next(&mut self) -> Result<Option<EventView>, ClientError> {
        loop {
            if let Some(data) = self.lines.pop() {
                return serde_json::from_str(&data).map(Some).map_err(|error| {
                    self.garbled(format!("an event came that is not the expected JSON ({error})"))
                });
            }
            if self.lines.pending_bytes() > MAX_EVENT_BYTES {
                return Err(self.garbled(format!("an event is longer than {MAX_EVENT_BYTES} bytes")));
            }
            match tokio::time::timeout(self.silence, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => self.lines.feed(&bytes),
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(source)) => {
                    return Err(ClientError::Unreachable {
                        method: Method::GET,
                        url: self.url.clone(),
                        source: source.without_url(),
                    });
                }
                Err(_) => {
                    return Err(
                        self.garbled(format!("nothing came for {:?}, not even a comment", self.silence))
                    );
                }
            }
        }
    }

    fn garbled(&self, what: String) -> ClientError {
        ClientError::Garbled {
            method: Method::GET,
            url: self.url.clone(),
            what,
        }
    }
}

/// The part of the event stream's grammar that we need: `data:` lines up to an empty line; all else is skipped.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    raw: Vec<u8>,
    data: Option<String>,
    ready: std::collections::VecDeque<String>,
}

impl Lines {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        while let Some(end) = self.raw.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.raw.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end_matches(['\n', '\r']));
        }
    }

    fn line(&mut self, line: &str) {
        if line.is_empty() {
            self.ready.extend(self.data.take());
        } else if let Some(value) = line.strip_prefix("data:") {
            let value = value.strip_prefix(' ').unwrap_or(value);
            match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                none => *none = Some(value.to_owned()),
            }
        }
    }

    pub(crate) fn pop(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    fn pending_bytes(&self) -> usize {
        self.raw
            .len()
            .saturating_add(self.data.as_ref().map_or(0, String::len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_wherever_the_bytes_are_cut() {
        let text = ": hello\n\nid: 7\ndata: {\"a\":\ndata: 1}\n\ndata:x\r\n\r\nid: 8\n\n";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            lines.feed(&text.as_bytes()[..cut]);
            lines.feed(&text.as_bytes()[cut..]);
            assert_eq!(lines.pop().as_deref(), Some("{\"a\":\n1}"), "cut at {cut}");
            assert_eq!(lines.pop().as_deref(), Some("x"));
            assert_eq!(lines.pop(), None);
        }
    }
}
