//! Datagrams: RMCP, the session headers of IPMI 1.5 and 2.0, and the message inside with its two checksums.

use super::suite::Keys;

/// RMCP version 1.0, no acknowledgement wanted; the class follows.
const RMCP: [u8; 3] = [0x06, 0x00, 0xFF];
/// RMCP class of IPMI.
const CLASS_IPMI: u8 = 0x07;
/// RMCP class of ASF: presence ping and pong.
const CLASS_ASF: u8 = 0x06;
/// The number of the Alerting Specification Forum at IANA.
const ASF: [u8; 4] = [0x00, 0x00, 0x11, 0xBE];
/// ASF message types.
const PRESENCE_PING: u8 = 0x80;
const PRESENCE_PONG: u8 = 0x40;
/// Authentication types of a session header: none (IPMI 1.5), RMCP+.
const NO_AUTHENTICATION: u8 = 0x00;
const RMCP_PLUS: u8 = 0x06;
/// An IPMI message as payload, and the bits that say that it is hidden and proven.
const MESSAGE: u8 = 0x00;
const SEALED: u8 = 0xC0;
/// What stands before the integrity check, whose part is filled up to a multiple of four.
const NEXT_HEADER: u8 = 0x07;
/// Slave address of the BMC.
const BMC_ADDRESS: u8 = 0x20;

/// What a datagram is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// Somebody asks whether anybody is here; with the tag of the answer.
    Ping(u8),
    /// A message outside of any session, in the header of IPMI 1.5.
    Old(&'a [u8]),
    /// A message outside of any session, in the header of IPMI 2.0.
    Clear(&'a [u8]),
    /// A step of the handshake with its payload type.
    Handshake(u8, &'a [u8]),
    /// Something for a session.
    Sealed(Sealed<'a>),
}

/// A proven and hidden packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// For which session.
    pub session: u32,
    /// Its number in the session.
    pub sequence: u32,
    /// The hidden message.
    pub payload: &'a [u8],
    /// From the authentication type on, with the check behind it.
    pub proven: &'a [u8],
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Network function, even.
    pub netfn: u8,
    /// Command number.
    pub command: u8,
    /// What follows.
    pub data: &'a [u8],
    lun: u8,
    from: u8,
    number: u8,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Reads a datagram; `None` for what a BMC throws away.
#[must_use]
pub fn read(datagram: &[u8]) -> Option<Datagram<'_>> {
    let (class, body) = datagram.strip_prefix(&RMCP)?.split_first()?;
    match *class {
        CLASS_ASF => {
            let rest = body.strip_prefix(&ASF)?;
            (rest.first() == Some(&PRESENCE_PING)).then_some(Datagram::Ping(*rest.get(1)?))
        }
        CLASS_IPMI => match *body.first()? {
            NO_AUTHENTICATION => {
                let length = usize::from(*body.get(9)?);
                let outside = word(body, 5)? == 0;
                outside.then_some(Datagram::Old(body.get(10..10 + length)?))
            }
            RMCP_PLUS => read_plus(body),
            _ => None,
        },
        _ => None,
    }
}

fn read_plus(body: &[u8]) -> Option<Datagram<'_>> {
    let kind = *body.get(1)?;
    let (session, sequence) = (word(body, 2)?, word(body, 6)?);
    let length = usize::from(u16::from_le_bytes(body.get(10..12)?.try_into().ok()?));
    let payload = body.get(12..12 + length)?;
    match kind {
        MESSAGE if session == 0 => Some(Datagram::Clear(payload)),
        0x10 | 0x12 | 0x14 => Some(Datagram::Handshake(kind, payload)),
        SEALED => Some(Datagram::Sealed(Sealed {
            session,
            sequence,
            payload,
            proven: body,
        })),
        _ => None,
    }
}

impl Sealed<'_> {
    /// The message, where these keys prove and show it.
    #[must_use]
    pub fn open(&self, keys: &Keys) -> Option<Vec<u8>> {
        let at = self.proven.len().checked_sub(keys.check_length())?;
        let (sealed, check) = self.proven.split_at(at);
        (keys.check(sealed) == check).then(|| keys.decrypt(self.payload))?
    }
}

/// The answer to a ping: IPMI is spoken here.
#[must_use]
pub fn pong(tag: u8) -> Vec<u8> {
    let mut packet = RMCP.to_vec();
    packet.push(CLASS_ASF);
    packet.extend_from_slice(&ASF);
    packet.extend_from_slice(&[PRESENCE_PONG, tag, 0, 16]);
    packet.extend_from_slice(&ASF);
    // OEM-defined, then: IPMI and ASF 1.0, no interactions, reserved.
    packet.extend_from_slice(&[0, 0, 0, 0, 0x81, 0, 0, 0, 0, 0, 0, 0]);
    packet
}

/// A packet in the header of IPMI 1.5, outside of any session.
#[must_use]
pub fn old(message: &[u8]) -> Vec<u8> {
    let mut packet = RMCP.to_vec();
    packet.extend_from_slice(&[CLASS_IPMI, NO_AUTHENTICATION, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet.push(u8::try_from(message.len()).unwrap_or(u8::MAX));
    packet.extend_from_slice(message);
    packet
}

/// A packet in the header of IPMI 2.0, outside of any session.
#[must_use]
pub fn clear(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = RMCP.to_vec();
    packet.extend_from_slice(&[CLASS_IPMI, RMCP_PLUS, kind, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(&u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// A hidden and proven packet for the console's session.
#[must_use]
pub fn seal(keys: &Keys, session: u32, sequence: u32, vector: [u8; 16], message: &[u8]) -> Vec<u8> {
    let payload = keys.encrypt(vector, message);
    let mut sealed = vec![RMCP_PLUS, SEALED];
    sealed.extend_from_slice(&session.to_le_bytes());
    sealed.extend_from_slice(&sequence.to_le_bytes());
    sealed.extend_from_slice(&u16::try_from(payload.len()).unwrap_or(u16::MAX).to_le_bytes());
    sealed.extend_from_slice(&payload);
    let mut filled = 0;
    while !(sealed.len() + 2).is_multiple_of(4) {
        sealed.push(0xFF);
        filled += 1;
    }
    sealed.extend_from_slice(&[filled, NEXT_HEADER]);
    let check = keys.check(&sealed);
    let mut packet = RMCP.to_vec();
    packet.push(CLASS_IPMI);
    packet.extend_from_slice(&sealed);
    packet.extend_from_slice(&check);
    packet
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte))
}

impl<'a> Request<'a> {
    /// Reads a message; `None` where a checksum is wrong or it is for somebody else.
    #[must_use]
    pub fn read(message: &'a [u8]) -> Option<Self> {
        let (head, rest) = message.split_first_chunk::<3>()?;
        let (middle, rest) = rest.split_first_chunk::<3>()?;
        let (last, data) = rest.split_last()?;
        let whole = checksum(head) == 0
            && checksum(middle) == last.wrapping_add(data.iter().fold(0, |sum: u8, b| sum.wrapping_add(*b)));
        let for_us = head[0] == BMC_ADDRESS && (head[1] >> 2).is_multiple_of(2);
        (whole && for_us).then_some(Self {
            netfn: head[1] >> 2,
            lun: head[1] & 3,
            from: middle[0],
            number: middle[1],
            command: middle[2],
            data,
        })
    }

    /// The message that answers it.
    #[must_use]
    pub fn answer(&self, completion: u8, data: &[u8]) -> Vec<u8> {
        let mut head = vec![self.from, ((self.netfn | 1) << 2) | (self.number & 3)];
        head.push(checksum(&head));
        let mut body = vec![
            BMC_ADDRESS,
            (self.number & 0xFC) | self.lun,
            self.command,
            completion,
        ];
        body.extend_from_slice(data);
        body.push(checksum(&body));
        head.extend_from_slice(&body);
        head
    }
}
