//! The bytes between a runtime and us: NRI's multiplexer, and ttrpc's frames in it. Pure.
//!
//! One socket carries two connections: in one the runtime calls us, in the other we call it. A piece of either has 8 bytes before it
//! (which connection, how long; containerd/nri `pkg/net/multiplex`), a message 10 (how long, which call, what; containerd/ttrpc
//! `PROTOCOL.md`). All numbers have their highest byte first.

/// The runtime calls the plugin.
pub(crate) const PLUGIN: u32 = 1;
/// The plugin calls the runtime.
pub(crate) const RUNTIME: u32 = 2;

/// ttrpc: a call.
pub(crate) const REQUEST: u8 = 1;
/// ttrpc: what came of it.
pub(crate) const RESPONSE: u8 = 2;

/// Bytes before a piece of a connection.
const PIECE_HEADER: usize = 8;
/// Bytes before a message.
const HEADER: usize = 10;
/// The longest message of ttrpc, without its header (`messageLengthMax`).
const LONGEST: usize = 4 << 20;
/// The longest piece that a runtime sends: a whole message.
const LONGEST_PIECE: usize = HEADER + LONGEST;
/// The longest piece that we send. The runtime reads a piece at once, into a buffer of this size where it is not told a longer one.
const OUR_PIECE: usize = 4_096;

/// A message of ttrpc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// In which of the two connections.
    pub(crate) connection: u32,
    /// Which call: an answer has its call's number.
    pub(crate) stream: u32,
    /// [`REQUEST`] or [`RESPONSE`].
    pub(crate) kind: u8,
    /// What it holds.
    pub(crate) data: Vec<u8>,
}

/// Why bytes are none of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    #[error("a piece of {0} bytes was announced; expected at most {LONGEST_PIECE}: is this an NRI socket?")]
    LongPiece(usize),
    #[error("a message of {0} bytes was announced; expected at most {LONGEST}: is this an NRI socket?")]
    LongMessage(usize),
    #[error(
        "a message of kind {kind} came in connection {connection}; expected a call in {PLUGIN} or an answer in {RUNTIME}"
    )]
    OutOfPlace { kind: u8, connection: u32 },
}

/// Takes a stream of bytes apart, however it is cut.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    header: Vec<u8>,
    /// Of which connection the next bytes are, and how many.
    piece: Option<(u32, usize)>,
    /// What came of a message that is not whole: of the runtime's calls, and of its answers. Each at most one message long, as all
    /// that is whole is taken out at once.
    calls: Vec<u8>,
    answers: Vec<u8>,
}

impl Splitter {
    /// The messages that are whole with these bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<Vec<Frame>, WireError> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let Some((connection, left)) = self.piece else {
                let (head, rest) = bytes.split_at(bytes.len().min(PIECE_HEADER - self.header.len()));
                self.header.extend_from_slice(head);
                bytes = rest;
                self.begin_piece()?;
                continue;
            };
            let (part, rest) = bytes.split_at(bytes.len().min(left));
            bytes = rest;
            self.piece = Some((connection, left - part.len())).filter(|(_, left)| *left > 0);
            let waiting = match connection {
                PLUGIN => &mut self.calls,
                RUNTIME => &mut self.answers,
                // Nobody has opened it: as the runtime does, we let it fall.
                _ => continue,
            };
            waiting.extend_from_slice(part);
            while let Some(frame) = whole(connection, waiting)? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    fn begin_piece(&mut self) -> Result<(), WireError> {
        if let (Some(connection), Some(length)) = (number(&self.header, 0), number(&self.header, 4)) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > LONGEST_PIECE {
                return Err(WireError::LongPiece(length));
            }
            self.header.clear();
            self.piece = Some((connection, length)).filter(|(_, length)| *length > 0);
        }
        Ok(())
    }
}

/// Takes the first message out, where it is whole.
fn whole(connection: u32, waiting: &mut Vec<u8>) -> Result<Option<Frame>, WireError> {
    let (Some(length), Some(stream), Some(kind)) =
        (number(waiting, 0), number(waiting, 4), waiting.get(8).copied())
    else {
        return Ok(None);
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(WireError::LongMessage(length));
    }
    if !matches!((connection, kind), (PLUGIN, REQUEST) | (RUNTIME, RESPONSE)) {
        return Err(WireError::OutOfPlace { kind, connection });
    }
    if waiting.len() < HEADER + length {
        return Ok(None);
    }
    let rest = waiting.split_off(HEADER + length);
    let data = std::mem::replace(waiting, rest).split_off(HEADER);
    Ok(Some(Frame {
        connection,
        stream,
        kind,
        data,
    }))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

/// The bytes of a message; nothing where it is longer than the other side takes.
pub(crate) fn bytes_of(frame: &Frame) -> Option<Vec<u8>> {
    let length = u32::try_from(frame.data.len()).ok()?;
    if frame.data.len() > LONGEST {
        return None;
    }
    let mut message = Vec::with_capacity(HEADER + frame.data.len());
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(&frame.stream.to_be_bytes());
    message.extend_from_slice(&[frame.kind, 0]);
    message.extend_from_slice(&frame.data);
    let mut bytes = Vec::with_capacity(message.len() + PIECE_HEADER);
    for piece in message.chunks(OUR_PIECE) {
        bytes.extend_from_slice(&frame.connection.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(piece.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(piece);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// A piece of connection 2 with a message in it: call 1, an answer of two bytes.
    const ANSWER: &[u8] = b"\0\0\0\x02\0\0\0\x0c\0\0\0\x02\0\0\0\x01\x02\0hi";

    fn call(stream: u32, data: Vec<u8>) -> Frame {
        Frame {
            connection: PLUGIN,
            stream,
            kind: REQUEST,
            data,
        }
    }

    #[test]
    fn bytes_stand_as_the_protocol_says() {
        let answer = Frame {
            connection: RUNTIME,
            stream: 1,
            kind: RESPONSE,
            data: b"hi".to_vec(),
        };
        assert_eq!(bytes_of(&answer).unwrap(), ANSWER);
        assert_eq!(Splitter::default().take(ANSWER).unwrap(), [answer]);
    }

    #[test]
    fn what_is_too_long_or_out_of_place_is_refused_before_it_is_kept() {
        let mut splitter = Splitter::default();
        assert_eq!(
            splitter.take(b"GET / HTTP/1.1\r\n"),
            Err(WireError::LongPiece(0x2f20_4854))
        );
        let long = b"\0\0\0\x01\0\0\0\x0a\0\x40\0\x01\0\0\0\x01\x01\0";
        assert_eq!(
            Splitter::default().take(long),
            Err(WireError::LongMessage((4 << 20) + 1))
        );
        let mut data = ANSWER.to_vec();
        data[16] = 3;
        let error = Splitter::default().take(&data).unwrap_err();
        assert!(error.to_string().contains("kind 3"), "{error}");
        data[16] = REQUEST;
        assert!(
            Splitter::default().take(&data).is_err(),
            "the runtime calls in the other connection"
        );
        // A connection that nobody has opened.
        data[3] = 7;
        assert_eq!(Splitter::default().take(&data), Ok(Vec::new()));
        assert_eq!(bytes_of(&call(1, vec![0; LONGEST + 1])), None);
    }

    proptest! {
        #[test]
        fn however_the_stream_is_cut_the_same_messages_come(
            sizes in prop::collection::vec(0_usize..9_000, 1..4), cut in 1_usize..5_000,
        ) {
            let sent: Vec<Frame> = sizes.iter().zip(1..).map(|(size, stream)| call(stream, vec![7; *size])).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|frame| bytes_of(frame).unwrap()).collect();
            let mut splitter = Splitter::default();
            let mut came = Vec::new();
            for part in bytes.chunks(cut) {
                came.extend(splitter.take(part).unwrap());
            }
            prop_assert_eq!(came, sent);
        }
    }
}
