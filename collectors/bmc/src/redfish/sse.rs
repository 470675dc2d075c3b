//! Server-sent events, line by line: pure, bounded, and indifferent to where chunks are cut (WHATWG HTML, "Server-sent events").

/// The longest line: a Redfish event with a hundred records has 40 KB.
const MAX_LINE_BYTES: usize = 256 << 10;
/// The longest event of many data lines.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// One event as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SseEvent {
    pub(super) id: Option<String>,
    pub(super) data: String,
}

/// The bytes that came are no events within the bounds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Collects bytes into events.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    event: SseEvent,
    has_data: bool,
    after_return: bool,
}

impl Parser {
    /// Takes the next bytes and gives the events that they finish.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            let ends = match byte {
                b'\n' if self.after_return => {
                    self.after_return = false;
                    continue;
                }
                b'\n' | b'\r' => true,
                _ => false,
            };
            self.after_return = *byte == b'\r';
            if !ends {
                if self.line.len() >= MAX_LINE_BYTES {
                    return Err(TooLong);
                }
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if let Some(event) = self.end_line(&String::from_utf8_lossy(&line))? {
                events.push(event);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, line: &str) -> Result<Option<SseEvent>, TooLong> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return Ok(std::mem::take(&mut self.has_data).then_some(event));
        }
        // A byte order mark may stand before the first line; a line that begins with a colon is a comment.
        let line = line.trim_start_matches('\u{feff}');
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.event.data.len() + value.len() > MAX_EVENT_BYTES {
                    return Err(TooLong);
                }
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "id" => self.event.id = Some(value.to_owned()),
            _ => {}
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = ": hello\r\n\r\nid: 7\ndata: {\"a\":\ndata: 1}\n\nretry: 10\n\ndata:x\r\r";

    #[test]
    fn events_are_read_wherever_they_are_cut() {
        let whole = Parser::default().push(STREAM.as_bytes()).unwrap();
        assert_eq!(whole.len(), 2);
        assert_eq!(whole[0].id.as_deref(), Some("7"));
        assert_eq!(whole[0].data, "{\"a\":\n1}");
        assert_eq!(whole[1].data, "x");
        for cut in 0..STREAM.len() {
            let mut parser = Parser::default();
            let mut events = parser.push(&STREAM.as_bytes()[..cut]).unwrap();
            events.extend(parser.push(&STREAM.as_bytes()[cut..]).unwrap());
            assert_eq!(events, whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(&vec![b'x'; MAX_LINE_BYTES + 1]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_events_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = Parser::default().push(&bytes);
        }
    }
}
