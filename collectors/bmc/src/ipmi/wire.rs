//! Packets: RMCP and session headers around a payload, in the clear while a session is set up and sealed afterwards.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::bytes::{Bytes, DecodeError, dump};
use super::suite::{AES_BLOCK, Suite, decrypt, encrypt};

/// RMCP version 1.0, no sequence number (so that no acknowledgement is expected), class IPMI.
const RMCP: [u8; 4] = [0x06, 0x00, 0xFF, 0x07];
/// The authentication type of RMCP+.
const RMCP_PLUS: u8 = 0x06;
/// The authentication type of a packet with the header of IPMI 1.5 that proves nothing.
const NO_PROOF: u8 = 0x00;
/// An IPMI message in the clear.
const MESSAGE: u8 = 0x00;
/// An IPMI message, encrypted and authenticated.
const SEALED_MESSAGE: u8 = 0xC0;
/// What stands before the integrity check.
const NEXT_HEADER: u8 = 0x07;
/// The authenticated part is filled up to a multiple of this.
const INTEGRITY_UNIT: usize = 4;
/// Longer than any answer of IPMI (its length field inside a message is a byte or two), shorter than a jumbo frame.
pub(super) const MAX_DATAGRAM: usize = 2048;

/// A payload outside of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clear<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
}

/// A packet outside of a session.
pub(super) fn clear(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = RMCP.to_vec();
    packet.extend_from_slice(&[RMCP_PLUS, kind]);
    packet.extend_from_slice(&[0; 8]);
    packet.extend_from_slice(&length(payload));
    packet.extend_from_slice(payload);
    packet
}

/// Reads a packet outside of a session.
pub(super) fn read_clear(packet: &[u8]) -> Result<Clear<'_>, DecodeError> {
    let (kind, session, _, payload, _) = split(packet)?;
    if kind & 0xC0 != 0 || session != 0 {
        return Err(DecodeError::wrong(
            "a packet",
            format!("of type {kind:02x}h in session {session:08x}h"),
            "one in the clear, outside of a session",
        ));
    }
    Ok(Clear { kind, payload })
}

/// The header around a message outside of a session. BMCs differ in which of them they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Of IPMI 2.0.
    Plus,
    /// Of IPMI 1.5.
    Old,
}

/// A message outside of a session.
pub(super) fn outside(header: Header, message: &[u8]) -> Vec<u8> {
    match header {
        Header::Plus => clear(MESSAGE, message),
        Header::Old => {
            let mut packet = RMCP.to_vec();
            packet.push(NO_PROOF);
            packet.extend_from_slice(&[0; 8]);
            packet.push(u8::try_from(message.len()).unwrap_or(u8::MAX));
            packet.extend_from_slice(message);
            packet
        }
    }
}

/// The message of a packet outside of a session, whichever header it has.
pub(super) fn read_outside(packet: &[u8]) -> Result<&[u8], DecodeError> {
    if packet.get(RMCP.len()) != Some(&NO_PROOF) {
        let Clear { kind, payload } = read_clear(packet)?;
        return match kind {
            MESSAGE => Ok(payload),
            other => Err(DecodeError::wrong(
                "the payload type",
                format!("{other:02x}h"),
                "a message",
            )),
        };
    }
    let mut bytes = Bytes::of("a packet of IPMI 1.5", packet);
    let rmcp: [u8; 4] = bytes.array()?;
    bytes.skip(5)?;
    let session = bytes.u32()?;
    if (rmcp[0], rmcp[3], session) != (RMCP[0], RMCP[3], 0) {
        return Err(DecodeError::wrong(
            "a packet",
            dump(packet),
            "one outside of a session",
        ));
    }
    let length = bytes.u8()?;
    bytes.take(usize::from(length))
}

/// The keys of one session, forgotten when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Keys {
    #[zeroize(skip)]
    pub(super) suite: Suite,
    /// K1: proves packets.
    pub(super) integrity: Vec<u8>,
    /// The first 16 bytes of K2: hides payloads.
    pub(super) confidentiality: [u8; AES_BLOCK],
}

impl Keys {
    /// A sealed packet: encrypted, then authenticated from the authentication type to the next header.
    pub(super) fn seal(&self, session: u32, sequence: u32, iv: [u8; AES_BLOCK], message: &[u8]) -> Vec<u8> {
        let payload = encrypt(&self.confidentiality, iv, message);
        let mut sealed = vec![RMCP_PLUS, SEALED_MESSAGE];
        sealed.extend_from_slice(&session.to_le_bytes());
        sealed.extend_from_slice(&sequence.to_le_bytes());
        sealed.extend_from_slice(&length(&payload));
        sealed.extend_from_slice(&payload);
        let mut filled = 0;
        while !(sealed.len() + 2).is_multiple_of(INTEGRITY_UNIT) {
            sealed.push(0xFF);
            filled += 1;
        }
        sealed.extend_from_slice(&[filled, NEXT_HEADER]);
        let mut check = self.suite.hmac(&self.integrity, &[&sealed]);
        check.truncate(self.suite.check_length());
        let mut packet = RMCP.to_vec();
        packet.extend_from_slice(&sealed);
        packet.extend_from_slice(&check);
        packet
    }

    /// Checks and opens a sealed packet for the session `session`: its sequence number and the message.
    pub(super) fn open(&self, session: u32, packet: &[u8]) -> Result<(u32, Vec<u8>), DecodeError> {
        let (kind, to, sequence, payload, trailer) = split(packet)?;
        if kind != SEALED_MESSAGE || to != session {
            return Err(DecodeError::wrong(
                "a packet",
                format!("of type {kind:02x}h for session {to:08x}h"),
                format!("a sealed one for session {session:08x}h"),
            ));
        }
        let at = trailer
            .len()
            .checked_sub(self.suite.check_length())
            .ok_or_else(|| DecodeError::wrong("the integrity check", dump(trailer), "a whole one"))?;
        let (_, check) = trailer.split_at(at);
        let sealed = packet
            .get(RMCP.len()..packet.len() - check.len())
            .unwrap_or_default();
        if !self
            .suite
            .proves(&self.integrity, &[sealed], self.suite.check_length(), check)
        {
            return Err(DecodeError::wrong(
                "the integrity check",
                "wrong",
                "that of this session",
            ));
        }
        Ok((sequence, decrypt(&self.confidentiality, payload)?))
    }
}

fn length(payload: &[u8]) -> [u8; 2] {
    u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes()
}

/// Payload type, session, sequence number, payload, and what follows it.
type Split<'a> = (u8, u32, u32, &'a [u8], &'a [u8]);

fn split(packet: &[u8]) -> Result<Split<'_>, DecodeError> {
    let mut bytes = Bytes::of("an RMCP+ packet", packet);
    let rmcp: [u8; 4] = bytes.array()?;
    let authentication = bytes.u8()?;
    if (rmcp[0], rmcp[3], authentication) != (RMCP[0], RMCP[3], RMCP_PLUS) {
        return Err(DecodeError::wrong("a packet", dump(packet), "one of RMCP+"));
    }
    let kind = bytes.u8()?;
    let session = bytes.u32()?;
    let sequence = bytes.u32()?;
    let length = bytes.u16()?;
    let payload = bytes.take(usize::from(length))?;
    Ok((kind, session, sequence, payload, bytes.rest()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn keys(suite: Suite) -> Keys {
        Keys {
            suite,
            integrity: suite.hmac(b"key", &[b"1"]),
            confidentiality: [7; 16],
        }
    }

    #[test]
    fn a_sealed_packet_opens_once_it_is_whole_and_ours() {
        for suite in [Suite::Three, Suite::Seventeen] {
            let keys = keys(suite);
            let packet = keys.seal(0x1234, 9, [1; 16], b"a message");
            assert_eq!(keys.open(0x1234, &packet).unwrap(), (9, b"a message".to_vec()));
            assert!(keys.open(0x1235, &packet).is_err());
            for at in 0..packet.len() {
                let mut changed = packet.clone();
                *changed.get_mut(at).unwrap() ^= 0x10;
                // RMCP's reserved byte and sequence number are not authenticated.
                assert_eq!(keys.open(0x1234, &changed).is_ok(), at == 1 || at == 2, "{at}");
            }
            for length in 0..packet.len() {
                assert!(keys.open(0x1234, packet.get(..length).unwrap()).is_err());
            }
        }
    }

    #[test]
    fn what_is_clear_is_read_only_outside_of_a_session() {
        let packet = clear(0x10, &[1, 2, 3]);
        let read = read_clear(&packet).unwrap();
        assert_eq!((read.kind, read.payload), (0x10, &[1, 2, 3][..]));
        assert!(read_clear(&keys(Suite::Three).seal(1, 1, [0; 16], b"x")).is_err());
    }

    #[test]
    fn a_message_outside_of_a_session_has_either_header() {
        for header in [Header::Plus, Header::Old] {
            let packet = outside(header, b"a message");
            assert_eq!(read_outside(&packet).unwrap(), b"a message");
            for length in 0..packet.len() {
                assert!(read_outside(packet.get(..length).unwrap()).is_err());
            }
        }
        assert!(read_outside(&clear(0x11, b"a handshake")).is_err());
        let mut within = outside(Header::Old, b"a message");
        *within.get_mut(9).unwrap() = 7;
        assert!(read_outside(&within).is_err(), "it is of a session");
    }

    proptest! {
        #[test]
        fn any_datagram_is_a_packet_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..96), like in any::<bool>()) {
            let mut packet = bytes;
            if like {
                packet.splice(0..0, [6, 0, 0xFF, 7, 6]);
            }
            let _ = read_clear(&packet);
            let _ = read_outside(&packet);
            let _ = keys(Suite::Three).open(0, &packet);
            let _ = keys(Suite::Seventeen).open(0, &packet);
        }
    }
}
