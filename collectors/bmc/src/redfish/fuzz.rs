//! What a Redfish service says first, and its stream of events, for the fuzzer.

use serde_json::Value;

use super::schema::root::Root;
use super::schema::{Doubts, Fields};
use super::{body, sse};

/// The service root, and the message of an error.
pub(crate) fn root(data: &[u8]) {
    let _ = body::message(data);
    if let Ok(value) = serde_json::from_slice::<Value>(data) {
        let doubts = Doubts::default();
        let _ = Root::read(&Fields::of(&value, "any", &doubts));
    }
}

/// A stream of server-sent events: the same events however the bytes were cut.
pub(crate) fn events(data: &[u8]) {
    let whole = sse::Parser::default().push(data);
    let mut parser = sse::Parser::default();
    let pieces: Result<Vec<_>, _> = data.chunks(3).map(|piece| parser.push(piece)).collect();
    if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces.concat());
    }
}
