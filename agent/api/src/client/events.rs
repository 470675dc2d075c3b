//! The agent's events as they arrive: server-sent events, one JSON object each.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::error::ClientError;
use crate::v1::AgentEvent;

/// The longest single event: a sentence and a moment. More without an end of line is no event stream.
const LONGEST_EVENT: usize = 64 << 10;

/// What happens on a node, one event after another.
#[derive(Debug)]
pub struct EventStream {
    sent: String,
    body: Incoming,
    lines: Lines,
}

impl EventStream {
    pub(super) fn new(sent: String, body: Incoming) -> EventStream {
        EventStream {
            sent,
            body,
            lines: Lines::default(),
        }
    }

    /// Waits for the next event; `None` when the agent has ended the stream.
    ///
    /// # Errors
    /// When the connection breaks or what comes is no event.
    pub async fn next(&mut self) -> Option<Result<AgentEvent, ClientError>> {
        loop {
            if let Some(data) = self.lines.take() {
                return Some(read(&self.sent, data));
            }
            let frame = match self.body.frame().await? {
                Ok(frame) => frame,
                Err(source) => {
                    return Some(Err(ClientError::Broken {
                        sent: self.sent.clone(),
                        source: Box::new(source),
                    }));
                }
            };
            if let Ok(bytes) = frame.into_data()
                && !self.lines.add(&bytes)
            {
                return Some(Err(ClientError::TooLong {
                    sent: self.sent.clone(),
                    limit: LONGEST_EVENT,
                }));
            }
        }
    }
}

fn read(sent: &str, data: String) -> Result<AgentEvent, ClientError> {
    serde_json::from_str(&data).map_err(|source| ClientError::Garbled {
        sent: sent.to_owned(),
        came: data,
        source,
    })
}

/// Bytes as they arrive, cut into lines, and what `data:` lines have brought of the next event.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    raw: Vec<u8>,
    data: String,
}

impl Lines {
    /// False where more has come than one event can have, in one line or in many.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> bool {
        self.raw.extend_from_slice(bytes);
        self.raw.len().saturating_add(self.data.len()) <= LONGEST_EVENT
    }

    /// The data of the next event that is whole: an empty line ends it, what is no `data:` is not ours to know.
    pub(crate) fn take(&mut self) -> Option<String> {
        while let Some(end) = self.raw.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.raw.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if let Some(data) = line.strip_prefix("data:") {
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            } else if line.is_empty() && !self.data.is_empty() {
                return Some(std::mem::take(&mut self.data));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_may_come_in_pieces() {
        let mut lines = Lines::default();
        assert!(lines.add(b"data: {\"a\""));
        assert_eq!(lines.take(), None);
        assert!(lines.add(b":1}\r\n\n:"));
        assert_eq!(lines.take().as_deref(), Some("{\"a\":1}"));
        assert_eq!(lines.take(), None);
        assert!(!lines.add(&vec![b'x'; LONGEST_EVENT]));
    }

    #[test]
    fn an_event_that_never_ends_is_refused_however_short_its_lines_are() {
        let mut lines = Lines::default();
        let mut most = LONGEST_EVENT;
        while lines.add(b"data: 0123456789abcdef\n") {
            assert_eq!(lines.take(), None);
            most = most.saturating_sub(16);
            assert_ne!(most, 0, "more was taken than one event can have");
        }
    }
}
