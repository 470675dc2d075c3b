//! The agent's events as they arrive: server-sent events, one JSON object each.

use bytes::Bytes;
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
    data: String,
}

impl EventStream {
    pub(super) fn new(sent: String, body: Incoming) -> EventStream {
        EventStream {
            sent,
            body,
            lines: Lines::default(),
            data: String::new(),
        }
    }

    /// Waits for the next event; `None` when the agent has ended the stream.
    ///
    /// # Errors
    /// When the connection breaks or what comes is no event.
    pub async fn next(&mut self) -> Option<Result<AgentEvent, ClientError>> {
        loop {
            while let Some(line) = self.lines.take() {
                if let Some(event) = self.line(&line) {
                    return Some(event);
                }
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

    /// One line of the stream: an empty one ends an event, `data:` adds to it, all else is not ours to know.
    fn line(&mut self, line: &str) -> Option<Result<AgentEvent, ClientError>> {
        if let Some(data) = line.strip_prefix("data:") {
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            return None;
        }
        if !line.is_empty() || self.data.is_empty() {
            return None;
        }
        let data = std::mem::take(&mut self.data);
        Some(
            serde_json::from_str(&data).map_err(|source| ClientError::Garbled {
                sent: self.sent.clone(),
                came: data,
                source,
            }),
        )
    }
}

/// Bytes as they arrive, cut into lines.
#[derive(Debug, Default)]
struct Lines(Vec<u8>);

impl Lines {
    /// False where more has come than one event can have.
    fn add(&mut self, bytes: &Bytes) -> bool {
        self.0.extend_from_slice(bytes);
        self.0.len() <= LONGEST_EVENT
    }

    fn take(&mut self) -> Option<String> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.0.drain(..=end).collect();
        Some(
            String::from_utf8_lossy(&line)
                .trim_end_matches(['\n', '\r'])
                .to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_come_in_pieces() {
        let mut lines = Lines::default();
        assert!(lines.add(&Bytes::from_static(b"data: {\"a\"")));
        assert_eq!(lines.take(), None);
        assert!(lines.add(&Bytes::from_static(b":1}\r\n\n:")));
        assert_eq!(lines.take().as_deref(), Some("data: {\"a\":1}"));
        assert_eq!(lines.take().as_deref(), Some(""));
        assert_eq!(lines.take(), None);
        assert!(!lines.add(&Bytes::from(vec![b'x'; LONGEST_EVENT])));
    }
}
