//! One IPMI message inside a packet: addresses, sequence number, command, data and two checksums.

use super::bytes::{Bytes, DecodeError, checksum};
use super::command::Request;

/// Slave address of the BMC.
pub(super) const BMC_ADDRESS: u8 = 0x20;
/// Software id of a remote console.
const CONSOLE_ADDRESS: u8 = 0x81;
/// rqSeq has six bits.
pub(super) const SEQUENCES: u8 = 64;

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) netfn: u8,
    pub(super) sequence: u8,
    pub(super) code: u8,
    pub(super) completion: u8,
    pub(super) data: Vec<u8>,
}

impl Answer {
    /// Whether this answers the request that was sent under this number.
    pub(super) fn answers(&self, request: &Request, sequence: u8) -> bool {
        self.sequence == sequence
            && self.netfn == request.command.netfn | 1
            && self.code == request.command.code
    }
}

/// The request as it travels (IPMI 2.0 section 13.8).
pub(super) fn encode(request: &Request, sequence: u8) -> Vec<u8> {
    let mut message = vec![BMC_ADDRESS, (request.command.netfn << 2) | (request.lun & 3)];
    message.push(checksum(&message));
    let mut body = vec![CONSOLE_ADDRESS, (sequence % SEQUENCES) << 2, request.command.code];
    body.extend_from_slice(&request.data);
    body.push(checksum(&body));
    message.extend_from_slice(&body);
    message
}

/// Reads an answer and checks both of its checksums.
pub(super) fn decode(message: &[u8]) -> Result<Answer, DecodeError> {
    let mut bytes = Bytes::of("an IPMI message", message);
    let head = bytes.take(3)?;
    if checksum(head) != 0 {
        return Err(DecodeError::wrong("the header's checksum", "wrong", "right"));
    }
    let netfn = head.get(1).copied().unwrap_or_default() >> 2;
    let body = bytes.rest();
    if checksum(body) != 0 {
        return Err(DecodeError::wrong("the message's checksum", "wrong", "right"));
    }
    let mut bytes = Bytes::of("an IPMI answer", body);
    bytes.skip(1)?;
    let sequence = bytes.u8()? >> 2;
    let code = bytes.u8()?;
    let completion = bytes.u8()?;
    let rest = bytes.rest();
    let Some((_, data)) = rest.split_last() else {
        return Err(DecodeError::wrong(
            "an IPMI answer",
            "without checksum",
            "one at its end",
        ));
    };
    Ok(Answer {
        netfn,
        sequence,
        code,
        completion,
        data: data.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::command::{GET_DEVICE_ID, SET_SESSION_PRIVILEGE_LEVEL};
    use super::*;

    #[test]
    fn a_request_is_the_bytes_of_the_specification() {
        let request = Request::new(SET_SESSION_PRIVILEGE_LEVEL, [4]);
        assert_eq!(
            encode(&request, 2),
            [0x20, 0x18, 0xC8, 0x81, 0x08, 0x3B, 0x04, 0x38]
        );
    }

    #[test]
    fn an_answer_is_told_from_a_late_one() {
        let message = [0x81, 0x1C, 0x63, 0x20, 0x08, 0x01, 0x00, 0x42, 0x95];
        let answer = decode(&message).unwrap();
        assert_eq!((answer.completion, answer.data.as_slice()), (0, &[0x42][..]));
        let request = Request::new(GET_DEVICE_ID, []);
        assert!(answer.answers(&request, 2));
        assert!(!answer.answers(&request, 1));
        assert!(!answer.answers(&Request::new(SET_SESSION_PRIVILEGE_LEVEL, []), 2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
